"""The web server and its worker as one thing: they start together, run together and end together."""

import contextlib
import errno
import os
import signal
import socket
import subprocess
import sys
import threading
import time
from collections.abc import Iterator
from dataclasses import dataclass, field
from http.client import HTTPConnection, HTTPException
from pathlib import Path

from crm.runtime.embedded import locks

# Seconds: gunicorn lets requests finish for 30, a worker its jobs; then they are killed.
SHUTDOWN_GRACE_SECONDS = 35
WEB_PROCESSES, WEB_THREADS = 2, 4


class CannotServe(Exception):
    """Serving is not possible; the message is one sentence for a person."""


@contextlib.contextmanager
def single_instance_lock(lock: Path, address: str) -> Iterator[None]:
    """Be the one that serves this checkout, or say where it is served already."""
    try:
        lock.parent.mkdir(parents=True, exist_ok=True)
        lock_descriptor = locks.try_acquire_exclusive(lock)
    except OSError as error:
        raise CannotServe(f"{lock} cannot be used: {error.strerror}.") from error
    if lock_descriptor is None:
        raise CannotServe(f"The CRM is served already, at {lock.read_text()}: stop that one first.")
    try:
        lock.write_text(address)
        yield
    finally:
        os.close(lock_descriptor)


def open_listener(host: str, port: int) -> socket.socket:
    """The socket to serve on, taken before anything starts, so that nobody else gets the port meanwhile."""
    family = socket.AF_INET6 if ":" in host else socket.AF_INET
    listener = socket.socket(family, socket.SOCK_STREAM)
    try:
        listener.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        listener.bind((host, port))
        listener.listen(2048)
    except OSError as error:
        listener.close()
        if error.errno == errno.EADDRINUSE:
            raise CannotServe(
                f"Port {port} is in use by another program: choose another, as in PORT={port + 1} make demo."
            ) from error
        raise CannotServe(f"{host}:{port} cannot be served on: {error.strerror}.") from error
    return listener


@dataclass
class ProcessGroup:
    """The processes that serve; each ends by itself when we are gone (see `crm.runtime.child_process`)."""

    folder: Path
    processes: dict[str, subprocess.Popen] = field(default_factory=dict)

    def start(self, name: str, module: str, *arguments: str, pass_fds: tuple[int, ...] = ()) -> None:
        """Run a Python module as a child called `name`."""
        self.processes[name] = subprocess.Popen(
            [sys.executable, "-m", "crm.runtime.child_process", module, *arguments],
            cwd=self.folder,
            stdin=subprocess.PIPE,
            pass_fds=pass_fds,
            # Ctrl-C reaches all processes of a terminal's group at once; we want to be the one who ends them.
            start_new_session=True,
        )

    def start_web(self, listener: socket.socket) -> None:
        """Run the application server on a socket that is listening already."""
        arguments = [
            f"--bind=fd://{listener.fileno()}",
            f"--workers={WEB_PROCESSES}",
            f"--threads={WEB_THREADS}",
        ]
        quiet = ["--log-level=warning", "--no-control-socket"]
        self.start("web server", "gunicorn", "crm.wsgi", *arguments, *quiet, pass_fds=(listener.fileno(),))

    def start_catcher(self, listener: socket.socket) -> None:
        """Run what catches our mails on a socket that is listening already."""
        self.start("mail catcher", "manage", "catch_mail", f"--fd={listener.fileno()}", pass_fds=(listener.fileno(),))

    def find_ended_process(self) -> str | None:
        """The name of a member that has ended by itself."""
        return next((name for name, child in self.processes.items() if child.poll() is not None), None)

    def stop_all(self, kill_now: threading.Event) -> None:
        """Ask all to end, wait for them, and kill what does not; set `kill_now` to wait no longer."""
        for child in self.processes.values():
            child.terminate()
        deadline = time.monotonic() + SHUTDOWN_GRACE_SECONDS
        while time.monotonic() < deadline and not kill_now.is_set():
            if all(child.poll() is not None for child in self.processes.values()):
                return
            time.sleep(0.05)
        for child in self.processes.values():
            with contextlib.suppress(ProcessLookupError):
                # Each leads a group of its own, so that the web server's processes go with it.
                os.killpg(child.pid, signal.SIGKILL)
            child.wait()


def is_serving(host: str, port: int) -> bool:
    """Whether a page is served; any page will do."""
    connection = HTTPConnection(host, port, timeout=1)
    try:
        connection.request("HEAD", "/")
        connection.getresponse()
    except (OSError, HTTPException):
        return False
    finally:
        connection.close()
    return True
