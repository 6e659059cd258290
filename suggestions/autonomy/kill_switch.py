"""Stopping the carrying out of suggestions, all or of one type, and letting it go on."""

from django.db import transaction
from django.utils import timezone

from crm.exceptions import BadInput, IllegalMove, refusing
from crm.models import User
from crm.records.activity import Actor, record
from suggestions.models import ExecutionPause, SuggestionExecution, SuggestionType
from suggestions.transitions.batch_execution import let_go

PAUSE = "suggestions.pause_execution"


def held(type: str) -> ExecutionPause | None:
    """The switch that keeps suggestions of `type` from being carried out, if one is off."""
    return ExecutionPause.objects.filter(type__in=("", type)).order_by("type").first()


def paused_types() -> set[str]:
    """The types that are stopped; the empty one stands for all."""
    return set(ExecutionPause.objects.values_list("type", flat=True))


@transaction.atomic
def pause(type: str = "", *, reason: str = "", by: Actor | User) -> ExecutionPause:
    """Let nothing of `type` (empty: nothing at all) be carried out from now on; what is approved waits.

    Raises:
        NotAllowed: `by` may not.
        BadInput: there is no such type, or it is stopped already.
    """
    actor = Actor.of(by)
    actor.require(PAUSE, "stop the carrying out of suggestions")
    switch = ExecutionPause(type=type, reason=reason.replace("\x00", "").strip(), by=actor.user)
    with refusing():
        switch.full_clean()
        switch.save(force_insert=True)
    why = f": {switch.reason}" if switch.reason else ""
    record(switch, "stopped", by=by, summary=f"Carrying out stopped ({label(type)}){why}")
    return switch


@transaction.atomic
def resume(type: str = "", *, by: Actor | User) -> int:
    """Let suggestions of `type` (empty: all of which no type is stopped by itself) be carried out again.

    Returns how many had been waiting.

    Raises:
        NotAllowed: `by` may not.
        IllegalMove: it is not stopped.
    """
    Actor.of(by).require(PAUSE, "let the carrying out of suggestions go on")
    if type and type not in SuggestionType.values:
        raise BadInput(f"There is no type of suggestion “{type}”.")
    switch = ExecutionPause.objects.select_for_update().filter(type=type).first()
    if switch is None:
        raise IllegalMove(f"It is not stopped ({label(type)}).")
    record(switch, "resumed", by=by, summary=f"Carrying out goes on ({label(type)})")
    switch.delete()
    waiting = SuggestionExecution.objects.due(timezone.now())
    if type:
        waiting = waiting.filter(suggestion__type=type)
    return let_go(waiting)


def label(type: str) -> str:
    return SuggestionType(type).label.lower() if type else "everything"
