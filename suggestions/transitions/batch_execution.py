"""Going through much at once: what had been stopped, what has come due, what has lost its job."""

import logging
import time
from datetime import timedelta

from django.db import DatabaseError, connection, transaction
from django.db.models import QuerySet
from django.utils import timezone

from crm.models import User
from leads.models import Lead
from suggestions.choices import Names
from suggestions.kinds import KINDS
from suggestions.models import ExecutionPause, SuggestionExecution
from suggestions.transitions.execute import defer, defer_drain, do
from suggestions.transitions.outcome import write_down

logger = logging.getLogger(__name__)

# How many jobs go through what is due inside our own database, and after how many seconds each queues the next in
# its place: so all workers get their share, and what waits meanwhile its turn.
DRAINS, TURN = 4, 1.0
# How many are carried out in one transaction, and the seconds after which it ends all the same: for so long the
# switches and everybody's permissions are taken for what they were.
AT_ONCE, FRESH = 25, 1.0
# A foreign key that leads nowhere is that deed's failure and is found at once, not at the end of the transaction.
AT_EACH = "SET CONSTRAINTS ALL IMMEDIATE"


def let_go(waiting: QuerySet[SuggestionExecution]) -> int:
    """Queue what carries out `waiting`, as part of the transaction; returns how many they are."""
    rows = list(waiting.values_list("pk", "suggestion__type", "run_after"))
    outward = [SuggestionExecution(pk=pk, run_after=at) for pk, type, at in rows if KINDS[type].outward]
    for execution in outward:
        defer(execution)
    for number in range(min(DRAINS, len(rows) - len(outward))):
        defer_drain(number)
    return len(rows)


def drain(number: int = 0) -> int:
    """Carry out what is due that stays inside our own database and that nobody else is at; returns how many.

    For many at once: a job and a transaction for each would cost as much again as the deeds themselves. What is left
    after its turn is for the next job of the same `number`, which it queues.

    Raises:
        DatabaseError: the database would not have one even by itself; what was done before is done.
    """
    done, alone, began = 0, 0, time.monotonic()
    while time.monotonic() - began < TURN:
        try:
            some = do_some(1 if alone else AT_ONCE)
        except DatabaseError:
            if alone:
                raise
            # Nothing of it is done: each by itself now, so that what came in between meets that one alone.
            logger.warning("Many at once were not carried out; each by itself.", exc_info=True)
            alone = AT_ONCE
            continue
        if some is None:
            return done
        done += some
        # Where people are at every one of their leads, the next waits for them.
        alone = max(alone - 1, 0 if some else 1)
    defer_drain(number)
    return done


@transaction.atomic
def do_some(most: int) -> int | None:
    """Carry out up to `most` of what has been due the longest; returns how many, None where nothing is due.

    Each fails alone. A crash leaves all of them to be done again.
    """
    began = time.monotonic()
    stopped = set(ExecutionPause.objects.values_list("type", flat=True))
    types = [kind.type for kind in KINDS.values() if not kind.outward and not {"", kind.type} & stopped]
    rows = SuggestionExecution.objects.due(timezone.now()).filter(suggestion__type__in=types)
    rows = rows.select_related("suggestion").select_for_update(of=("self", "suggestion"), skip_locked=True)
    taken = list(rows[:most])
    if not taken:
        return None
    with connection.cursor() as cursor:
        cursor.execute(AT_EACH)
    tried, done, names = 0, [], Names()
    for execution in ready(taken, wait=most == 1):
        if time.monotonic() - began > FRESH:
            break
        tried += 1
        one = do(execution, execution.suggestion, names)
        if one is not None:
            done.append(one)
        if one is None or one.result.get("suggestions"):
            break  # a setting of the autonomy may be held by now, after which nothing more is locked
    write_down(done)
    return tried


def ready(taken: list[SuggestionExecution], *, wait: bool) -> list[SuggestionExecution]:
    """Those of `taken` whose leads can be held, with what all of them need read at once.

    What concerns a lead that somebody is at is left for later, unless `wait`.
    """
    people = User.objects.in_bulk({execution.ordered_by_id for execution in taken} - {None})
    rows = Lead.everything.filter(pk__in={execution.suggestion.lead_id for execution in taken} - {None})
    held = rows.select_for_update(of=("self",), no_key=True, skip_locked=not wait).order_by("pk")
    leads = {lead.pk: lead for lead in held.select_related("status", "assigned_to")}
    touch(list(leads.values()))
    found = [execution for execution in taken if execution.suggestion.lead_id in {None, *leads}]
    for execution in found:
        if execution.ordered_by_id is not None:
            execution.ordered_by = people[execution.ordered_by_id]
        # A second one for the same lead reads it when its turn comes, as the first has left it.
        lead = leads.pop(execution.suggestion.lead_id, None)
        if lead is not None:
            execution.suggestion.lead = lead
    return found


def touch(leads: list[Lead]) -> None:
    """Note on all of `leads`, which the caller holds, what will be told on their timelines while this is fresh."""
    until = timezone.now() + timedelta(seconds=FRESH)
    Lead.everything.filter(pk__in=[lead.pk for lead in leads]).touched(until)
    for lead in leads:
        lead.last_activity_at = max(until, lead.last_activity_at or until)
