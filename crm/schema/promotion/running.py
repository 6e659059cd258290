"""The job of a promotion: it claims the change, carries it out or takes it back, and saves how that ended."""

import logging
from contextlib import suppress
from uuid import UUID

from django.db import DatabaseError, connection

from crm.models import SchemaChange, SchemaChangeState
from crm.schema.change_lock import change_lock
from crm.schema.failures import describe_failure, is_connection_lost
from crm.schema.promotion.exceptions import ChangeStopped
from crm.schema.promotion.monitor import ChangeMonitor, watched
from crm.schema.promotion.promotions import promotion_of
from crm.schema.promotion.transitions import claim_change, mark_applied, mark_failed, mark_undone

logger = logging.getLogger(__name__)
NEXT_STEP = "Press Resume to try again, or Undo."


def run_change(key: UUID) -> None:
    """Carry out or take back the change with this key, as its state says.

    Raises:
        ChangeLocked: another job works on it; try again later.
        OperationalError: the connection to the database was lost; try again later.
    """
    with change_lock(key):
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
        clean_up_paused(change)
    except DatabaseError as error:
        if is_connection_lost(error):
            raise
        logger.exception("The schema change %s failed.", change.pk)
        mark_failed(change, f"{describe_failure(error)} {NEXT_STEP}")


def run_claimed(change: SchemaChange, monitor: ChangeMonitor) -> None:
    promotion = promotion_of(change)
    if change.state == SchemaChangeState.UNDOING:
        promotion.take_back(monitor)
        mark_undone(change)
    else:
        promotion.carry_out(monitor)
        mark_applied(change)


def clean_up_paused(change: SchemaChange) -> None:
    """Let a paused promotion remove what costs every write and serves no query."""
    change.refresh_from_db()
    if change.state != SchemaChangeState.PAUSED:
        return
    with suppress(ChangeStopped), watched(change.pk, change.state) as monitor:
        promotion_of(change).clean_up(monitor)
