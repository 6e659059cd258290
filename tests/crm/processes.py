"""Running our own programs from a test, as a shell would."""

import contextlib
import os
import signal
import subprocess
import sys
import threading
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from urllib.parse import quote

import psutil
from django.conf import settings
from django.db import connection

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
}


def environment(**variables: str) -> dict[str, str]:
    """The environment of this process, with these variables of ours and no others."""
    # Playwright's tests set Django's own one for the process they share with others.
    others = OUR_VARIABLES | {"DJANGO_ALLOW_ASYNC_UNSAFE"}
    return {name: value for name, value in os.environ.items() if name not in others} | variables


def start(*command: str, **variables: str) -> subprocess.Popen:
    """Start `python COMMAND` in the project folder; what it prints is read from its `stdout`."""
    return subprocess.Popen(
        [sys.executable, *command],
        cwd=settings.BASE_DIR,
        env=environment(**variables),
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
        start_new_session=True,
    )


def manage(*arguments: str, **variables: str) -> subprocess.CompletedProcess:
    """Run a command to its end; `stdout` has all it printed."""
    return subprocess.run(
        [sys.executable, "manage.py", *arguments],
        cwd=settings.BASE_DIR,
        env=environment(**variables),
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
        timeout=60,
        check=False,
    )


@contextlib.contextmanager
def running(*command: str, **variables: str) -> Iterator[subprocess.Popen]:
    """A started process that is gone after the block, whatever happens in it."""
    process = start(*command, **variables)
    try:
        yield process
    finally:
        with contextlib.suppress(ProcessLookupError):
            os.killpg(process.pid, signal.SIGKILL)
        process.stdout.close()
        process.wait()


def line_with(process: subprocess.Popen, *words: str) -> str:
    """The first line that `process` prints with any of these in it; it is killed when that takes a minute."""
    said = []
    patience = threading.Timer(60, process.kill)
    patience.start()
    try:
        for line in process.stdout:
            if any(each in line for each in words):
                return line
            said.append(line)
    finally:
        patience.cancel()
    raise AssertionError(f"{words} was never printed, but this: {''.join(said)}")


def eventually(happened: Callable[[], bool], seconds: float = 20) -> bool:
    """Whether it happens in time."""
    deadline = time.monotonic() + seconds
    while time.monotonic() < deadline:
        if happened():
            return True
        time.sleep(0.05)
    return False


def url_of_test_database(name: str | None = None) -> str:
    """DATABASE_URL for a process that is to use the database of this test, or another on its server."""
    its = connection.settings_dict
    name = name or its["NAME"]
    host, user, password = (quote(str(its[key]), safe="") for key in ("HOST", "USER", "PASSWORD"))
    return f"postgresql://{user}:{password}@{host}:{its['PORT'] or 5432}/{name}"


def children_of(pid: int) -> set[int]:
    """The processes that `pid` has started, and theirs."""
    return {child.pid for child in psutil.Process(pid).children(recursive=True)}


def is_dead(pid: int) -> bool:
    """Whether the process has ended, be it collected by its parent or not."""
    try:
        return psutil.Process(pid).status() == psutil.STATUS_ZOMBIE
    except psutil.NoSuchProcess:
        return True


def files_below(folder: Path) -> list[Path]:
    """What lies in a folder; nothing when there is none."""
    return sorted(folder.iterdir()) if folder.exists() else []
