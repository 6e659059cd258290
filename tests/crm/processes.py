"""Run CRM commands from a test, like a shell."""

import contextlib
import gc
import io
import os
import signal
import smtplib
import socket
import subprocess
import sys
import threading
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from unittest import mock
from urllib.parse import quote

import psutil
from django.conf import settings
from django.db import connection

from manage import main as run_command

# How long to wait for what must happen: ample on a busy machine, and no test asserts it.
PATIENCE_SECONDS = 120
OUR_VARIABLES = {
    "ALLOWED_HOSTS",
    "CREDENTIALS_KEYS",
    "CSRF_TRUSTED_ORIGINS",
    "DATABASE_URL",
    "DATA_DIR",
    "DEBUG",
    "EMAIL_TIMEOUT",
    "EMAIL_URL",
    "LOG_LEVEL",
    "MAIL_CATCHER_PORT",
    "MAIL_FROM",
    "PORT",
    "SECRET_KEY",
    "TIME_ZONE",
    "DATE_FORMAT",
    "TIME_FORMAT",
}


def process_environment(**variables: str) -> dict[str, str]:
    """Return this process's environment, with only these CRM variables."""
    # Playwright's tests set Django's own variable for the shared process.
    others = OUR_VARIABLES | {"DJANGO_ALLOW_ASYNC_UNSAFE"}
    return {name: value for name, value in os.environ.items() if name not in others} | variables


def start_process(*command: str, **variables: str) -> subprocess.Popen:
    """Start `python COMMAND` in the project folder; read its output from `stdout`."""
    return subprocess.Popen(
        [sys.executable, *command],
        cwd=settings.BASE_DIR,
        env=process_environment(**variables),
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
        start_new_session=True,
    )


def manage(*arguments: str, **variables: str) -> subprocess.CompletedProcess:
    """Run a command to its end; `stdout` has all its output."""
    return subprocess.run(
        [sys.executable, "manage.py", *arguments],
        cwd=settings.BASE_DIR,
        env=process_environment(**variables),
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
        timeout=PATIENCE_SECONDS,
        check=False,
    )


def manage_here(*arguments: str) -> subprocess.CompletedProcess:
    """Run a command that fails at once in this process, which saves the start of another; `stdout` has all its output.

    It uses the settings and the database of this process, so the test commits.
    """
    output, code = io.StringIO(), 0
    with (
        restored_process_state(),
        mock.patch.object(sys, "argv", ["manage.py", *arguments]),
        contextlib.redirect_stdout(output),
        contextlib.redirect_stderr(output),
    ):
        try:
            run_command()
        except SystemExit as error:
            # The interpreter prints a text and ends with 1.
            code = error.code if isinstance(error.code, int) else 1
            output.write("" if isinstance(error.code, int) else f"{error.code}\n")
    return subprocess.CompletedProcess(arguments, code, output.getvalue())


@contextlib.contextmanager
def restored_process_state() -> Iterator[None]:
    """Restore what a command sets for its whole process."""
    handlers = {number: signal.getsignal(number) for number in (signal.SIGINT, signal.SIGTERM, signal.SIGHUP)}
    thresholds = gc.get_threshold()
    try:
        yield
    finally:
        gc.set_threshold(*thresholds)
        for number, handler in handlers.items():
            signal.signal(number, handler)


@contextlib.contextmanager
def running(*command: str, **variables: str) -> Iterator[subprocess.Popen]:
    """Yield a started process that is ended after the block in any case."""
    process = start_process(*command, **variables)
    try:
        yield process
    finally:
        with contextlib.suppress(ProcessLookupError):
            os.killpg(process.pid, signal.SIGKILL)
        process.stdout.close()
        process.wait()


def wait_for_line(process: subprocess.Popen, *words: str) -> str:
    """Return the first output line of `process` with any of these words; kill it if none comes."""
    output_lines = []
    patience = threading.Timer(PATIENCE_SECONDS, process.kill)
    patience.start()
    try:
        for line in process.stdout:
            if any(word in line for word in words):
                return line
            output_lines.append(line)
    finally:
        patience.cancel()
    raise AssertionError(f"{words} was not printed; the output was: {''.join(output_lines)}")


def wait_until(condition: Callable[[], bool], seconds: float = PATIENCE_SECONDS) -> bool:
    """Return whether the condition becomes true in time."""
    deadline = time.monotonic() + seconds
    while time.monotonic() < deadline:
        if condition():
            return True
        time.sleep(0.05)
    return False


def current_database_url(name: str | None = None) -> str:
    """Return DATABASE_URL for this test's database, or another one on its server."""
    its = connection.settings_dict
    name = name or its["NAME"]
    host, user, password = (quote(str(its[key]), safe="") for key in ("HOST", "USER", "PASSWORD"))
    return f"postgresql://{user}:{password}@{host}:{its['PORT'] or 5432}/{name}"


def free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return probe.getsockname()[1]


def send_email(port: int, *, body: str = "Hello") -> None:
    """Send an email to the mail server at `port`; its Message-ID is no name for a file."""
    with smtplib.SMTP("127.0.0.1", port, timeout=10) as server:
        server.sendmail("a@b.example", ["lee@example.com"], f"Message-ID: <../../x@y>\nSubject: Hi\n\n{body}\n")


def children_of(pid: int) -> set[int]:
    """Return all descendants of `pid`."""
    return {child.pid for child in psutil.Process(pid).children(recursive=True)}


def is_dead(pid: int) -> bool:
    """Return whether the process has ended, even as a zombie."""
    try:
        return psutil.Process(pid).status() == psutil.STATUS_ZOMBIE
    except psutil.NoSuchProcess:
        return True


def list_files(folder: Path) -> list[Path]:
    """Return the files of a folder, or none if it is missing."""
    return sorted(folder.iterdir()) if folder.exists() else []
