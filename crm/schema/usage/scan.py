"""What the keys of the JSON columns of a table hold: read whole, or from a sample of its blocks."""

from collections.abc import Iterable, Iterator
from dataclasses import dataclass, field, replace
from datetime import datetime
from decimal import Decimal
from math import sqrt
from typing import Any

from django.db import connection, models
from django.db.backends.utils import CursorWrapper

from crm.models import ValueKind
from crm.records.field_usage import json_columns
from crm.records.json_keys import ELEMENTS, IGNORED_KEYS, MAX_DEPTH, key_path
from crm.schema.usage.scan_sql import KINDS, SAMPLE, Source, blocks_statement, distinct_statement, kinds_statement

# A table of at most so many rows is read whole; of a larger one about so many are sampled.
SAMPLE_ROWS = 10_000
# Rows that mention a key, an object or a list of records beyond these are left out, the rarest first.
MAX_COUNTED, MAX_SOURCES = 10_000, 40
# 95 % of all samples lie within so many standard errors; a key in none of n rows is in fewer than 3/n of all.
STANDARD_ERRORS, RULE_OF_THREE = 1.96, 3
CONTAINER_KINDS = {ValueKind.OBJECT: (), ValueKind.ROWS: (ELEMENTS,)}


@dataclass(frozen=True)
class Sample:
    """The rows that were read, of `row_count` live ones; blocks of a table are sampled, never single rows."""

    rows: int
    row_count: int
    is_whole: bool
    blocks: int = 0
    all_blocks: int = 0
    sum_of_squares: float = 0.0

    @property
    def scale(self) -> float:
        return self.row_count / self.rows if self.rows else 1.0


@dataclass
class KeyCounts:
    """What was found in one key. `kinds` are numbers of records."""

    column: str
    steps: tuple[str, ...]
    kinds: dict[ValueKind, int] = field(default_factory=dict)
    longest: int = 0
    newest_record_at: datetime | None = None
    margin: int = 0
    distinct_count: int = 0

    @property
    def key(self) -> str:
        return key_path(*self.steps)

    @property
    def filled_count(self) -> int:
        return sum(count for kind, count in self.kinds.items() if kind != ValueKind.EMPTY)

    def add(self, kind: ValueKind, count: int, longest: int | None, newest: datetime | None) -> None:
        self.kinds[kind] = self.kinds.get(kind, 0) + count
        self.longest = max(self.longest, longest or 0)
        if kind != ValueKind.EMPTY and newest is not None:
            self.newest_record_at = max(self.newest_record_at or newest, newest)


@dataclass(frozen=True)
class TableScan:
    """The keys of a table. The counts are projected onto all rows; those of a full scan are exact."""

    model: type[models.Model]
    sample: Sample
    keys: list[KeyCounts]
    is_full: bool


def scan_table(model: type[models.Model], *, full: bool = False) -> TableScan:
    """Read the keys of the JSON columns of `model`; `full` counts all rows of a large table, too.

    Distinct values of a large table are always estimated from the sample. Needs an open transaction.
    """
    columns = json_columns(model)
    with connection.cursor() as cursor:
        sample = take_sample(cursor, model, columns)
        found: list[KeyCounts] = []
        sources = [Source(column, (ELEMENTS,) if is_list(model, column) else ()) for column in columns]
        for _ in range(MAX_DEPTH):
            level = scan_level(cursor, model, sources, sample, full=full and not sample.is_whole)
            found += level
            sources = inner_sources(level)
            if not sources:
                break
        cursor.execute("DROP TABLE scan_sample")
        if full and not sample.is_whole:
            sample = replace(sample, row_count=count_live_rows(cursor, model))
        return TableScan(model, sample, found, is_full=full or sample.is_whole)


def count_live_rows(cursor: CursorWrapper, model: type[models.Model]) -> int:
    cursor.execute(f"SELECT count(*) FROM {connection.ops.quote_name(model._meta.db_table)} WHERE deleted_at IS NULL")
    return cursor.fetchone()[0]


def is_list(model: type[models.Model], column: str) -> bool:
    """Whether a JSON column holds a list, as its default does."""
    return model._meta.get_field(column).default is list


def take_sample(cursor: CursorWrapper, model: type[models.Model], columns: list[str]) -> Sample:
    """Copy the rows to read into the temporary table `scan_sample`; return what is known of them."""
    name = connection.ops.quote_name(model._meta.db_table)
    cursor.execute("SELECT reltuples, relpages FROM pg_class WHERE oid = %s::regclass", [name])
    estimate, pages = cursor.fetchone()
    is_whole = estimate <= SAMPLE_ROWS
    clause = "" if is_whole else f"TABLESAMPLE SYSTEM ({min(100.0, 100 * SAMPLE_ROWS / estimate):.6f})"
    copied = ", ".join(f"t.{connection.ops.quote_name(column)}" for column in columns)
    cursor.execute(
        f"""CREATE TEMPORARY TABLE scan_sample ON COMMIT DROP AS
        SELECT (t.ctid::text::point)[0]::bigint AS block, t.created_at, t.deleted_at, {copied}
          FROM {name} AS t {clause}"""
    )
    read = cursor.rowcount
    # No row is left out of a sample but the deleted ones, or blocks could not be compared.
    cursor.execute("DELETE FROM scan_sample WHERE deleted_at IS NOT NULL")
    cursor.execute(
        """SELECT coalesce(sum(n), 0), count(*), coalesce(sum(n::numeric ^ 2), 0)
             FROM (SELECT count(*) AS n FROM scan_sample GROUP BY block) AS by_block"""
    )
    rows, blocks, squares = cursor.fetchone()
    if is_whole:
        return Sample(int(rows), int(rows), is_whole=True)
    # The share of live rows is that of the sample. Blocks cannot be counted instead: some hold no row at all.
    live = round(estimate * int(rows) / read) if read else 0
    return Sample(int(rows), max(live, int(rows)), False, blocks, pages, float(squares))


