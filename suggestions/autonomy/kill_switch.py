"""Pauses the execution of suggestions, all or of one type, and resumes it."""

from django.db import transaction
from django.utils import timezone

from crm.exceptions import IllegalTransition, InvalidInput, errors_as_invalid_input
from crm.models import User
from crm.records.activity import Actor, record
from suggestions.models import ExecutionPause, SuggestionExecution, SuggestionType
from suggestions.transitions.batch_execution import enqueue_due_executions

PAUSE_PERMISSION = "suggestions.pause_execution"


def find_pause(type: str) -> ExecutionPause | None:
    """Return the pause that holds suggestions of `type`, if there is one."""
    return ExecutionPause.objects.filter(type__in=("", type)).order_by("type").first()


def paused_types() -> set[str]:
    """Return the paused types; "" stands for all."""
    return set(ExecutionPause.objects.values_list("type", flat=True))


@transaction.atomic
def pause_execution(type: str = "", *, reason: str = "", by: Actor | User) -> ExecutionPause:
    """Pause the execution of suggestions of `type` ("": of all types); what is approved waits.

    Raises:
        NotPermitted: `by` may not pause execution.
        InvalidInput: `type` does not exist or is already paused.
    """
    actor = Actor.of(by)
    actor.require_permission(PAUSE_PERMISSION, "pause automation")
    switch = ExecutionPause(type=type, reason=reason.replace("\x00", "").strip(), by=actor.user)
    with errors_as_invalid_input():
        switch.full_clean()
        switch.save(force_insert=True)
    why = f": {switch.reason}" if switch.reason else ""
    record(switch, "stopped", by=by, summary=f"Automation paused ({pause_scope_label(type)}){why}")
    return switch


@transaction.atomic
def resume_execution(type: str = "", *, by: Actor | User) -> int:
    """Resume suggestions of `type` ("": all that are not paused by their own type), and return how many are due.

    Raises:
        NotPermitted: `by` may not resume execution.
        InvalidInput: `type` does not exist.
        IllegalTransition: `type` is not paused.
    """
    Actor.of(by).require_permission(PAUSE_PERMISSION, "resume automation")
    if type and type not in SuggestionType.values:
        raise InvalidInput(f"“{type}” is not a type of suggestion.")
    switch = ExecutionPause.objects.select_for_update().filter(type=type).first()
    if switch is None:
        raise IllegalTransition(f"Automation is not paused ({pause_scope_label(type)}).")
    record(switch, "resumed", by=by, summary=f"Automation resumed ({pause_scope_label(type)})")
    switch.delete()
    queued = SuggestionExecution.objects.due(timezone.now())
    if type:
        queued = queued.filter(suggestion__type=type)
    return enqueue_due_executions(queued)


def pause_scope_label(type: str) -> str:
    """Return what a pause of `type` stops, for a sentence."""
    return SuggestionType(type).label.lower() if type else "everything"
