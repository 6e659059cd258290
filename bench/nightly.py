"""A night over 100,000 leads: what each nightly job takes, in seconds and memory, and one run of each minute's."""

import sys
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path

from django.utils import timezone

from agents import tasks as agents
from agents.next_best_action.evaluate_leads import consider
from agents.triage.triage_threads import triage
from ai_log import tasks as ai_log
from bench.databases import SIZES, copied, make_ready
from bench.table import rendered
from crm import tasks as crm
from inbox import tasks as inbox
from inbox.models import Thread
from leads import tasks as leads
from leads.models import Lead
from suggestions import tasks as suggestions

NAME = "bench_100k"
# Once a night (training: each Sunday), in the order of their hours.
ONCE: dict[str, Callable[..., None]] = {
    "sum the days of the AI log": ai_log.sum_days,
    "learn what tells chances": leads.learn,
    "warn of silence": inbox.warn_of_silence,
    "score all": leads.score_all,
    "tell all chances": leads.tell_chances,
    "clear sessions": crm.clear_sessions,
    "forget drafts": inbox.forget_drafts,
    "repair owners of conversations": inbox.repair_owners,
    "repair owners of suggestions": suggestions.repair_owners,
    "ask a model later": agents.ask_later,
}


def plans() -> None:
    """Jobs read what they must; their queries stand in the tests of plans."""


def run(repeat: int) -> bool:
    """Print the table, in a copy of the database. There is no bar: it must only be over by the morning."""
    make_ready(NAME, SIZES[NAME])
    with copied(NAME):
        rows, whole = [], 0.0
        for name, part in parts():
            with memory() as peak:
                began = time.monotonic()
                done = part()
                taken = time.monotonic() - began
            whole += taken
            rows.append([name, f"{taken:.1f} s", done, f"{peak[0]:,} MB"])
    sys.stdout.write(f"\n{__doc__}\n\n")
    rows.append(["together", f"{whole:.1f} s", "", ""])
    sys.stdout.write(rendered(["", "time", "done", "peak memory"], rows))
    return True


def parts() -> Iterator[tuple[str, Callable[[], str]]]:
    """Each part of the night by name; called, it says how much it did."""
    for name, job in ONCE.items():
        yield name, lambda job=job: once(job)
    yield "a minute: read signals", noticed
    yield "a minute: conversations of nobody", lambda: "{:,} looked at, {:,} proposed".format(*triage())
    yield "a minute: what is best done next", considered


def once(job: Callable[..., None]) -> str:
    job(timestamp=0)
    return f"{Lead.objects.open().count():,} open leads" if job in (leads.score_all, leads.tell_chances) else ""


def noticed() -> str:
    before = Thread.objects.unnoticed().count()
    inbox.notice_new(timestamp=0)
    left = Thread.objects.unnoticed().count()
    return f"{before - left:,} conversations, {left:,} wait"


def considered() -> str:
    looked_at, proposed = consider()
    left = Lead.objects.to_look_at(timezone.now()).count()
    return f"{looked_at:,} looked at, {proposed:,} proposed, {left:,} wait"


@contextmanager
def memory() -> Iterator[list[int]]:
    """The most memory, in MB, that this process holds inside: known at the end."""
    peak = [0]
    Path("/proc/self/clear_refs").write_text("5")  # begin to count anew (proc(5))
    yield peak
    status = Path("/proc/self/status").read_text()
    peak[0] = next(int(line.split()[1]) for line in status.splitlines() if line.startswith("VmHWM:")) // 1024
