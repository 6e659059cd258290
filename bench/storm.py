"""1,000 approved suggestions of all types, four workers, one killed every few seconds, one database restart."""

import json
import os
import random
import signal
import subprocess
import sys
import tempfile
import time
from collections import Counter
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass, field
from pathlib import Path

from django.conf import settings
from django.contrib.auth.models import Group
from django.db import OperationalError, connection
from django.test import override_settings

from bench.child_processes import start_python
from bench.databases import scratch_database
from bench.storm_suggestions import build_storm_suggestion
from bench.table import format_verdict, render_table
from crm.models import Client, User
from crm.records.activity import SYSTEM_ACTOR
from crm.runtime.embedded import cluster
from crm.runtime.embedded.place import Place
from inbox.models import EmailDelivery
from leads.models import Lead, LeadStageHistory, Task
from suggestions.autonomy.kill_switch import pause_execution, resume_execution
from suggestions.models import ExecutionState, Suggestion, SuggestionExecution, SuggestionType
from suggestions.transitions import approve, propose

SUGGESTIONS, WORKERS = 1_000, 4
# Seconds between kills, and seconds after which the storm has failed.
KILL_INTERVAL, TIMEOUT_SECONDS = 3.0, 900.0
FINISHED_STATES = (ExecutionState.SUCCEEDED, ExecutionState.FAILED, ExecutionState.UNKNOWN)
EMAIL_TYPES = {
    SuggestionType.SEND_EMAIL,
    SuggestionType.REPLY,
    SuggestionType.SCHEDULE_CALL,
    SuggestionType.SEND_PROPOSAL,
}


@dataclass
class StormOptions:
    """The parameters of the storm."""

    suggestions: int = SUGGESTIONS
    worker_count: int = WORKERS
    kill_interval: float = KILL_INTERVAL
    max_kills: int = 1_000
    restarts: bool = True
    killed: int = 0
    restarted: int = 0
    processes: list[subprocess.Popen[str]] = field(default_factory=list)


def run(repeat: int) -> bool:
    """Print the table; return whether each action was executed once."""
    with scratch_database():
        return run_storm(StormOptions())


def plans() -> None:
    """Do nothing; this benchmark has no single query."""


def run_storm(options: StormOptions) -> bool:
    """Run the storm; return whether each action was executed once or is marked as unconfirmed."""
    with tempfile.TemporaryDirectory() as folder, outside_servers(Path(folder)) as variables:
        with override_settings(FORGE_URL=variables["FORGE_URL"], FORGE_TOKEN=variables["FORGE_TOKEN"]):
            approve_suggestions(options.suggestions)
        started = time.monotonic()
        try:
            run_workers(options, Path(folder) / "workers.log", variables)
        finally:
            for worker in options.processes:
                kill(worker)
        seconds = time.monotonic() - started
        return report(options, Path(folder), seconds)


@contextmanager
def outside_servers(folder: Path) -> Iterator[dict[str, str]]:
    """Start a mail server and a forge; yield the environment for the workers."""
    sinks = start_python("-m", "bench.sinks", str(folder))
    try:
        ports = json.loads(sinks.stdout.readline())
        yield {
            "EMAIL_URL": f"smtp://127.0.0.1:{ports['mail']}",
            "MAIL_FROM": "Storm Insurance <office@storm.example.com>",
            "FORGE_URL": f"http://127.0.0.1:{ports['forge']}",
            "FORGE_TOKEN": "of-no-worth",
        }
    finally:
        kill(sinks)


def approve_suggestions(suggestions: int) -> None:
    """Approve suggestions of all types in turn while automation is paused, then resume."""
    boss = User.objects.create_user("boss", email="boss@storm.example.com", first_name="Bo", is_staff=True)
    boss.groups.add(Group.objects.get(name="administrator"))
    pause_execution(reason="The storm is being prepared.", by=boss)
    types = list(SuggestionType)
    for number in range(suggestions):
        suggestion = build_storm_suggestion(types[number % len(types)], number)
        propose(suggestion, by=SYSTEM_ACTOR)
        approve(suggestion, by=boss)
    # The undo window of every email is over.
    SuggestionExecution.objects.update(run_after=suggestion.created_at)
    EmailDelivery.objects.update(run_after=suggestion.created_at)
    resume_execution(by=boss)


