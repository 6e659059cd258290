"""The CRM for an application server, saying in two headers of each answer what it cost the database."""

import time
from collections.abc import Callable, Iterable
from typing import Any

from django.db import connection

from crm.wsgi import application as crm_application

# The number of statements, and the seconds that they took.
QUERIES_HEADER, QUERY_SECONDS_HEADER = "X-Bench-Queries", "X-Bench-Query-Seconds"


def application(environ: dict[str, Any], start_response: Callable[..., Any]) -> Iterable[bytes]:
    """Answer as the CRM does, with the two headers."""
    times: list[float] = []

    def measure(execute: Callable[..., Any], sql: str, params: Any, many: bool, context: Any) -> Any:
        started = time.perf_counter()
        try:
            return execute(sql, params, many, context)
        finally:
            times.append(time.perf_counter() - started)

    def start(status: str, headers: list[tuple[str, str]], *others: Any) -> Any:
        costs = [(QUERIES_HEADER, str(len(times))), (QUERY_SECONDS_HEADER, f"{sum(times):.6f}")]
        return start_response(status, [*headers, *costs], *others)

    with connection.execute_wrapper(measure):
        return crm_application(environ, start)
