"""Queueing the execution of what was approved, and executing what changes only our own database.

An email goes through the send queue of the inbox (`email_delivery`); what reaches another system, such as a pull
request, is delivered in three steps (`outward`); everything else is executed here, in one transaction with the
state of its execution.
"""

import logging
from datetime import timedelta
from typing import Any
from uuid import UUID

from django.db import DatabaseError, OperationalError, transaction
from django.utils import timezone

from crm.exceptions import ActionRefused, IllegalTransition
from crm.records.activity import record
from crm.runtime.job_queue import configure_job, enqueue
from suggestions.autonomy.rules import effective_setting, is_auto_approved, reasons_to_hold, suggestion_owner
from suggestions.choices import LabelCache
from suggestions.models import ExecutionPause, ExecutionState, SuggestionExecution
from suggestions.policy.consent import check_possible
from suggestions.policy.findings import find_policy_findings
from suggestions.transitions.outcome import Completion, mark_failed, prepare_completion, save_completions, set_state
from suggestions.transitions.state import (
    CLEARED_DECISION,
    DECIDE_PERMISSION,
    POLICY_ACTOR,
    Decision,
    content_digest,
    idempotency_key,
    is_approved,
    open_execution,
    reopen_suggestion,
    timeline_owner,
)

logger = logging.getLogger(__name__)

EXECUTE_JOB, BATCH_JOB = "suggestions.execute", "suggestions.execute_batch"


class AutoApprovalWithdrawn(IllegalTransition):
    """The policy had approved it and no longer would; `hold_reasons` are the sentences that say why."""

    def __init__(self, hold_reasons: list[str]) -> None:
        self.hold_reasons = hold_reasons
        super().__init__(" ".join(hold_reasons))


def enqueue_execution(decision: Decision, *, wait: timedelta = timedelta()) -> SuggestionExecution:
    """Queue the execution of the payload of `decision`, in the transaction of the approval.

    An email is composed and queued now. What changes only our own database and need not wait is executed at once; a
    refusal leaves the suggestion FAILED.
    """
    suggestion, kind, actor = decision.suggestion, decision.kind, decision.actor
    execution = SuggestionExecution(
        suggestion=suggestion,
        attempt=suggestion.executions.count() + 1,
        idempotency_key=idempotency_key(suggestion.pk, suggestion.content_hash),
        ordered_by=actor.user,
        by_policy=actor == POLICY_ACTOR,
        run_after=timezone.now() + wait,
    )
    execution.save(force_insert=True)
    if kind.sends_email:
        kind.queue_email(decision.payload, suggestion, execution, by=actor)
    elif kind.is_outward or wait:
        defer_execution(execution)
    elif is_paused(suggestion.type):
        defer_batch()
    else:
        execute_now(decision.with_execution(execution))
    suggestion.refresh_from_db()
    return execution


def defer_execution(execution: SuggestionExecution) -> None:
    """Queue the job that runs `execution`, in the caller's transaction, unless such a job is waiting already."""
    name = f"execution {execution.pk}"
    task = configure_job(EXECUTE_JOB, lock=name, queueing_lock=name, schedule_at=execution.run_after)
    enqueue(task, execution=str(execution.pk))


def defer_batch(number: int = 0) -> None:
    """Queue the batch job `number`, unless it is waiting already."""
    enqueue(configure_job(BATCH_JOB, queueing_lock=f"batch {number}"), number=number)


@transaction.atomic
def execute_locally(pk: UUID) -> None:
    """Execute `pk`, which changes only our own database, if it is due."""
    decision = claim_execution(pk)
    if decision is not None:
        execute_now(decision)


def execute_now(decision: Decision) -> None:
    """Execute `decision`, which the caller has locked, and record the outcome."""
    completion = execute_claimed(decision, LabelCache())
    if completion is not None:
        save_completions([completion])


def execute_claimed(decision: Decision, labels: LabelCache) -> Completion | None:
    """Execute `decision`, which the caller has locked; return what is to be recorded, or None where it failed."""
    try:
        with transaction.atomic():
            decision = decision.with_payload(recheck_payload(decision))
            result = decision.kind.execute(decision.payload, decision.suggestion, by=decision.actor)
            return prepare_completion(decision, result, labels=labels)
    except AutoApprovalWithdrawn as withdrawal:
        return_to_reviewer(decision, withdrawal.hold_reasons)
    except OperationalError:  # the database is down, or there was a deadlock: the job is tried again
        raise
    except (ActionRefused, DatabaseError) as error:
        mark_failed(decision, str(error))
    except Exception as error:
        logger.exception("%s of suggestion %s failed.", decision.kind.__name__, decision.suggestion.pk)
        reason = f"The program failed over this ({type(error).__name__}). Tell your administrator, then try again."
        mark_failed(decision, reason)
    return None


def claim_execution(pk: UUID) -> Decision | None:
    """Lock the execution `pk` and its suggestion; None where it is not to be executed now."""
    decision = open_execution(pk)
    if decision is None or decision.execution.state != ExecutionState.QUEUED:
        return None
    if decision.execution.run_after > timezone.now():
        defer_execution(decision.execution)
        return None
    return None if is_held_by_pause(decision) else decision


def is_held_by_pause(decision: Decision) -> bool:
    """Return whether a switch holds `decision` back.

    What only the policy has approved goes back to a reviewer: it must not go out by itself when the switch is on again.
    """
    if not is_paused(decision.suggestion.type):
        return False
    if is_auto_approved(decision.suggestion):
        return_to_reviewer(decision, ["Execution was stopped."])
    return True


def is_paused(type: str) -> bool:
    """Return whether a switch stops the execution of `type`. Never cached."""
    return ExecutionPause.objects.filter(type__in=("", type)).exists()


def recheck_payload(decision: Decision) -> Any:
    """Return the approved payload if all that was true at the approval still is.

    Raises:
        AutoApprovalWithdrawn: the policy approved it and no longer would.
        ActionRefused: something has changed; the sentence says what.
    """
    suggestion, kind, actor = decision.suggestion, decision.kind, decision.actor
    if not is_approved(suggestion):
        raise IllegalTransition("The suggestion is no longer approved.")
    if content_digest(suggestion.approved_content) != suggestion.content_hash:
        raise IllegalTransition("The approved content has been altered since it was approved.")
    actor.require_permission(DECIDE_PERMISSION, "decide suggestions any more")
    actor.require_permission(kind.permission, f"{kind.action_phrase} any more")
    payload = decision.parse_approved()
    check_possible(kind, payload, suggestion)
    if is_auto_approved(suggestion):
        setting = effective_setting(suggestion_owner(suggestion), suggestion.type)
        findings = find_policy_findings(kind, payload, suggestion)
        if hold_reasons := reasons_to_hold(kind, payload, suggestion, findings, setting):
            raise AutoApprovalWithdrawn(hold_reasons)
    return payload


def return_to_reviewer(decision: Decision, hold_reasons: list[str]) -> None:
    """Give what the policy approved, and no longer would, back to a reviewer. Nothing of it has happened."""
    suggestion, execution = decision.suggestion, decision.execution
    decision.kind.withdraw(execution)
    set_state(execution, ExecutionState.CANCELLED, error=" ".join(hold_reasons), finished_at=timezone.now())
    reopen_suggestion(suggestion, **CLEARED_DECISION, held_because=hold_reasons)
    summary = f"Returned to a reviewer: {suggestion.get_type_display().lower()}. {' '.join(hold_reasons)}"
    record(suggestion, "handed back", timeline_owner=timeline_owner(suggestion), by=POLICY_ACTOR, summary=summary)
