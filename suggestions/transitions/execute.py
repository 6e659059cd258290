"""Carrying out what was approved: exactly that, once.

A kind that changes only our own database is carried out in one transaction with its execution's state. A kind
that reaches the outside world goes in three steps: claimed in one transaction, handed over outside of any, and
what came of it written down in another. Whatever dies in between leaves a RUNNING execution, and the kind itself
says what can be known of it.
"""

import logging
from datetime import timedelta
from typing import Any
from uuid import UUID

from django.db import DatabaseError, OperationalError, transaction
from django.utils import timezone
from procrastinate.contrib.django import app

from crm.exceptions import ActionRefused, IllegalTransition
from crm.records.activity import Actor, record
from crm.runtime.delivery import Delivery, DeliveryOutcome, retry_while_database_down
from crm.runtime.job_queue import enqueue
from suggestions.autonomy.rules import effective_setting, is_auto_approved, reasons_to_hold, suggestion_owner
from suggestions.choices import LabelCache
from suggestions.kinds import KINDS, Kind
from suggestions.models import APPROVED_STATUSES, ExecutionPause, ExecutionState, Suggestion, SuggestionExecution
from suggestions.policy.findings import find_policy_findings
from suggestions.transitions.outcome import (
    Completion,
    mark_failed,
    mark_succeeded,
    mark_suggestion_failed,
    prepare_completion,
    save_completions,
    set_state,
)
from suggestions.transitions.state import (
    CLEARED_DECISION,
    DECIDE_PERMISSION,
    DELETED_USER,
    POLICY_ACTOR,
    content_digest,
    get_kind,
    idempotency_key,
    reopen_suggestion,
    timeline_owner,
)

logger = logging.getLogger(__name__)

EXECUTE_JOB, BATCH_JOB = "suggestions.carry_out", "suggestions.drain"
# Waits before what was put off by the other side is tried again; after the last it has failed.
EXECUTION_RETRY_DELAYS = tuple(timedelta(minutes=minutes) for minutes in (1, 5, 15, 60, 240))
UNSETTLED_STATES = (ExecutionState.QUEUED, ExecutionState.UNKNOWN)


class AutoApprovalWithdrawn(IllegalTransition):
    """The policy had let it happen and no longer would; `hold_reasons` are the sentences that say why."""

    def __init__(self, hold_reasons: list[str]) -> None:
        self.hold_reasons = hold_reasons
        super().__init__(" ".join(hold_reasons))


def enqueue_execution(suggestion: Suggestion, *, by: Actor, wait: timedelta = timedelta()) -> SuggestionExecution:
    """Write the order to carry out what was approved, inside the transaction of the decision.

    What stays inside our database and need not wait is done at once; a refusal leaves it FAILED.
    """
    kind = get_kind(suggestion)
    payload = kind.parse_content(suggestion.approved_content)
    execution = SuggestionExecution(
        suggestion=suggestion,
        attempt=suggestion.executions.count() + 1,
        idempotency_key=idempotency_key(suggestion.pk, suggestion.content_hash),
        ordered_by=by.user,
        by_policy=by == POLICY_ACTOR,
        run_after=timezone.now() + wait,
    )
    execution.save(force_insert=True)
    if kind.is_outward:
        kind.prepare(payload, suggestion, execution, by=by)
    if kind.is_outward or wait:
        defer_execution(execution)
    elif is_paused(suggestion.type):
        defer_batch()
    else:
        execute_locally(execution.pk)
    suggestion.refresh_from_db()
    return execution


def defer_execution(execution: SuggestionExecution) -> None:
    """Queue the job that carries `execution` out, as part of the transaction; one that waits already is enough."""
    name = f"execution {execution.pk}"
    task = app.configure_task(EXECUTE_JOB, lock=name, queueing_lock=name, schedule_at=execution.run_after)
    enqueue(task, execution=str(execution.pk))


def defer_batch(number: int = 0) -> None:
    """Queue the job `number` that goes through what is due inside our own database; one that waits is enough."""
    enqueue(app.configure_task(BATCH_JOB, queueing_lock=f"drain {number}"), number=number)


def run_execution(pk: UUID) -> None:
    """Do what the execution `pk` orders, if it is due and nothing holds it back.

    May be called twice, at once, and again after a crash: the deed is done once.
    """
    found = SuggestionExecution.objects.filter(pk=pk).values_list("state", "suggestion__type").first()
    if found is None or found[0] not in (ExecutionState.QUEUED, ExecutionState.RUNNING):
        return
    interrupted, kind = found[0] == ExecutionState.RUNNING, KINDS[found[1]]
    if not kind.is_outward:
        execute_locally(pk)
        return
    rows = SuggestionExecution.objects.select_related("suggestion")
    if interrupted:
        recovered = kind.recover(rows.get(pk=pk))
        if recovered.outcome != DeliveryOutcome.RETRY_LATER:
            retry_while_database_down(lambda: record_outcome(pk, recovered))
            return
        requeue_interrupted(pk)
    if begin_delivery(pk, kind):
        execution = rows.get(pk=pk)
        delivery = kind.deliver(execution, lambda: check_before_delivery(execution))
        retry_while_database_down(lambda: record_outcome(pk, delivery))


