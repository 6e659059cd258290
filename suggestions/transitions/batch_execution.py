"""Going through much at once: what had been stopped, what has come due, what has lost its job."""

import logging
import time
from datetime import timedelta

from django.db import DatabaseError, connection, transaction
from django.db.models import QuerySet
from django.utils import timezone

from crm.models import User
from leads.models import Lead
from suggestions.choices import LabelCache
from suggestions.kinds import KINDS
from suggestions.models import ExecutionPause, SuggestionExecution
from suggestions.transitions.execute import defer_batch, defer_execution, execute_claimed
from suggestions.transitions.outcome import save_completions

logger = logging.getLogger(__name__)

# How many jobs go through what is due inside our own database, and after how many seconds each queues the next in
# its place: so all workers get their share, and what waits meanwhile its turn.
MAX_BATCH_JOBS, BATCH_JOB_SECONDS = 4, 1.0
# How many are carried out in one transaction, and the seconds after which it ends all the same: for so long the
# switches and everybody's permissions are taken for what they were.
EXECUTIONS_PER_BATCH, BATCH_TRANSACTION_SECONDS = 25, 1.0
# A foreign key that leads nowhere is that deed's failure and is found at once, not at the end of the transaction.
CHECK_CONSTRAINTS_AT_EACH = "SET CONSTRAINTS ALL IMMEDIATE"


def enqueue_due_executions(executions: QuerySet[SuggestionExecution]) -> int:
    """Queue what carries out `executions`, as part of the transaction; returns how many they are."""
    rows = list(executions.values_list("pk", "suggestion__type", "run_after"))
    outward = [SuggestionExecution(pk=pk, run_after=at) for pk, type, at in rows if KINDS[type].is_outward]
    for execution in outward:
        defer_execution(execution)
    for number in range(min(MAX_BATCH_JOBS, len(rows) - len(outward))):
        defer_batch(number)
    return len(rows)


def run_due_executions(number: int = 0) -> int:
    """Carry out what is due that stays inside our own database and that nobody else is at; returns how many.

    For many at once: a job and a transaction for each would cost as much again as the deeds themselves. What is left
    after its turn is for the next job of the same `number`, which it queues.

    Raises:
        DatabaseError: the database would not have one even by itself; what was done before is done.
    """
    total, one_by_one, began = 0, 0, time.monotonic()
    while time.monotonic() - began < BATCH_JOB_SECONDS:
        try:
            count = run_batch(1 if one_by_one else EXECUTIONS_PER_BATCH)
        except DatabaseError:
            if one_by_one:
                raise
            # Nothing of it is done: each by itself now, so that what came in between meets that one alone.
            logger.warning("Many at once were not carried out; each by itself.", exc_info=True)
            one_by_one = EXECUTIONS_PER_BATCH
            continue
        if count is None:
            return total
        total += count
        # Where people are at every one of their leads, the next waits for them.
        one_by_one = max(one_by_one - 1, 0 if count else 1)
    defer_batch(number)
    return total


@transaction.atomic
def run_batch(limit: int) -> int | None:
    """Carry out up to `limit` of what has been due the longest; returns how many, None where nothing is due.

    Each fails alone. A crash leaves all of them to be done again.
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
    for execution in lock_leads(claimed, wait=limit == 1):
        if time.monotonic() - began > BATCH_TRANSACTION_SECONDS:
            break
        attempted += 1
        completion = execute_claimed(execution, execution.suggestion, labels)
        if completion is not None:
            completions.append(completion)
        if completion is None or completion.result.get("suggestions"):
            break  # a setting of the autonomy may be held by now, after which nothing more is locked
    save_completions(completions)
    return attempted


def lock_leads(claimed: list[SuggestionExecution], *, wait: bool) -> list[SuggestionExecution]:
    """Those of `claimed` whose leads can be held, with what all of them need read at once.

    What concerns a lead that somebody is at is left for later, unless `wait`.
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
        # A second one for the same lead reads it when its turn comes, as the first has left it.
        lead = leads.pop(execution.suggestion.lead_id, None)
        if lead is not None:
            execution.suggestion.lead = lead
    return ready_executions


def touch_leads(leads: list[Lead]) -> None:
    """Note on all of `leads`, which the caller holds, what will be told on their timelines while this is fresh."""
    until = timezone.now() + timedelta(seconds=BATCH_TRANSACTION_SECONDS)
    Lead.everything.filter(pk__in=[lead.pk for lead in leads]).update_last_activity(until)
    for lead in leads:
        lead.last_activity_at = max(until, lead.last_activity_at or until)
