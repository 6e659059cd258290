"""Going through much at once: what had been stopped, what has come due, what has lost its job."""

import time
from typing import Any

from django.db import transaction
from django.db.models import QuerySet
from django.utils import timezone
from procrastinate.contrib.django import app

from crm.models import User
from suggestions.kinds import KINDS
from suggestions.models import ExecutionPause, ExecutionState, Suggestion, SuggestionExecution
from suggestions.transitions.executing import defer, do, enqueue

DRAIN = "suggestions.drain"
# How many jobs go through what is due inside our own database.
DRAINS = 4
# Seconds for which somebody's permissions are taken for what they were.
FRESH = 1.0


def let_go(waiting: QuerySet[SuggestionExecution]) -> int:
    """Queue what carries out `waiting`, as part of the transaction; returns how many they are."""
    rows = list(waiting.values_list("pk", "suggestion__type", "run_after"))
    outward = [SuggestionExecution(pk=pk, run_after=at) for pk, type, at in rows if KINDS[type].outward]
    for execution in outward:
        defer(execution)
    for number in range(min(DRAINS, len(rows) - len(outward))):
        enqueue(app.configure_task(DRAIN, queueing_lock=f"drain {number}"))
    return len(rows)


def drain() -> int:
    """Carry out everything due that stays inside our own database and that nobody else is at; returns how many.

    For many at once: a job for each would cost as much again as the deed itself.
    """
    people: dict[Any, tuple[float, User]] = {}
    done = 0
    while do_next(people):
        done += 1
    return done


@transaction.atomic
def do_next(people: dict[Any, tuple[float, User]]) -> bool:
    """Carry out what has been due the longest; False where nothing is. `people` are those read a moment ago."""
    stopped = set(ExecutionPause.objects.values_list("type", flat=True))
    types = [kind.type for kind in KINDS.values() if not kind.outward and not {"", kind.type} & stopped]
    due = {"executions__state": ExecutionState.QUEUED, "executions__run_after__lte": timezone.now()}
    rows = Suggestion.everything.select_for_update(of=("self",), skip_locked=True).filter(type__in=types, **due)
    suggestion = rows.order_by("executions__run_after", "executions__id").first()
    if suggestion is None:
        return False
    queued = suggestion.executions.select_for_update(of=("self",)).filter(state=ExecutionState.QUEUED)
    execution = queued.first()
    if execution is not None:
        remember(execution, people)
        do(execution, suggestion)
    return True


def remember(execution: SuggestionExecution, people: dict[Any, tuple[float, User]]) -> None:
    """Let whoever ordered `execution` be known with his permissions, if he was read within a second."""
    if execution.ordered_by_id is None:
        return
    read, person = people.get(execution.ordered_by_id, (0.0, None))
    if person is None or time.monotonic() - read > FRESH:
        person = execution.ordered_by
        people[execution.ordered_by_id] = (time.monotonic(), person)
    execution.ordered_by = person
