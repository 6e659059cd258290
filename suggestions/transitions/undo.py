"""Taking back what was approved, and saying what became of what nobody could tell."""

from django.db import transaction
from django.utils import timezone

from crm.exceptions import IllegalMove
from crm.models import User
from crm.records.activity import SYSTEM, Actor, record
from suggestions.autonomy.rules import by_policy
from suggestions.autonomy.transitions import learn
from suggestions.models import GO_AHEAD, LIVE_STATES, ExecutionState, Suggestion, SuggestionExecution, SuggestionStatus
from suggestions.transitions.execute import order
from suggestions.transitions.outcome import fail, moved, succeeded
from suggestions.transitions.state import UNDECIDED, about, differs, entitled, kind_of, lock, open_again


@transaction.atomic
def undo(suggestion: Suggestion, *, by: Actor | User) -> Suggestion:
    """Take an approval back: what has not begun is not carried out, what is done is undone where that is possible.

    Then it waits for a decision again.

    Raises:
        NotAllowed: `by` may not decide, or not do what would be undone.
        IllegalMove: it is not approved, on its way out, or cannot be undone.
    """
    actor, kind = entitled(by, suggestion)
    stands = lock(suggestion)
    if stands.is_deleted or stands.status not in GO_AHEAD:
        state = "deleted" if stands.is_deleted else stands.get_status_display().lower()
        raise IllegalMove(f"Only what is approved can be undone; this suggestion is {state}.")
    execution = live_execution(suggestion)
    said = taken_back(execution, suggestion, by=actor)
    let = by_policy(stands)
    held = {"held_because": [f"{actor} took it back."]} if let else {}
    open_again(suggestion, **UNDECIDED, **held)
    record(suggestion, "undone", about=about(suggestion), by=by, summary=said, by_policy=let)
    learn(suggestion, f"{actor} took it back", let=let)
    return suggestion


def taken_back(execution: SuggestionExecution, suggestion: Suggestion, *, by: Actor) -> str:
    """See to it that `execution` does not happen, or has not; says which."""
    kind = kind_of(suggestion)
    if execution.state == ExecutionState.QUEUED:
        if kind.outward:
            kind.withdraw(execution)
        moved(execution, ExecutionState.CANCELLED, finished_at=timezone.now())
        return f"Taken back before it happened: {suggestion.get_type_display().lower()}"
    if execution.state == ExecutionState.SUCCEEDED:
        kind.undo(suggestion, by=by)
        moved(execution, ExecutionState.UNDONE)
        return f"Undone: {kind.sentence(kind.check(suggestion.approved_content), suggestion)}"
    raise IllegalMove("It is being carried out at this moment.")


def live_execution(suggestion: Suggestion) -> SuggestionExecution:
    """The attempt that counts, held until the transaction ends."""
    rows = SuggestionExecution.objects.select_for_update(of=("self",)).filter(suggestion=suggestion.pk)
    found = rows.filter(state__in=LIVE_STATES).first()
    if found is None:
        raise IllegalMove("Nothing was carried out: there is nothing to undo.")
    return found


@transaction.atomic
def settle(suggestion: Suggestion, *, happened: bool, by: Actor | User) -> Suggestion:
    """Say what became of a deed of which nobody could tell: it `happened`, or it did not and is done again.

    Raises:
        NotAllowed: `by` may not decide, or not do what would be done.
        IllegalMove: what became of it is known.
    """
    actor, kind = entitled(by, suggestion)
    lock(suggestion)
    rows = SuggestionExecution.objects.select_for_update(of=("self",))
    execution = rows.filter(suggestion=suggestion.pk, state=ExecutionState.UNKNOWN).first()
    if execution is None:
        raise IllegalMove("What became of it is known already.")
    if happened:
        payload = kind.check(suggestion.approved_content)
        result = kind.arrived(payload, suggestion, execution, by=actor)
        found = (
            "It lies among what was sent: it did go out." if by == SYSTEM else "It did go out, somebody has found out."
        )
        record(suggestion, "settled", about=about(suggestion), by=by, summary=found)
        succeeded(execution, suggestion, result, by=actor)
        return suggestion
    why = f"{actor} has found out that it did not happen."
    if kind.outward:
        kind.give_up(execution, why)
    moved(execution, ExecutionState.FAILED, error=why)
    fail(suggestion, why, by=actor)
    Suggestion.objects.filter(pk=suggestion.pk).update(
        status=SuggestionStatus.MODIFIED
        if differs(suggestion, suggestion.approved_content)
        else SuggestionStatus.APPROVED,
        reviewed_by=actor.user,
        reviewed_at=timezone.now(),
        error_message="",
    )
    suggestion.refresh_from_db()
    order(suggestion, by=actor)
    return suggestion