def run_workers(options: StormOptions, log: Path, variables: dict[str, str]) -> None:
    """Keep the workers running and kill one every few seconds, until all executions are finished."""
    rng, started, next_kill = random.Random(1), time.monotonic(), options.kill_interval
    while (unfinished := count_unfinished()) and time.monotonic() - started < TIMEOUT_SECONDS:
        while len(options.processes) < options.worker_count:
            options.processes.append(start_python("manage.py", "worker", log=log, **variables))
        if options.restarts and not options.restarted and unfinished < options.suggestions / 2:
            restart_database()
            options.restarted += 1
        if time.monotonic() - started > next_kill and options.killed < options.max_kills:
            kill(options.processes.pop(rng.randrange(len(options.processes))))
            options.killed += 1
            next_kill = time.monotonic() - started + options.kill_interval
        time.sleep(0.2)


def count_unfinished() -> int:
    """Count the unfinished executions; retry while the database is down."""
    while True:
        try:
            return SuggestionExecution.objects.exclude(state__in=FINISHED_STATES).count()
        except OperationalError:
            connection.close()
            time.sleep(0.2)


def restart_database() -> None:
    """Restart the database, which cuts every connection."""
    place = Place(Path(settings.DATA_DIR))
    connection.close()
    cluster.stop_server(place)
    cluster.start_server(place)


def kill(process: subprocess.Popen[str]) -> None:
    with suppress(ProcessLookupError):
        os.killpg(process.pid, signal.SIGKILL)
    process.wait()


def report(options: StormOptions, folder: Path, seconds: float, title: str = str(__doc__)) -> bool:
    """Print a row a type, and the actions not executed exactly once."""
    emails = Counter((folder / "emails").read_text().split())
    pulls = (folder / "pulls").read_text().split("\n")[:-1]
    rows, errors = [], set()
    failures: dict[str, int] = Counter()
    for name in SuggestionType:
        executions = list(SuggestionExecution.objects.filter(suggestion__type=name).select_related("suggestion"))
        states = Counter(execution.state for execution in executions)
        rows.append(
            [
                name.label,
                *(str(states[state]) for state in FINISHED_STATES),
                str(len(executions) - count_finished(states)),
            ]
        )
        failures["lost"] += len(executions) - count_finished(states)
        failures["failed"] += states[ExecutionState.FAILED]
        errors.update(f"{name.label}: {row.error}" for row in executions if row.state == ExecutionState.FAILED)
        if name in EMAIL_TYPES:
            for execution in executions:
                arrivals = emails[execution.message.message_id]
                failures["emails sent twice"] += arrivals > 1
                failures["marked as sent but missing"] += arrivals == 0 and execution.state == "SUCCEEDED"
    failures["pull requests opened twice"] = len(pulls) - len(set(pulls))
    failures |= count_wrong_effects()
    sys.stdout.write(f"\n{title}\n")
    sys.stdout.write(f"{options.killed} kills, {options.restarted} restarts, {seconds:,.0f} s; ")
    sys.stdout.write(f"{sum(emails.values())} emails and {len(pulls)} pull requests arrived.\n\n")
    sys.stdout.write(render_table(["", "done", "failed", "not known", "not over"], rows))
    sys.stdout.write("".join(f"{why}\n" for why in sorted(errors)))
    missed = [f"{count} {words}" for words, count in failures.items() if count]
    sys.stdout.write(f"{format_verdict(missed)}\n")
    return not missed


def count_finished(states: Counter[str]) -> int:
    return sum(states[state] for state in FINISHED_STATES)


def count_wrong_effects() -> dict[str, int]:
    """Return the duplicate and missing effects in the database, by kind."""
    succeeded = Suggestion.objects.filter(executions__state=ExecutionState.SUCCEEDED)
    tasks = succeeded.filter(type__in=(SuggestionType.TASK, SuggestionType.FOLLOW_UP)).count()
    conversions = succeeded.filter(type=SuggestionType.CONVERT_LEAD).count()
    # A conversion closes its lead as won.
    stage_changes = succeeded.filter(type=SuggestionType.CHANGE_STATUS).count() + conversions
    created_leads = succeeded.filter(type=SuggestionType.CREATE_LEAD).count()
    return {
        "tasks too many or too few": abs(Task.objects.count() - tasks),
        "moves too many or too few": abs(
            LeadStageHistory.objects.filter(from_status__isnull=False).count() - stage_changes
        ),
        "leads too many or too few": abs(
            Lead.objects.filter(contact_name__startswith="Made in").count() - created_leads
        ),
        "clients too many or too few": abs(
            Client.objects.filter(name__startswith="Converted in").count() - conversions
        ),
        "results missing": succeeded.filter(result__isnull=True).count(),
    }
