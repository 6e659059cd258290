"""Undoing what was approved, and settling what is unconfirmed."""

from django.db import transaction
from django.utils import timezone

from crm.exceptions import IllegalTransition
from crm.models import User
from crm.records.activity import SYSTEM_ACTOR, Actor, record
from inbox.outgoing import send_queue
from suggestions.autonomy.rules import is_auto_approved
from suggestions.autonomy.transitions import adjust_autonomy
from suggestions.models import ExecutionState, Suggestion, SuggestionExecution
from suggestions.transitions.execute import enqueue_execution
from suggestions.transitions.outcome import mark_failed, mark_succeeded, set_state
from suggestions.transitions.state import (
    CLEARED_DECISION,
    Decision,
    approved_status,
    content_to_offer_again,
    find_live_execution,
    is_approved,
    open_decision,
    reopen_suggestion,
    timeline_owner,
)


@transaction.atomic
def undo(suggestion: Suggestion, *, by: Actor | User) -> Suggestion:
    """Undo an approval: what has not begun is cancelled, what is done is undone where that is possible.

    The suggestion then waits for a decision again, and offers what the approver had changed.

    Raises:
        NotPermitted: `by` may not decide, or may not do what would be undone.
        IllegalTransition: it is not approved, is being executed, or cannot be undone.
    """
    decision = open_decision(suggestion, by=by)
    if not is_approved(suggestion):
        state = "deleted" if suggestion.is_deleted else suggestion.get_status_display().lower()
        raise IllegalTransition(f"Only an approved suggestion can be undone; this suggestion is {state}.")
    execution = find_live_execution(suggestion)
    if execution is None:
        raise IllegalTransition("Nothing was executed: there is nothing to undo.")
    actor, was_auto_approved = decision.actor, is_auto_approved(suggestion)
    edited = content_to_offer_again(suggestion)
    summary = cancel_or_undo(decision.with_execution(execution))
    hold_reason = {"held_because": [f"{actor} took it back."]} if was_auto_approved else {}
    reopen_suggestion(suggestion, **CLEARED_DECISION, edited_content=edited, **hold_reason)
    record(
        suggestion,
        "undone",
        timeline_owner=timeline_owner(suggestion),
        by=by,
        summary=summary,
        by_policy=was_auto_approved,
    )
    adjust_autonomy(suggestion, f"{actor} took it back", was_auto_approved=was_auto_approved)
    return suggestion


def cancel_or_undo(decision: Decision) -> str:
    """Cancel the execution if it has not begun, else undo it; return the sentence that says which.

    Raises:
        IllegalTransition: it is being executed, or cannot be undone.
    """
    suggestion, kind, execution = decision.suggestion, decision.kind, decision.execution
    if execution.state == ExecutionState.QUEUED:
        kind.withdraw(execution)
        set_state(execution, ExecutionState.CANCELLED, finished_at=timezone.now())
        return f"Approval undone: {kind.sentence(decision.parse_approved(), suggestion)}"
    if execution.state == ExecutionState.SUCCEEDED:
        kind.undo(suggestion, by=decision.actor)
        set_state(execution, ExecutionState.UNDONE)
        return f"Undone: {kind.sentence_for_log(decision.parse_approved(), suggestion)}"
    raise IllegalTransition("It is being executed at this moment.")


@transaction.atomic
def settle_unknown_outcome(suggestion: Suggestion, *, happened: bool, by: Actor | User) -> Suggestion:
    """Settle an unconfirmed execution: it `happened`, or it did not and is executed again.

    Raises:
        NotPermitted: `by` may not decide, or may not do what the suggestion does.
        IllegalTransition: its outcome is known.
    """
    decision = open_decision(suggestion, by=by)
    execution = find_live_execution(suggestion)
    if execution is None or execution.state != ExecutionState.UNKNOWN:
        raise IllegalTransition("The outcome is known already.")
    decision = decision.with_execution(execution)
    if happened:
        settle_as_done(decision)
    else:
        settle_as_not_done(decision)
        execute_again(decision)
    suggestion.refresh_from_db()
    return suggestion


def settle_as_done(decision: Decision) -> None:
    """Record that an unconfirmed execution happened. The delivery of an email tells its execution."""
    suggestion, execution, actor = decision.suggestion, decision.execution, decision.actor
    delivery = lock_email_delivery(execution)
    if delivery is not None:
        send_queue.settle_sent(delivery, actor)
        return
    found = "Found out by the program: it was done." if actor == SYSTEM_ACTOR else "Confirmed: it was done."
    record(suggestion, "settled", timeline_owner=timeline_owner(suggestion), by=actor, summary=found)
    result = decision.kind.record_delivery(decision.parse_approved(), suggestion, execution, by=actor)
    mark_succeeded(decision, result)


def settle_as_not_done(decision: Decision) -> None:
    """Record that an unconfirmed execution did not happen. The delivery of an email tells its execution."""
    execution, actor = decision.execution, decision.actor
    reason = f"{actor} found out that it did not happen."
    delivery = lock_email_delivery(execution)
    if delivery is not None:
        send_queue.settle_failed(delivery, reason, actor)
    else:
        mark_failed(decision, reason)


def lock_email_delivery(execution: SuggestionExecution) -> send_queue.LockedDelivery | None:
    """Lock the delivery of the email of `execution`; None if there is no email, or it was deleted."""
    delivery = send_queue.lock_delivery(execution.message_id) if execution.message_id else None
    return None if delivery is None or delivery.message.is_deleted else delivery


def execute_again(decision: Decision) -> None:
    """Approve the same content once more, and queue its execution."""
    suggestion = decision.suggestion
    Suggestion.objects.filter(pk=suggestion.pk).update(
        status=approved_status(suggestion, suggestion.approved_content),
        reviewed_by=decision.actor.user,
        reviewed_at=timezone.now(),
        error_message="",
    )
    suggestion.refresh_from_db()
    enqueue_execution(decision.with_payload(decision.parse_approved()))
