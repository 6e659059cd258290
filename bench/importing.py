"""Importing a file of 1,000,000 leads, compared with a bare COPY of the same leads into the same indexed table."""

import csv
import random
import resource
import sys
import time
from pathlib import Path
from tempfile import TemporaryDirectory

from django.db import connection

from bench.databases import scratch_database
from bench.table import format_verdict, render_table
from crm.records.activity import SYSTEM_ACTOR
from leads.importing.transitions import import_file
from leads.models import ImportBatch, Lead

# The target: how many times longer than the COPY an import may take.
MAX_RATIO = 4.0
# The target for memory: the peak of an import of all rows above that of the first tenth of them, in MB.
MAX_GROWTH_MB = 50
ROWS = 1_000_000
HEADER = (
    *("First Name", "Last Name", "Email", "Phone", "Company", "Lead Source", "Stage", "Amount", "Close Date"),
    *("Tags", "City", "Industry", "Notes"),
)
COLUMNS = ", ".join(field.column for field in Lead._meta.local_concrete_fields if not field.generated)


def run(repeat: int, rows: int = ROWS) -> bool:
    """Print the table; return whether the targets were met. Each side runs once in an empty database."""
    with TemporaryDirectory() as folder:
        source, small, copied = Path(folder, "leads.csv"), Path(folder, "tenth.csv"), Path(folder, "leads.copy")
        write_file(source, rows)
        write_file(small, rows // 10)
        with scratch_database():
            import_file(small, by=SYSTEM_ACTOR)
        small_peak = peak_megabytes()
        with scratch_database():
            our_seconds = time_import(source, rows)
            save_leads(copied)
            batch = ImportBatch.objects.get()
        peak = peak_megabytes()
        with scratch_database():
            # The leads name their import.
            batch.save(force_insert=True)
            copy_seconds = time_copy(copied)
    ratio = our_seconds / copy_seconds
    missed = [] if ratio <= MAX_RATIO else [f"{ratio:.2f} times the COPY"]
    missed += [] if peak - small_peak <= MAX_GROWTH_MB else [f"{peak - small_peak} MB more than for a tenth"]
    sys.stdout.write(f"Importing {rows:,} leads; {peak} MB peak, {small_peak} MB for a tenth of the rows.\n\n")
    table = [
        ["COPY into leads", f"{copy_seconds:.1f} s", f"{rows / copy_seconds:,.0f}", ""],
        ["import_file", f"{our_seconds:.1f} s", f"{rows / our_seconds:,.0f}", f"{ratio:.2f}"],
    ]
    sys.stdout.write(render_table(["", "time", "rows/s", "ratio"], table))
    sys.stdout.write(f"{format_verdict(missed)}\n")
    return not missed


def plans() -> None:
    """Do nothing; an import compares all of its rows by design."""


def write_file(path: Path, rows: int, domain: str = "example") -> None:
    """Write `rows` different people, of one domain, with a few values that an export usually has."""
    draw = random.Random(5)
    with path.open("w", encoding="utf-8", newline="") as file:
        writer = csv.writer(file)
        writer.writerow(HEADER)
        for n in range(rows):
            writer.writerow(make_row(n, draw, domain))


def make_row(n: int, draw: random.Random, domain: str) -> list[str]:
    return [
        f"First{n % 5000}",
        f"Last{n}{domain}",
        f"person{n}@company{n % 20_000}.{domain}",
        f"+1 {200 + n % 700} {200 + n // 700 % 700} {n % 10_000:04}",
        f"Company {n % 50_000}",
        draw.choice(["Web", "Referral", "Google", "Trade Show"]),
        draw.choice(["New", "Active", "Proposal sent", "Won", "Lost"]),
        f"{draw.randint(100, 99_999)}.{draw.randint(10, 99)}",
        f"2026-0{draw.randint(1, 9)}-{draw.randint(10, 28)}",
        draw.choice(["", "vip", "vip;fleet"]),
        draw.choice(["Berlin", "Paris", "Rome"]),
        "Retail",
        "Wants a quote before the end of the month",
    ]


def time_import(path: Path, rows: int) -> float:
    """Return the seconds of an import that must take in every row."""
    started = time.monotonic()
    outcome = import_file(path, by=SYSTEM_ACTOR)
    seconds = time.monotonic() - started
    if outcome.imported != rows:
        raise RuntimeError(f"Expected {rows:,} leads, but {outcome.imported:,} were imported.")
    return seconds


def save_leads(path: Path) -> None:
    with (
        connection.cursor() as cursor,
        path.open("wb") as file,
        cursor.copy(f"COPY leads ({COLUMNS}) TO STDOUT") as copy,
    ):
        for block in copy:
            file.write(block)


def time_copy(path: Path) -> float:
    """Return the seconds of a COPY in one transaction."""
    started = time.monotonic()
    with (
        connection.cursor() as cursor,
        path.open("rb") as file,
        cursor.copy(f"COPY leads ({COLUMNS}) FROM STDIN") as copy,
    ):
        while block := file.read(1 << 20):
            copy.write(block)
    return time.monotonic() - started


def peak_megabytes() -> int:
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss // 1024
