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

from crm.exceptions import IllegalMove, Refused
from crm.records.activity import Actor, record
from crm.runtime.delivery import Delivery, Outcome, insisting
from crm.runtime.job_queue import enqueue
from suggestions.autonomy.rules import by_policy, held_because, owner_of, setting_for
from suggestions.choices import Names
from suggestions.kinds import KINDS, Kind
from suggestions.models import GO_AHEAD, ExecutionPause, ExecutionState, Suggestion, SuggestionExecution
from suggestions.policy.findings import judge
from suggestions.transitions.outcome import Done, done, fail, failed, moved, succeeded, write_down
from suggestions.transitions.state import (
    DECIDE,
    GONE,
    POLICY,
    UNDECIDED,
    about,
    digest,
    idempotency_key,
    kind_of,
    open_again,
)

logger = logging.getLogger(__name__)

JOB, DRAIN = "suggestions.carry_out", "suggestions.drain"
# Waits before what was put off by the other side is tried again; after the last it has failed.
BACKOFF = tuple(timedelta(minutes=minutes) for minutes in (1, 5, 15, 60, 240))
EVER_OPEN = (ExecutionState.QUEUED, ExecutionState.UNKNOWN)


class Withheld(IllegalMove):
    """The policy had let it happen and no longer would; `because` are the sentences that say why."""

    def __init__(self, because: list[str]) -> None:
        self.because = because
        super().__init__(" ".join(because))


def order(suggestion: Suggestion, *, by: Actor, wait: timedelta = timedelta()) -> SuggestionExecution:
    """Write the order to carry out what was approved, inside the transaction of the decision.

    What stays inside our database and need not wait is done at once; a refusal leaves it FAILED.
    """
    kind = kind_of(suggestion)
    payload = kind.check(suggestion.approved_content)
    execution = SuggestionExecution(
        suggestion=suggestion,
        attempt=suggestion.executions.count() + 1,
        idempotency_key=idempotency_key(suggestion.pk, suggestion.content_hash),
        ordered_by=by.user,
        by_policy=by == POLICY,
        run_after=timezone.now() + wait,
    )
    execution.save(force_insert=True)
    if kind.outward:
        kind.prepare(payload, suggestion, execution, by=by)
    if kind.outward or wait:
        defer(execution)
    elif holding(suggestion.type):
        defer_drain()
    else:
        do_here(execution.pk)
    suggestion.refresh_from_db()
    return execution


def defer(execution: SuggestionExecution) -> None:
    """Queue the job that carries `execution` out, as part of the transaction; one that waits already is enough."""
    name = f"execution {execution.pk}"
    task = app.configure_task(JOB, lock=name, queueing_lock=name, schedule_at=execution.run_after)
    enqueue(task, execution=str(execution.pk))


def defer_drain(number: int = 0) -> None:
    """Queue the job `number` that goes through what is due inside our own database; one that waits is enough."""
    enqueue(app.configure_task(DRAIN, queueing_lock=f"drain {number}"), number=number)


def carry_out(pk: UUID) -> None:
    """Do what the execution `pk` orders, if it is due and nothing holds it back.

    May be called twice, at once, and again after a crash: the deed is done once.
    """
    found = SuggestionExecution.objects.filter(pk=pk).values_list("state", "suggestion__type").first()
    if found is None or found[0] not in (ExecutionState.QUEUED, ExecutionState.RUNNING):
        return
    interrupted, kind = found[0] == ExecutionState.RUNNING, KINDS[found[1]]
    if not kind.outward:
        do_here(pk)
        return
    rows = SuggestionExecution.objects.select_related("suggestion")
    if interrupted:
        known = kind.recover(rows.get(pk=pk))
        if known.outcome != Outcome.LATER:
            insisting(lambda: finish(pk, known))
            return
        start_over(pk)
    if begin(pk, kind):
        execution = rows.get(pk=pk)
        delivery = kind.deliver(execution, lambda: may_go(execution))
        insisting(lambda: finish(pk, delivery))


# Inside our own database


