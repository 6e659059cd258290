"""Run the agents over real email with a model: `python -m bench.trial PATH …`.

A new database holds the demo agency. The emails of each PATH (a file, folder or archive) arrive as if written in the
last days, and every second sender is a lead. Then the worker's jobs run: signals by rules and by the model, triage,
next best action, and the model's drafts. AI_URL and AI_MODEL name the model; without them a loopback model answers,
which finally fails in every known way.
"""

import argparse
import contextlib
import io
import itertools
import re
import sys
import time
from collections import Counter, defaultdict
from collections.abc import Iterator
from contextlib import nullcontext
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from pathlib import Path

from django.core.management import call_command
from django.db.models import Avg, Count, Q, Sum
from django.test import override_settings
from django.utils import timezone
from pydantic import ValidationError

from agents import tasks as agent_tasks
from agents.drafting.improve_draft import suggestions_to_improve
from agents.process_threads import process_threads
from ai_log.gateway import otel_names
from ai_log.gateway.ask import is_model_configured, strip_code_fence
from ai_log.models import AIInteraction
from bench import faults
from bench.corpus import CORPUS_FOLDER
from bench.databases import scratch_database
from bench.model import answer_honestly, loopback_model, model_label
from bench.table import format_verdict, render_table
from crm.exceptions import ActionRefused
from crm.records.activity import SYSTEM_ACTOR
from inbox.incoming.arrivals import Arrival, ParsedArrival, parse_arrival
from inbox.incoming.files import iter_emails
from inbox.incoming.participants import our_addresses
from inbox.incoming.transitions import ReceiveCounts, receive_parsed
from inbox.lead_signals.ask_model import SIGNALS_AGENT, run_model_reading, threads_to_read
from inbox.lead_signals.model_signals import SignalsAnswer
from inbox.models import Mailbox, Message, Provider, Reading, Thread
from inbox.transitions import link
from leads.models import Lead
from leads.transitions import create_lead
from suggestions.models import Suggestion

PATHS = (CORPUS_FOLDER / "enron", CORPUS_FOLDER / "easy-ham-2.tar.gz")
SPREAD_DAYS, EMAILS_PER_BATCH, CALLS_PER_ROUND = 3, 100, 50
RESIDENT_MEMORY = re.compile(r"VmRSS:\s+(\d+) kB")
LONG_AGO = datetime.min.replace(tzinfo=UTC)
SETTINGS = {"ALLOWED_HOSTS": ["testserver"], "ROOT_URLCONF": "bench.urls"}


def load_trial_emails(paths: list[Path], limit: int) -> Iterator[ParsedArrival]:
    """Return the first `limit` emails of each path, in order, dated within the last days.

    List headers are removed: most of the given emails came from mailing lists, which cannot be leads.
    """
    emails = []
    for path in paths:
        parsed_emails = (
            parse_arrival(Arrival(origin, raw)) for origin, raw in iter_emails(path) if not origin.endswith(".cats")
        )
        emails += itertools.islice((email for email in parsed_emails if email.mail and email.mail.from_email), limit)
    emails.sort(key=lambda email: email.mail.sent_at or LONG_AGO)
    first_sent_at, interval = (
        timezone.now() - timedelta(days=SPREAD_DAYS),
        timedelta(days=SPREAD_DAYS) / (len(emails) + 1),
    )
    for number, email in enumerate(emails):
        yield replace(email, mail=replace(email.mail, sent_at=first_sent_at + number * interval, headers={}))


def create_leads(emails: list[ParsedArrival]) -> dict[str, Lead]:
    """Create a lead for every second sender, by address."""
    writers = dict.fromkeys(email.mail.from_email.lower() for email in emails)
    names = {email.mail.from_email.lower(): email.mail.from_name for email in emails}
    leads_by_address = {}
    for address in list(writers)[::2]:
        lead = Lead(contact_name=(names[address] or address)[:200], contact_email=address)
        with contextlib.suppress(ActionRefused):
            create_lead(lead, by=SYSTEM_ACTOR)
            leads_by_address[address] = lead
    return leads_by_address


def receive_emails(emails: list[ParsedArrival], leads: dict[str, Lead]) -> ReceiveCounts:
    """Import the emails and link conversations started by a lead, as an agent would."""
    mailbox = Mailbox.objects.create(address="trial@agency.example", provider=Provider.IMPORT)
    counts, own_addresses = ReceiveCounts(), our_addresses()
    for start in range(0, len(emails), EMAILS_PER_BATCH):
        counts += receive_parsed(mailbox, emails[start : start + EMAILS_PER_BATCH], own_addresses=own_addresses)
    for thread in Thread.objects.filter(mailbox=mailbox, lead=None, client=None):
        first = Message.objects.filter(thread=thread).order_by("sent_at").first()
        if first and first.from_email.lower() in leads:
            link(thread, lead=leads[first.from_email.lower()], by=SYSTEM_ACTOR)
    return counts


def run_jobs(deadline: float) -> Iterator[int]:
    """Run the reading and proposing jobs in rounds until no question is left; yield the memory of each round."""
    call_count = -1
    while time.monotonic() < deadline and call_count != (call_count := AIInteraction.objects.count()):
        process_threads(list(Thread.objects.unprocessed().values_list("pk", flat=True)))
        for key in list(threads_to_read(timezone.now()).values_list("pk", flat=True)):
            if time.monotonic() < deadline:
                run_model_reading(key)
        agent_tasks.evaluate_due_leads(timestamp=0)
        yield resident_memory()
        for key in suggestions_to_improve(timezone.now()).values_list("pk", flat=True)[:CALLS_PER_ROUND]:
            if time.monotonic() < deadline:
                agent_tasks.ask_model_job(str(key))


