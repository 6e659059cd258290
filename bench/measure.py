"""How long a page takes, how often it asks the database, how much it weighs."""

import re
import statistics
import time
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any
from urllib.parse import urlsplit

from django.db import connection
from django.test import Client

ROW_KEY = re.compile(r'name="_selected_action" value="([0-9a-f-]{36})"')
NEXT_LINK = re.compile(r'rel="next"\s+href="([^"]+)"|href="([^"]+)"\s+rel="next"')


class PageFailed(Exception):
    """A page that cannot be measured; the message says which and why."""


@dataclass(frozen=True)
class Page:
    """What was measured of one page; `rows` are the keys in its list, in their order."""

    seconds: float
    queries: int
    size: int
    rows: tuple[str, ...]


class Statements:
    """Everything that is asked of the database while it is installed as an execute wrapper."""

    def __init__(self) -> None:
        self.recorded: list[tuple[str, Any]] = []

    def __call__(self, execute: Callable[..., Any], sql: str, params: Any, many: bool, context: Any) -> Any:
        self.recorded.append((sql, params))
        return execute(sql, params, many, context)


def fetch_page(browser: Client, url: str) -> str:
    """The HTML at `url`.

    Raises:
        PageFailed: it is no page.
    """
    response = browser.get(url)
    if response.status_code != 200:
        raise PageFailed(f"{url} answers {response.status_code} {response.reason_phrase}.")
    return response.content.decode()


def measure_page(browser: Client, url: str, repeat: int) -> Page:
    """The page at `url`: counted once, which also warms up, then timed `repeat` times (the median counts)."""
    html, statements = fetch_with_statements(browser, url)
    times = []
    for _ in range(repeat):
        started = time.perf_counter()
        fetch_page(browser, url)
        times.append(time.perf_counter() - started)
    return Page(statistics.median(times), len(statements), len(html.encode()), rows_of(html, urlsplit(url).path))


def rows_of(html: str, path: str) -> tuple[str, ...]:
    """The keys of the rows of the list at `path`: of their boxes to tick, or where there are none of their links."""
    linked_keys = re.findall(rf'href="{re.escape(path)}([0-9a-f-]{{36}})/change/', html)
    return tuple(ROW_KEY.findall(html)) or tuple(dict.fromkeys(linked_keys))


def fetch_with_statements(browser: Client, url: str) -> tuple[str, list[tuple[str, Any]]]:
    """The HTML at `url` and every statement that it took."""
    statements = Statements()
    with connection.execute_wrapper(statements):
        html = fetch_page(browser, url)
    return html, statements.recorded


def next_link(html: str) -> str | None:
    """Where the page's link to the next one leads, if it has one."""
    found = NEXT_LINK.search(html)
    return (found[1] or found[2]).replace("&amp;", "&") if found else None
