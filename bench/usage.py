"""Fields in use: scans of 1,000,000 leads with 40 keys, and what counting the uses of keys adds to a list request."""

import statistics
import sys
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Any
from unittest import mock

from django.db import connection, transaction
from django.test import Client

from bench.databases import prepare_database, use_database
from bench.lists import bench_user
from bench.measure import fetch_page
from bench.table import format_duration, format_verdict, render_table
from crm.models import CustomField
from crm.records.field_usage import buffer, write_counts
from crm.schema.usage.scan import scan_table
from leads.models import Lead

DATABASE, LEADS, KEYS = "bench_usage", 1_000_000, 40
# The targets: a sampled scan in seconds, a full scan in bare passes, counting as a share of a list request.
MAX_SAMPLED_SECONDS, MAX_FULL_PASSES, MAX_COUNTING_SHARE = 5.0, 2.0, 0.02
SCAN_ROUNDS, REQUESTS = 3, 300
# The least that tells the kinds of each key: one pass over the table.
BARE_PASS_SQL = """
SELECT key, jsonb_typeof(value), count(*) FROM leads, jsonb_each(custom_fields) WHERE deleted_at IS NULL GROUP BY 1, 2
"""
FILL_SQL = """
INSERT INTO leads (id, contact_name, status_id, rank, created_at, custom_fields)
SELECT gen_random_uuid(), 'Lead ' || n, 'ACTIVE', n, now() - n * interval '1 minute',
       (SELECT jsonb_object_agg('key_' || k, CASE k %% 5
                WHEN 0 THEN to_jsonb((n * k) %% 1000)
                WHEN 1 THEN to_jsonb('choice ' || (n * k) %% 7)
                WHEN 2 THEN to_jsonb(to_char(date '2026-01-01' + ((n * k) %% 300)::int, 'YYYY-MM-DD'))
                WHEN 3 THEN to_jsonb((n * k) %% 2 = 0)
                ELSE to_jsonb(md5((n * k)::text)) END)
          FROM generate_series(1, %s) AS k)
  FROM generate_series(1, %s) AS n
"""
# Modules that count when a list is read.
COUNTING_MODULES = ("crm.screens.lists", "crm.screens.custom_fields.filters")


def plans() -> None:
    """Do nothing; a scan reads the whole table or a sample of it."""


def run(repeat: int) -> bool:
    """Print both tables and return whether every target was met."""
    prepare_database(DATABASE, LEADS, fill)
    with use_database(DATABASE):
        reached = [print_scans(), print_counting()]
    return all(reached)


def fill(leads: int) -> None:
    """Add leads with a value in each key. The indexes are built after the rows are there."""
    with transaction.atomic(), connection.cursor() as cursor:
        cursor.execute("SET LOCAL session_replication_role = replica")
        with without_indexes(cursor):
            cursor.execute(FILL_SQL, [KEYS, leads])
    with connection.cursor() as cursor:
        cursor.execute("VACUUM (ANALYZE) leads")


@contextmanager
def without_indexes(cursor: Any) -> Iterator[None]:
    """Drop the indexes of leads for the block, except those of constraints."""
    cursor.execute(
        """SELECT indexrelid::regclass::text, pg_get_indexdef(indexrelid) FROM pg_index
            WHERE indrelid = 'leads'::regclass
              AND NOT EXISTS (SELECT FROM pg_constraint WHERE conindid = indexrelid)"""
    )
    indexes = cursor.fetchall()
    for name, _ in indexes:
        cursor.execute(f"DROP INDEX {name}")
    yield
    for _, definition in indexes:
        cursor.execute(definition)


def seconds(action: Callable[[], Any]) -> float:
    started = time.perf_counter()
    action()
    return time.perf_counter() - started


def print_scans() -> bool:
    """Compare scans with the bare pass, in turns."""

    def bare_pass() -> None:
        with connection.cursor() as cursor:
            cursor.execute(BARE_PASS_SQL)
            cursor.fetchall()

    def scan(*, full: bool) -> None:
        with transaction.atomic():
            scan_table(Lead, full=full)

    rounds = [
        (seconds(bare_pass), seconds(lambda: scan(full=True)), seconds(lambda: scan(full=False)))
        for _ in range(SCAN_ROUNDS)
    ]
    bare, full, sampled = (statistics.median(times) for times in zip(*rounds, strict=True))
    missed = [
        *(["sampled"] if sampled > MAX_SAMPLED_SECONDS else []),
        *(["full"] if full > MAX_FULL_PASSES * bare else []),
    ]
    sys.stdout.write(f"\nScans of {LEADS:,} leads with {KEYS} keys\n\n")
    rows = [
        ["bare pass: keys and JSON types", f"{bare:.1f} s", "", ""],
        ["full scan", f"{full:.1f} s", f"{full / bare:.2f}×", f"≤ {MAX_FULL_PASSES:.0f}×"],
        ["sampled scan", f"{sampled:.1f} s", f"{sampled / bare:.2f}×", f"< {MAX_SAMPLED_SECONDS:.0f} s"],
    ]
    sys.stdout.write(render_table(["", "time", "to the bare pass", "target"], rows))
    sys.stdout.write(f"{format_verdict(missed)}\n")
    return not missed


@contextmanager
def not_counting() -> Iterator[None]:
    """Count nothing in the block; what would be counted is not even computed."""
    patches = [mock.patch(f"{module}.count_use", lambda *args: None) for module in COUNTING_MODULES]
    for patch in patches:
        patch.start()
    try:
        yield
    finally:
        for patch in patches:
            patch.stop()


def print_counting() -> bool:
    """Compare list requests that count with such that do not, in turns, by the processor time of this process."""
    for number in range(4):
        key = f"key_{number + 1}"
        kinds = {"table": "leads.lead", "kind": "text", "is_on_list": True}
        CustomField.objects.get_or_create(key=key, defaults={**kinds, "label": key}, table=kinds["table"])
    browser = Client()
    browser.force_login(bench_user())
    buffer.max_age = float("inf")
    url = "/leads/lead/?state=all&cf.key_1=choice+3"

    def request() -> float:
        started = time.process_time()
        fetch_page(browser, url)
        return time.process_time() - started

    request()
    counting, plain = [], []
    for _ in range(REQUESTS):
        counting.append(request())
        with not_counting():
            plain.append(request())
    keys = len(buffer)
    writing = seconds(write_counts)
    with_counts, without = statistics.median(counting), statistics.median(plain)
    share = with_counts / without - 1
    missed = ["counting"] if share > MAX_COUNTING_SHARE else []
    sys.stdout.write("\nA list request with a filter and four columns of custom fields, processor time\n\n")
    rows = [
        ["not counting", format_duration(without), "", ""],
        ["counting", format_duration(with_counts), f"{share:+.2%}", f"≤ {MAX_COUNTING_SHARE:.0%}"],
        [f"one write of {keys} keys, each half minute", format_duration(writing), "", ""],
    ]
    sys.stdout.write(render_table(["", "median", "more", "target"], rows))
    sys.stdout.write(f"{format_verdict(missed)}\n")
    return not missed
