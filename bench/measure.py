"""Measure the time, queries and size of a page."""

import re
import statistics
import time
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any
from urllib.parse import urlsplit

from django.db import connection
from django.test import Client

ROW_KEY = re.compile(r'name="_selected_action"\s+value="([0-9a-f-]{36})"')
NEXT_LINK = re.compile(r'rel="next"\s+href="([^"]+)"|href="([^"]+)"\s+rel="next"')


class PageFailed(Exception):
    """The page cannot be measured; the message says which and why."""


@dataclass(frozen=True)
class Page:
    """The measurements of one page; `rows` are the keys of its list, in order."""

    seconds: float
    queries: int
    size: int
    rows: tuple[str, ...]


class Statements:
    """Collects all database statements while installed as an execute wrapper."""

    def __init__(self) -> None:
        self.recorded: list[tuple[str, Any]] = []

    def __call__(self, execute: Callable[..., Any], sql: str, params: Any, many: bool, context: Any) -> Any:
        self.recorded.append((sql, params))
        return execute(sql, params, many, context)


def fetch_page(browser: Client, url: str) -> str:
    """Return the HTML at `url`.

    Raises:
        PageFailed: the response is not a page.
    """
    response = browser.get(url)
    if response.status_code != 200:
        raise PageFailed(f"{url} answers {response.status_code} {response.reason_phrase}.")
    return response.content.decode()


def measure_page(browser: Client, url: str, repeat: int) -> Page:
    """Measure the page at `url`: one warm-up that counts queries, then the median time of `repeat` requests."""
    html, statements = fetch_with_statements(browser, url)
    times = []
    for _ in range(repeat):
        started = time.perf_counter()
        fetch_page(browser, url)
        times.append(time.perf_counter() - started)
    return Page(statistics.median(times), len(statements), len(html.encode()), rows_of(html, urlsplit(url).path))


def rows_of(html: str, path: str) -> tuple[str, ...]:
    """Return the row keys of the list at `path`, from its checkboxes or else from its links."""
    linked_keys = re.findall(rf'href="{re.escape(path)}([0-9a-f-]{{36}})/change/', html)
    return tuple(ROW_KEY.findall(html)) or tuple(dict.fromkeys(linked_keys))


def fetch_with_statements(browser: Client, url: str) -> tuple[str, list[tuple[str, Any]]]:
    """Return the HTML at `url` and all its database statements."""
    statements = Statements()
    with connection.execute_wrapper(statements):
        html = fetch_page(browser, url)
    return html, statements.recorded


def next_link(html: str) -> str | None:
    """Return the URL of the page's Next link, if any."""
    found = NEXT_LINK.search(html)
    return (found[1] or found[2]).replace("&amp;", "&") if found else None
