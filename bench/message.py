"""What storing a message takes, in a lead's thread and in an unlinked one, and what the job takes that follows."""

import statistics
import sys
import time
from collections.abc import Callable, Iterable
from datetime import timedelta

from django.db import transaction
from django.utils import timezone

from agents.process_threads import process_thread
from bench.databases import DATABASE_SIZES, database_copy, prepare_database
from bench.table import format_duration, format_verdict, render_table
from inbox.models import Direction, Message, Thread
from inbox.transitions import add_to_thread
from leads.models import Lead, ScoringPolicy
from leads.scoring.rescoring import rescore_leads

BENCH_DATABASE = "bench_100k"
SAMPLE_SIZE = 300
# The target in seconds.
MAX_ADDED_SECONDS = 0.005
EMAIL_TEXT = "Thank you, that sounds good. Our budget is $1,500 a year. Could you call me tomorrow? It is urgent."


def plans() -> None:
    """Do nothing; this benchmark writes."""


def run(repeat: int) -> bool:
    """Print the table, in a copy of the database; return whether the target was met."""
    prepare_database(BENCH_DATABASE, DATABASE_SIZES[BENCH_DATABASE])
    with database_copy(BENCH_DATABASE):
        policy, now = ScoringPolicy.objects.active(), timezone.now()
        leads = list(Lead.objects.open().filter(threads__isnull=False).distinct().order_by("id")[:SAMPLE_SIZE])
        linked_threads = [lead.threads.order_by("id")[0] for lead in leads]
        unlinked_threads = list(
            Thread.objects.filter(lead=None, client=None, source="EMAIL").order_by("id")[:SAMPLE_SIZE]
        )
        seconds = {
            "stored, unlinked": median_seconds(receive_message, unlinked_threads),
            "stored, a lead's": median_seconds(receive_message, linked_threads),
            "the job: signals, score, next best action": median_seconds(
                lambda one: process_thread(one.pk), linked_threads
            ),
        }
        # Like the job: in the transaction that saves the signals.
        with transaction.atomic():
            seconds["one lead scored"] = median_seconds(lambda lead: rescore_leads([lead.pk], policy, now), leads)
    added = seconds["stored, a lead's"] - seconds["stored, unlinked"]
    missed = [f"{format_duration(added)} added"] if added > MAX_ADDED_SECONDS else []
    missed += (
        [f"{format_duration(seconds['one lead scored'])} to score"]
        if seconds["one lead scored"] > MAX_ADDED_SECONDS
        else []
    )
    sys.stdout.write(f"\n{__doc__}\n\n")
    rows = [[name, format_duration(one)] for name, one in seconds.items()]
    sys.stdout.write(
        render_table([f"median of {SAMPLE_SIZE}", "time"], [*rows, ["added for a lead", format_duration(added)]])
    )
    sys.stdout.write(f"{format_verdict(missed)}\n")
    return not missed


def receive_message(thread: Thread) -> None:
    message_fields = {"direction": Direction.IN, "from_email": "lee@example.com", "body_text": EMAIL_TEXT}
    add_to_thread(Message(thread=thread, sent_at=timezone.now() - timedelta(minutes=1), **message_fields))


def median_seconds(action: Callable[[object], object], records: Iterable[object]) -> float:
    """Return the median seconds of `action` on one of `records`."""
    times = []
    for record in records:
        started = time.perf_counter()
        action(record)
        times.append(time.perf_counter() - started)
    return statistics.median(times)
