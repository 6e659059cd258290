"""The emails of suggestions in the send queue: checked when they are claimed, and their outcome recorded."""

from dataclasses import dataclass
from typing import Self
from uuid import UUID

from django.db import transaction
from django.db.models import QuerySet

from crm.exceptions import IllegalTransition
from crm.records.activity import SYSTEM_ACTOR, Actor, record
from crm.runtime.delivery import Delivery, DeliveryOutcome
from inbox.models import EmailDelivery, MessageState
from inbox.outgoing.delivery_owners import DeliveryOwner
from suggestions.models import LIVE_STATES, ExecutionPause, ExecutionState, SuggestionExecution, SuggestionType
from suggestions.transitions.execute import (
    AutoApprovalWithdrawn,
    is_held_by_pause,
    is_paused,
    recheck_payload,
    return_to_reviewer,
)
from suggestions.transitions.outcome import mark_failed, mark_succeeded, mark_unconfirmed, set_state
from suggestions.transitions.state import Decision, open_execution, timeline_owner


@dataclass(frozen=True)
class ExecutionOwner(DeliveryOwner):
    """The execution of a suggestion that owns a delivery; `decision` is None where nothing live is left of it."""

    decision: Decision | None = None

    @classmethod
    def lock(cls, message_id: UUID) -> Self:
        """Lock the suggestion and the live execution of the email `message_id`."""
        pk = find_executions(message_id).values_list("pk", flat=True).first()
        decision = open_execution(pk) if pk else None
        return cls(decision if decision and decision.execution.state in LIVE_STATES else None)

    @classmethod
    def check_before_data(cls, message_id: UUID) -> Delivery | None:
        execution = find_executions(message_id).select_related("suggestion").first()
        if execution is None or execution.state != ExecutionState.QUEUED:
            return Delivery(DeliveryOutcome.SKIPPED)
        if is_paused(execution.suggestion.type):
            return Delivery(DeliveryOutcome.RETRY_LATER, "It was stopped before it went out.")
        return None

    @classmethod
    def exclude_paused(cls, rows: QuerySet[EmailDelivery]) -> QuerySet[EmailDelivery]:
        paused = set(ExecutionPause.objects.values_list("type", flat=True))
        if not paused:
            return rows
        types = SuggestionType.values if "" in paused else paused
        held = SuggestionExecution.objects.filter(state=ExecutionState.QUEUED, suggestion__type__in=types)
        # An email that was cut off while it was sent is recovered all the same.
        held = held.filter(message__state=MessageState.QUEUED)
        return rows.exclude(pk__in=held.values("message"))

    def may_send(self, delivery: EmailDelivery) -> bool:
        decision = self.decision
        if decision is None or decision.execution.state != ExecutionState.QUEUED:
            raise IllegalTransition("The suggestion is no longer approved.")
        if is_held_by_pause(decision):
            return False
        try:
            with transaction.atomic():
                recheck_payload(decision)
        except AutoApprovalWithdrawn as withdrawal:
            return_to_reviewer(decision, withdrawal.hold_reasons)
            return False
        return True

    def on_sent(self, delivery: EmailDelivery, by: Actor | None) -> None:
        """Complete the execution. `by` confirmed it after it was unconfirmed; SYSTEM_ACTOR did in the Sent folder."""
        decision = self.decision_by(by)
        if decision is None:
            return
        suggestion, execution = decision.suggestion, decision.execution
        if by is not None and execution.state == ExecutionState.UNKNOWN:
            found = "Found in the Sent folder: it was sent." if by == SYSTEM_ACTOR else "Confirmed: it was sent."
            record(suggestion, "settled", timeline_owner=timeline_owner(suggestion), by=by, summary=found)
        payload = decision.parse_approved()
        mark_succeeded(decision, decision.kind.record_delivery(payload, suggestion, execution, by=decision.actor))

    def on_failed(self, delivery: EmailDelivery, by: Actor | None) -> None:
        if (decision := self.decision_by(by)) is not None:
            mark_failed(decision, delivery.message.error_message)

    def on_uncertain(self, delivery: EmailDelivery) -> None:
        if self.decision is not None:
            mark_unconfirmed(self.decision, delivery.message.error_message)

    def on_retry(self, delivery: EmailDelivery, reason: str) -> None:
        if self.decision is not None:
            changes = {"run_after": delivery.run_after, "retry_count": delivery.retry_count, "error": reason}
            set_state(self.decision.execution, ExecutionState.QUEUED, **changes)

    def decision_by(self, by: Actor | None) -> Decision | None:
        """Return the decision while its outcome is open, with `by`, who found the outcome out, as the actor."""
        decision, open_states = self.decision, (ExecutionState.QUEUED, ExecutionState.UNKNOWN)
        if decision is None or decision.execution.state not in open_states:
            return None
        return decision.with_actor(by) if by is not None else decision


def find_executions(message_id: UUID) -> QuerySet[SuggestionExecution]:
    """Return the attempt that the email `message_id` belongs to, while it is live."""
    return SuggestionExecution.objects.filter(message=message_id, state__in=LIVE_STATES).order_by("-attempt")