def scan_level(
    cursor: CursorWrapper, model: type[models.Model], sources: list[Source], sample: Sample, *, full: bool
) -> list[KeyCounts]:
    """Return the keys in `sources`, counted in all rows or projected from the sample."""
    sampled = count_kinds(cursor, sources, SAMPLE, "true")
    estimate_distinct(cursor, sources, sampled, sample)
    if full:
        return count_all_rows(cursor, model, sources, sampled)
    if not sample.is_whole:
        bound_errors(cursor, sources, sampled, sample)
        for one in sampled.values():
            one.kinds = {kind: round(count * sample.scale) for kind, count in one.kinds.items()}
    return list(sampled.values())


def count_all_rows(
    cursor: CursorWrapper,
    model: type[models.Model],
    sources: list[Source],
    sampled: dict[tuple[int, str], KeyCounts],
) -> list[KeyCounts]:
    """Return the keys in `sources`, counted in all rows, with the estimates of distinct values from the sample.

    Places that are empty in the sample are read by a statement of their own, which passes over their empty values.
    """
    name, live = f"{connection.ops.quote_name(model._meta.db_table)} AS t", "t.deleted_at IS NULL"
    met = {number for number, _ in sampled}
    often = [source for number, source in enumerate(sources) if number in met]
    seldom = [source for number, source in enumerate(sources) if number not in met]
    found: list[KeyCounts] = []
    if often:
        found += count_kinds(cursor, often, name, live).values()
    if seldom:
        params: list[str] = []
        is_filled = " OR ".join(source.filled_sql(params) for source in seldom)
        found += count_kinds(cursor, seldom, name, f"{live} AND ({is_filled})", params).values()
    guesses = {(one.column, one.steps): one.distinct_count for one in sampled.values()}
    for one in found:
        one.distinct_count = min(guesses.get((one.column, one.steps), one.filled_count), one.filled_count)
    return found


def count_kinds(
    cursor: CursorWrapper, sources: list[Source], rows: str, condition: str, condition_params: Iterable[str] = ()
) -> dict[tuple[int, str], KeyCounts]:
    """Return the keys in `rows` by the number of the source and the key."""
    statement, params = kinds_statement(sources, rows, condition)
    cursor.execute(f"{statement} ORDER BY 4 DESC LIMIT {MAX_COUNTED}", [*params, *condition_params])
    found: dict[tuple[int, str], KeyCounts] = {}
    for number, key, kind, count, longest, newest in cursor.fetchall():
        if key not in IGNORED_KEYS:
            source = sources[number]
            counts = found.setdefault((number, key), KeyCounts(source.column, (*source.steps, key)))
            counts.add(KINDS[kind], count, longest, newest)
    return found


def bound_errors(
    cursor: CursorWrapper, sources: list[Source], found: dict[tuple[int, str], KeyCounts], sample: Sample
) -> None:
    """Set the margin of each key: what 95 % of such samples stay within, from how the key varies between blocks."""
    statement, params = blocks_statement(sources)
    cursor.execute(statement, params)
    sums = {(number, key): (float(squares), float(products)) for number, key, squares, products in cursor.fetchall()}
    unread = max(1 - sample.blocks / sample.all_blocks, 0)
    for place, one in found.items():
        squares, products = sums.get(place, (0.0, 0.0))
        share = one.filled_count / sample.rows
        spread = max(squares - 2 * share * products + share**2 * sample.sum_of_squares, 0)
        variance = unread * sample.blocks / max(sample.blocks - 1, 1) * spread / sample.rows**2
        least = unread * RULE_OF_THREE / sample.rows
        one.margin = round(max(STANDARD_ERRORS * sqrt(variance), least) * sample.row_count)


def estimate_distinct(
    cursor: CursorWrapper, sources: list[Source], found: dict[tuple[int, str], KeyCounts], sample: Sample
) -> None:
    """Set the number of distinct values, by the estimator of Haas and Stokes that PostgreSQL uses for its statistics.

    With n values read, d of them distinct and f met once, of N: n·d / (n − f + f·n/N).
    """
    statement, params = distinct_statement(sources)
    cursor.execute(statement, params)
    for number, key, read, distinct, once in cursor.fetchall():
        if (one := found.get((number, key))) is not None:
            n, d, f = int(read), int(distinct), int(once)
            estimate = Decimal(n * d) / (Decimal(n - f) + Decimal(f) / Decimal(max(sample.scale, 1)))
            one.distinct_count = min(round(estimate), round(n * sample.scale))


def inner_sources(level: Iterable[KeyCounts]) -> list[Source]:
    """Return the groups and lists of records among the keys of a level, the most frequent first."""
    return sorted_sources(
        (count, Source(one.column, (*one.steps, *steps)))
        for one in level
        if ELEMENTS not in one.steps
        for kind, steps in CONTAINER_KINDS.items()
        if (count := one.kinds.get(kind, 0))
    )


def sorted_sources(counted: Iterable[tuple[int, Source]]) -> list[Source]:
    ordered = sorted(counted, key=lambda pair: (-pair[0], pair[1].column, pair[1].steps))
    return [source for _, source in ordered[:MAX_SOURCES]]


def describe_kinds(kinds: dict[str, Any]) -> Iterator[tuple[str, int]]:
    """Yield the label and the count of each stored kind, the most frequent first."""
    for kind, count in sorted(kinds.items(), key=lambda pair: (-pair[1], pair[0])):
        yield ValueKind(kind).label, count
