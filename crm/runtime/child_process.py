"""Run a Python module that ends when its starter does: `python -m crm.runtime.child_process MODULE ARGUMENTS`.

The starter gives a pipe as standard input and keeps the other end. When it ends, however it ends, the kernel
closes that end; this works on every Unix, where the signal for it (PR_SET_PDEATHSIG) is Linux's alone.
"""

import os
import runpy
import signal
import sys
import threading


def main() -> None:
    """Become the module that the command line names."""
    threading.Thread(target=_end_with_starter, daemon=True).start()
    del sys.argv[0]
    runpy.run_module(sys.argv[0], run_name="__main__", alter_sys=True)


def _end_with_starter() -> None:
    while os.read(0, 1):
        pass
    os.kill(os.getpid(), signal.SIGTERM)


if __name__ == "__main__":
    main()
