"""The agents over real mail, with a model on the other end of the wire: `python -m bench.trial PATH …`.

In a database of its own stands the demo agency; the mails of each PATH (a file, folder or archive) come in as if
written in the last days, every second of their writers is a lead, and then the jobs of the worker do what they do:
signals by rules and by the model, triage, the next best action, and the model's words for both. AI_URL and AI_MODEL
name the model; without them one of our own on loopback answers. At the end that one fails in every way providers fail.
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
from agents.drafting.improve_draft import to_ask
from ai_log.gateway import otel_names
from ai_log.gateway.ask import available, bare
from ai_log.models import AIInteraction
from bench import faults
from bench.corpus import FOLDER
from bench.databases import scratch
from bench.model import loopback, named, reading
from bench.table import rendered, verdict
from crm.exceptions import Refused
from crm.records.activity import SYSTEM
from inbox import tasks as inbox_tasks
from inbox.incoming.arrivals import Arrival, Read, read
from inbox.incoming.files import mails_in
from inbox.incoming.participants import our_addresses
from inbox.incoming.transitions import Counted, receive_read
from inbox.lead_signals.ask_model import AGENT
from inbox.lead_signals.model_signals import Signals
from inbox.models import Mailbox, Message, Provider, Reading, Thread
from inbox.transitions import link
from leads.models import Lead
from leads.transitions import create_lead
from suggestions.models import Suggestion

PATHS = (FOLDER / "enron", FOLDER / "easy-ham-2.tar.gz")
DAYS, BATCH, ASKED_A_ROUND = 3, 100, 50
HELD = re.compile(r"VmRSS:\s+(\d+) kB")
LONG_AGO = datetime.min.replace(tzinfo=UTC)
SETTINGS = {"ALLOWED_HOSTS": ["testserver"], "ROOT_URLCONF": "bench.urls"}


def mails(paths: list[Path], most: int) -> Iterator[Read]:
    """The first `most` mails of each path, as if people had written them within the last days, in their order.

    What says that a mail came over a list is taken away: most of the threads given did, and a list is no lead.
    """
    found = []
    for path in paths:
        every = (read(Arrival(origin, raw)) for origin, raw in mails_in(path) if not origin.endswith(".cats"))
        found += itertools.islice((one for one in every if one.mail and one.mail.from_email), most)
    found.sort(key=lambda one: one.mail.sent_at or LONG_AGO)
    began, each = timezone.now() - timedelta(days=DAYS), timedelta(days=DAYS) / (len(found) + 1)
    for number, one in enumerate(found):
        yield replace(one, mail=replace(one.mail, sent_at=began + number * each, headers={}))


def leads_of(found: list[Read]) -> dict[str, Lead]:
    """A lead for every second who wrote, by address."""
    writers = dict.fromkeys(one.mail.from_email.lower() for one in found)
    names = {one.mail.from_email.lower(): one.mail.from_name for one in found}
    made = {}
    for address in list(writers)[::2]:
        lead = Lead(contact_name=(names[address] or address)[:200], contact_email=address)
        with contextlib.suppress(Refused):
            create_lead(lead, by=SYSTEM)
            made[address] = lead
    return made


def taken_in(found: list[Read], leads: dict[str, Lead]) -> Counted:
    """Take the mails in; a conversation that a lead began is linked, as somebody of the agency would."""
    box = Mailbox.objects.create(address="trial@agency.example", provider=Provider.IMPORT)
    counted, ours = Counted(), our_addresses()
    for start in range(0, len(found), BATCH):
        counted += receive_read(box, found[start : start + BATCH], ours=ours)
    for thread in Thread.objects.filter(mailbox=box, lead=None, client=None):
        first = Message.objects.filter(thread=thread).order_by("sent_at").first()
        if first and first.from_email.lower() in leads:
            link(thread, lead=leads[first.from_email.lower()], by=SYSTEM)
    return counted


def at_work(until: float) -> Iterator[int]:
    """Run the jobs that read and propose, round after round, until nothing is asked any more; yields the memory."""
    asked = -1
    while time.monotonic() < until and asked != (asked := AIInteraction.objects.count()):
        for job in (inbox_tasks.notice_new, inbox_tasks.sense_new, agent_tasks.triage, agent_tasks.consider):
            job(timestamp=0)
        yield memory()
        for key in to_ask(timezone.now()).values_list("pk", flat=True)[:ASKED_A_ROUND]:
            if time.monotonic() < until:
                agent_tasks.ask_model(str(key))


def memory() -> int:
    """What this process holds, in kB; the database's is its own."""
    return int(HELD.search(Path("/proc/self/status").read_text())[1])


