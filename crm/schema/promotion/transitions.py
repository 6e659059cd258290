"""State changes of a promotion: queued, paused, resumed, applied, failed, undone. A job does what takes long."""

from typing import Any
from uuid import UUID

from django.db import transaction
from django.utils import timezone

from crm.exceptions import IllegalTransition, errors_as_invalid_input
from crm.models import SchemaChange, SchemaChangeState, SchemaDecision, User
from crm.models.schema_change import BUSY_STATES, TRANSITIONS, UNFINISHED_STATES
from crm.records.activity import SYSTEM_ACTOR, Actor, record
from crm.runtime.job_queue import configure_job, enqueue

DECIDE_PERMISSION = "crm.decide_schemachange"
RUN_CHANGE_TASK = "crm.run_schema_change"


def queue_run(change: SchemaChange) -> None:
    """Let a job carry the change out, or take it back. Those of one table run one after the other."""
    task = configure_job(
        RUN_CHANGE_TASK, queueing_lock=f"schema change {change.pk}", lock=f"schema changes of {change.table}"
    )
    enqueue(task, change=str(change.pk))


def queue_unfinished_changes() -> None:
    """Queue every change that a job has yet to finish; one that is queued or running already stays as it is."""
    for change in SchemaChange.objects.filter(state__in=BUSY_STATES).order_by("pk"):
        queue_run(change)


@transaction.atomic
def pause_change(change: SchemaChange, *, by: Actor | User) -> None:
    """Pause a promotion. A build that runs is cancelled, and starts anew when it is resumed.

    Raises:
        NotPermitted: `by` may not carry out requests.
        IllegalTransition: it is finished, or paused already.
    """
    move_as_person(change, SchemaChangeState.PAUSED, "paused", "Paused", by=by)


@transaction.atomic
def resume_change(change: SchemaChange, *, by: Actor | User) -> None:
    """Queue a promotion that was paused or has failed, or an applied one that needs repair.

    Raises:
        NotPermitted: `by` may not carry out requests.
        IllegalTransition: it runs already, is finished, or another request for the key is not.
    """
    if change.state == SchemaChangeState.UNDOING:
        move_as_person(change, SchemaChangeState.UNDOING, "resumed", "Resumed undoing", by=by)
    else:
        move_as_person(change, SchemaChangeState.QUEUED, "resumed", "Queued", by=by)
    queue_run(change)


@transaction.atomic
def undo_change(change: SchemaChange, *, by: Actor | User) -> None:
    """Take a promotion back, finished or not. The values stay in JSON as they are, and filters go on working.

    Raises:
        NotPermitted: `by` may not carry out requests.
        IllegalTransition: it is undone, there is nothing to undo, or another request for the key is unfinished.
    """
    if change.state == SchemaChangeState.UNDOING:
        raise IllegalTransition("This change is being undone already.")
    move_as_person(change, SchemaChangeState.UNDOING, "undoing", "Began to undo", by=by)
    queue_run(change)


def move_as_person(change: SchemaChange, state: SchemaChangeState, verb: str, word: str, *, by: Actor | User) -> None:
    Actor.of(by).require_permission(DECIDE_PERMISSION, "carry out requests for the schema")
    require_no_other_request(change)
    with errors_as_invalid_input():
        moved = move(change, state, step="", progress=None, error_message="")
    if not moved:
        done = "undone" if state == SchemaChangeState.UNDOING else verb
        raise IllegalTransition(f"This change is {change.get_state_display().lower()}, so it cannot be {done}.")
    record(change, verb, by=by, summary=f"{word}: {change.get_decision_display()} for “{change.key}”")


def require_no_other_request(change: SchemaChange) -> None:
    """Refuse to begin anew with a key that another request waits for.

    Raises:
        IllegalTransition: there is one; the sentence says what to do about it.
    """
    same_key = SchemaChange.objects.filter(table=change.table, column=change.column, key=change.key)
    other = same_key.filter(state__in=UNFINISHED_STATES).exclude(pk=change.pk).first()
    if other is not None:
        what, state = other.decision or other.proposed, other.get_state_display().lower()
        raise IllegalTransition(
            f"Another request for “{change.key[:60]}” ({SchemaDecision(what).label}) is {state}. "
            "Withdraw it, decide it or wait for it first."
        )


def move(change: SchemaChange, state: SchemaChangeState, **changes: Any) -> bool:
    """Move `change` to `state` if its present state allows that. Return whether it did."""
    allowed = [source for source, targets in TRANSITIONS.items() if state in targets]
    moved = SchemaChange.objects.filter(pk=change.pk, state__in=allowed, decision__isnull=False).update(
        state=state, **changes
    )
    change.refresh_from_db()
    return moved == 1


def claim_change(key: UUID) -> SchemaChange | None:
    """Return the change that a job shall carry out or undo; None if there is nothing to do (any more).

    A job that follows a crash finds the change as the crash left it, and goes on from there.
    """
    SchemaChange.objects.filter(pk=key, state=SchemaChangeState.QUEUED).update(state=SchemaChangeState.RUNNING)
    return SchemaChange.objects.filter(pk=key, state__in=BUSY_STATES).first()


@transaction.atomic
def mark_applied(change: SchemaChange) -> None:
    """Let filters and lists use the change, unless a person stopped it meanwhile."""
    if move(change, SchemaChangeState.APPLIED, applied_at=timezone.now(), step="", progress=None, error_message=""):
        record(change, "applied", by=SYSTEM_ACTOR, summary=f"Applied: {change.get_decision_display()}")


@transaction.atomic
def mark_undone(change: SchemaChange) -> None:
    """Save that nothing of the change is left."""
    if move(change, SchemaChangeState.UNDONE, rolled_back_at=timezone.now(), step="", progress=None, error_message=""):
        record(change, "undone", by=SYSTEM_ACTOR, summary=f"Undone: {change.get_decision_display()}")


@transaction.atomic
def mark_failed(change: SchemaChange, message: str) -> None:
    """Save why the job stopped. An undoing stays one, and can be resumed."""
    if change.state == SchemaChangeState.UNDOING:
        SchemaChange.objects.filter(pk=change.pk, state=change.state).update(error_message=message, step="")
    elif not move(change, SchemaChangeState.FAILED, error_message=message, step="", progress=None):
        return
    record(change, "failed", by=SYSTEM_ACTOR, summary=message)
