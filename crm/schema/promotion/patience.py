"""Statements that change the schema while others work: they wait for locks in turns and never fail for that reason.

A statement that waits for a lock makes later ones wait behind it, so it gives up after a moment, pauses for a random
time and tries again. Each attempt may wait longer than the one before: a build that waits for the transactions of
others blocks no one, and one that gives up has to start anew. A statement that locks readers or writers out never
waits for more than a blink: while it waits, everyone who comes later waits behind it.
"""

import random
from collections.abc import Callable, Iterator

from django.db import DatabaseError, connection
from psycopg import sql
from psycopg.errors import DeadlockDetected, LockNotAvailable, QueryCanceled

from crm.schema.promotion.monitor import ChangeMonitor

FIRST_LOCK_TIMEOUT_MS, MAX_LOCK_TIMEOUT_MS = 2_000, 15 * 60_000
# Of statements that lock others out of the table.
EXCLUSIVE_LOCK_TIMEOUT_MS = 40
FIRST_PAUSE_SECONDS, MAX_PAUSE_SECONDS = 0.5, 30.0
BUSY_ERRORS = (LockNotAvailable, DeadlockDetected)


def pauses(first_lock_timeout: int, max_lock_timeout: int) -> Iterator[tuple[int, float]]:
    """Yield the lock timeout (ms) of each attempt and the pause (seconds) after it, both growing up to a limit."""
    lock_timeout, pause = first_lock_timeout, FIRST_PAUSE_SECONDS
    while True:
        yield lock_timeout, pause * random.uniform(0.5, 1.5)
        lock_timeout, pause = min(2 * lock_timeout, max_lock_timeout), min(2 * pause, MAX_PAUSE_SECONDS)


def run_patiently(
    statement: sql.Composable,
    monitor: ChangeMonitor,
    clean_up: Callable[[], None] = lambda: None,
    *,
    locks_others_out: bool = False,
) -> None:
    """Execute `statement` outside of a transaction, again and again while others hold what it needs.

    `clean_up` removes what an attempt left. `locks_others_out` says that others cannot read or write the table while
    the statement waits. The timeouts stay set for the session, which the job closes at its end. Raises ChangeStopped
    once a person stopped the change.
    """
    step = monitor.step
    limits = (EXCLUSIVE_LOCK_TIMEOUT_MS,) * 2 if locks_others_out else (FIRST_LOCK_TIMEOUT_MS, MAX_LOCK_TIMEOUT_MS)
    for lock_timeout, pause in pauses(*limits):
        monitor.check()
        try:
            with connection.cursor() as cursor:
                cursor.execute(f"SET statement_timeout = 0; SET lock_timeout = {lock_timeout}")
                cursor.execute(statement)
            return
        except DatabaseError as error:
            monitor.check()
            if not isinstance(error.__cause__, (*BUSY_ERRORS, QueryCanceled)):
                raise
        monitor.step = f"{step}, waiting for other work on the table"
        monitor.wait(pause)
        clean_up()
        monitor.step = step
