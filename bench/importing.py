"""Importing a file of 1,000,000 leads, compared with a bare COPY of the same leads into the same indexed table.

Then the same rows with other values, which change these leads: compared with one UPDATE in SQL that writes the same.
"""

import csv
import random
import resource
import sys
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from tempfile import TemporaryDirectory

from django.db import connection, transaction

from bench.databases import scratch_database
from bench.table import format_verdict, render_table
from crm.records.activity import SYSTEM_ACTOR
from leads.importing.transitions import import_file
from leads.importing.updates.policy import DuplicatePolicy
from leads.models import ImportBatch, Lead

# The target: how many times longer than the COPY an import may take.
MAX_RATIO = 4.0
# The target for memory: the peak of an import of all rows above that of the first tenth of them, in MB.
MAX_GROWTH_MB = 50
# The target: how many times longer than the UPDATE in SQL a file that changes leads may take.
MAX_UPDATE_RATIO = 4.0
ROWS = 1_000_000
HEADER = (
    *("First Name", "Last Name", "Email", "Phone", "Company", "Lead Source", "Stage", "Amount", "Close Date"),
    *("Tags", "City", "Industry", "Notes"),
)
COLUMNS = ", ".join(field.column for field in Lead._meta.local_concrete_fields if not field.generated)
NEW_NOTES, NEW_WEBSITE = "Has a quote by now", "https://www.company.example"
CREATE_VALUES_SQL = "CREATE TEMPORARY TABLE new_values ({columns}) ON COMMIT DROP"
# A lead that changes is looked at again, which moves it in the indexes.
UPDATE_SQL = """
    UPDATE leads SET notes = new."Notes", company_website = new."Website", updated_at = now(),
           last_activity_at = greatest(leads.last_activity_at, now()),
           next_look_at = CASE WHEN leads.closed_at IS NULL THEN now() ELSE leads.next_look_at END
      FROM new_values AS new WHERE lower(leads.contact_email) = lower(new."Email") AND leads.contact_email <> ''
"""


def run(repeat: int, rows: int = ROWS) -> bool:
    """Print the tables, each as soon as it is known; return whether the targets were met.

    Each side runs once in an empty database.
    """
    with TemporaryDirectory() as folder:
        source, small, copied = Path(folder, "leads.csv"), Path(folder, "tenth.csv"), Path(folder, "leads.copy")
        write_file(source, rows)
        write_file(small, rows // 10)
        with scratch_database():
            import_file(small, by=SYSTEM_ACTOR)
        small_peak = peak_megabytes()
        with scratch_database():
            our_seconds = time_import(source, rows)
            growth = peak_megabytes() - small_peak
            save_leads(copied)
            batch = ImportBatch.objects.get()
        with scratch_database():
            # The leads name their import.
            batch.save(force_insert=True)
            missed = print_import(rows, our_seconds, time_copy(copied), growth)
            missed += print_changes(Path(folder, "changed.csv"), rows)
    sys.stdout.write(f"{format_verdict(missed)}\n")
    return not missed


def print_import(rows: int, our_seconds: float, copy_seconds: float, growth: int) -> list[str]:
    """Print what the import and the COPY took; return the targets that were missed."""
    ratio = our_seconds / copy_seconds
    sys.stdout.write(f"Importing {rows:,} leads; the peak is {growth} MB above that of a tenth of the rows.\n\n")
    table = [
        ["COPY into leads", f"{copy_seconds:.1f} s", f"{rows / copy_seconds:,.0f}", ""],
        ["import_file", f"{our_seconds:.1f} s", f"{rows / our_seconds:,.0f}", f"{ratio:.2f}"],
    ]
    sys.stdout.write(render_table(["", "time", "rows/s", "ratio"], table))
    sys.stdout.flush()
    missed = [] if ratio <= MAX_RATIO else [f"{ratio:.2f} times the COPY"]
    return missed + ([] if growth <= MAX_GROWTH_MB else [f"{growth} MB more than for a tenth"])


def print_changes(path: Path, rows: int) -> list[str]:
    """Print what changing these leads took in each way; return the targets that were missed."""
    sys.stdout.write("\nChanging these leads by a file.\n\n")
    plain, missed = 0.0, []
    for name, seconds in time_changes(path, rows):
        plain = plain or seconds
        line = [[name, f"{seconds:.1f} s", f"{rows / seconds:,.0f}", f"{seconds / plain:.2f}"]]
        sys.stdout.write(render_table(["", "time", "rows/s", "ratio"], line))
        sys.stdout.flush()
        missed += [f"{name}: {seconds / plain:.2f} times the UPDATE"] if seconds > MAX_UPDATE_RATIO * plain else []
    sys.stdout.write(f"{peak_megabytes()} MB peak.\n")
    return missed


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


def write_changed_file(path: Path, rows: int) -> None:
    """Write the same people with other notes, and with a website, which they have not had."""
    draw = random.Random(5)
    with path.open("w", encoding="utf-8", newline="") as file:
        writer = csv.writer(file)
        writer.writerow([*HEADER, "Website"])
        for n in range(rows):
            writer.writerow([*make_row(n, draw, "example")[:-1], NEW_NOTES, NEW_WEBSITE])


def time_changes(path: Path, rows: int) -> Iterator[tuple[str, float]]:
    """Yield the seconds of the UPDATE in SQL, and of imports that update and that fill; each is rolled back."""
    write_changed_file(path, rows)
    sides = {
        "COPY and UPDATE": lambda: update_plainly(path),
        "import_file, update": lambda: import_changes(path, DuplicatePolicy.UPDATE),
        "import_file, fill": lambda: import_changes(path, DuplicatePolicy.FILL),
    }
    for name, change in sides.items():
        with connection.cursor() as cursor:
            # What was rolled back takes room until then.
            cursor.execute("VACUUM ANALYZE")
        yield name, time_rolled_back(change, rows)


def update_plainly(path: Path) -> int:
    columns = ", ".join(f'"{name}" text' for name in (*HEADER, "Website"))
    with connection.cursor() as cursor:
        cursor.execute(CREATE_VALUES_SQL.format(columns=columns))
        with path.open("rb") as file, cursor.copy("COPY new_values FROM STDIN WITH (FORMAT csv, HEADER)") as copy:
            while block := file.read(1 << 20):
                copy.write(block)
        cursor.execute("ANALYZE new_values")
        cursor.execute(UPDATE_SQL)
        return cursor.rowcount


def import_changes(path: Path, policy: DuplicatePolicy) -> int:
    return import_file(path, by=SYSTEM_ACTOR, duplicates=policy).updated


def time_rolled_back(change: Callable[[], int], rows: int) -> float:
    """Return the seconds that `change` takes with all checks; everything is as before afterwards."""
    with transaction.atomic():
        started = time.monotonic()
        changed = change()
        with connection.cursor() as cursor:
            cursor.execute("SET CONSTRAINTS ALL IMMEDIATE")
        seconds = time.monotonic() - started
        transaction.set_rollback(True)
    if changed != rows:
        raise RuntimeError(f"Expected {rows:,} leads, but there were {changed:,}.")
    return seconds


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
