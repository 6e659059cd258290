"""Scans: read the JSON columns and replace what is known of their keys."""

from collections.abc import Iterator
from datetime import datetime, timedelta
from typing import Any

from django.apps import apps
from django.db import connection, models, transaction

from crm.models import CustomField, FieldStatistic, FieldUsage, ScannedTable, User
from crm.records.activity import Actor
from crm.records.local_time import agency_today
from crm.runtime.job_queue import configure_job, enqueue
from crm.schema.usage.findings import near_keys, unfitting_kinds
from crm.schema.usage.index_usage import watch_indexes
from crm.schema.usage.scan import KeyCounts, TableScan, scan_table

SCAN_TASK = "crm.scan_json"
MEASURE_PERMISSION = "crm.measure_fieldstatistic"
# A key that a sample misses may be rare; it is forgotten when it was not met for a month.
FORGET_AFTER = timedelta(days=30)
USAGE_RETENTION = timedelta(days=400)
# The rarest keys beyond this number of a table are not kept: records with keys of their own have no end.
MAX_KEPT_KEYS = 2_000
SCANNED_COLUMNS = (
    "row_count",
    "filled_count",
    "margin",
    "kinds",
    "distinct_count",
    "longest",
    "newest_record_at",
    "sample_size",
    "has_conflict",
    "near_keys",
    "scanned_at",
)


def scan_tables(now: datetime, *, full: bool = False) -> Iterator[tuple[ScannedTable, TableScan]]:
    """Scan every table and yield what was found; delete old counts of uses and watch the indexes."""
    for table in ScannedTable:
        yield table, scan(table, now, full=full)
    FieldUsage.objects.filter(day__lt=agency_today(now) - USAGE_RETENTION).delete()
    watch_indexes(now)


@transaction.atomic
def scan(table: ScannedTable, now: datetime, *, full: bool = False) -> TableScan:
    """Scan one table and replace its statistics. A second scan of it waits."""
    with connection.cursor() as cursor:
        cursor.execute("SELECT pg_advisory_xact_lock(hashtext('crm.schema.usage'), hashtext(%s))", [table.value])
    model = apps.get_model(table.value)
    found = scan_table(model, full=full)
    save_statistics(table, found, now)
    return found


def save_statistics(table: ScannedTable, found: TableScan, now: datetime) -> None:
    rows = make_statistics(table, found, now)
    known = {(row.column, row.key): row for row in FieldStatistic.objects.filter(table=table)}
    for place, row in rows.items():
        if place in known:
            # The key of the row and what a trial measured stay.
            row.pk = known[place].pk
    FieldStatistic.objects.bulk_create([row for place, row in rows.items() if place not in known])
    FieldStatistic.objects.bulk_update(
        [row for place, row in rows.items() if place in known], SCANNED_COLUMNS, batch_size=500
    )
    missed = models.Q(pk__in=[row.pk for place, row in known.items() if place not in rows])
    if not found.is_full:
        missed &= models.Q(scanned_at__lt=now - FORGET_AFTER)
    FieldStatistic.objects.filter(missed).delete()


def make_statistics(table: ScannedTable, found: TableScan, now: datetime) -> dict[tuple[str, str], FieldStatistic]:
    """Return the statistics of each key that was found, by column and key."""
    defined = dict(CustomField.objects.filter(table=table).values_list("key", "kind"))
    kept = sorted(found.keys, key=lambda one: (-one.filled_count, one.column, one.key))[:MAX_KEPT_KEYS]
    by_column: dict[str, list[str]] = {}
    for one in kept:
        by_column.setdefault(one.column, []).append(one.key)
    near = {column: near_keys(keys) for column, keys in by_column.items()}
    rows: dict[tuple[str, str], FieldStatistic] = {}
    for one in kept:
        kind = defined.get(one.steps[0], "") if one.column == "custom_fields" and len(one.steps) == 1 else ""
        row = FieldStatistic(table=table, column=one.column, key=one.key, **counts_of(one, found), scanned_at=now)
        row.has_conflict = bool(unfitting_kinds(row.kinds, kind))
        row.near_keys = near[one.column].get(one.key, [])
        # Of keys that are the same in their first thousand characters, the most frequent counts.
        rows.setdefault((one.column, one.key), row)
    return rows


def counts_of(one: KeyCounts, found: TableScan) -> dict[str, Any]:
    # Rows that were added during a full scan may make the second number the larger one.
    total = max(found.sample.row_count, one.filled_count) if found.is_full else found.sample.row_count
    return {
        "row_count": total,
        "filled_count": min(one.filled_count, total),
        "margin": one.margin,
        "kinds": {kind.value: count for kind, count in one.kinds.items()},
        "distinct_count": one.distinct_count,
        "longest": one.longest,
        "newest_record_at": one.newest_record_at,
        "sample_size": None if found.is_full else found.sample.rows,
    }


@transaction.atomic
def queue_scan(*, by: Actor | User) -> None:
    """Scan in the background, unless a scan is waiting.

    Raises:
        NotPermitted: `by` may not measure fields.
    """
    Actor.of(by).require_permission(MEASURE_PERMISSION, "scan the JSON columns")
    enqueue(configure_job(SCAN_TASK, queueing_lock=SCAN_TASK, lock=SCAN_TASK), timestamp=0)
