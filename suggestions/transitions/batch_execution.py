"""Executing many suggestions at once: what a switch had stopped, what is due, and what has lost its job."""

import logging
import time
from datetime import timedelta

from django.db import DatabaseError, connection, transaction
from django.db.models import QuerySet
from django.utils import timezone

from crm.models import User
from inbox.models import EmailDelivery
from inbox.outgoing.send_queue import defer_send_job
from leads.evaluation_queue import one_evaluation_job
from leads.models import Lead
from suggestions.choices import LabelCache
from suggestions.kinds import KINDS
from suggestions.models import ExecutionPause, SuggestionExecution
from suggestions.transitions.execute import defer_batch, defer_execution, execute_claimed
from suggestions.transitions.outcome import save_completions
from suggestions.transitions.state import decision_of

logger = logging.getLogger(__name__)

# How many batch jobs work at a time, and after how many seconds each queues its successor, so that all workers get
# their share and other jobs get their turn.
MAX_BATCH_JOBS, BATCH_JOB_SECONDS = 4, 1.0
# How many are executed in one transaction, and the seconds after which it ends all the same: for so long the switches
# and the permissions are taken for what they were at its start.
EXECUTIONS_PER_BATCH, BATCH_TRANSACTION_SECONDS = 25, 1.0
# A broken foreign key fails the one execution that caused it, at once and not at the end of the transaction.
CHECK_CONSTRAINTS_AT_EACH = "SET CONSTRAINTS ALL IMMEDIATE"


def enqueue_due_executions(executions: QuerySet[SuggestionExecution]) -> int:
    """Queue the jobs that run `executions`, in the caller's transaction; return how many executions there are."""
    rows = list(executions.values_list("pk", "suggestion__type", "run_after", "message"))
    emails = [message for _, _, _, message in rows if message is not None]
    for delivery in EmailDelivery.objects.filter(pk__in=emails, finished_at=None):
        defer_send_job(delivery)
    others = [row for row in rows if row[3] is None]
    outward = [SuggestionExecution(pk=pk, run_after=at) for pk, type, at, _ in others if KINDS[type].is_outward]
    for execution in outward:
        defer_execution(execution)
    for number in range(min(MAX_BATCH_JOBS, len(others) - len(outward))):
        defer_batch(number)
    return len(rows)


def run_due_executions(number: int = 0) -> int:
    """Execute what is due, changes only our own database, and is not locked by others; return how many.

    A job and a transaction for each would cost as much again as the executions themselves. What is left after its
    turn is for the next job of the same `number`, which it queues.

    Raises:
        DatabaseError: the database refuses one even by itself; what was executed before stays.
    """
    total, one_by_one, began = 0, 0, time.monotonic()
    while time.monotonic() - began < BATCH_JOB_SECONDS:
        try:
            count = run_batch(1 if one_by_one else EXECUTIONS_PER_BATCH)
        except DatabaseError:
            if one_by_one:
                raise
            # The whole batch was rolled back: each by itself now, so that the cause fails only one.
            logger.warning("A batch of executions failed and was rolled back; executing one at a time.", exc_info=True)
            one_by_one = EXECUTIONS_PER_BATCH
            continue
        if count is None:
            return total
        total += count
        # If all their leads are locked, the next one waits for its lock.
        one_by_one = max(one_by_one - 1, 0 if count else 1)
    defer_batch(number)
    return total


@transaction.atomic
def run_batch(limit: int) -> int | None:
    """Execute up to `limit` that have been due the longest; return how many, or None where nothing is due.

    Each fails alone. After a crash all of them are executed again.
    """
    began = time.monotonic()
    paused = set(ExecutionPause.objects.values_list("type", flat=True))
    types = [kind.type for kind in KINDS.values() if not kind.is_outward and not {"", kind.type} & paused]
    rows = SuggestionExecution.objects.due(timezone.now()).filter(suggestion__type__in=types)
    rows = rows.select_related("suggestion").select_for_update(of=("self", "suggestion"), skip_locked=True)
    claimed = list(rows[:limit])
    if not claimed:
        return None
    with connection.cursor() as cursor:
        cursor.execute(CHECK_CONSTRAINTS_AT_EACH)
    attempted, completions, labels = 0, [], LabelCache()
    with one_evaluation_job():
        for execution in lock_leads(claimed, wait=limit == 1):
            if time.monotonic() - began > BATCH_TRANSACTION_SECONDS:
                break
            attempted += 1
            completion = execute_claimed(decision_of(execution, execution.suggestion), labels)
            if completion is not None:
                completions.append(completion)
            if completion is None or completion.result.get("suggestions"):
                break  # an autonomy setting may be locked by now, after which nothing else may be locked
    save_completions(completions)
    return attempted


def lock_leads(claimed: list[SuggestionExecution], *, wait: bool) -> list[SuggestionExecution]:
    """Lock the leads of `claimed`, and read all that the executions need at once; return those with a locked lead.

    If another transaction has locked a lead, its execution is left for later, unless `wait`.
    """
    users = User.objects.in_bulk({execution.ordered_by_id for execution in claimed} - {None})
    rows = Lead.everything.filter(pk__in={execution.suggestion.lead_id for execution in claimed} - {None})
    locked = rows.select_for_update(of=("self",), no_key=True, skip_locked=not wait).order_by("pk")
    leads = {lead.pk: lead for lead in locked.select_related("status", "assigned_to")}
    touch_leads(list(leads.values()))
    ready_executions = [execution for execution in claimed if execution.suggestion.lead_id in {None, *leads}]
    for execution in ready_executions:
        if execution.ordered_by_id is not None:
            execution.ordered_by = users[execution.ordered_by_id]
        # A second execution for the same lead reads it after the first one has changed it.
        lead = leads.pop(execution.suggestion.lead_id, None)
        if lead is not None:
            execution.suggestion.lead = lead
    return ready_executions


def touch_leads(leads: list[Lead]) -> None:
    """Set the last activity of all `leads`, which the caller has locked, for the entries that this batch will write."""
    until = timezone.now() + timedelta(seconds=BATCH_TRANSACTION_SECONDS)
    Lead.everything.filter(pk__in=[lead.pk for lead in leads]).update_last_activity(until)
    for lead in leads:
        lead.last_activity_at = max(until, lead.last_activity_at or until)
