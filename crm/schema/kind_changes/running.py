"""Convert the values of a field in a job, or take that back.

Each batch is a transaction that also keeps the old values, and what is written is not read again, so a job after a
crash goes on where the last one was.
"""

import logging
from collections.abc import Callable
from contextlib import suppress
from typing import Any
from uuid import UUID

from django.db import DatabaseError, connection

from crm.models import CustomField, KindChange, KindChangeState
from crm.records.custom_fields.reference_search import record_finder
from crm.schema.change_lock import change_lock
from crm.schema.failures import describe_failure, is_connection_lost
from crm.schema.kind_changes.conversion import KIND_COLUMNS, KindConverter, changed_field, is_filled, same_json
from crm.schema.kind_changes.stored_values import BATCH_SIZE, distinct_values, unconverted_batches
from crm.schema.kind_changes.transitions import (
    begin_conversion,
    convert_batch,
    finish_change,
    finish_undo,
    recount_converted,
    save_failure,
    undo_batch,
)

logger = logging.getLogger(__name__)


def run_kind_change(key: UUID) -> None:
    """Carry the change with this key out, or take it back, as its state says.

    Raises:
        ChangeLocked: another job works on it; try again later.
        OperationalError: the connection to the database was lost; try again later.
    """
    with change_lock(key):
        change = KindChange.objects.busy().select_related("field").filter(pk=key).first()
        if change is None:
            return
        try:
            run_step(change)
        except DatabaseError as error:
            logger.exception("The change of kind %s stopped.", change.pk)
            if is_connection_lost(error):
                connection.close()
            # While the database is away, the sentence cannot be saved.
            with suppress(DatabaseError):
                save_failure(change, describe_failure(error))
            if is_connection_lost(error):
                raise


def run_step(change: KindChange) -> None:
    if change.state == KindChangeState.UNDOING:
        restore_values(change)
    elif change.state == KindChangeState.RUNNING or check_values(change):
        convert_values(change)


def definition(change: KindChange, columns: dict[str, Any]) -> CustomField:
    """Return the field as it was before or after the change."""
    return CustomField(table=change.field.table, key=change.field.key, **{name: columns[name] for name in KIND_COLUMNS})


def check_values(change: KindChange) -> bool:
    """Look at every different value, then begin. Return whether the values shall be converted."""
    values = [(value, count) for value, count in distinct_values(change.field) if is_filled(value)]
    after = changed_field(change.field, change.to_kind, (value for value, _ in values))
    converter = KindConverter(change.field, after, record_finder(after, change.created_by))
    misfits = sum(count for value, count in values if converter.first_fit(value) is None)
    return begin_conversion(change, after, row_count=sum(count for _, count in values), misfit_count=misfits)


def convert_values(change: KindChange) -> None:
    """Convert the values that are not converted yet."""
    recount_converted(change)
    before, after = definition(change, change.before), definition(change, change.after)
    converter = KindConverter(before, after, record_finder(after, change.created_by))
    for rows in unconverted_batches(change):
        if not convert_batch(change, rows, convert_or_set_aside(converter)):
            return
    # A value of the old kind may have come in since all were looked at.
    set_aside = change.values.filter(after__isnull=True).count()
    finish_change(change, KindChangeState.APPLIED, "changed kind", "Changed the kind", misfit_count=set_aside)


def convert_or_set_aside(converter: KindConverter) -> Callable[[Any], Any]:
    """Return the function that converts a value: itself if it stays, None if it does not convert."""

    def convert(value: Any) -> Any:
        if not is_filled(value):
            return value
        found = converter.first_fit(value)
        return value if found is not None and same_json(found, value) else found

    return convert


def restore_values(change: KindChange) -> None:
    """Restore the old values. What people have entered since stays as they entered it."""
    left = change.values.filter(is_kept=False).order_by("record_id").values_list("pk", "record_id")
    after = UUID(int=0)
    while stored := list(left.filter(record_id__gt=after)[:BATCH_SIZE]):
        undo_batch(change, [pk for pk, _ in stored])
        after = stored[-1][1]
    finish_undo(change)
