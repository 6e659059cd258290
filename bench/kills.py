"""Ten minutes of work over real HTTP while any process is killed, 200 times: nothing lost, nothing twice, page back.

`manage.py serve` runs on a database of its own. People approve suggestions, send a public form and import files; email
leaves; commands import email and score leads, and are killed, too. After each kill a page is opened until it answers.
"""

import argparse
import os
import random
import subprocess
import sys
import tempfile
import threading
import time
from collections import Counter, defaultdict
from dataclasses import dataclass, field
from functools import partial
from pathlib import Path

import psutil
from django.conf import settings
from django.core.management import call_command
from django.db import Error, connection
from django.db.models import Count

from bench import kill_load, storm
from bench.kill_targets import choose_target
from bench.storm_suggestions import build_storm_suggestion
from bench.table import format_verdict, render_table
from crm.records.activity import SYSTEM_ACTOR
from inbox.models import Message, WebForm, WebFormSubmission
from leads.models import ImportBatch, ImportState, Lead
from suggestions.models import APPROVED_STATUSES, Suggestion, SuggestionStatus, SuggestionType
from suggestions.transitions import propose
from tests.cast import make_user
from tests.crm.processes import free_port

KILLS, MINUTES = 200, 10.0
MAX_SECONDS_UNTIL_BACK, SETTLE_SECONDS = 5.0, 240.0
APPROVERS, APPROVAL_PAUSE, FORM_PAUSE, IMPORT_PAUSE, COMMAND_PAUSE = 2, 1.0, 1.0, 5.0, 3.0


@dataclass
class Plan:
    """How much is killed and worked."""

    kills: int
    seconds: float
    suggestions: int
    max_seconds_until_back: float = MAX_SECONDS_UNTIL_BACK
    # Whether jobs of killed workers are queued again at the end without waiting until the workers count as dead.
    hurries: bool = False


@dataclass
class Outcome:
    """The seconds until the page was back after each kill, by kind of process; none where it never was."""

    seconds: dict[str, list[float | None]] = field(default_factory=lambda: defaultdict(list))


OPTIONS = {"kills": int, "seconds": float, "suggestions": int, "max_seconds_until_back": float}


def run(repeat: int) -> bool:
    """Print the table; return whether nothing was lost or done twice, and the page was always back in time."""
    return run_apart(Plan(KILLS, MINUTES * 60, suggestions=900))


def plans() -> None:
    """Do nothing; this benchmark has no single query."""


def run_apart(plan: Plan) -> bool:
    """Run in a process with a database server of its own, because that is killed, too."""
    with tempfile.TemporaryDirectory(prefix="kills-") as folder, storm.outside_servers(Path(folder)) as variables:
        outside = {name: value for name, value in os.environ.items() if name != "DATABASE_URL"}
        own = {"DATA_DIR": f"{folder}/data", "PORT": str(free_port()), "DEBUG": "true", "LOG_LEVEL": "ERROR"}
        options = [f"--{name}={getattr(plan, name)}" for name in OPTIONS]
        command = [sys.executable, "-m", "bench.kills", folder, *options, *(["--hurries"] if plan.hurries else [])]
        return subprocess.run(command, env={**outside, **variables, **own}, check=False).returncode == 0


def run_kills(plan: Plan, folder: Path) -> bool:
    """Prepare, serve, work and kill, and check what there is at the end."""
    call_command("migrate", verbosity=0)
    suggestions, form_address = prepare(plan.suggestions)
    connection.close()
    stop, promises = threading.Event(), kill_load.Promises()
    url = f"http://127.0.0.1:{settings.PORT}"
    with (folder / "serve.log").open("w") as log:
        serve = subprocess.Popen([sys.executable, "manage.py", "serve"], cwd=settings.BASE_DIR, stdout=log, stderr=log)
    try:
        threads, prober = begin_work(url, promises, stop, suggestions, form_address, folder)
        outcome = kill_processes(plan, serve.pid, prober)
        stop.set()
        for thread in threads:
            thread.join(60)
        settle(plan)
        return report(plan, folder, promises, outcome)
    finally:
        stop.set()
        serve.terminate()
        serve.wait(60)


