"""The CRM behind HTTP with the settings of production, as `manage.py serve` starts it, and browsers logged in to it."""

import os
import statistics
import subprocess
import sys
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from http.client import HTTPConnection
from unittest.mock import patch

from django.conf import settings
from django.test import Client, override_settings

from bench.child_processes import database_url
from bench.counting_application import QUERIES_HEADER, QUERY_SECONDS_HEADER
from bench.databases import use_database
from bench.measure import PageFailed
from crm.models import User
from crm.runtime.serving import ProcessGroup, is_serving, open_listener

HOST, START_SECONDS, REQUEST_SECONDS = "127.0.0.1", 120, 120
# Both sign sessions with it.
SECRET_KEY = "a key of benchmarks, which is long enough for production and keeps nothing secret"
PRODUCTION = {
    "DEBUG": "false",
    "ALLOWED_HOSTS": HOST,
    "SECRET_KEY": SECRET_KEY,
    # A key of the right form; benchmarks store no passwords of mailboxes.
    "CREDENTIALS_KEYS": "YmVuY2htYXJrcy1rZWVwLW5vdGhpbmctc2VjcmV0ISE=",
    "LOG_LEVEL": "ERROR",
}
PERCENTILE = 0.95
# An address that begins with it is sent as an empty form.
POST = "POST "
CSRF_TOKEN = "x" * 32


@dataclass(frozen=True)
class Answer:
    """An answer of the server: `query_seconds` is the part of `seconds` that its statements took."""

    status: int
    seconds: float
    queries: int
    query_seconds: float
    body: bytes


@dataclass(frozen=True)
class PageTime:
    """The times of one page in seconds, with the statements and the bytes of an answer."""

    median: float
    p95: float
    queries: int
    query_seconds: float
    size: int


class Browser:
    """A logged-in user's browser, which keeps its connection open."""

    def __init__(self, port: int, session_key: str) -> None:
        self.connection = HTTPConnection(HOST, port, timeout=REQUEST_SECONDS)
        self.headers = {
            "Cookie": f"{settings.SESSION_COOKIE_NAME}={session_key}; {settings.CSRF_COOKIE_NAME}={CSRF_TOKEN}",
            "X-CSRFToken": CSRF_TOKEN,
            "Referer": f"https://{HOST}:{port}/",
            "Content-Type": "application/x-www-form-urlencoded",
            # As from the proxy that ends TLS.
            "X-Forwarded-Proto": "https",
        }

    def get(self, url: str) -> Answer:
        """Return the whole answer to a request."""
        method = "POST" if url.startswith(POST) else "GET"
        # Gunicorn closes connections that are idle for two seconds, so each request opens its own.
        self.connection.close()
        started = time.perf_counter()
        self.connection.request(method, url.removeprefix(POST), headers=self.headers)
        response = self.connection.getresponse()
        body = response.read()
        seconds = time.perf_counter() - started
        costs = response.headers
        return Answer(response.status, seconds, int(costs[QUERIES_HEADER]), float(costs[QUERY_SECONDS_HEADER]), body)

    def measure(self, url: str, repeat: int) -> PageTime | None:
        """Time the page at `url`, after a warm-up; None if the user may not open it.

        Raises:
            PageFailed: the answer is no page.
        """
        first = self.get(url)
        if first.status == 403:
            return None
        if first.status != 200:
            raise PageFailed(f"{url} answers {first.status}.")
        answers = sorted((self.get(url) for _ in range(repeat)), key=lambda answer: answer.seconds)
        return PageTime(
            statistics.median(answer.seconds for answer in answers),
            answers[min(int(PERCENTILE * len(answers)), len(answers) - 1)].seconds,
            answers[0].queries,
            statistics.median(answer.query_seconds for answer in answers),
            len(answers[0].body),
        )


def collect_static_files() -> None:
    """Collect the static files: every page of production contains their names."""
    command = [sys.executable, "manage.py", "collectstatic", "--noinput", "--verbosity=0"]
    subprocess.run(command, cwd=settings.BASE_DIR, env={**os.environ, **PRODUCTION}, check=True)


@contextmanager
def web_server(database: str) -> Iterator[int]:
    """Serve the CRM on `database`; yield the port."""
    group = ProcessGroup(settings.BASE_DIR)
    with open_listener(HOST, 0) as listener, use_database(database):
        port = listener.getsockname()[1]
        with patch.dict(os.environ, {**PRODUCTION, "DATABASE_URL": database_url()}):
            group.start_web(listener, "bench.counting_application")
    try:
        wait_until_serving(group, port)
        yield port
    finally:
        group.stop_all(threading.Event())


def wait_until_serving(group: ProcessGroup, port: int) -> None:
    deadline = time.monotonic() + START_SECONDS
    while not is_serving(HOST, port):
        if any(process.has_ended for process in group.processes.values()) or time.monotonic() > deadline:
            raise PageFailed("The web server did not start.")
        time.sleep(0.1)


def session_key(user: User) -> str:
    """Return the key of a new session of `user` in the current database."""
    with override_settings(SECRET_KEY=SECRET_KEY):
        client = Client()
        client.force_login(User.objects.get(pk=user.pk))
        return client.cookies[settings.SESSION_COOKIE_NAME].value
