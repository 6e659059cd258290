"""Fill a new column or table while everyone works: small batches along the primary key, with pauses.

The rows that were there at the beginning are walked once; a trigger sees to all later ones, so it ends under any load.
A row that another transaction has locked is passed over and filled later.
"""

import time
from abc import ABC, abstractmethod
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Any
from uuid import UUID

from django.db import OperationalError, connection
from psycopg import sql
from psycopg.errors import QueryCanceled

from crm.schema.promotion.monitor import ChangeMonitor
from crm.schema.promotion.patience import BUSY_ERRORS
from crm.screens.custom_fields.filter_plans import estimate_table_rows

FIRST_BATCH_ROWS, MIN_BATCH_ROWS, MAX_BATCH_ROWS = 200, 20, 5_000
# A batch holds the locks of its rows until it ends, so it is stopped at the limit and tried again with fewer rows.
TARGET_SECONDS, LIMIT_MS = 0.04, 80
# A batch is followed by a pause of this many times its duration for each session at work, up to a limit.
PAUSE_RATIO, MAX_BUSY_SESSIONS = 0.25, 4
MAX_LAG_BYTES, LAG_PAUSE_SECONDS = 16 * 1024 * 1024, 1.0
LOCKED_ROWS_PAUSE_SECONDS = 0.5

LAST_ROW_SQL = "SELECT id FROM {table} ORDER BY id DESC LIMIT 1"
END_OF_BATCH_SQL = "SELECT id FROM {table} WHERE id > {first} AND id <= {last} ORDER BY id OFFSET {rows} LIMIT 1"
FILL_SQL = """
UPDATE {table} SET {name} = {value}
 WHERE id IN (SELECT id FROM {table} WHERE id > {first} AND id <= {last} AND {name} IS DISTINCT FROM {value}
               ORDER BY id FOR NO KEY UPDATE SKIP LOCKED)
"""
COUNT_DIVERGING_SQL = """
SELECT count(*) FROM {table} WHERE id > {first} AND id <= {last} AND {name} IS DISTINCT FROM {value}
"""
# How much the replicas lag behind, as far as this role may know, and how many other sessions are at work.
LOAD_SQL = """
SELECT (SELECT coalesce(max(pg_wal_lsn_diff(pg_current_wal_lsn(), replay_lsn)), 0) FROM pg_stat_replication),
       (SELECT count(*) FROM pg_stat_activity
         WHERE datname = current_database() AND state = 'active' AND pid <> pg_backend_pid())
"""
FIRST_KEY = UUID(int=0)