def prepare(suggestions: int) -> tuple[list[str], str]:
    """Create the people, a web form and suggestions that wait for a decision; return their keys and the form's path."""
    make_user("max", "manager")
    form = WebForm.objects.create(name="Quotes", heading="A quote", hourly_limit=10_000, hourly_limit_per_sender=10_000)
    types, keys = list(SuggestionType), []
    for number in range(suggestions):
        suggestion = build_storm_suggestion(types[number % len(types)], number)
        propose(suggestion, by=SYSTEM_ACTOR)
        keys.append(str(suggestion.pk))
    return keys, f"/in/{form.token}"


def begin_work(
    url: str, promises: kill_load.Promises, stop: threading.Event, suggestions: list[str], form: str, folder: Path
) -> tuple[list[threading.Thread], kill_load.Prober]:
    """Log the people in and let them begin; return their threads."""
    people = [kill_load.Person(url, promises, stop) for _ in range(APPROVERS + 3)]
    for person in people[:-1]:
        person.log_in("max")
    promises.unanswered = 0  # those while the server was starting
    *approvers, importer, watcher, visitor = people
    shares = [suggestions[place :: len(approvers)] for place in range(len(approvers))]
    prober = kill_load.Prober(watcher)
    prober.start()
    work = [partial(kill_load.approve_all, *pair, APPROVAL_PAUSE) for pair in zip(approvers, shares, strict=True)]
    work += [
        partial(kill_load.send_forms, visitor, form, FORM_PAUSE),
        partial(kill_load.import_files, importer, IMPORT_PAUSE),
        partial(kill_load.run_commands, promises, folder / "mail", random.Random(2), COMMAND_PAUSE, stop),
    ]
    return kill_load.start_threads(*work), prober


def kill_processes(plan: Plan, serve: int, prober: kill_load.Prober) -> Outcome:
    """Kill a process every few seconds, each time after the page was back from the last kill."""
    outcome, rng, begun, killed = Outcome(), random.Random(3), time.monotonic(), 0
    while killed < plan.kills:
        time.sleep(max(0.0, begun + (killed + 1) * plan.seconds / plan.kills - time.monotonic()))
        target = choose_target(serve, settings.DATA_DIR, rng)
        if target is None:
            time.sleep(0.05)
            continue
        kind, process = target
        at = time.monotonic()
        try:
            process.kill()
        except psutil.NoSuchProcess:
            continue
        killed += 1
        outcome.seconds[kind].append(wait_until_back(prober, at))
    return outcome


def wait_until_back(prober: kill_load.Prober, at: float) -> float | None:
    """Return the seconds from `at` until the page was answered for good; None if it was not within a minute."""
    while time.monotonic() - at < 60:
        time.sleep(0.1)
        # The effects of a kill may show only after a second.
        if time.monotonic() - at > 1.5 and (seconds := prober.seconds_until_back(at)) is not None:
            return seconds
    return None


def settle(plan: Plan) -> None:
    """Wait until all that was confirmed is done: dead workers are noticed after a minute."""
    deadline = time.monotonic() + SETTLE_SECONDS
    while time.monotonic() < deadline:
        try:
            if plan.hurries:
                requeue_jobs_of_dead_workers()
            unfinished = ImportBatch.objects.filter(state__in=(ImportState.QUEUED, ImportState.RUNNING)).count()
            if not storm.count_unfinished() and not unfinished:
                return
        except Error:
            connection.close()
        time.sleep(1)


