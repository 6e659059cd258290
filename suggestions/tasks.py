"""The jobs that carry out what was approved."""

from contextlib import suppress
from datetime import timedelta
from uuid import UUID

from django.utils import timezone
from procrastinate import RetryStrategy
from procrastinate.contrib.django import app

from crm.exceptions import Refused
from crm.records.activity import SYSTEM
from leads.ownership import repaired
from suggestions import transitions
from suggestions.autonomy.kill_switch import paused_types
from suggestions.models import ExecutionState, SuggestionExecution
from suggestions.transitions.batch_execution import drain, let_go
from suggestions.transitions.execute import DRAIN, JOB, defer

# What is due for so long without having begun has lost its job; what runs for so long has lost its worker.
LOST_AFTER = timedelta(minutes=2)
CUT_OFF_AFTER = timedelta(minutes=15)
MOST_AT_ONCE = 1_000


# Tried again when the program itself broke down: the execution's own state says what is left to do.
@app.task(name=JOB, retry=RetryStrategy(max_attempts=10, exponential_wait=2))
def carry_out(execution: str) -> None:
    """Carry out one approved suggestion."""
    transitions.carry_out(UUID(execution))


@app.task(name=DRAIN, retry=RetryStrategy(max_attempts=10, exponential_wait=2))
def go_through(number: int = 0) -> None:
    """Carry out what is due inside our own database; `number` is which of those that do so at a time."""
    drain(number)


@app.periodic(cron="* * * * *")
@app.task(name="suggestions.find_lost", queueing_lock="suggestions.find_lost")
def find_lost(timestamp: int) -> None:
    """Queue again what is due and has no job, and what was cut off; settle of what it is proven that it went out."""
    now = timezone.now()
    paused = paused_types()
    if "" not in paused:
        late = SuggestionExecution.objects.due(now - LOST_AFTER).exclude(suggestion__type__in=paused)
        let_go(late[:MOST_AT_ONCE])
    running = SuggestionExecution.objects.filter(state=ExecutionState.RUNNING, started_at__lt=now - CUT_OFF_AFTER)
    for execution in running[:MOST_AT_ONCE]:
        defer(execution)
    for execution in SuggestionExecution.objects.proven()[:MOST_AT_ONCE]:
        with suppress(Refused):  # a person may be about to decide, or has
            transitions.settle(execution.suggestion, happened=True, by=SYSTEM)


@app.periodic(cron="15 4 * * *")
@app.task(name="suggestions.repair_owners", queueing_lock="suggestions.repair_owners")
def repair_owners(timestamp: int) -> None:
    """Set right the owners of suggestions that were made while their lead changed hands."""
    repaired("suggestions")
