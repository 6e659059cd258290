"""Stopping the carrying out of suggestions, all or of one type, and letting it go on."""

from django.db import transaction
from django.utils import timezone

from crm.exceptions import IllegalTransition, InvalidInput, errors_as_invalid_input
from crm.models import User
from crm.records.activity import Actor, record
from suggestions.models import ExecutionPause, SuggestionExecution, SuggestionType
from suggestions.transitions.batch_execution import enqueue_due_executions

PAUSE_PERMISSION = "suggestions.pause_execution"


def find_pause(type: str) -> ExecutionPause | None:
    """The switch that keeps suggestions of `type` from being carried out, if one is off."""
    return ExecutionPause.objects.filter(type__in=("", type)).order_by("type").first()


def paused_types() -> set[str]:
    """The types that are stopped; the empty one stands for all."""
    return set(ExecutionPause.objects.values_list("type", flat=True))


@transaction.atomic
def pause_execution(type: str = "", *, reason: str = "", by: Actor | User) -> ExecutionPause:
    """Let nothing of `type` (empty: nothing at all) be carried out from now on; what is approved waits.

    Raises:
        NotPermitted: `by` may not.
        InvalidInput: there is no such type, or it is stopped already.
    """
    actor = Actor.of(by)
    actor.require_permission(PAUSE_PERMISSION, "stop the carrying out of suggestions")
    switch = ExecutionPause(type=type, reason=reason.replace("\x00", "").strip(), by=actor.user)
    with errors_as_invalid_input():
        switch.full_clean()
        switch.save(force_insert=True)
    why = f": {switch.reason}" if switch.reason else ""
    record(switch, "stopped", by=by, summary=f"Carrying out stopped ({pause_scope_label(type)}){why}")
    return switch


@transaction.atomic
def resume_execution(type: str = "", *, by: Actor | User) -> int:
    """Let suggestions of `type` (empty: all of which no type is stopped by itself) be carried out again.

    Returns how many had been waiting.

    Raises:
        NotPermitted: `by` may not.
        IllegalTransition: it is not stopped.
    """
    Actor.of(by).require_permission(PAUSE_PERMISSION, "let the carrying out of suggestions go on")
    if type and type not in SuggestionType.values:
        raise InvalidInput(f"There is no type of suggestion “{type}”.")
    switch = ExecutionPause.objects.select_for_update().filter(type=type).first()
    if switch is None:
        raise IllegalTransition(f"It is not stopped ({pause_scope_label(type)}).")
    record(switch, "resumed", by=by, summary=f"Carrying out goes on ({pause_scope_label(type)})")
    switch.delete()
    queued = SuggestionExecution.objects.due(timezone.now())
    if type:
        queued = queued.filter(suggestion__type=type)
    return enqueue_due_executions(queued)


def pause_scope_label(type: str) -> str:
    return SuggestionType(type).label.lower() if type else "everything"
