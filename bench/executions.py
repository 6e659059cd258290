"""How many approved suggestions two workers carry out in a second inside our own database."""

import sys
import tempfile
import time
from pathlib import Path

from django.contrib.auth.models import Group
from django.db.models import Max, Min

from bench.children import start
from bench.databases import scratch
from bench.race import fill
from bench.storm import kill
from bench.table import rendered, verdict
from crm.models import User
from leads.models import LeadStageHistory, Task
from suggestions.autonomy.kill_switch import pause, resume
from suggestions.models import ExecutionState, Suggestion, SuggestionExecution
from suggestions.transitions import approve

SUGGESTIONS, WORKERS = 2_000, 2
# The bar of the issue, and seconds after which it is missed whatever happens.
LEAST_A_SECOND, PATIENCE = 200, 120.0


def run(repeat: int) -> bool:
    """Print the table; returns whether the bar was reached."""
    with scratch():
        return measure(SUGGESTIONS)


def plans() -> None:
    """Nothing of this is a question to the database alone."""


def measure(suggestions: int) -> bool:
    """Let the workers loose on as many approved suggestions; whether they were fast enough."""
    fill(suggestions)
    boss = User.objects.create_user("boss", is_staff=True)
    boss.groups.add(Group.objects.get(name="manager"))
    pause(reason="To have something to do.", by=boss)
    for suggestion in Suggestion.objects.all():
        approve(suggestion, by=boss)
    resume(by=boss)
    done = SuggestionExecution.objects.filter(state=ExecutionState.SUCCEEDED)
    with tempfile.TemporaryDirectory() as folder:
        crew = [start("manage.py", "worker", log=Path(folder) / "log", LOG_LEVEL="ERROR") for _ in range(WORKERS)]
        try:
            began = time.monotonic()
            while done.count() < suggestions and time.monotonic() - began < PATIENCE:
                time.sleep(0.2)
        finally:
            for worker in crew:
                kill(worker)
    return report(suggestions)


def report(suggestions: int) -> bool:
    """From the first that began to the last that was done, as the rows say."""
    done = SuggestionExecution.objects.filter(state=ExecutionState.SUCCEEDED)
    span = done.aggregate(first=Min("started_at"), last=Max("finished_at"))
    seconds = (span["last"] - span["first"]).total_seconds() if done.count() else PATIENCE
    rate = done.count() / seconds
    deeds = Task.objects.count() + LeadStageHistory.objects.filter(from_status__isnull=False).count()
    figures = [["done", f"{done.count():,}"], ["seconds", f"{seconds:,.1f}"], ["a second", f"{rate:,.0f}"]]
    wrong = {
        f"< {LEAST_A_SECOND} a second": rate < LEAST_A_SECOND,
        "not all": done.count() < suggestions,
        "not once": deeds != done.count(),
    }
    missed = [words for words, is_so in wrong.items() if is_so]
    sys.stdout.write(f"\n{__doc__}\n\n{rendered(['', ''], figures)}{verdict(missed)}\n")
    return not missed