# Inside our own database


@transaction.atomic
def execute_locally(pk: UUID) -> None:
    """Carry out the execution `pk` in this transaction, if it is due."""
    claimed = claim_execution(pk)
    completion = execute_claimed(*claimed, LabelCache()) if claimed is not None else None
    if completion is not None:
        save_completions([completion])


def execute_claimed(execution: SuggestionExecution, suggestion: Suggestion, labels: LabelCache) -> Completion | None:
    """Carry out `execution`, which the caller holds, as is `suggestion`; what is to be written down, if it was done."""
    by = execution_actor(execution)
    kind = get_kind(suggestion)
    try:
        with transaction.atomic():
            payload = recheck_payload(kind, execution, suggestion)
            result = kind.execute(payload, suggestion, by=by)
            return prepare_completion(execution, suggestion, payload, result, by=by, labels=labels)
    except AutoApprovalWithdrawn as withdrawal:
        return_to_reviewer(execution, suggestion, withdrawal.hold_reasons)
    except OperationalError:  # the database is away, or two waited for each other: tried again as a whole
        raise
    except (ActionRefused, DatabaseError) as error:
        mark_failed(execution, suggestion, str(error), by=by)
    except Exception as error:
        logger.exception("%s of suggestion %s broke down.", kind.__name__, suggestion.pk)
        why = f"The program broke down over this ({type(error).__name__}). Tell whoever looks after it, then try again."
        mark_failed(execution, suggestion, why, by=by)
    return None


def claim_execution(pk: UUID) -> tuple[SuggestionExecution, Suggestion] | None:
    """The execution and its suggestion, both held until the transaction ends; None where it is not to be done now."""
    owner = SuggestionExecution.objects.filter(pk=pk).values("suggestion")
    # The suggestion first, as every decision does: nobody waits for the other crosswise.
    suggestion = Suggestion.everything.select_for_update(of=("self",)).filter(pk__in=owner).first()
    execution = SuggestionExecution.objects.select_for_update(of=("self",)).filter(pk=pk).first()
    if suggestion is None or execution is None or execution.state != ExecutionState.QUEUED:
        return None
    if execution.run_after > timezone.now():
        defer_execution(execution)
        return None
    if not is_paused(suggestion.type):
        return execution, suggestion
    if is_auto_approved(suggestion):  # nobody has seen it: it does not go out by itself once the switch is on again
        return_to_reviewer(execution, suggestion, ["The carrying out was stopped."])
    return None


def is_paused(type: str) -> bool:
    """Whether a switch keeps what is of `type` from being carried out; asked anew each time."""
    return ExecutionPause.objects.filter(type__in=("", type)).exists()


def recheck_payload(kind: type[Kind], execution: SuggestionExecution, suggestion: Suggestion) -> Any:
    """The payload, if everything that was true when it was approved is true still.

    Raises:
        ActionRefused: it is not, and the sentence says what has changed.
    """
    if suggestion.is_deleted or suggestion.status not in APPROVED_STATUSES:
        raise IllegalTransition("The suggestion is no longer approved.")
    if content_digest(suggestion.approved_content) != suggestion.content_hash:
        raise IllegalTransition("The approved content has been altered since it was approved.")
    by = execution_actor(execution)
    by.require_permission(DECIDE_PERMISSION, "decide suggestions any more")
    by.require_permission(kind.permission, f"{kind.action_phrase} any more")
    payload = kind.parse_content(suggestion.approved_content)
    kind.guard(payload, suggestion)
    if is_auto_approved(suggestion):
        setting = effective_setting(suggestion_owner(suggestion), suggestion.type)
        if hold_reasons := reasons_to_hold(
            kind, payload, suggestion, find_policy_findings(kind, payload, suggestion), setting
        ):
            raise AutoApprovalWithdrawn(hold_reasons)
    return payload


def return_to_reviewer(execution: SuggestionExecution, suggestion: Suggestion, hold_reasons: list[str]) -> None:
    """Leave to a person what the policy had let happen, because it would no longer: nothing of it has happened."""
    kind = get_kind(suggestion)
    if kind.is_outward:
        kind.withdraw(execution)
    set_state(execution, ExecutionState.CANCELLED, error=" ".join(hold_reasons), finished_at=timezone.now())
    reopen_suggestion(suggestion, **CLEARED_DECISION, held_because=hold_reasons)
    summary = f"Left to a person after all: {suggestion.get_type_display().lower()}. {' '.join(hold_reasons)}"
    record(suggestion, "handed back", timeline_owner=timeline_owner(suggestion), by=POLICY_ACTOR, summary=summary)


