"""The nightly jobs over 100,000 leads: seconds and memory of each, and one run of each minute job."""

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
    "train the prediction model": leads.retrain_prediction_model,
    "flag leads going cold": inbox.warn_of_silence,
    "score all": leads.score_all_leads,
    "predict all leads": leads.predict_all_leads,
    "clear sessions": crm.clear_sessions,
    "scan the JSON columns": crm.scan_json_columns,
    "forget drafts": inbox.purge_old_drafts,
    "repair owners of conversations": inbox.repair_thread_owners,
    "repair owners of suggestions": suggestions.repair_suggestion_owners,
    "ask a model later": agents.ask_models_later,
}


def plans() -> None:
    """Do nothing; the query plan tests cover the jobs."""


def run(repeat: int) -> bool:
    """Print the table, in a copy of the database. There is no target: it must finish by morning."""
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
    """Return the nightly jobs by name; each returns a summary of its work."""
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
    return f"{evaluated:,} checked, {proposed:,} proposed, {remaining:,} wait"


@contextmanager
def measure_peak_memory() -> Iterator[list[int]]:
    """Yield a function that returns the peak memory of the block in MB."""
    peak = [0]
    Path("/proc/self/clear_refs").write_text("5")  # reset the peak (proc(5))
    yield peak
    status = Path("/proc/self/status").read_text()
    peak[0] = next(int(line.split()[1]) for line in status.splitlines() if line.startswith("VmHWM:")) // 1024
