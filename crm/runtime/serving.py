"""Run the web server and its worker as one group: they start, run and end together."""

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

# Seconds before a process that ended is started again: doubled each time it ends soon, up to the maximum.
FIRST_RESTART_DELAY, MAX_RESTART_DELAY = 1.0, 60.0
# After so many seconds of work, an end counts as the first again.
STABLE_AFTER_SECONDS = 60.0
# People wait for the web server. Meanwhile their requests wait on its socket, which stays open.
WEB_RESTART_DELAY, WEB_STABLE_AFTER_SECONDS = 0.25, 5.0
# Seconds. Gunicorn gives requests 30 to finish and a worker its jobs; then they are killed.
SHUTDOWN_GRACE_SECONDS = 35
WEB_PROCESSES, WEB_THREADS = 2, 4
WEB_SERVER, WORKER, MAIL_CATCHER = "web server", "worker", "mail catcher"


class CannotServe(Exception):
    """The CRM cannot be served; the message is a sentence for the user."""


@contextlib.contextmanager
def single_instance_lock(lock: Path, address: str) -> Iterator[None]:
    """Hold the lock of the only server of this checkout, or report the address of the running one."""
    try:
        lock.parent.mkdir(parents=True, exist_ok=True)
        lock_descriptor = locks.try_acquire_exclusive(lock)
    except OSError as error:
        raise CannotServe(f"{lock} cannot be used: {error.strerror}.") from error
    if lock_descriptor is None:
        raise CannotServe(f"The CRM already runs at {lock.read_text()}. Stop it first.")
    try:
        lock.write_text(address)
        yield
    finally:
        os.close(lock_descriptor)


def open_listener(host: str, port: int) -> socket.socket:
    """Return the listening socket, opened before any process starts so that the port stays reserved."""
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
                f"Port {port} is in use by another program. Choose another, as in PORT={port + 1} make demo."
            ) from error
        raise CannotServe(f"Cannot listen on {host}:{port}: {error.strerror}.") from error
    return listener


@dataclass
class Restarts:
    """When a process that ended is started again. Times are those of `time.monotonic`."""

    started_at: float
    first_delay: float = FIRST_RESTART_DELAY
    stable_after: float = STABLE_AFTER_SECONDS
    # The next delay.
    delay: float = 0.0
    # None while the process runs.
    due_at: float | None = None

    def plan(self, now: float) -> float:
        """Plan the next start; return the seconds until then."""
        if not self.delay or now - self.started_at > self.stable_after:
            self.delay = self.first_delay
        wait = self.delay
        self.due_at, self.delay = now + wait, min(self.delay * 2, MAX_RESTART_DELAY)
        return wait

    def begin(self, now: float) -> None:
        self.started_at, self.due_at = now, None


@dataclass
class ServingProcess:
    """A process of the group, and how it is started again."""

    command: list[str]
    pass_fds: tuple[int, ...]
    restarts: Restarts
    child: subprocess.Popen

    @property
    def has_ended(self) -> bool:
        return self.child.poll() is not None


@dataclass
class ProcessGroup:
    """The serving processes; each ends when the parent ends (see `crm.runtime.child_process`)."""

    folder: Path
    processes: dict[str, ServingProcess] = field(default_factory=dict)

    def start(
        self, name: str, module: str, *arguments: str, pass_fds: tuple[int, ...] = (), **restart_rules: float
    ) -> None:
        """Run a Python module as a child process called `name`; what is passed must stay open for its next start."""
        command = [sys.executable, "-m", "crm.runtime.child_process", module, *arguments]
        restarts = Restarts(time.monotonic(), **restart_rules)
        self.processes[name] = ServingProcess(command, pass_fds, restarts, self._open(command, pass_fds))

    def _open(self, command: list[str], pass_fds: tuple[int, ...]) -> subprocess.Popen:
        return subprocess.Popen(
            command,
            cwd=self.folder,
            stdin=subprocess.PIPE,
            pass_fds=pass_fds,
            # Ctrl-C reaches every process of the terminal's group; the parent must be the one to stop the children.
            start_new_session=True,
        )

    def start_web(self, listener: socket.socket, application: str = "crm.wsgi") -> None:
        """Run the application server on an already listening socket; `application` is a module."""
        arguments = [
            f"--bind=fd://{listener.fileno()}",
            f"--workers={WEB_PROCESSES}",
            f"--threads={WEB_THREADS}",
            # The program is loaded once, before the processes divide.
            "--preload",
        ]
        quiet = ["--log-level=warning", "--no-control-socket"]
        rules = {"first_delay": WEB_RESTART_DELAY, "stable_after": WEB_STABLE_AFTER_SECONDS}
        self.start(WEB_SERVER, "gunicorn", application, *arguments, *quiet, pass_fds=(listener.fileno(),), **rules)

    def start_catcher(self, listener: socket.socket) -> None:
        """Run the mail catcher on an already listening socket."""
        self.start(MAIL_CATCHER, "manage", "catch_mail", f"--fd={listener.fileno()}", pass_fds=(listener.fileno(),))

    def start_worker(self) -> None:
        """Run a worker."""
        self.start(WORKER, "manage", "worker")

    def restart_ended(self) -> list[str]:
        """Start each ended process again once its pause is over; return what to say about it."""
        lines = (self._restart(name, process) for name, process in self.processes.items() if process.has_ended)
        return [line for line in lines if line]

    def _restart(self, name: str, process: ServingProcess) -> str:
        restarts, now = process.restarts, time.monotonic()
        if restarts.due_at is None:
            code, wait = process.child.returncode, restarts.plan(now)
            return f"The {name} ended unexpectedly (exit code {code}). It is started again in {wait:g} s; see above."
        if now < restarts.due_at:
            return ""
        process.child = self._open(process.command, process.pass_fds)
        restarts.begin(now)
        return f"The {name} is started again."

    def stop_all(self, kill_now: threading.Event) -> None:
        """Terminate all processes and kill those that do not end in time; set `kill_now` to skip the wait."""
        children = [process.child for process in self.processes.values()]
        for child in children:
            child.terminate()
        deadline = time.monotonic() + SHUTDOWN_GRACE_SECONDS
        while time.monotonic() < deadline and not kill_now.is_set():
            if all(child.poll() is not None for child in children):
                return
            time.sleep(0.05)
        for child in children:
            with contextlib.suppress(ProcessLookupError):
                # Each child leads its own group, so that the web server's processes are killed with it.
                os.killpg(child.pid, signal.SIGKILL)
            child.wait()


def is_serving(host: str, port: int) -> bool:
    """Return whether the server answers with any page."""
    connection = HTTPConnection(host, port, timeout=1)
    try:
        connection.request("HEAD", "/")
        connection.getresponse()
    except (OSError, HTTPException):
        return False
    finally:
        connection.close()
    return True
