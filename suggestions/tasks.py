"""The jobs that carry out what was approved."""

from contextlib import suppress
from datetime import timedelta
from uuid import UUID

from django.utils import timezone
from procrastinate import RetryStrategy
from procrastinate.contrib.django import app

from crm.exceptions import ActionRefused
from crm.records.activity import SYSTEM_ACTOR
from leads.ownership import repair_owner_column
from suggestions import transitions
from suggestions.autonomy.kill_switch import paused_types
from suggestions.models import ExecutionState, SuggestionExecution
from suggestions.transitions.batch_execution import enqueue_due_executions, run_due_executions
from suggestions.transitions.execute import BATCH_JOB, EXECUTE_JOB, defer_execution

# What is due for so long without having begun has lost its job; what runs for so long has lost its worker.
LOST_AFTER = timedelta(minutes=2)
INTERRUPTED_AFTER = timedelta(minutes=15)
MAX_RECOVERED = 1_000


# Tried again when the program itself broke down: the execution's own state says what is left to do.
@app.task(name=EXECUTE_JOB, retry=RetryStrategy(max_attempts=10, exponential_wait=2))
def run_execution_job(execution: str) -> None:
    """Carry out one approved suggestion."""
    transitions.run_execution(UUID(execution))


@app.task(name=BATCH_JOB, retry=RetryStrategy(max_attempts=10, exponential_wait=2))
def run_batch_job(number: int = 0) -> None:
    """Carry out what is due inside our own database; `number` is which of those that do so at a time."""
    run_due_executions(number)


@app.periodic(cron="* * * * *")
@app.task(name="suggestions.find_lost", queueing_lock="suggestions.find_lost")
def recover_lost_executions(timestamp: int) -> None:
    """Queue again what is due and has no job, and what was cut off; settle of what it is proven that it went out."""
    now = timezone.now()
    paused = paused_types()
    if "" not in paused:
        overdue = SuggestionExecution.objects.due(now - LOST_AFTER).exclude(suggestion__type__in=paused)
        enqueue_due_executions(overdue[:MAX_RECOVERED])
    running = SuggestionExecution.objects.filter(state=ExecutionState.RUNNING, started_at__lt=now - INTERRUPTED_AFTER)
    for execution in running[:MAX_RECOVERED]:
        defer_execution(execution)
    for execution in SuggestionExecution.objects.confirmed_sent()[:MAX_RECOVERED]:
        with suppress(ActionRefused):  # a person may be about to decide, or has
            transitions.settle_unknown_outcome(execution.suggestion, happened=True, by=SYSTEM_ACTOR)


@app.periodic(cron="15 4 * * *")
@app.task(name="suggestions.repair_owners", queueing_lock="suggestions.repair_owners")
def repair_suggestion_owners(timestamp: int) -> None:
    """Set right the owners of suggestions that were made while their lead changed hands."""
    repair_owner_column("suggestions")