def requeue_jobs_of_dead_workers() -> None:
    """Let workers that were silent for longer than a heartbeat count as dead; the real limit is six heartbeats."""
    with connection.cursor() as cursor:
        cursor.execute(
            "UPDATE procrastinate_workers SET last_heartbeat = now() - interval '1 hour'"
            " WHERE last_heartbeat < now() - interval '15 seconds'"
        )


def report(plan: Plan, folder: Path, promises: kill_load.Promises, outcome: Outcome) -> bool:
    """Print both tables and what was lost or done twice; return whether nothing was."""
    killed = storm.StormOptions(killed=sum(map(len, outcome.seconds.values())))
    is_once = storm.report(killed, folder, plan.seconds, title=str(__doc__))
    rows = [
        [kind, str(len(seconds)), *describe([one for one in seconds if one is not None])]
        for kind, seconds in sorted(outcome.seconds.items())
    ]
    faults = count_faults(promises, outcome, plan.max_seconds_until_back)
    missed = [f"{count} {words}" for words, count in faults.items() if count]
    sys.stdout.write(f"\n{promises.unanswered} requests were repeated. Confirmed: ")
    sys.stdout.write(f"{len(promises.approved)} decisions, {len(promises.form_keys)} forms, ")
    sys.stdout.write(f"{len(promises.imports)} imports, {len(promises.senders)} emails.\n\n")
    sys.stdout.write(render_table(["killed", "times", "page back, median", "worst"], rows))
    sys.stdout.write("".join(f"{line}\n" for line in sorted(set(promises.broken))[:20]))
    sys.stdout.write(f"{format_verdict(missed)}\n")
    return is_once and not missed


def describe(seconds: list[float]) -> list[str]:
    ordered = sorted(seconds) or [float("nan")]
    return [f"{ordered[len(ordered) // 2]:.1f} s", f"{ordered[-1]:.1f} s"]


def count_faults(promises: kill_load.Promises, outcome: Outcome, max_seconds: float) -> dict[str, int]:
    """Return how often something confirmed is missing or was done twice, and how often the page was late."""
    waits = [seconds for kind in outcome.seconds.values() for seconds in kind]
    approved = Suggestion.objects.filter(pk__in=promises.approved)
    keys = Counter(WebFormSubmission.objects.values_list("idempotency_key", flat=True))
    received = Counter(Message.objects.filter(from_email__in=promises.senders).values_list("from_email", flat=True))
    batches = {batch.file_name: batch for batch in ImportBatch.objects.filter(file_name__in=promises.imports)}
    twice = Lead.objects.filter(contact_name__startswith="Imported ").values("contact_name").annotate(times=Count("pk"))
    return {
        f"times the page was not back after {max_seconds:.0f} s": sum(
            seconds is None or seconds > max_seconds for seconds in waits
        ),
        "error pages": len(promises.broken),
        # An email whose delivery is unconfirmed waits for a person, as FAILED.
        "decisions lost": approved.exclude(status__in=(*APPROVED_STATUSES, SuggestionStatus.FAILED)).count(),
        "forms lost": len(set(promises.form_keys) - set(keys)),
        "forms filed twice": sum(times > 1 for times in keys.values()),
        "emails lost": len(set(promises.senders) - set(received)),
        "emails stored twice": sum(times > 1 for times in received.values()),
        "imports lost": sum(
            name not in batches or batches[name].state != ImportState.DONE for name in promises.imports
        ),
        "imports not whole": sum(
            Lead.objects.filter(import_batch=batch).count() != kill_load.ROWS_PER_IMPORT for batch in batches.values()
        ),
        "rows imported twice": twice.filter(times__gt=1).count(),
    }


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("folder", type=Path)
    for name, read in OPTIONS.items():
        parser.add_argument(f"--{name}", type=read, required=True)
    parser.add_argument("--hurries", action="store_true")
    options = vars(parser.parse_args())
    folder = options.pop("folder")
    return 0 if run_kills(Plan(**options), folder) else 1


if __name__ == "__main__":
    sys.exit(main())
