"""Carry out a promotion, or take it back, in a job.

Every step looks at what the database has, so a job after a crash goes on where the last one was.
"""

import logging
from contextlib import suppress
from uuid import UUID

from django.db import DatabaseError, OperationalError, connection
from psycopg.errors import AdminShutdown, DiskFull, OutOfMemory

from crm.models import SchemaChange, SchemaChangeState
from crm.schema.promotion.exceptions import ChangeLocked, ChangeStopped
from crm.schema.promotion.indexes import KeyIndex, PromotedKey
from crm.schema.promotion.monitor import ChangeMonitor, change_lock, watched
from crm.schema.promotion.patience import run_patiently
from crm.schema.promotion.transitions import claim_change, mark_applied, mark_failed, mark_undone

logger = logging.getLogger(__name__)

# How often to look at a build that a killed worker left running in the database.
ORPHAN_PAUSE_SECONDS = 2.0


def run_change(key: UUID) -> None:
    """Carry out or take back the change with this key, as its state says.

    Raises:
        ChangeLocked: another job works on it; try again later.
        OperationalError: the connection to the database was lost; try again later.
    """
    with change_lock(key) as is_free:
        if not is_free:
            raise ChangeLocked
        change = claim_change(key)
        if change is None:
            return
        try:
            run_until_stopped(change)
        finally:
            connection.close()  # it has timeouts of its own


def run_until_stopped(change: SchemaChange) -> None:
    try:
        with watched(change.pk, change.state) as monitor:
            run_claimed(change, monitor)
    except ChangeStopped:
        logger.info("The schema change %s was stopped.", change.pk)
        drop_unfinished_indexes(change)
    except DatabaseError as error:
        if is_connection_lost(error):
            raise
        logger.exception("The schema change %s failed.", change.pk)
        mark_failed(change, describe_failure(error))


def run_claimed(change: SchemaChange, monitor: ChangeMonitor) -> None:
    promoted = PromotedKey.of(change)
    if change.state == SchemaChangeState.UNDOING:
        remove_indexes(promoted, monitor)
        mark_undone(change)
    else:
        build_indexes(promoted, monitor)
        mark_applied(change)


def build_indexes(promoted: PromotedKey, monitor: ChangeMonitor) -> None:
    """Build every index of the key that is missing or invalid, and let the planner know the values."""
    for index in promoted.indexes:
        monitor.step = f"Building the index of {index.label}"
        build_index(index, monitor)
    monitor.step = "Analyzing the values"
    run_patiently(promoted.create_statistics, monitor)
    run_patiently(promoted.analyze, monitor)


def build_index(index: KeyIndex, monitor: ChangeMonitor) -> None:
    """Build `index` unless it is there; remove an invalid one first, which a stopped build left."""
    while not index.is_valid():
        if index.is_built_elsewhere():
            monitor.wait(ORPHAN_PAUSE_SECONDS)
            continue
        run_patiently(index.drop, monitor)
        run_patiently(index.create, monitor, clean_up=lambda: run_patiently(index.drop, monitor))


def remove_indexes(promoted: PromotedKey, monitor: ChangeMonitor) -> None:
    """Remove what a promotion has made, as far as it came."""
    for index in promoted.indexes:
        monitor.step = f"Removing the index of {index.label}"
        run_patiently(index.drop, monitor)
    run_patiently(promoted.drop_statistics, monitor)


def drop_unfinished_indexes(change: SchemaChange) -> None:
    """Remove an invalid index of a paused change: it costs every write and serves no query."""
    change.refresh_from_db()
    if change.state != SchemaChangeState.PAUSED:
        return
    with suppress(ChangeStopped), watched(change.pk, change.state) as monitor:
        for index in PromotedKey.of(change).indexes:
            if index.is_valid() is False:
                run_patiently(index.drop, monitor)


def is_connection_lost(error: DatabaseError) -> bool:
    """Return whether `error` says nothing about the statement: the server ended, or the session was ended."""
    code = getattr(error.__cause__, "sqlstate", None)
    return isinstance(error, OperationalError) and (code is None or isinstance(error.__cause__, AdminShutdown))


def describe_failure(error: DatabaseError) -> str:
    """Return the sentence that a person reads about `error`."""
    if isinstance(error.__cause__, DiskFull):
        return "The disk of the database is full. Make room, then press Resume."
    if isinstance(error.__cause__, OutOfMemory):
        return "The database ran out of memory. Make room, then press Resume."
    return f"The database refused: {str(error).splitlines()[0]}. Press Resume to try again, or Undo."
