"""Counts the uses of keys of JSON columns: in the memory of the process, written in batches.

What reads or writes a key says so to `count_use`, which costs microseconds. A batch is written after a request has been
answered if the oldest count in it is half a minute old, and when the process ends. A process that is killed loses its
last batch: these are counts for advice, not records.
"""

import atexit
import logging
import os
import threading
import time
from collections.abc import Iterable
from dataclasses import dataclass, field
from datetime import date
from typing import Any, NamedTuple
from uuid import UUID

from django.core.signals import request_finished
from django.db import Error, connection, models, transaction
from psycopg.types.json import Jsonb

from crm.models import FieldUse, ScannedTable
from crm.records.json_keys import changed_key_paths, key_paths
from crm.records.local_time import agency_today

logger = logging.getLogger(__name__)

MAX_AGE_SECONDS, MAX_ROWS = 30, 5_000
# Rows are added in one order, so that two processes never wait for each other in a circle.
ADD_SQL = """
INSERT INTO field_usages AS old ("table", "column", key, day, filtered, sorted, shown, edited, exported, people)
SELECT "table", "column", key, day, filtered, sorted, shown, edited, exported, people
  FROM jsonb_to_recordset(%s) AS counted ("table" text, "column" text, key text, day date, filtered int, sorted int,
                                          shown int, edited int, exported int, people uuid[])
 ORDER BY "table", "column", md5(key), day
ON CONFLICT ("table", "column", (md5(key)), day) DO UPDATE
   SET filtered = old.filtered + excluded.filtered, sorted = old.sorted + excluded.sorted,
       shown = old.shown + excluded.shown, edited = old.edited + excluded.edited,
       exported = old.exported + excluded.exported,
       people = ARRAY(SELECT DISTINCT person FROM unnest(old.people || excluded.people) AS person ORDER BY 1)
"""


class UsedKey(NamedTuple):
    """A key on a day: what a row of `field_usages` stands for."""

    table: str
    column: str
    key: str
    day: date


@dataclass
class Uses:
    """How often a key was used, by way of use, and by which users."""

    counts: dict[str, int] = field(default_factory=lambda: dict.fromkeys(FieldUse.values, 0))
    people: set[UUID] = field(default_factory=set)


class UsageBuffer:
    """The counts of this process that are not written yet. Threads share it."""

    def __init__(self, max_age: float = MAX_AGE_SECONDS) -> None:
        self.max_age = max_age
        self._lock = threading.Lock()
        self._uses: dict[UsedKey, Uses] = {}
        self._oldest = 0.0

    def __len__(self) -> int:
        return len(self._uses)

    def add(self, use: str, table: str, column: str, keys: Iterable[str], person: UUID | None) -> None:
        day = agency_today()
        with self._lock:
            if not self._uses:
                self._oldest = time.monotonic()
            for key in keys:
                used_key = UsedKey(table, column, key, day)
                uses = self._uses.get(used_key)
                if uses is None:
                    if len(self._uses) >= MAX_ROWS:
                        return
                    uses = self._uses[used_key] = Uses()
                uses.counts[use] += 1
                if person is not None:
                    uses.people.add(person)

    def take(self) -> dict[UsedKey, Uses]:
        """Return the counts, and begin anew."""
        with self._lock:
            uses, self._uses = self._uses, {}
        return uses

    def forget(self) -> None:
        """Begin anew in a forked child: its parent writes the counts."""
        self._lock, self._uses = threading.Lock(), {}

    def is_due(self) -> bool:
        """Whether the counts are old enough to be written."""
        return bool(self._uses) and time.monotonic() - self._oldest >= self.max_age


buffer = UsageBuffer()
os.register_at_fork(after_in_child=buffer.forget)


def count_use(use: FieldUse, table: str, column: str, keys: Iterable[str], user: Any = None) -> None:
    """Count one use of each of `keys` (paths, as `json_keys` writes them) in `column` of `table`, a model label.

    A program and a visitor are no `user`. Tables without a scan are not counted.
    """
    if table in ScannedTable:
        buffer.add(use.value, table, column, keys, getattr(user, "pk", None))


def count_shown(row: models.Model, user: Any) -> None:
    """Count that `user` was shown the keys in the JSON columns of `row`."""
    unloaded = row.get_deferred_fields()
    for column in json_columns(type(row)):
        if column not in unloaded:
            count_use(FieldUse.SHOWN, row._meta.label_lower, column, key_paths(getattr(row, column)), user)


def count_edited(row: models.Model, before: dict[str, Any], user: Any) -> None:
    """Count the keys of `row` that `user` changed; `before` holds the earlier values of the columns in question."""
    for column in json_columns(type(row)):
        if column in before:
            changed = changed_key_paths(before[column], getattr(row, column))
            count_use(FieldUse.EDITED, row._meta.label_lower, column, changed, user)


def count_created(row: models.Model, user: Any) -> None:
    """Count the keys that a new `row` came with."""
    count_edited(row, dict.fromkeys(json_columns(type(row))), user)


def json_columns(model: type[models.Model]) -> list[str]:
    """Return the JSON columns of a scanned table; none of another one."""
    if model._meta.label_lower not in ScannedTable:
        return []
    return [one.name for one in model._meta.concrete_fields if isinstance(one, models.JSONField)]


def write_if_due(**kwargs: Any) -> None:
    """Write the counts once a request has been answered, if they are old enough."""
    if buffer.is_due():
        write_counts()


def write_counts() -> None:
    """Add the counts of this process to the table. What the database cannot take is dropped, with a warning."""
    uses = buffer.take()
    if not uses:
        return
    rows = [
        {**key._asdict(), "day": key.day.isoformat(), **one.counts, "people": sorted(map(str, one.people))}
        for key, one in uses.items()
    ]
    try:
        with transaction.atomic(), connection.cursor() as cursor:
            cursor.execute(ADD_SQL, [Jsonb(rows)])
    except Error:
        logger.warning("The uses of %s keys were not counted.", len(rows), exc_info=True)


def write_at_exit() -> None:
    """Write what is left when the process ends."""
    if buffer.max_age != float("inf"):
        write_counts()


request_finished.connect(write_if_due, dispatch_uid="crm.write_field_usage")
atexit.register(write_at_exit)
