"""State changes of a change of kind: decided, converted batch by batch, stopped, undone. A job does what takes long."""

import json
from collections.abc import Callable
from typing import Any
from uuid import UUID

from django.db import transaction
from django.db.models import F
from django.utils import timezone

from crm.exceptions import IllegalTransition, InvalidInput, errors_as_invalid_input
from crm.models import (
    CustomField,
    CustomFieldKind,
    KindChange,
    KindChangeState,
    KindChangeValue,
    MisfitRule,
    SchemaChange,
    SchemaChangeState,
    User,
)
from crm.models.kind_change import TRANSITIONS
from crm.models.schema_change import UNDECIDED_STATES, JsonColumn
from crm.records.activity import SYSTEM_ACTOR, Actor, record
from crm.records.custom_fields.reference_moves import empty_missing, follow_merges
from crm.runtime.job_queue import configure_job, enqueue
from crm.schema.kind_changes.conversion import KIND_COLUMNS, explain_kinds, is_filled
from crm.schema.kind_changes.stored_values import has_key, restore_batch, write_batch

CHANGE_PERMISSION = "crm.change_customfield"
RUN_KIND_CHANGE_TASK = "crm.run_kind_change"
# Nothing of a request in these states stands in the database.
IDLE_STATES = (*UNDECIDED_STATES, SchemaChangeState.DECIDED, SchemaChangeState.UNDONE)


def queue_run(change: KindChange) -> None:
    """Let a job convert the values, or take that back. Those of one field run one after the other."""
    task = configure_job(
        RUN_KIND_CHANGE_TASK, queueing_lock=f"kind change {change.pk}", lock=f"kind of field {change.field_id}"
    )
    enqueue(task, change=str(change.pk))


def queue_unfinished_kind_changes() -> None:
    """Queue every change that a job has yet to finish; one that is queued or running already stays as it is."""
    for change in KindChange.objects.busy().order_by("pk"):
        queue_run(change)


@transaction.atomic
def change_kind(field: CustomField, kind: str, *, misfit_rule: str, by: Actor | User) -> KindChange:
    """Decide that `field` becomes of another `kind`; a job converts its values, the others follow `misfit_rule`.

    Raises:
        NotPermitted: `by` may not change custom fields.
        InvalidInput: there is no such kind or rule, or the field has this kind already; or one is a reference and the
            other no text.
        IllegalTransition: the field is deleted or retired, promoted, or its kind is being changed.
    """
    Actor.of(by).require_permission(CHANGE_PERMISSION, "change the kind of a custom field")
    if kind not in CustomFieldKind.values:
        raise InvalidInput(f"“{kind[:40]}” is not a kind of custom fields.")
    locked = CustomField.everything.select_for_update().get(pk=field.pk)
    if reason := explain_kinds(locked.kind, kind):
        raise InvalidInput(reason)
    if locked.is_deleted or not locked.is_active:
        raise IllegalTransition(f"The field “{locked}” is {'deleted' if locked.is_deleted else 'retired'}.")
    refuse_promoted(locked)
    change = KindChange(
        field=locked,
        from_kind=locked.kind,
        to_kind=kind,
        misfit_rule=misfit_rule,
        aside_key=find_aside_key(locked),
        before={name: getattr(locked, name) for name in KIND_COLUMNS},
        created_by=Actor.of(by).user,
    )
    with errors_as_invalid_input():
        change.full_clean(exclude=("before", "after"))
        change.save(force_insert=True)
    record(locked, "changing kind", by=by, summary=f"Began to change the kind of “{locked}”: {change}")
    queue_run(change)
    return change


def refuse_promoted(field: CustomField) -> None:
    """Refuse a field whose key has an index, or will have one: it is made for one kind.

    Raises:
        IllegalTransition: it has; the sentence says what to undo first.
    """
    promoted = SchemaChange.objects.filter(table=field.table, column=JsonColumn.CUSTOM_FIELDS, key=field.key)
    change = promoted.exclude(state__in=IDLE_STATES).first()
    if change is not None:
        what, state = change.get_decision_display().lower(), change.get_state_display().lower()
        raise IllegalTransition(
            f"“{field}” is promoted ({what}, {state}), and a promotion is made for one kind. Undo that schema request "
            "first, then change the kind."
        )


def keep_kind(change: SchemaChange) -> None:
    """Let the field that `change` is about keep its kind until the transaction ends.

    A change of kind that begins meanwhile waits for the lock of the definition, and then finds the decision.

    Raises:
        IllegalTransition: its kind is being changed.
    """
    if change.column != JsonColumn.CUSTOM_FIELDS:
        return
    fields = CustomField.everything.select_for_update().filter(table=change.table, key=change.key)
    if KindChange.objects.busy().filter(field__in=[field.pk for field in fields]).exists():
        raise IllegalTransition("The kind of this field is being changed. Decide when that has ended.")


def find_aside_key(field: CustomField) -> str:
    """Return the key under which values that do not convert are set aside: one that no field and no record has."""
    name = f"{field.key}_as_{field.kind}"
    defined = set(CustomField.everything.filter(table=field.table).values_list("key", flat=True))
    number, key = 1, name
    while key in defined or has_key(field, key):
        number += 1
        key = f"{name}_{number}"
    return key


