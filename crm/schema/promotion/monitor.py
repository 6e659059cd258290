"""What watches a promotion while one long statement runs: it saves the progress and cancels the statement.

A build reports nothing to its own session, and cannot be asked to stop from there. A thread with a connection of its
own reads the progress views of the database and the state of the change.
"""

import logging
import threading
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from uuid import UUID

from django.db import DatabaseError, InterfaceError, connection
from django.db.backends.base.base import BaseDatabaseWrapper

from crm.schema.promotion.exceptions import ChangeStopped

logger = logging.getLogger(__name__)

INTERVAL_SECONDS = 0.5
SAVE_PROGRESS_SQL = """
UPDATE schema_changes SET step = %s, progress = %s WHERE id = %s AND state = %s
"""
PROGRESS_SQL = """
SELECT phase, CASE WHEN blocks_total > 0 THEN 100 * blocks_done / blocks_total
                   WHEN tuples_total > 0 THEN 100 * tuples_done / tuples_total
                   WHEN lockers_total > 0 THEN 100 * lockers_done / lockers_total END
  FROM pg_stat_progress_create_index WHERE pid = %s
"""


class ChangeMonitor:
    """Saves the progress of a change that is in `state`, and stops the job once it is in another."""

    def __init__(self, key: UUID, state: str, backend_id: int) -> None:
        self.key, self.state, self.backend_id = key, state, backend_id
        self.step = ""
        # How far a step is that runs many statements; a long statement says it itself.
        self.percent: int | None = None
        self.stopped, self.finished = threading.Event(), threading.Event()

    def check(self) -> None:
        """Raise ChangeStopped if a person stopped the change."""
        if self.stopped.is_set():
            raise ChangeStopped

    def wait(self, seconds: float) -> None:
        """Wait, unless a person stops the change; then raise ChangeStopped."""
        self.stopped.wait(seconds)
        self.check()

    def watch(self) -> None:
        """Save the progress until the job is finished; cancel its statement if a person stops it."""
        own_connection = connection.copy()
        try:
            while not self.finished.is_set():
                if not self.save_progress(own_connection):
                    self.stopped.set()
                    self.cancel(own_connection)
                self.finished.wait(INTERVAL_SECONDS)
        except (DatabaseError, InterfaceError):
            # The job goes on unwatched, and ends by itself if the database is down.
            logger.exception("The progress of the schema change %s is no longer saved.", self.key)
        finally:
            with suppress(DatabaseError, InterfaceError):
                own_connection.close()

    def save_progress(self, own_connection: BaseDatabaseWrapper) -> bool:
        """Save where the job is. Return False if the change is no longer in the state that the job works in."""
        with own_connection.cursor() as cursor:
            cursor.execute(PROGRESS_SQL, [self.backend_id])
            phase, percent = cursor.fetchone() or ("", self.percent)
            step = f"{self.step}: {phase}" if phase else self.step
            cursor.execute(SAVE_PROGRESS_SQL, [step[:200], percent, self.key, self.state])
            return cursor.rowcount == 1

    def cancel(self, own_connection: BaseDatabaseWrapper) -> None:
        with own_connection.cursor() as cursor:
            cursor.execute("SELECT pg_cancel_backend(%s)", [self.backend_id])


@contextmanager
def watched(key: UUID, state: str) -> Iterator[ChangeMonitor]:
    """Watch the job of a change in `state`; its statements run on Django's connection."""
    with connection.cursor() as cursor:
        cursor.execute("SELECT pg_backend_pid()")
        monitor = ChangeMonitor(key, state, cursor.fetchone()[0])
    thread = threading.Thread(target=monitor.watch, name="schema change monitor", daemon=True)
    thread.start()
    try:
        yield monitor
    finally:
        monitor.finished.set()
        thread.join()
