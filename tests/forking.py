"""A child that begins as a copy of the test process, with everything imported and set as in the test.

A new interpreter takes two seconds of processor time to get there, so only tests of the start itself need one.
"""

import asyncio
import os
import signal
import sys
import traceback
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from typing import Any

from django.db import connections

# The connections of the test process: a child must not even close them.
of_the_parent = []


class Child:
    """The process that calls `work`; like `subprocess.Popen`, with pipes for its input and its output."""

    def __init__(self, work: Callable[..., Any], *arguments: Any) -> None:
        input_end, self_input = os.pipe()
        self_output, output_end = os.pipe()
        sys.stdout.flush()
        self.returncode: int | None = None
        self.pid = os.fork()
        if self.pid == 0:
            become_child(work, arguments, input_end, output_end)
        with suppress(OSError):  # the child does it too; whoever comes first
            os.setpgid(self.pid, self.pid)
        os.close(input_end)
        os.close(output_end)
        self.stdin = open(self_input, "w")  # noqa: SIM115
        self.stdout = open(self_output)  # noqa: SIM115

    def kill(self) -> None:
        if self.returncode is None:
            os.kill(self.pid, signal.SIGKILL)

    def wait(self) -> int:
        if self.returncode is None:
            self.returncode = os.waitstatus_to_exitcode(os.waitpid(self.pid, 0)[1])
        return self.returncode

    def communicate(self) -> tuple[str, None]:
        said = self.stdout.read()
        self.wait()
        return said, None


def become_child(work: Callable[..., Any], arguments: tuple[Any, ...], input_end: int, output_end: int) -> None:
    """Do the work and end; nothing of the test process may run on here."""
    code = 1
    try:
        with suppress(OSError):
            os.setpgid(0, 0)
        os.dup2(input_end, 0)
        os.dup2(output_end, 1)
        os.dup2(output_end, 2)
        sys.stdin, sys.stdout = open(0, closefd=False), open(1, "w", buffering=1, closefd=False)  # noqa: SIM115
        sys.stderr = sys.stdout
        signal.signal(signal.SIGINT, signal.default_int_handler)
        # The browser of other tests leaves an event loop running.
        asyncio.events._set_running_loop(None)
        of_the_parent.append(connections["default"])
        del connections["default"]
        work(*arguments)
        code = 0
    finally:
        if code:
            traceback.print_exc()
        with suppress(OSError):
            sys.stdout.flush()
        os._exit(code)


@contextmanager
def forked(work: Callable[..., Any], *arguments: Any) -> Iterator[Child]:
    """Yield a child that calls `work`, and is ended after the block in any case."""
    child = Child(work, *arguments)
    try:
        yield child
    finally:
        child.kill()
        child.stdout.close()
        with suppress(BrokenPipeError):
            child.stdin.close()
        child.wait()