def execution_actor(execution: SuggestionExecution) -> Actor:
    """Who stands behind `execution`."""
    if execution.by_policy:
        return POLICY_ACTOR
    return Actor.of(execution.ordered_by) if execution.ordered_by else DELETED_USER


# Into the outside world


@transaction.atomic
def begin_delivery(pk: UUID, kind: type[Kind]) -> bool:
    """Claim the execution `pk` for handing it over; whether it is ours to do now."""
    claimed = claim_execution(pk)
    if claimed is None:
        return False
    execution, suggestion = claimed
    try:
        with transaction.atomic():
            recheck_payload(kind, execution, suggestion)
    except AutoApprovalWithdrawn as withdrawal:
        return_to_reviewer(execution, suggestion, withdrawal.hold_reasons)
        return False
    except (ActionRefused, DatabaseError) as error:
        kind.mark_undelivered(execution, str(error))
        mark_failed(execution, suggestion, str(error), by=execution_actor(execution))
        return False
    set_state(execution, ExecutionState.RUNNING, started_at=timezone.now(), error="")
    return True


@transaction.atomic
def requeue_interrupted(pk: UUID) -> None:
    """Nothing has come of the execution `pk` before whoever was at it died: it counts as not begun."""
    row = (
        SuggestionExecution.objects.select_for_update(of=("self",)).filter(pk=pk, state=ExecutionState.RUNNING).first()
    )
    if row is not None:
        set_state(row, ExecutionState.QUEUED, started_at=None)


def check_before_delivery(execution: SuggestionExecution) -> Delivery | None:
    """Asked right before the point of no return: None, or how it ends here, because somebody has stopped it."""
    state = SuggestionExecution.objects.filter(pk=execution.pk).values_list("state", flat=True).first()
    if state != ExecutionState.RUNNING:
        return Delivery(DeliveryOutcome.SKIPPED)
    if is_paused(execution.suggestion.type):
        return Delivery(DeliveryOutcome.RETRY_LATER, "It was stopped before it went out.")
    return None


@transaction.atomic
def record_outcome(pk: UUID, delivery: Delivery) -> None:
    """Write down what became of the execution `pk`."""
    owner = SuggestionExecution.objects.filter(pk=pk).values("suggestion")
    suggestion = Suggestion.everything.select_for_update(of=("self",)).filter(pk__in=owner).first()
    execution = SuggestionExecution.objects.select_for_update(of=("self",)).filter(pk=pk).first()
    if suggestion is None or execution is None or delivery.outcome == DeliveryOutcome.SKIPPED:
        return
    by, kind = execution_actor(execution), get_kind(suggestion)
    # That it happened is the truth wherever the row stands by now.
    allowed_from = (
        (*UNSETTLED_STATES, ExecutionState.RUNNING)
        if delivery.outcome == DeliveryOutcome.DELIVERED
        else (ExecutionState.RUNNING,)
    )
    if execution.state not in allowed_from:
        return
    if delivery.outcome == DeliveryOutcome.DELIVERED:
        complete_delivery(execution, suggestion, delivery, by=by)
    elif delivery.outcome == DeliveryOutcome.RETRY_LATER and execution.put_off < len(EXECUTION_RETRY_DELAYS):
        reschedule(execution, delivery)
    elif delivery.outcome == DeliveryOutcome.UNCONFIRMED:
        set_state(execution, ExecutionState.UNKNOWN, error=delivery.message, finished_at=timezone.now())
        kind.mark_undelivered(execution, delivery.message, certain=False)
        mark_suggestion_failed(suggestion, delivery.message, by=by)
    else:
        kind.mark_undelivered(execution, delivery.message)
        mark_failed(execution, suggestion, delivery.message, by=by)


def complete_delivery(execution: SuggestionExecution, suggestion: Suggestion, delivery: Delivery, *, by: Actor) -> None:
    """It has happened out there: nothing that goes wrong in here may hide that."""
    kind = get_kind(suggestion)
    result = {
        **delivery.result,
        **kind.record_delivery(kind.parse_content(suggestion.approved_content), suggestion, execution, by=by),
    }
    execution.external_reference = delivery.reference or execution.external_reference
    SuggestionExecution.objects.filter(pk=execution.pk).update(external_reference=execution.external_reference)
    mark_succeeded(execution, suggestion, result, by=by)


def reschedule(execution: SuggestionExecution, delivery: Delivery) -> None:
    """Proven not to have happened, and likely to be possible later."""
    execution.run_after = timezone.now() + EXECUTION_RETRY_DELAYS[execution.put_off]
    set_state(
        execution,
        ExecutionState.QUEUED,
        run_after=execution.run_after,
        put_off=execution.put_off + 1,
        error=delivery.message,
    )
    defer_execution(execution)