class BatchWalk(ABC):
    """Walks the rows of a table in batches, and brings what differs into step."""

    def __init__(self, db_table: str, monitor: ChangeMonitor) -> None:
        self.parts: dict[str, sql.Composable] = {"table": sql.Identifier(db_table)}
        self.db_table, self.monitor = db_table, monitor
        self.batch_rows, self.limit_ms = FIRST_BATCH_ROWS, LIMIT_MS
        self.last_key = self.scalar(self.make(LAST_ROW_SQL))

    @abstractmethod
    def fill(self, first: UUID, last: UUID) -> int:
        """Write the rows that differ after `first` up to `last`, and return how many. Pass over what others lock."""

    @abstractmethod
    def count_diverging(self, first: UUID, last: UUID) -> int:
        """Return how many rows after `first` up to `last` differ."""

    def make(self, text: str, **values: Any) -> sql.Composed:
        """Return a statement with `values` in it: a key may hold the sign of a parameter."""
        literals = {name: sql.Literal(value) for name, value in values.items()}
        return sql.SQL(text).format(**self.parts, **literals)

    def scalar(self, statement: sql.Composable) -> Any:
        with connection.cursor() as cursor:
            cursor.execute(statement)
            row = cursor.fetchone()
        return row and row[0]

    def run(self) -> None:
        """Fill, then count in batches the rows that differ, until none does.

        Batches do not wait for the disk. What a crash of the server loses of them, it loses of all that follows too.
        """
        with connection.cursor() as cursor:
            cursor.execute("SET synchronous_commit = off")
        self.monitor.step = "Copying the values"
        self.walk(self.fill)
        self.monitor.step = "Comparing row by row"
        while differing := self.walk(self.count_diverging):
            self.monitor.step = f"Copying the values of {differing:,} rows that others had locked"
            self.monitor.wait(LOCKED_ROWS_PAUSE_SECONDS)
            self.walk(self.fill)
            self.monitor.step = "Comparing row by row"
        with connection.cursor() as cursor:
            cursor.execute("RESET synchronous_commit")

    def walk(self, action: Callable[[UUID, UUID], int]) -> int:
        """Let `action` work on each batch, given its bounds, and return the sum of what it returns."""
        total, walked, first = 0, 0, FIRST_KEY
        estimated = max(1, estimate_table_rows(self.db_table))
        while self.last_key is not None and first != self.last_key:
            started = time.perf_counter()
            outcome = self.attempt(action, first)
            duration = time.perf_counter() - started
            if outcome is not None:
                first, count = outcome
                total, walked = total + count, walked + self.batch_rows
            self.monitor.percent = min(99, int(100 * walked / estimated))
            self.adapt(duration)
            self.pause(duration)
        self.monitor.percent = None
        return total

    def attempt(self, action: Callable[[UUID, UUID], int], first: UUID) -> tuple[UUID, int] | None:
        """Let `action` work on the batch after `first`. Return its last key and what `action` returned.

        None if it took too long, or if someone has locked the whole table: then nothing was done.
        """
        try:
            last = self.end_of_batch(first)
            count = action(first, last)
        except OperationalError as error:
            self.monitor.check()
            if isinstance(error.__cause__, BUSY_ERRORS):
                self.monitor.wait(LOCKED_ROWS_PAUSE_SECONDS)
            elif not isinstance(error.__cause__, QueryCanceled):
                raise
            elif self.batch_rows <= MIN_BATCH_ROWS:
                self.limit_ms *= 2
            return None
        self.limit_ms = LIMIT_MS
        return last, count

    def end_of_batch(self, first: UUID) -> UUID:
        found = self.scalar(self.make(END_OF_BATCH_SQL, first=first, last=self.last_key, rows=self.batch_rows - 1))
        return self.last_key if found is None else found

    @contextmanager
    def limited(self) -> Iterator[None]:
        """Let the server stop each statement of the block that holds the locks of its rows for too long."""
        with connection.cursor() as cursor:
            cursor.execute(f"SET statement_timeout = {self.limit_ms}")
            try:
                yield
            finally:
                cursor.execute("SET statement_timeout = 0")

    def adapt(self, duration: float) -> None:
        """Let the next batch take about `TARGET_SECONDS`."""
        wanted = self.batch_rows * TARGET_SECONDS / max(duration, 0.001)
        self.batch_rows = int(
            min(max(wanted, self.batch_rows / 2, MIN_BATCH_ROWS), 2 * self.batch_rows, MAX_BATCH_ROWS)
        )

    def pause(self, duration: float) -> None:
        """Leave room for others: longer while more of them work, and until the replicas have caught up."""
        lag, busy_sessions = self.measure_load()
        self.monitor.wait(duration * PAUSE_RATIO * min(busy_sessions, MAX_BUSY_SESSIONS))
        while lag > MAX_LAG_BYTES:
            self.monitor.wait(LAG_PAUSE_SECONDS)
            lag, _ = self.measure_load()

    def measure_load(self) -> tuple[int, int]:
        with connection.cursor() as cursor:
            cursor.execute(LOAD_SQL)
            return cursor.fetchone()


class Backfill(BatchWalk):
    """Makes the column `name` what `value` says."""

    def __init__(self, db_table: str, name: str, value: sql.Composable, monitor: ChangeMonitor) -> None:
        super().__init__(db_table, monitor)
        self.parts |= {"name": sql.Identifier(name), "value": value}

    def fill(self, first: UUID, last: UUID) -> int:
        with self.limited(), connection.cursor() as cursor:
            cursor.execute(self.make(FILL_SQL, first=first, last=last))
            return cursor.rowcount

    def count_diverging(self, first: UUID, last: UUID) -> int:
        return self.scalar(self.make(COUNT_DIVERGING_SQL, first=first, last=last))
