"""A night over 100,000 leads: what each nightly job takes, in seconds and memory, and one run of each minute's."""

import sys
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path

from django.utils import timezone

from agents import tasks as agents
from agents.next_best_action.evaluate_leads import evaluate_due_leads
from agents.process_threads import process_threads, requeue_lost_threads
from ai_log import tasks as ai_log
from bench.databases import DATABASE_SIZES, database_copy, prepare_database
from bench.table import render_table
from crm import tasks as crm
from inbox import tasks as inbox
from inbox.models import Thread
from leads import tasks as leads
from leads.models import Lead
from suggestions import tasks as suggestions

BENCH_DATABASE, MAX_THREADS = "bench_100k", 500
# Once a night (training: each Sunday), in the order of their hours.
NIGHTLY_JOBS: dict[str, Callable[..., None]] = {
    "sum the days of the AI log": ai_log.sum_days,
    "learn what tells chances": leads.retrain_prediction_model,
    "warn of silence": inbox.warn_of_silence,
    "score all": leads.score_all_leads,
    "tell all chances": leads.predict_all_leads,
    "clear sessions": crm.clear_sessions,
    "forget drafts": inbox.purge_old_drafts,
    "repair owners of conversations": inbox.repair_thread_owners,
    "repair owners of suggestions": suggestions.repair_suggestion_owners,
    "ask a model later": agents.ask_models_later,
}


def plans() -> None:
    """Jobs read what they must; their queries stand in the tests of plans."""


def run(repeat: int) -> bool:
    """Print the table, in a copy of the database. There is no bar: it must only be over by the morning."""
    prepare_database(BENCH_DATABASE, DATABASE_SIZES[BENCH_DATABASE])
    with database_copy(BENCH_DATABASE):
        rows, total_seconds = [], 0.0
        for name, part in nightly_parts():
            with measure_peak_memory() as peak:
                started = time.monotonic()
                done = part()
                seconds = time.monotonic() - started
            total_seconds += seconds
            rows.append([name, f"{seconds:.1f} s", done, f"{peak[0]:,} MB"])
    sys.stdout.write(f"\n{__doc__}\n\n")
    rows.append(["together", f"{total_seconds:.1f} s", "", ""])
    sys.stdout.write(render_table(["", "time", "done", "peak memory"], rows))
    return True


def nightly_parts() -> Iterator[tuple[str, Callable[[], str]]]:
    """Each part of the night by name; called, it says how much it did."""
    for name, job in NIGHTLY_JOBS.items():
        yield name, lambda job=job: run_job(job)
    yield "an hour: queue lost threads", lambda: f"{requeue_lost_threads(timezone.now()):,} queued"
    yield "process unprocessed threads", run_process_threads
    yield "a minute: evaluate due leads", run_evaluate_leads


def run_job(job: Callable[..., None]) -> str:
    job(timestamp=0)
    return (
        f"{Lead.objects.open().count():,} open leads" if job in (leads.score_all_leads, leads.predict_all_leads) else ""
    )


def run_process_threads() -> str:
    keys = list(Thread.objects.unprocessed().values_list("pk", flat=True)[:MAX_THREADS])
    process_threads(keys)
    return f"{len(keys):,} threads, {Thread.objects.unprocessed().count():,} wait"


def run_evaluate_leads() -> str:
    evaluated, proposed = evaluate_due_leads()
    remaining = Lead.objects.due_for_evaluation(timezone.now()).count()
    return f"{evaluated:,} looked at, {proposed:,} proposed, {remaining:,} wait"


@contextmanager
def measure_peak_memory() -> Iterator[list[int]]:
    """The most memory, in MB, that this process holds inside: known at the end."""
    peak = [0]
    Path("/proc/self/clear_refs").write_text("5")  # begin to count anew (proc(5))
    yield peak
    status = Path("/proc/self/status").read_text()
    peak[0] = next(int(line.split()[1]) for line in status.splitlines() if line.startswith("VmHWM:")) // 1024
