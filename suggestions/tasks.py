"""The jobs that execute what was approved."""

from datetime import timedelta
from uuid import UUID

from django.utils import timezone
from procrastinate import RetryStrategy
from procrastinate.contrib.django import app

from crm.records.transitions import MAX_CLOCK_ERROR, pull_back_dates
from leads.ownership import repair_owner_column
from suggestions import transitions
from suggestions.autonomy.kill_switch import paused_types
from suggestions.models import ExecutionState, Suggestion, SuggestionExecution, SuggestionStatus
from suggestions.transitions.batch_execution import enqueue_due_executions, run_due_executions
from suggestions.transitions.execute import BATCH_JOB, EXECUTE_JOB, defer_execution

# An execution that is due for so long and did not begin has lost its job; one that runs for so long, its worker.
LOST_AFTER = timedelta(minutes=2)
INTERRUPTED_AFTER = timedelta(minutes=15)
MAX_RECOVERED = 1_000
# Nobody snoozes for longer.
MAX_SNOOZE = timedelta(days=366)


# Retried when the program itself fails: the state of the execution says what is left to do.
@app.task(name=EXECUTE_JOB, retry=RetryStrategy(max_attempts=10, exponential_wait=2))
def run_execution_job(execution: str) -> None:
    """Run the execution of one approved suggestion."""
    transitions.run_execution(UUID(execution))


@app.task(name=BATCH_JOB, retry=RetryStrategy(max_attempts=10, exponential_wait=2))
def run_batch_job(number: int = 0) -> None:
    """Execute what is due and changes only our own database; `number` tells concurrent batch jobs apart."""
    run_due_executions(number)


@app.periodic(cron="* * * * *")
@app.task(name="suggestions.find_lost", queueing_lock="suggestions.find_lost")
def recover_lost_executions(timestamp: int) -> None:
    """Queue again what is due and has lost its job, and what was interrupted. The inbox does so for emails."""
    now = timezone.now()
    paused = paused_types()
    if "" not in paused:
        overdue = SuggestionExecution.objects.due(now - LOST_AFTER).filter(message=None)
        enqueue_due_executions(overdue.exclude(suggestion__type__in=paused)[:MAX_RECOVERED])
    running = SuggestionExecution.objects.filter(state=ExecutionState.RUNNING, started_at__lt=now - INTERRUPTED_AFTER)
    for execution in running[:MAX_RECOVERED]:
        defer_execution(execution)


@app.periodic(cron="15 4 * * *")
@app.task(name="suggestions.repair_owners", queueing_lock="suggestions.repair_owners")
def repair_suggestion_owners(timestamp: int) -> None:
    """Correct the owners of tickets and suggestions that were made while their records were reassigned."""
    repair_owner_column("support_tickets")
    repair_owner_column("suggestions")


@app.periodic(cron="5 * * * *")
@app.task(name="suggestions.correct_future_dates", queueing_lock="suggestions.correct_future_dates")
def correct_future_dates(timestamp: int) -> None:
    """Pull back the dates that a clock which ran ahead has set: nothing would be decided or executed until then."""
    now = timezone.now()
    waiting = Suggestion.objects.filter(status=SuggestionStatus.PENDING)
    pull_back_dates(waiting, ("snoozed_until",), now, by=MAX_SNOOZE)
    queued = SuggestionExecution.objects.filter(state=ExecutionState.QUEUED)
    pull_back_dates(queued, ("run_after",), now, by=MAX_CLOCK_ERROR)
