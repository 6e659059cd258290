"""Undoing an import, compared with a plain DELETE of the same leads."""

import statistics
import sys
from collections.abc import Callable
from pathlib import Path
from tempfile import TemporaryDirectory

from django.db import connection

from bench.databases import scratch_database
from bench.importing import peak_megabytes, time_rolled_back, write_file
from bench.table import format_verdict, render_table
from crm.records.activity import SYSTEM_ACTOR
from leads.importing.batches.undo import undo_import
from leads.importing.transitions import import_file
from leads.models import ImportBatch, ImportState, Lead

# The target: how many times longer than the DELETE an undoing may take.
MAX_RATIO = 2.0
ROWS = 1_000_000
MAX_ROUNDS = 3
DELETE_SQL = "DELETE FROM leads WHERE import_batch_id = %s"


def run(repeat: int, rows: int = ROWS) -> bool:
    """Print the table; return whether the target was met.

    The two sides take turns in one database, each rolled back after its constraints were checked. Half of the leads are
    of another import, so that both have to find theirs.
    """
    rounds: dict[str, list[float]] = {"DELETE FROM leads": [], "undo_import": []}
    with TemporaryDirectory() as folder, scratch_database():
        batch = import_rows(Path(folder), rows)
        before = peak_megabytes()
        for _ in range(min(repeat, MAX_ROUNDS)):
            rounds["DELETE FROM leads"].append(time_undoing(lambda: delete_plainly(batch), rows))
            rounds["undo_import"].append(time_undoing(lambda: undo_import(batch), rows))
        growth = peak_megabytes() - before
    seconds = {name: statistics.median(times) for name, times in rounds.items()}
    ratio = seconds["undo_import"] / seconds["DELETE FROM leads"]
    sys.stdout.write(f"Undoing an import of {rows:,} leads; the process grew by {growth} MB.\n\n")
    table = [
        [name, f"{one:.1f} s", f"{rows / one:,.0f}", f"{one / seconds['DELETE FROM leads']:.2f}"]
        for name, one in seconds.items()
    ]
    sys.stdout.write(render_table(["", "time", "rows/s", "ratio"], table))
    missed = [] if ratio <= MAX_RATIO else [f"{ratio:.2f} times the DELETE"]
    sys.stdout.write(f"{format_verdict(missed)}\n")
    return not missed


def plans() -> None:
    """Do nothing; an undoing reads all of its leads by design."""


def import_rows(folder: Path, rows: int) -> ImportBatch:
    """Import two files of `rows` leads, and return the first import, about to be undone."""
    for name in ("first.csv", "second.csv"):
        write_file(folder / name, rows, domain=name.removesuffix(".csv"))
        import_file(folder / name, by=SYSTEM_ACTOR)
    with connection.cursor() as cursor:
        cursor.execute("VACUUM ANALYZE")
    batch = ImportBatch.objects.earliest("imported_at")
    batch.state = ImportState.UNDOING
    batch.save()
    return batch


def delete_plainly(batch: ImportBatch) -> int:
    with connection.cursor() as cursor:
        cursor.execute(DELETE_SQL, [batch.pk])
        return cursor.rowcount


def time_undoing(delete: Callable[[], int], rows: int) -> float:
    """Return the seconds that `delete` takes with all checks; the leads are there again afterwards."""
    seconds = time_rolled_back(delete, rows)
    if Lead.everything.count() != 2 * rows:
        raise RuntimeError("The leads are not there again.")
    return seconds
