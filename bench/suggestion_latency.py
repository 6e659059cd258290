"""How long it takes from a stored message to its suggestion, with one worker: without a model, and with a slow one."""

import sys
import tempfile
import time
from collections.abc import Iterator
from contextlib import contextmanager, nullcontext
from dataclasses import dataclass, field
from datetime import timedelta
from email.utils import format_datetime
from pathlib import Path
from typing import Any
from uuid import UUID

from django.conf import settings
from django.utils import timezone

from bench.child_processes import start_python
from bench.databases import DATABASE_SIZES, database_copy, prepare_database
from bench.model import answer_honestly, loopback_model
from bench.storm import kill
from bench.table import format_verdict, render_table
from crm.records.activity import SYSTEM_ACTOR
from inbox.incoming.transitions import receive
from inbox.models import Mailbox, Provider
from leads.models import Lead
from leads.transitions import create_lead
from suggestions.models import Suggestion
from suggestions.transitions.state import TRIAGE_AGENT

BENCH_DATABASE = "bench_100k"
# Half of them from leads, half from unknown senders: triage proposes nothing once a hundred wait.
MESSAGES, SECONDS_BETWEEN_MESSAGES = 120, 0.5
# Seconds that the model takes for each answer, and after which a message counts as without a suggestion.
MODEL_DELAY, TIMEOUT_SECONDS = 2.0, 60.0
# The bar of the design, in seconds.
MAX_P95_SECONDS = 5.0
POLL_SECONDS = 0.02
LEAD_TEXT = "Could you tell me what the van would cost a year? We would also like to add the trailer."
PROSPECT_TEXT = (
    "Hello,\n\nwe run a bakery with six employees on Mill Lane, and our insurance renews in March. Could you send us a "
    "quote for general liability? We pay about $2,400 a year now.\n\nNora New\nNew Bread Ltd\n"
)


@dataclass
class Latencies:
    """When each message was stored, and how many seconds later its suggestion was there."""

    stored_at: dict[UUID, float] = field(default_factory=dict)
    seconds: dict[UUID, float] = field(default_factory=dict)

    def poll(self) -> None:
        """Note which of the stored messages have a suggestion now."""
        rows = Suggestion.everything.filter(message__in=self.stored_at.keys() - self.seconds.keys())
        for key in rows.values_list("message", flat=True):
            self.seconds[key] = time.monotonic() - self.stored_at[key]

    def percentile(self, share: float) -> float:
        """The seconds that `share` of the messages did not exceed; one without a suggestion counts as the time-out."""
        missing = len(self.stored_at) - len(self.seconds)
        ordered = sorted([*self.seconds.values(), *[TIMEOUT_SECONDS] * missing])
        return ordered[min(int(share * len(ordered)), len(ordered) - 1)]


def plans() -> None:
    """It writes."""


def run(repeat: int) -> bool:
    """Print the table, in a copy of the database; return whether the bar was reached."""
    prepare_database(BENCH_DATABASE, DATABASE_SIZES[BENCH_DATABASE])
    with database_copy(BENCH_DATABASE):
        return report_latencies()


def report_latencies() -> bool:
    """Measure without a model and with one; print the table and return whether the bar was reached."""
    rows, missed = [], []
    for name, model in (("without a model", nullcontext), (f"with a model of {MODEL_DELAY:.0f} s", slow_model)):
        # Room for the proposals of triage, which stop at a hundred.
        Suggestion.objects.filter(agent=str(TRIAGE_AGENT)).update(deleted_at=timezone.now())
        with model():
            found = measure_latencies(name[:5])
        p50, p95 = found.percentile(0.5), found.percentile(0.95)
        rows.append([name, f"{len(found.seconds)} of {len(found.stored_at)}", f"{p50:.2f} s", f"{p95:.2f} s"])
        if p95 > MAX_P95_SECONDS or len(found.seconds) < len(found.stored_at):
            missed.append(f"{name}: p95 {p95:.2f} s, {len(found.seconds)} of {len(found.stored_at)}")
    sys.stdout.write(f"\n{__doc__}\n\n")
    sys.stdout.write(render_table(["", "suggested", "p50", "p95"], rows))
    sys.stdout.write(f"{format_verdict(missed)}\n")
    return not missed


@contextmanager
def slow_model() -> Iterator[None]:
    def answer(shape: str, question: str) -> dict[str, Any]:
        time.sleep(MODEL_DELAY)
        return answer_honestly(shape, question)

    with loopback_model(answer):
        yield


def measure_latencies(label: str) -> Latencies:
    """Store the messages at their pace while a worker runs; return what was seen."""
    mailbox = Mailbox.objects.create(address=f"office@{label.strip()}.agency.example", provider=Provider.IMPORT)
    variables = {"AI_URL": settings.AI_URL, "AI_MODEL": settings.AI_MODEL, "LOG_LEVEL": "ERROR"}
    emails = [(make_sender(label, number), number) for number in range(MESSAGES + 2)]
    with tempfile.TemporaryDirectory() as folder:
        worker = start_python("manage.py", "worker", log=Path(folder) / "log", **variables)
        try:
            send_emails(mailbox, emails[:2])  # the worker has started once it has answered these
            return send_emails(mailbox, emails[2:])
        finally:
            kill(worker)


def make_sender(label: str, number: int) -> str:
    """Return the address of a new lead, or of an unknown sender for each second number."""
    address = f"sender{number}@{label.strip()}{number}.example"
    if number % 2 == 0:
        create_lead(Lead(contact_name=f"Lee Lead {number}", contact_email=address), by=SYSTEM_ACTOR)
    return address


def send_emails(mailbox: Mailbox, emails: list[tuple[str, int]]) -> Latencies:
    found, waiting, started = Latencies(), list(emails), time.monotonic()
    deadline = started + len(emails) * SECONDS_BETWEEN_MESSAGES + TIMEOUT_SECONDS
    while time.monotonic() < deadline and (waiting or len(found.seconds) < len(found.stored_at)):
        due_count = int((time.monotonic() - started) / SECONDS_BETWEEN_MESSAGES) + 1
        while waiting and len(found.stored_at) < due_count:
            message = receive(mailbox, build_email(mailbox, *waiting.pop(0)), origin=f"email {len(waiting)}")
            found.stored_at[message.pk] = time.monotonic()
        found.poll()
        time.sleep(POLL_SECONDS)
    return found


def build_email(mailbox: Mailbox, sender: str, number: int) -> bytes:
    sent = format_datetime(timezone.now() - timedelta(minutes=1))
    body = LEAD_TEXT if number % 2 == 0 else PROSPECT_TEXT
    head = {"From": sender, "To": mailbox.address, "Subject": f"A question {number}", "Date": sent}
    head["Message-ID"] = f"<{number}.{sender}>"
    return ("".join(f"{name}: {value}\n" for name, value in head.items()) + f"\n{body}\n").encode()