def signals() -> Counter[str]:
    """Signals on leads, by who found them; and what the model claimed besides."""
    found: Counter[str] = Counter()
    for one in itertools.chain.from_iterable(Lead.objects.values_list("signals", flat=True)):
        found["by the model" if "interaction" in one else "by rules"] += 1
    claimed = 0
    for answer in AIInteraction.objects.filter(agent=AGENT, error_message="").values_list("ai_response", flat=True):
        with contextlib.suppress(ValidationError):
            claimed += len(Signals.model_validate_json(bare(answer)).signals)
    kept = sum(map(len, Reading.objects.values_list("signs", flat=True)))
    return found + Counter({"claimed by the model and dropped": claimed - kept})


def calls(since: datetime) -> list[list[str]]:
    """What was asked by each agent, and what came of it."""
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
        kinds[agent][metadata.get(otel_names.ERROR, "unknown")] += 1
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


def tried(paths: list[Path], most: int, seconds: float) -> bool:
    """Print what became of the mails; whether it went as it must."""
    with contextlib.redirect_stdout(io.StringIO()):
        call_command("demo", verbosity=0)
    found = list(mails(paths, most))
    counted = taken_in(found, leads_of(found))
    began, started, before = timezone.now(), time.monotonic(), Suggestion.objects.count()
    held = list(at_work(started + seconds))
    took = time.monotonic() - started
    asked = AIInteraction.objects.filter(created_at__gte=began)
    worded = Suggestion.everything.filter(interaction__in=asked).count()
    rows = {
        "mails taken in": counted.taken,
        "set aside": counted.aside,
        "open leads": Lead.objects.open().count(),
        "conversations of leads": Thread.objects.filter(lead__isnull=False).count(),
        "messages read by the model": Reading.objects.exclude(interaction=None).count(),
        "conversations yet to be read": Thread.objects.live().filter(sense_at__isnull=False).count(),
        **{f"signals {name}": count for name, count in sorted(signals().items())},
        "suggestions made": Suggestion.objects.count() - before,
        "of them in a model's words": worded,
        "yet to be asked about": to_ask(timezone.now()).count(),
        "seconds": round(took),
        "calls a second": round(asked.count() / took, 1),
        "memory after the first round, MB": held[0] // 1000,
        "memory at the end, MB": memory() // 1000,
    }
    sys.stdout.write(rendered([named(), ""], [[name, f"{value:,}"] for name, value in rows.items()]) + "\n")
    heading = ["Agent", "asked", "answered", "failed", "tokens in / out", "cost", "mean latency"]
    sys.stdout.write(rendered(heading, calls(began)) + "\n")
    return asked.exists()


def main() -> int:
    parser = argparse.ArgumentParser(prog="python -m bench.trial", description=__doc__)
    parser.add_argument("paths", nargs="*", type=Path, default=PATHS, metavar="PATH")
    parser.add_argument("--mails", type=int, default=300, help="How many mails of each path (300).")
    parser.add_argument("--seconds", type=float, default=180, help="How long the agents may work (180).")
    options = parser.parse_args()
    if missing := [str(path) for path in options.paths if not path.exists()]:
        parser.error(f"there is no {', '.join(missing)}")
    theirs = available()
    sys.stdout.write(f"The model: {'that of AI_URL' if theirs else 'our own on loopback, for want of AI_URL'}.\n\n")
    with override_settings(**SETTINGS), scratch():
        with nullcontext() if theirs else loopback(reading):
            went = tried(list(options.paths), options.mails, options.seconds)
        missed = faults.tried()
    sys.stdout.write(f"{verdict(missed if went else [*missed, 'nothing was asked'])}\n")
    return int(bool(missed) or not went)


if __name__ == "__main__":
    sys.exit(main())
