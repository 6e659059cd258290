"""Approved suggestions that two workers execute per second within the database."""

import sys
import tempfile
import time
from pathlib import Path

from django.contrib.auth.models import Group
from django.db.models import Max, Min

from bench.child_processes import start_python
from bench.databases import scratch_database
from bench.race import create_suggestions
from bench.storm import kill
from bench.table import format_verdict, render_table
from crm.models import User
from leads.models import LeadStageHistory, Task
from suggestions.autonomy.kill_switch import pause_execution, resume_execution
from suggestions.models import ExecutionState, Suggestion, SuggestionExecution
from suggestions.transitions import approve

SUGGESTIONS, WORKERS = 2_000, 2
# The target, and the seconds after which it counts as missed.
MIN_PER_SECOND, TIMEOUT_SECONDS = 200, 120.0


def run(repeat: int) -> bool:
    """Print the table; return whether the target was met."""
    with scratch_database():
        return measure_rate(SUGGESTIONS)


def plans() -> None:
    """Do nothing; this benchmark has no single query."""


def measure_rate(suggestions: int) -> bool:
    """Let the workers execute approved suggestions; return whether they were fast enough."""
    create_suggestions(suggestions)
    manager = User.objects.create_user("manager", is_staff=True)
    manager.groups.add(Group.objects.get(name="manager"))
    pause_execution(reason="To have something to do.", by=manager)
    for suggestion in Suggestion.objects.all():
        approve(suggestion, by=manager)
    resume_execution(by=manager)
    succeeded = SuggestionExecution.objects.filter(state=ExecutionState.SUCCEEDED)
    with tempfile.TemporaryDirectory() as folder:
        workers = [
            start_python("manage.py", "worker", log=Path(folder) / "log", LOG_LEVEL="ERROR") for _ in range(WORKERS)
        ]
        try:
            started = time.monotonic()
            while succeeded.count() < suggestions and time.monotonic() - started < TIMEOUT_SECONDS:
                time.sleep(0.2)
        finally:
            for worker in workers:
                kill(worker)
    return report(suggestions)


def report(suggestions: int) -> bool:
    """Report from the first start to the last end in the rows."""
    done = SuggestionExecution.objects.filter(state=ExecutionState.SUCCEEDED)
    span = done.aggregate(first=Min("started_at"), last=Max("finished_at"))
    seconds = (span["last"] - span["first"]).total_seconds() if done.count() else TIMEOUT_SECONDS
    rate = done.count() / seconds
    effects = Task.objects.count() + LeadStageHistory.objects.filter(from_status__isnull=False).count()
    figures = [["done", f"{done.count():,}"], ["seconds", f"{seconds:,.1f}"], ["a second", f"{rate:,.0f}"]]
    failures = {
        f"< {MIN_PER_SECOND} a second": rate < MIN_PER_SECOND,
        "not all": done.count() < suggestions,
        "not once": effects != done.count(),
    }
    missed = [name for name, is_failed in failures.items() if is_failed]
    sys.stdout.write(f"\n{__doc__}\n\n{render_table(['', ''], figures)}{format_verdict(missed)}\n")
    return not missed