@transaction.atomic
def do_here(pk: UUID) -> None:
    """Carry out the execution `pk` in this transaction, if it is due."""
    claimed = claim(pk)
    one = do(*claimed, Names()) if claimed is not None else None
    if one is not None:
        write_down([one])


def do(execution: SuggestionExecution, suggestion: Suggestion, names: Names) -> Done | None:
    """Carry out `execution`, which the caller holds, as is `suggestion`; what is to be written down, if it was done."""
    by = actor_of(execution)
    kind = kind_of(suggestion)
    try:
        with transaction.atomic():
            payload = permitted(kind, execution, suggestion)
            result = kind.execute(payload, suggestion, by=by)
            return done(execution, suggestion, payload, result, by=by, names=names)
    except Withheld as change:
        hand_back(execution, suggestion, change.because)
    except OperationalError:  # the database is away, or two waited for each other: tried again as a whole
        raise
    except (Refused, DatabaseError) as error:
        failed(execution, suggestion, str(error), by=by)
    except Exception as error:
        logger.exception("%s of suggestion %s broke down.", kind.__name__, suggestion.pk)
        why = f"The program broke down over this ({type(error).__name__}). Tell whoever looks after it, then try again."
        failed(execution, suggestion, why, by=by)
    return None


def claim(pk: UUID) -> tuple[SuggestionExecution, Suggestion] | None:
    """The execution and its suggestion, both held until the transaction ends; None where it is not to be done now."""
    owner = SuggestionExecution.objects.filter(pk=pk).values("suggestion")
    # The suggestion first, as every decision does: nobody waits for the other crosswise.
    suggestion = Suggestion.everything.select_for_update(of=("self",)).filter(pk__in=owner).first()
    execution = SuggestionExecution.objects.select_for_update(of=("self",)).filter(pk=pk).first()
    if suggestion is None or execution is None or execution.state != ExecutionState.QUEUED:
        return None
    if execution.run_after > timezone.now():
        defer(execution)
        return None
    if not holding(suggestion.type):
        return execution, suggestion
    if by_policy(suggestion):  # nobody has seen it: it does not go out by itself once the switch is on again
        hand_back(execution, suggestion, ["The carrying out was stopped."])
    return None


def holding(type: str) -> bool:
    """Whether a switch keeps what is of `type` from being carried out; asked anew each time."""
    return ExecutionPause.objects.filter(type__in=("", type)).exists()


def permitted(kind: type[Kind], execution: SuggestionExecution, suggestion: Suggestion) -> Any:
    """The payload, if everything that was true when it was approved is true still.

    Raises:
        Refused: it is not, and the sentence says what has changed.
    """
    if suggestion.is_deleted or suggestion.status not in GO_AHEAD:
        raise IllegalMove("The suggestion is no longer approved.")
    if digest(suggestion.approved_content) != suggestion.content_hash:
        raise IllegalMove("The approved content has been altered since it was approved.")
    by = actor_of(execution)
    by.require(DECIDE, "decide suggestions any more")
    by.require(kind.permission, f"{kind.deed} any more")
    payload = kind.check(suggestion.approved_content)
    kind.guard(payload, suggestion)
    if by_policy(suggestion):
        setting = setting_for(owner_of(suggestion), suggestion.type)
        if because := held_because(kind, payload, suggestion, judge(kind, payload, suggestion), setting):
            raise Withheld(because)
    return payload


def hand_back(execution: SuggestionExecution, suggestion: Suggestion, because: list[str]) -> None:
    """Leave to a person what the policy had let happen, because it would no longer: nothing of it has happened."""
    kind = kind_of(suggestion)
    if kind.outward:
        kind.withdraw(execution)
    moved(execution, ExecutionState.CANCELLED, error=" ".join(because), finished_at=timezone.now())
    open_again(suggestion, **UNDECIDED, held_because=because)
    summary = f"Left to a person after all: {suggestion.get_type_display().lower()}. {' '.join(because)}"
    record(suggestion, "handed back", about=about(suggestion), by=POLICY, summary=summary)


def actor_of(execution: SuggestionExecution) -> Actor:
    """Who stands behind `execution`."""
    if execution.by_policy:
        return POLICY
    return Actor.of(execution.ordered_by) if execution.ordered_by else GONE


