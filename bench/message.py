"""What scoring adds to taking in a message: on a lead's conversation and on nobody's, and what the job does after."""

import statistics
import sys
import time
from collections.abc import Callable, Iterable
from datetime import timedelta

from django.db import transaction
from django.utils import timezone

from bench.databases import SIZES, copied, make_ready
from bench.table import duration, rendered, verdict
from inbox.lead_signals.transitions import notice
from inbox.models import Direction, Message, Thread
from inbox.transitions import take_in
from leads.models import Lead, ScoringPolicy
from leads.scoring.rescoring import rescore

NAME = "bench_100k"
MANY = 300
# The bar of the issue, in seconds.
MOST_ADDED = 0.005
WORDS = "Thank you, that sounds good. Our budget is $1,500 a year. Could you call me tomorrow? It is urgent."


def plans() -> None:
    """It writes."""


def run(repeat: int) -> bool:
    """Print the table, in a copy of the database; whether the bar was reached."""
    make_ready(NAME, SIZES[NAME])
    with copied(NAME):
        policy, now = ScoringPolicy.objects.active(), timezone.now()
        leads = list(Lead.objects.open().filter(threads__isnull=False).distinct().order_by("id")[:MANY])
        linked = [lead.threads.order_by("id")[0] for lead in leads]
        free = list(Thread.objects.filter(lead=None, client=None, source="EMAIL").order_by("id")[:MANY])
        took = {
            "taken in, nobody's": median(receive, free),
            "taken in, a lead's": median(receive, linked),
            "noticed by the job, score and all": median(notice, linked),
        }
        # As the job does it: in the transaction in which the signals are written.
        with transaction.atomic():
            took["one lead scored"] = median(lambda lead: rescore([lead.pk], policy, now), leads)
    added = took["taken in, a lead's"] - took["taken in, nobody's"]
    missed = [f"{duration(added)} added"] if added > MOST_ADDED else []
    missed += [f"{duration(took['one lead scored'])} to score"] if took["one lead scored"] > MOST_ADDED else []
    sys.stdout.write(f"\n{__doc__}\n\n")
    rows = [[name, duration(one)] for name, one in took.items()]
    sys.stdout.write(rendered([f"median of {MANY}", "time"], [*rows, ["added for a lead", duration(added)]]))
    sys.stdout.write(f"{verdict(missed)}\n")
    return not missed


def receive(thread: Thread) -> None:
    said = {"direction": Direction.IN, "from_email": "lee@example.com", "body_text": WORDS}
    take_in(Message(thread=thread, sent_at=timezone.now() - timedelta(minutes=1), **said))


def median(deed: Callable[[object], object], records: Iterable[object]) -> float:
    """Seconds of doing `deed` to one of `records`."""
    times = []
    for record in records:
        began = time.perf_counter()
        deed(record)
        times.append(time.perf_counter() - began)
    return statistics.median(times)
