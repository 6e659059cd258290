"""Running one execution, and delivering what reaches another system, such as a pull request.

Delivery has three steps: claimed in one transaction, handed over outside of any, and the outcome recorded in another.
A crash in between leaves a RUNNING execution, and its kind finds out what can be known of it.
"""

from uuid import UUID

from django.db import DatabaseError, transaction
from django.utils import timezone

from crm.exceptions import ActionRefused
from crm.runtime.delivery import RETRY_DELAYS, Delivery, DeliveryOutcome, retry_while_database_down
from inbox.outgoing.send_queue import send_queued_email
from suggestions.kinds import KINDS
from suggestions.models import ExecutionState, SuggestionExecution
from suggestions.transitions.execute import (
    AutoApprovalWithdrawn,
    claim_execution,
    defer_execution,
    execute_locally,
    is_paused,
    recheck_payload,
    return_to_reviewer,
)
from suggestions.transitions.outcome import mark_failed, mark_succeeded, mark_unconfirmed, set_state
from suggestions.transitions.state import Decision, open_execution

EMAIL_MISSING = "The email that was composed for this no longer exists."


def run_execution(pk: UUID) -> None:
    """Run the execution `pk` if it is due and no switch holds it back.

    May be called twice, concurrently, and again after a crash: what it does happens once.
    """
    execution = SuggestionExecution.objects.select_related("suggestion").filter(pk=pk).first()
    if execution is None or execution.state not in (ExecutionState.QUEUED, ExecutionState.RUNNING):
        return
    kind = KINDS[execution.suggestion.type]
    if not kind.is_outward:
        execute_locally(pk)
    elif not kind.sends_email:
        deliver(execution)
    elif execution.message_id is not None:
        send_queued_email(execution.message_id)
    else:
        fail_without_email(pk)


def deliver(execution: SuggestionExecution) -> None:
    """Deliver `execution`, or find out what became of it if its worker died."""
    pk, kind = execution.pk, KINDS[execution.suggestion.type]
    if execution.state == ExecutionState.RUNNING:
        recovered = kind.recover(execution)
        if recovered.outcome != DeliveryOutcome.RETRY_LATER:
            retry_while_database_down(lambda: record_delivery(pk, recovered))
            return
        requeue_interrupted(pk)
    if begin_delivery(pk):
        execution.refresh_from_db()
        delivery = kind.deliver(execution, lambda: check_before_delivery(execution))
        retry_while_database_down(lambda: record_delivery(pk, delivery))


@transaction.atomic
def begin_delivery(pk: UUID) -> bool:
    """Claim the execution `pk` for delivery; return whether it is to be delivered now."""
    decision = claim_execution(pk)
    if decision is None:
        return False
    try:
        with transaction.atomic():
            recheck_payload(decision)
    except AutoApprovalWithdrawn as withdrawal:
        return_to_reviewer(decision, withdrawal.hold_reasons)
        return False
    except (ActionRefused, DatabaseError) as error:
        mark_failed(decision, str(error))
        return False
    set_state(decision.execution, ExecutionState.RUNNING, started_at=timezone.now(), error="")
    return True


@transaction.atomic
def requeue_interrupted(pk: UUID) -> None:
    """Queue the execution `pk` again: its worker died before anything happened."""
    decision = open_execution(pk)
    if decision is not None and decision.execution.state == ExecutionState.RUNNING:
        set_state(decision.execution, ExecutionState.QUEUED, started_at=None)


def check_before_delivery(execution: SuggestionExecution) -> Delivery | None:
    """Return None to go on, or how the delivery ends instead. Called right before the point of no return."""
    state = SuggestionExecution.objects.filter(pk=execution.pk).values_list("state", flat=True).first()
    if state != ExecutionState.RUNNING:
        return Delivery(DeliveryOutcome.SKIPPED)
    if is_paused(execution.suggestion.type):
        return Delivery(DeliveryOutcome.RETRY_LATER, "It was stopped before it went out.")
    return None


@transaction.atomic
def record_delivery(pk: UUID, delivery: Delivery) -> None:
    """Record the outcome of delivering the execution `pk`."""
    decision = open_execution(pk)
    if decision is None or delivery.outcome == DeliveryOutcome.SKIPPED:
        return
    state, is_delivered = decision.execution.state, delivery.outcome == DeliveryOutcome.DELIVERED
    # That it happened is true in whatever state the execution is by now.
    unsettled = (ExecutionState.QUEUED, ExecutionState.RUNNING, ExecutionState.UNKNOWN)
    if state not in (unsettled if is_delivered else (ExecutionState.RUNNING,)):
        return
    if is_delivered:
        complete_delivery(decision, delivery)
    elif delivery.outcome == DeliveryOutcome.RETRY_LATER and decision.execution.retry_count < len(RETRY_DELAYS):
        retry_later(decision.execution, delivery.message)
    elif delivery.outcome == DeliveryOutcome.UNCONFIRMED:
        mark_unconfirmed(decision, delivery.message)
    else:
        mark_failed(decision, delivery.message)


def complete_delivery(decision: Decision, delivery: Delivery) -> None:
    """Record as done what the other system has; an exception in here would hide that."""
    execution = decision.execution
    result = decision.kind.record_delivery(decision.parse_approved(), decision.suggestion, execution, by=decision.actor)
    execution.external_reference = delivery.reference or execution.external_reference
    SuggestionExecution.objects.filter(pk=execution.pk).update(external_reference=execution.external_reference)
    mark_succeeded(decision, {**delivery.result, **result})


def retry_later(execution: SuggestionExecution, reason: str) -> None:
    """Reschedule what provably did not happen and may be possible later."""
    run_after = timezone.now() + RETRY_DELAYS[execution.retry_count]
    retry_count = execution.retry_count + 1
    set_state(execution, ExecutionState.QUEUED, run_after=run_after, retry_count=retry_count, error=reason)
    defer_execution(execution)


@transaction.atomic
def fail_without_email(pk: UUID) -> None:
    """Fail the execution `pk`: its email was deleted for good, with its thread."""
    decision = open_execution(pk)
    if decision is not None and decision.execution.state == ExecutionState.QUEUED:
        mark_failed(decision, EMAIL_MISSING)