def resident_memory() -> int:
    """Return the memory of this process in kB, without the database."""
    return int(RESIDENT_MEMORY.search(Path("/proc/self/status").read_text())[1])


def count_signals() -> Counter[str]:
    """Count the signals on leads by finder, and the model's rejected claims."""
    counts: Counter[str] = Counter()
    for signal in itertools.chain.from_iterable(Lead.objects.values_list("signals", flat=True)):
        counts["by the model" if "interaction" in signal else "by rules"] += 1
    claimed = 0
    for answer in AIInteraction.objects.filter(agent=SIGNALS_AGENT, error_message="").values_list(
        "ai_response", flat=True
    ):
        with contextlib.suppress(ValidationError):
            claimed += len(SignalsAnswer.model_validate_json(strip_code_fence(answer)).signals)
    kept_count = sum(map(len, Reading.objects.values_list("signs", flat=True)))
    return counts + Counter({"claimed by the model and dropped": claimed - kept_count})


def summarize_calls(since: datetime) -> list[list[str]]:
    """Return the calls of each agent and their outcomes."""
    rows = AIInteraction.objects.filter(created_at__gte=since)
    of_agents = rows.values("agent").annotate(
        asked=Count("pk"),
        answered=Count("pk", filter=Q(error_message="")),
        tokens_in=Sum("prompt_tokens", default=0),
        tokens_out=Sum("completion_tokens", default=0),
        cost=Sum("cost_usd"),
        latency=Avg("latency_ms"),
    )
    kinds: dict[str, Counter[str]] = defaultdict(Counter)
    for agent, metadata in rows.exclude(error_message="").values_list("agent", "metadata"):
        kinds[agent][metadata.get(otel_names.ERROR_TYPE, "unknown")] += 1
    return [
        [
            one["agent"],
            f"{one['asked']:,}",
            f"{one['answered']:,}",
            ", ".join(f"{count} {kind}" for kind, count in kinds[one["agent"]].most_common()) or "none",
            f"{one['tokens_in']:,} / {one['tokens_out']:,}",
            "unknown" if one["cost"] is None else f"${one['cost']:.4f}",
            f"{one['latency'] or 0:,.0f} ms",
        ]
        for one in of_agents.order_by("agent")
    ]


def run_trial(paths: list[Path], limit: int, seconds: float) -> bool:
    """Print the outcome of the emails; return whether there was no violation."""
    with contextlib.redirect_stdout(io.StringIO()):
        call_command("demo", verbosity=0)
    emails = list(load_trial_emails(paths, limit))
    counts = receive_emails(emails, create_leads(emails))
    began, started, suggestions_before = timezone.now(), time.monotonic(), Suggestion.objects.count()
    memory_readings = list(run_jobs(started + seconds))
    seconds_taken = time.monotonic() - started
    asked = AIInteraction.objects.filter(created_at__gte=began)
    worded_count = Suggestion.everything.filter(interaction__in=asked).count()
    rows = {
        "emails imported": counts.taken,
        "set aside": counts.aside,
        "open leads": Lead.objects.open().count(),
        "conversations linked to leads": Thread.objects.filter(lead__isnull=False).count(),
        "messages read by the model": Reading.objects.exclude(interaction=None).count(),
        "threads yet to be read": threads_to_read(timezone.now()).count(),
        **{f"signals {name}": count for name, count in sorted(count_signals().items())},
        "suggestions made": Suggestion.objects.count() - suggestions_before,
        "of them worded by a model": worded_count,
        "questions left": suggestions_to_improve(timezone.now()).count(),
        "seconds": round(seconds_taken),
        "calls a second": round(asked.count() / seconds_taken, 1),
        "memory after the first round, MB": memory_readings[0] // 1000,
        "memory at the end, MB": resident_memory() // 1000,
    }
    sys.stdout.write(render_table([model_label(), ""], [[name, f"{value:,}"] for name, value in rows.items()]) + "\n")
    heading = ["Agent", "asked", "answered", "failed", "tokens in / out", "cost", "mean latency"]
    sys.stdout.write(render_table(heading, summarize_calls(began)) + "\n")
    return asked.exists()


def main() -> int:
    parser = argparse.ArgumentParser(prog="python -m bench.trial", description=__doc__)
    parser.add_argument("paths", nargs="*", type=Path, default=PATHS, metavar="PATH")
    parser.add_argument("--emails", type=int, default=300, help="Emails to use of each path (default: 300).")
    parser.add_argument("--seconds", type=float, default=180, help="Maximum seconds for the agents (default: 180).")
    options = parser.parse_args()
    if missing := [str(path) for path in options.paths if not path.exists()]:
        parser.error(f"no such file or folder: {', '.join(missing)}")
    has_real_model = is_model_configured()
    sys.stdout.write(
        f"The model: {'that of AI_URL' if has_real_model else 'the loopback model, because AI_URL is not set'}.\n\n"
    )
    with override_settings(**SETTINGS), scratch_database():
        with nullcontext() if has_real_model else loopback_model(answer_honestly):
            is_completed = run_trial(list(options.paths), options.emails, options.seconds)
        missed = faults.try_faults()
    sys.stdout.write(f"{format_verdict(missed if is_completed else [*missed, 'no question was asked'])}\n")
    return int(bool(missed) or not is_completed)


if __name__ == "__main__":
    sys.exit(main())
