"""1,000 approved suggestions of all types, four workers, one killed every few seconds, the database restarted once."""

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

from bench.children import start
from bench.databases import scratch
from bench.stormy import content_of
from bench.table import rendered, verdict
from crm.models import User
from crm.records.activity import SYSTEM
from crm.runtime.embedded import cluster
from crm.runtime.embedded.place import Place
from leads.models import Lead, LeadStageHistory, Task
from suggestions.autonomy.kill_switch import pause, resume
from suggestions.models import ExecutionState, Suggestion, SuggestionExecution, SuggestionType
from suggestions.transitions import approve, propose

SUGGESTIONS, WORKERS = 1_000, 4
# Seconds between two kills; after how many the storm has failed.
KILL_EVERY, PATIENCE = 3.0, 900.0
OVER = (ExecutionState.SUCCEEDED, ExecutionState.FAILED, ExecutionState.UNKNOWN)
MAILS = {
    SuggestionType.SEND_EMAIL,
    SuggestionType.REPLY,
    SuggestionType.SCHEDULE_CALL,
    SuggestionType.SEND_PROPOSAL,
}


@dataclass
class Weather:
    """How hard it blows."""

    suggestions: int = SUGGESTIONS
    workers: int = WORKERS
    kill_every: float = KILL_EVERY
    kills_at_most: int = 1_000
    restarts: bool = True
    killed: int = 0
    restarted: int = 0
    crew: list[subprocess.Popen[str]] = field(default_factory=list)


def run(repeat: int) -> bool:
    """Print the table; returns whether each deed was done once."""
    with scratch():
        return storm(Weather())


def plans() -> None:
    """Nothing of this is a question to the database alone."""


def storm(weather: Weather) -> bool:
    """Let it blow; whether everything was done once, or says that it is not known."""
    with tempfile.TemporaryDirectory() as folder, outside(Path(folder)) as variables:
        with override_settings(FORGE_URL=variables["FORGE_URL"], FORGE_TOKEN=variables["FORGE_TOKEN"]):
            fill(weather.suggestions)
        began = time.monotonic()
        try:
            blow(weather, Path(folder) / "workers.log", variables)
        finally:
            for worker in weather.crew:
                kill(worker)
        seconds = time.monotonic() - began
        return report(weather, Path(folder), seconds)


@contextmanager
def outside(folder: Path) -> Iterator[dict[str, str]]:
    """A mail server and a forge; what a worker must know of them."""
    sinks = start("-m", "bench.sinks", str(folder))
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


def fill(suggestions: int) -> None:
    """Approve as many suggestions while everything is stopped, the types in turn, and let them go."""
    boss = User.objects.create_user("boss", email="boss@storm.example.com", first_name="Bo", is_staff=True)
    boss.groups.add(Group.objects.get(name="administrator"))
    pause(reason="The storm is being prepared.", by=boss)
    types = list(SuggestionType)
    for number in range(suggestions):
        suggestion = content_of(types[number % len(types)], number)
        propose(suggestion, by=SYSTEM)
        approve(suggestion, by=boss)
    # Nobody is left time to take a mail back.
    SuggestionExecution.objects.update(run_after=suggestion.created_at)
    resume(by=boss)


def blow(weather: Weather, log: Path, variables: dict[str, str]) -> None:
    """Keep the crew at work, and kill one of them every few seconds, until everything is over."""
    drawn, began, next_kill = random.Random(1), time.monotonic(), weather.kill_every
    while (open_still := left()) and time.monotonic() - began < PATIENCE:
        while len(weather.crew) < weather.workers:
            weather.crew.append(start("manage.py", "worker", log=log, **variables))
        if weather.restarts and not weather.restarted and open_still < weather.suggestions / 2:
            restart_database()
            weather.restarted += 1
        if time.monotonic() - began > next_kill and weather.killed < weather.kills_at_most:
            kill(weather.crew.pop(drawn.randrange(len(weather.crew))))
            weather.killed += 1
            next_kill = time.monotonic() - began + weather.kill_every
        time.sleep(0.2)


def left() -> int:
    """How many executions are not over yet; asked again while the database is away."""
    while True:
        try:
            return SuggestionExecution.objects.exclude(state__in=OVER).count()
        except OperationalError:
            connection.close()
            time.sleep(0.2)


def restart_database() -> None:
    """As an update of the server does: everybody's connection is cut."""
    place = Place(Path(settings.DATA_DIR))
    connection.close()
    cluster.stop(place)
    cluster.start(place)


def kill(process: subprocess.Popen[str]) -> None:
    with suppress(ProcessLookupError):
        os.killpg(process.pid, signal.SIGKILL)
    process.wait()


def report(weather: Weather, folder: Path, seconds: float) -> bool:
    """Print a line a type, and what was done more or less than once."""
    mails = Counter((folder / "mails").read_text().split())
    pulls = (folder / "pulls").read_text().split("\n")[:-1]
    rows, told = [], set()
    wrong: dict[str, int] = Counter()
    for name in SuggestionType:
        executions = list(SuggestionExecution.objects.filter(suggestion__type=name).select_related("suggestion"))
        states = Counter(execution.state for execution in executions)
        rows.append([name.label, *(str(states[state]) for state in OVER), str(len(executions) - sum_of(states))])
        wrong["lost"] += len(executions) - sum_of(states)
        wrong["failed"] += states[ExecutionState.FAILED]
        told.update(f"{name.label}: {row.error}" for row in executions if row.state == ExecutionState.FAILED)
        if name in MAILS:
            for execution in executions:
                arrived = mails[execution.message.message_id]
                wrong["mails sent twice"] += arrived > 1
                wrong["said to be sent and not there"] += arrived == 0 and execution.state == "SUCCEEDED"
    wrong["pull requests opened twice"] = len(pulls) - len(set(pulls))
    wrong |= deeds_not_done_once()
    sys.stdout.write(f"\n{__doc__}\n")
    sys.stdout.write(f"{weather.killed} kills, {weather.restarted} restarts, {seconds:,.0f} s; ")
    sys.stdout.write(f"{sum(mails.values())} mails and {len(pulls)} pull requests arrived.\n\n")
    sys.stdout.write(rendered(["", "done", "failed", "not known", "not over"], rows))
    sys.stdout.write("".join(f"{why}\n" for why in sorted(told)))
    missed = [f"{count} {words}" for words, count in wrong.items() if count]
    sys.stdout.write(f"{verdict(missed)}\n")
    return not missed


def sum_of(states: Counter[str]) -> int:
    return sum(states[state] for state in OVER)


def deeds_not_done_once() -> dict[str, int]:
    """What our own database holds once too often or not at all, by what it is."""
    done = Suggestion.objects.filter(executions__state=ExecutionState.SUCCEEDED)
    tasks = done.filter(type__in=(SuggestionType.TASK, SuggestionType.FOLLOW_UP)).count()
    moves = done.filter(type=SuggestionType.CHANGE_STATUS).count()
    made = done.filter(type=SuggestionType.CREATE_LEAD).count()
    return {
        "tasks too many or too few": abs(Task.objects.count() - tasks),
        "moves too many or too few": abs(LeadStageHistory.objects.filter(from_status__isnull=False).count() - moves),
        "leads too many or too few": abs(Lead.objects.filter(contact_name__startswith="Made in").count() - made),
        "results missing": done.filter(result__isnull=True).count(),
    }
