"""Taking back what was approved, and saying what became of what nobody could tell."""

from django.db import transaction
from django.utils import timezone

from crm.exceptions import IllegalTransition
from crm.models import User
from crm.records.activity import SYSTEM_ACTOR, Actor, record
from suggestions.autonomy.rules import is_auto_approved
from suggestions.autonomy.transitions import adjust_autonomy
from suggestions.models import (
    APPROVED_STATUSES,
    LIVE_STATES,
    ExecutionState,
    Suggestion,
    SuggestionExecution,
    SuggestionStatus,
)
from suggestions.transitions.execute import enqueue_execution
from suggestions.transitions.outcome import mark_succeeded, mark_suggestion_failed, set_state
from suggestions.transitions.state import (
    CLEARED_DECISION,
    authorize_decision,
    get_kind,
    lock_suggestion,
    reopen_suggestion,
    timeline_owner,
    was_modified,
)


@transaction.atomic
def undo(suggestion: Suggestion, *, by: Actor | User) -> Suggestion:
    """Take an approval back: what has not begun is not carried out, what is done is undone where that is possible.

    Then it waits for a decision again.

    Raises:
        NotPermitted: `by` may not decide, or not do what would be undone.
        IllegalTransition: it is not approved, on its way out, or cannot be undone.
    """
    actor, kind = authorize_decision(by, suggestion)
    current = lock_suggestion(suggestion)
    if current.is_deleted or current.status not in APPROVED_STATUSES:
        state = "deleted" if current.is_deleted else current.get_status_display().lower()
        raise IllegalTransition(f"Only what is approved can be undone; this suggestion is {state}.")
    execution = lock_live_execution(suggestion)
    summary_text = cancel_or_undo(execution, suggestion, by=actor)
    was_auto_approved = is_auto_approved(current)
    hold_reason = {"held_because": [f"{actor} took it back."]} if was_auto_approved else {}
    reopen_suggestion(suggestion, **CLEARED_DECISION, **hold_reason)
    record(
        suggestion,
        "undone",
        timeline_owner=timeline_owner(suggestion),
        by=by,
        summary=summary_text,
        by_policy=was_auto_approved,
    )
    adjust_autonomy(suggestion, f"{actor} took it back", was_auto_approved=was_auto_approved)
    return suggestion


def cancel_or_undo(execution: SuggestionExecution, suggestion: Suggestion, *, by: Actor) -> str:
    """See to it that `execution` does not happen, or has not; says which."""
    kind = get_kind(suggestion)
    if execution.state == ExecutionState.QUEUED:
        if kind.is_outward:
            kind.withdraw(execution)
        set_state(execution, ExecutionState.CANCELLED, finished_at=timezone.now())
        return f"Taken back before it happened: {suggestion.get_type_display().lower()}"
    if execution.state == ExecutionState.SUCCEEDED:
        kind.undo(suggestion, by=by)
        set_state(execution, ExecutionState.UNDONE)
        return f"Undone: {kind.sentence(kind.parse_content(suggestion.approved_content), suggestion)}"
    raise IllegalTransition("It is being carried out at this moment.")


def lock_live_execution(suggestion: Suggestion) -> SuggestionExecution:
    """The attempt that counts, held until the transaction ends."""
    rows = SuggestionExecution.objects.select_for_update(of=("self",)).filter(suggestion=suggestion.pk)
    found = rows.filter(state__in=LIVE_STATES).first()
    if found is None:
        raise IllegalTransition("Nothing was carried out: there is nothing to undo.")
    return found


@transaction.atomic
def settle_unknown_outcome(suggestion: Suggestion, *, happened: bool, by: Actor | User) -> Suggestion:
    """Say what became of a deed of which nobody could tell: it `happened`, or it did not and is done again.

    Raises:
        NotPermitted: `by` may not decide, or not do what would be done.
        IllegalTransition: what became of it is known.
    """
    actor, kind = authorize_decision(by, suggestion)
    lock_suggestion(suggestion)
    rows = SuggestionExecution.objects.select_for_update(of=("self",))
    execution = rows.filter(suggestion=suggestion.pk, state=ExecutionState.UNKNOWN).first()
    if execution is None:
        raise IllegalTransition("What became of it is known already.")
    if happened:
        payload = kind.parse_content(suggestion.approved_content)
        result = kind.record_delivery(payload, suggestion, execution, by=actor)
        found = (
            "It lies among what was sent: it did go out."
            if by == SYSTEM_ACTOR
            else "It did go out, somebody has found out."
        )
        record(suggestion, "settled", timeline_owner=timeline_owner(suggestion), by=by, summary=found)
        mark_succeeded(execution, suggestion, result, by=actor)
        return suggestion
    why = f"{actor} has found out that it did not happen."
    if kind.is_outward:
        kind.mark_undelivered(execution, why)
    set_state(execution, ExecutionState.FAILED, error=why)
    mark_suggestion_failed(suggestion, why, by=actor)
    Suggestion.objects.filter(pk=suggestion.pk).update(
        status=SuggestionStatus.MODIFIED
        if was_modified(suggestion, suggestion.approved_content)
        else SuggestionStatus.APPROVED,
        reviewed_by=actor.user,
        reviewed_at=timezone.now(),
        error_message="",
    )
    suggestion.refresh_from_db()
    enqueue_execution(suggestion, by=actor)
    return suggestion