# Into the outside world


@transaction.atomic
def begin(pk: UUID, kind: type[Kind]) -> bool:
    """Claim the execution `pk` for handing it over; whether it is ours to do now."""
    claimed = claim(pk)
    if claimed is None:
        return False
    execution, suggestion = claimed
    try:
        with transaction.atomic():
            permitted(kind, execution, suggestion)
    except Withheld as change:
        hand_back(execution, suggestion, change.because)
        return False
    except (Refused, DatabaseError) as error:
        kind.give_up(execution, str(error))
        failed(execution, suggestion, str(error), by=actor_of(execution))
        return False
    moved(execution, ExecutionState.RUNNING, started_at=timezone.now(), error="")
    return True


@transaction.atomic
def start_over(pk: UUID) -> None:
    """Nothing has come of the execution `pk` before whoever was at it died: it counts as not begun."""
    row = (
        SuggestionExecution.objects.select_for_update(of=("self",)).filter(pk=pk, state=ExecutionState.RUNNING).first()
    )
    if row is not None:
        moved(row, ExecutionState.QUEUED, started_at=None)


def may_go(execution: SuggestionExecution) -> Delivery | None:
    """Asked right before the point of no return: None, or how it ends here, because somebody has stopped it."""
    state = SuggestionExecution.objects.filter(pk=execution.pk).values_list("state", flat=True).first()
    if state != ExecutionState.RUNNING:
        return Delivery(Outcome.LEFT_ALONE)
    if holding(execution.suggestion.type):
        return Delivery(Outcome.LATER, "It was stopped before it went out.")
    return None


@transaction.atomic
def finish(pk: UUID, delivery: Delivery) -> None:
    """Write down what became of the execution `pk`."""
    owner = SuggestionExecution.objects.filter(pk=pk).values("suggestion")
    suggestion = Suggestion.everything.select_for_update(of=("self",)).filter(pk__in=owner).first()
    execution = SuggestionExecution.objects.select_for_update(of=("self",)).filter(pk=pk).first()
    if suggestion is None or execution is None or delivery.outcome == Outcome.LEFT_ALONE:
        return
    by, kind = actor_of(execution), kind_of(suggestion)
    # That it happened is the truth wherever the row stands by now.
    open_to = (*EVER_OPEN, ExecutionState.RUNNING) if delivery.outcome == Outcome.DONE else (ExecutionState.RUNNING,)
    if execution.state not in open_to:
        return
    if delivery.outcome == Outcome.DONE:
        arrived(execution, suggestion, delivery, by=by)
    elif delivery.outcome == Outcome.LATER and execution.put_off < len(BACKOFF):
        put_off(execution, delivery)
    elif delivery.outcome == Outcome.UNKNOWN:
        moved(execution, ExecutionState.UNKNOWN, error=delivery.said, finished_at=timezone.now())
        kind.give_up(execution, delivery.said, certain=False)
        fail(suggestion, delivery.said, by=by)
    else:
        kind.give_up(execution, delivery.said)
        failed(execution, suggestion, delivery.said, by=by)


def arrived(execution: SuggestionExecution, suggestion: Suggestion, delivery: Delivery, *, by: Actor) -> None:
    """It has happened out there: nothing that goes wrong in here may hide that."""
    kind = kind_of(suggestion)
    result = {**delivery.result, **kind.arrived(kind.check(suggestion.approved_content), suggestion, execution, by=by)}
    execution.external_reference = delivery.reference or execution.external_reference
    SuggestionExecution.objects.filter(pk=execution.pk).update(external_reference=execution.external_reference)
    succeeded(execution, suggestion, result, by=by)


def put_off(execution: SuggestionExecution, delivery: Delivery) -> None:
    """Proven not to have happened, and likely to be possible later."""
    execution.run_after = timezone.now() + BACKOFF[execution.put_off]
    moved(
        execution,
        ExecutionState.QUEUED,
        run_after=execution.run_after,
        put_off=execution.put_off + 1,
        error=delivery.said,
    )
    defer(execution)
