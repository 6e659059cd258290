"""16 users decide one queue of 2,000 suggestions at once: none is decided twice, no error page appears."""

import json
import subprocess
import sys
import time
from collections import Counter
from collections.abc import Callable
from typing import Any

from django.contrib.auth.models import Group
from django.db.models import Count

from bench.child_processes import start_python
from bench.databases import scratch_database
from bench.table import format_verdict, render_table
from crm.models import ActivityLog, User
from crm.records.activity import SYSTEM_ACTOR
from leads.models import Lead
from leads.transitions import create_lead
from suggestions.models import APPROVED_STATUSES, Suggestion, SuggestionExecution, SuggestionStatus, SuggestionType
from suggestions.transitions import propose

PEOPLE, SUGGESTIONS = 16, 2_000
DECISIONS = ("approved", "approved with changes", "rejected", "failed")


def run(repeat: int) -> bool:
    """Print the table; return whether every suggestion was decided once."""
    with scratch_database():
        return run_race(PEOPLE, SUGGESTIONS)


def plans() -> None:
    """Do nothing; this benchmark has no single query."""


def start_racer(name: str) -> subprocess.Popen[str]:
    return start_python("-m", "bench.queue_decider", name, LOG_LEVEL="ERROR")


def run_race(people: int, suggestions: int, start: Callable[[str], Any] = start_racer) -> bool:
    """Let `people` processes decide `suggestions` suggestions; return whether there was no violation."""
    create_suggestions(suggestions)
    names = [f"racer{number}" for number in range(people)]
    for name in names:
        user = User.objects.create_user(name, is_staff=True)
        user.groups.add(Group.objects.get(name="manager"))
    started = time.monotonic()
    racers = [start(name) for name in names]
    answers: Counter[str] = Counter()
    for racer in racers:
        output, _ = racer.communicate()
        answers.update(json.loads(output) if racer.returncode == 0 else {"broken (process)": 1})
    seconds = time.monotonic() - started
    return report(suggestions, answers, seconds)


def create_suggestions(suggestions: int) -> None:
    """Create leads with one suggestion each: a task or a stage change."""
    for number in range(suggestions):
        lead = Lead(contact_name=f"Racing Lead {number}", contact_email=f"lead{number}@example.com")
        create_lead(lead, by=SYSTEM_ACTOR)
        kind, content = (
            (SuggestionType.TASK, {"title": f"Call {number}"})
            if number % 2
            else (SuggestionType.CHANGE_STATUS, {"status": "ACTIVE", "fromStatus": lead.status_id})
        )
        propose(Suggestion(type=kind, lead=lead, suggested_content=content), by=SYSTEM_ACTOR)


def report(suggestions: int, answers: Counter[str], seconds: float) -> bool:
    """Print the answers and the state of the database."""
    activity = ActivityLog.objects.filter(target_type="suggestions.suggestion", verb__in=DECISIONS)
    per_row = activity.values("target_id").annotate(times=Count("id"))
    broken = sum(count for answer, count in answers.items() if answer.startswith("broken"))
    done = Suggestion.objects.filter(status__in=APPROVED_STATUSES).count()
    figures = {
        "suggestions": suggestions,
        "decided": answers["decided"],
        "refused with a sentence": answers["refused"],
        "error pages": broken,
        "decided twice": per_row.filter(times__gt=1).count(),
        "never decided": Suggestion.objects.exclude(status__in=(*APPROVED_STATUSES, SuggestionStatus.REJECTED)).count(),
        "approved": done,
        "executions": SuggestionExecution.objects.count(),
        "done": SuggestionExecution.objects.filter(state="SUCCEEDED").count(),
    }
    failures = {
        "an error page": broken > 0,
        "decided twice": figures["decided twice"] > 0 or figures["decided"] != suggestions,
        "not all decided": figures["never decided"] > 0,
        "not executed once": not figures["executions"] == figures["done"] == done,
    }
    missed = [words for words, is_failed in failures.items() if is_failed]
    sys.stdout.write(f"\n{__doc__}\nIn {seconds:,.0f} s.\n\n")
    sys.stdout.write(render_table(["", ""], [[name, f"{value:,}"] for name, value in figures.items()]))
    sys.stdout.write(f"{format_verdict(missed)}\n")
    return not missed