@transaction.atomic
def undo_kind_change(change: KindChange, *, by: Actor | User) -> None:
    """Take a change of kind back: the old values come back, except where people have changed the new ones.

    Raises:
        NotPermitted: `by` may not change custom fields.
        IllegalTransition: it is undone, changed nothing, or is not the last one, or the field is promoted since.
    """
    Actor.of(by).require_permission(CHANGE_PERMISSION, "undo the change of the kind of a custom field")
    field = CustomField.everything.select_for_update().get(pk=change.field_id)
    if field.kind != change.to_kind or field.kind_changes.filter(pk__gt=change.pk, state=KindChangeState.APPLIED):
        raise IllegalTransition("The kind was changed again since. Undo the last change first.")
    refuse_promoted(field)
    if not move(change, KindChangeState.UNDOING, rows_done=0, row_count=change.values.count()):
        raise IllegalTransition(f"This change is {change.get_state_display().lower()}, so it cannot be undone.")
    set_kind(field, change.before)
    record(field, "undoing kind", by=by, summary=f"Began to undo the change of the kind of “{field}”: {change}")
    queue_run(change)


def move(change: KindChange, state: KindChangeState, **changes: Any) -> bool:
    """Move `change` to `state` if its present state allows that. Return whether it did."""
    allowed = [source for source, targets in TRANSITIONS.items() if state in targets]
    rows = KindChange.objects.filter(pk=change.pk, state__in=allowed)
    moved = rows.update(state=state, error_message="", **changes)
    change.refresh_from_db()
    return moved == 1


def set_kind(field: CustomField, columns: dict[str, Any]) -> None:
    CustomField.everything.filter(pk=field.pk).update(**columns)
    for name, value in columns.items():
        setattr(field, name, value)


@transaction.atomic
def begin_conversion(change: KindChange, after: CustomField, *, row_count: int, misfit_count: int) -> bool:
    """Give the field its new kind, so that what people enter from now on fits; or stop, as the rule says.

    Returns whether the values shall be converted.
    """
    counts = {"row_count": row_count, "misfit_count": misfit_count}
    if misfit_count and change.misfit_rule == MisfitRule.STOP:
        if move(change, KindChangeState.STOPPED, ended_at=timezone.now(), **counts):
            record(change.field, "kind kept", by=SYSTEM_ACTOR, summary=f"{change} was stopped: values do not convert")
        return False
    columns = {name: getattr(after, name) for name in KIND_COLUMNS}
    if move(change, KindChangeState.RUNNING, after=columns, **counts):
        set_kind(change.field, columns)
    return change.state == KindChangeState.RUNNING


def recount_converted(change: KindChange) -> None:
    """Count the values that are written: after a crash, a job reads those again that stay as they are."""
    KindChange.objects.filter(pk=change.pk, state=KindChangeState.RUNNING).update(rows_done=change.values.count())


@transaction.atomic
def convert_batch(change: KindChange, rows: list[tuple[UUID, str]], convert: Callable[[Any], Any]) -> bool:
    """Write what `convert` makes of the values of `rows`, records with JSON texts; None sets a value aside.

    Returns whether the change still runs; otherwise nothing was written.
    """
    values = [(pk, text, json.loads(text)) for pk, text in rows]
    if not claim_batch(change, KindChangeState.RUNNING, sum(is_filled(value) for *_, value in values)):
        return False
    written = [(pk, text, after) for pk, text, value in values if (after := convert(value)) is not value]
    if written:
        write_batch(change, written)
    return True


def claim_batch(change: KindChange, state: KindChangeState, row_count: int) -> bool:
    """Count the values of a batch as done; return whether the change is still in `state`."""
    rows = KindChange.objects.filter(pk=change.pk, state=state)
    return rows.update(rows_done=F("rows_done") + row_count, error_message="") == 1


def save_failure(change: KindChange, message: str) -> None:
    """Save why the job stopped; the next job goes on from there."""
    KindChange.objects.busy().filter(pk=change.pk).update(error_message=message)


@transaction.atomic
def undo_batch(change: KindChange, stored: list[int]) -> None:
    """Restore the old values of the rows `stored` of `kind_change_values`, and mark those that people have changed."""
    if claim_batch(change, KindChangeState.UNDOING, len(stored)):
        restored = restore_batch(change, stored)
        KindChangeValue.objects.filter(pk__in=restored).delete()
        KindChangeValue.objects.filter(pk__in=set(stored) - set(restored)).update(is_kept=True)


@transaction.atomic
def finish_undo(change: KindChange) -> None:
    """Save that the old values are restored.

    References to records that were purged since are emptied; those to records that were merged name the winners.
    """
    if change.field.refers_to:
        empty_missing(change.field)
        follow_merges(change.field)
    finish_change(change, KindChangeState.UNDONE, "undone kind", "Undid the change of the kind")


@transaction.atomic
def finish_change(change: KindChange, state: KindChangeState, verb: str, word: str, **changes: Any) -> None:
    """Save that the job has done everything, unless a person stopped it meanwhile."""
    if move(change, state, ended_at=timezone.now(), **changes):
        record(change.field, verb, by=SYSTEM_ACTOR, summary=f"{word}: {change}")
