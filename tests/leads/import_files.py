"""Importing a text as a file, and undoing it, for the tests of every table."""

import csv
import io
import tempfile
from pathlib import Path
from typing import Any

from django.db import models

from crm.models import User
from crm.records.activity import SYSTEM_ACTOR, Actor
from leads.importing.batches.transitions import RUN_IMPORT_TASK
from leads.importing.batches.undo import queue_undo
from leads.importing.report import ImportOutcome
from leads.importing.transitions import import_file
from leads.models import ImportBatch
from tests.queued_jobs import run_jobs


def import_text(table: str, content: str, *, by: Actor | User = SYSTEM_ACTOR, **options: Any) -> ImportOutcome:
    """Import `content` as the CSV file of a table."""
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder, f"{table}.csv")
        path.write_text(content)
        return import_file(path, by=by, table=table, **options)


def import_with_errors(table: str, content: str, **options: Any) -> tuple[ImportOutcome, list[list[str]]]:
    """Import `content`, and return the rows of the error file too."""
    with tempfile.TemporaryDirectory() as folder:
        errors = Path(folder, "errors.csv")
        outcome = import_text(table, content, errors=errors, **options)
        return outcome, list(csv.reader(io.StringIO(errors.read_text("utf-8-sig"), newline="")))


def counts(outcome: ImportOutcome) -> tuple[int, int, int, int]:
    """Return rows read, imported, duplicates and refused."""
    assert outcome.rows_read == outcome.imported + outcome.duplicates + outcome.rejected
    return outcome.rows_read, outcome.imported, outcome.duplicates, outcome.rejected


def named_counts(outcome: ImportOutcome) -> dict[str, int]:
    """Return the rows by what became of them, without those of none."""
    found = {
        "new": outcome.imported,
        "updated": outcome.updated,
        "unchanged": outcome.unchanged,
        "duplicates": outcome.duplicates,
        "refused": outcome.rejected,
    }
    assert sum(found.values()) == outcome.rows_read
    return {name: count for name, count in found.items() if count}


def field_values(record: models.Model, *names: str) -> list[Any]:
    """Return the stored values of fields of `record`."""
    record.refresh_from_db()
    return [getattr(record, name) for name in names]


def undo(batch: ImportBatch, *, by: User) -> ImportBatch:
    """Undo `batch`, and return it as the job left it."""
    queue_undo(batch, by=by)
    assert run_jobs(RUN_IMPORT_TASK) == 1
    batch.refresh_from_db()
    return batch
