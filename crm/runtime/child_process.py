"""Run a Python module that ends when its parent process ends: `python -m crm.runtime.child_process MODULE ARGUMENTS`.

The parent passes a pipe as standard input and keeps the other end. The kernel closes that end when the parent
dies for any reason. This works on every Unix, whereas PR_SET_PDEATHSIG exists on Linux only.
"""

import os
import runpy
import signal
import sys
import threading


def main() -> None:
    """Run the module named on the command line."""
    threading.Thread(target=_end_with_starter, daemon=True).start()
    del sys.argv[0]
    runpy.run_module(sys.argv[0], run_name="__main__", alter_sys=True)


def _end_with_starter() -> None:
    while os.read(0, 1):
        pass
    os.kill(os.getpid(), signal.SIGTERM)


if __name__ == "__main__":
    main()
