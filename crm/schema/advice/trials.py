"""What an advised change would cost and gain, tried on a temporary copy of a sample. The table itself is only read.

An index is the one that a promotion builds, and values compare as the filters compare them.
"""

import json
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Any

from django.apps import apps
from django.db import connection, transaction
from django.db.backends.utils import CursorWrapper
from psycopg import sql

from crm.models import CustomFieldKind, FieldStatistic, ValueKind
from crm.records.json_keys import path_steps
from crm.schema.advice.rules import Decision, KeyFigures
from crm.schema.promotion.indexes import index_definitions
from crm.screens.custom_fields.sort_keys import DATE_KEY, DATE_TIME_KEY, NUMBER_KEY, SORT_KEYS
from crm.screens.paging import time_limit

SAMPLE_ROWS, WRITTEN_ROWS = 20_000, 2_000
TIMEOUT_SECONDS = 30
# The kind of a custom field that compares such values, for a key without a definition; all others compare as texts.
FIELD_KINDS = {
    ValueKind.NUMBER: CustomFieldKind.NUMBER,
    ValueKind.HUGE_NUMBER: CustomFieldKind.NUMBER,
    ValueKind.DATE: CustomFieldKind.DATE,
    ValueKind.YES_NO: CustomFieldKind.YES_NO,
}
# A comparison that a twentieth of the values meet; an equality with a value in the middle.
COMPARED_SHARE, EQUAL_SHARE = 0.95, 0.5
SAMPLE, COLUMN, RECORDS = "trial_sample", "trial_column", "trial_records"
WRITE_SAMPLE = f"INSERT INTO {SAMPLE} SELECT * FROM {SAMPLE} LIMIT {WRITTEN_ROWS}"


class Trial:
    """A sample of a table as the temporary table `trial_sample`, with its `id` and the JSON column."""

    def __init__(self, cursor: CursorWrapper, row: FieldStatistic, figures: KeyFigures) -> None:
        self.cursor, self.row = cursor, row
        self.table = quote(apps.get_model(row.table)._meta.db_table)
        self.column = quote(row.column)
        self.steps = path_steps(row.key)
        self.kind = compared_kind(row, figures)
        self.sort_key = SORT_KEYS[self.kind]
        self.rows = self.copy_sample()

    def copy_sample(self) -> int:
        percent = min(100.0, 100 * SAMPLE_ROWS / max(self.row.row_count, 1))
        sampled = "" if percent == 100.0 else f"TABLESAMPLE SYSTEM ({percent:.6f})"
        self.run(f"""CREATE TEMPORARY TABLE {SAMPLE} ON COMMIT DROP AS
            SELECT t.id, t.{self.column} FROM {self.table} AS t {sampled} WHERE t.deleted_at IS NULL""")
        self.run(f"ANALYZE {SAMPLE}")
        return int(self.scalar(f"SELECT count(*) FROM {SAMPLE}"))

    # SQL

    @property
    def json(self) -> str:
        """The value of the key, as JSON."""
        return "(" + " -> ".join([self.column, *map(literal, self.steps)]) + ")"

    @property
    def group(self) -> sql.SQL:
        """The JSON object that holds the key."""
        return sql.SQL(" -> ".join([self.column, *map(literal, self.steps[:-1])]))

    @property
    def expression(self) -> str:
        """The value of the key as filters and indexes compare it."""
        return as_text(self.sort_key.compose(self.group, self.steps[-1]))

    @property
    def elements(self) -> str:
        """The records of the list."""
        return f"jsonb_array_elements(CASE jsonb_typeof({self.json}) WHEN 'array' THEN {self.json} END)"

    def condition(self) -> str:
        """Return a typical condition on the key, without its left side. Its value is never shown."""
        is_range = self.sort_key in (NUMBER_KEY, DATE_KEY, DATE_TIME_KEY)
        operator, share = (">=", COMPARED_SHARE) if is_range else ("=", EQUAL_SHARE)
        lowest = literal(self.sort_key.lowest)
        value = self.scalar(
            f"SELECT (percentile_disc({share}) WITHIN GROUP (ORDER BY {self.expression}))::text "
            f"FROM {SAMPLE} WHERE {self.expression} > {lowest}"
        )
        return f"{operator} {literal(value)}"

    # Measuring

    def run(self, statement: str) -> float:
        """Run a statement without parameters, and return its seconds."""
        started = time.perf_counter()
        self.cursor.execute(statement)
        return time.perf_counter() - started

    def scalar(self, statement: str) -> Any:
        self.cursor.execute(statement)
        return self.cursor.fetchone()[0]

    def explain(self, query: str, *, run: bool = True) -> dict[str, Any]:
        """Return the plan of `query`; with its time if it is run, the shorter of two."""
        times = []
        for _ in range(2 if run else 1):
            plan = self.scalar(f"EXPLAIN ({'ANALYZE, TIMING OFF, ' if run else ''}FORMAT JSON) {query}")
            plan = (json.loads(plan) if isinstance(plan, str) else plan)[0]
            times.append(plan.get("Execution Time", 0.0))
        return {"cost": plan["Plan"]["Total Cost"], "ms": min(times), "reads_all": reads_all(plan["Plan"])}

    def write_seconds(self, statement: str) -> float:
        """Return the seconds that one of the rows that `statement` writes takes."""
        return self.run(statement) / max(min(self.rows, WRITTEN_ROWS), 1)

    def project(self, size: int) -> int:
        """Return the bytes for all records of what has `size` bytes for the sample."""
        return round(size * self.row.row_count / max(self.rows, 1))

    def compare(
        self, condition: str, change: Callable[[], int], *, after: str = "", write: str = WRITE_SAMPLE
    ) -> dict[str, Any]:
        """Explain a search on the table, and on the sample before and after the `change`, which returns its bytes.

        `after` is the search after the change if it is another one, `write` what an insert does then.
        """
        before = f"SELECT id FROM {SAMPLE} WHERE {condition}"
        current = self.explain(f"SELECT id FROM {self.table} WHERE {condition} AND deleted_at IS NULL", run=False)
        unchanged = self.explain(before)
        with rolled_back():
            plain = self.write_seconds(WRITE_SAMPLE)
        size = change()
        changed = self.explain(after or before)
        with rolled_back():
            burdened = self.write_seconds(write)
        return {
            "size": self.project(size),
            "write_microseconds": max(round((burdened - plain) * 1_000_000, 1), 0),
            "cost_now": current["cost"],
            "reads_all_now": current["reads_all"],
            "cost_before": unchanged["cost"],
            "cost_after": changed["cost"],
            "ms_before": unchanged["ms"],
            "ms_after": changed["ms"],
            "reads_all_after": changed["reads_all"],
        }

    # The changes

    def try_index(self) -> dict[str, Any]:
        def build() -> int:
            definitions = index_definitions(self.group, self.steps[-1], self.kind)
            return sum(self.make_index(as_text(one)) for _, _, one in definitions)

        return self.compare(f"{self.expression} {self.condition()}", build)

    def try_gin(self) -> dict[str, Any]:
        value = self.scalar(f"SELECT mode() WITHIN GROUP (ORDER BY {self.json})::text FROM {SAMPLE}") or "null"
        for step in reversed(self.steps):
            value = f"{{{json.dumps(step)}: {value}}}"
        definition = f"USING gin ({self.column} jsonb_path_ops)"
        return self.compare(f"{self.column} @> {literal(value)}::jsonb", lambda: self.make_index(definition))

    def try_column(self) -> dict[str, Any]:
        """Try a column that is null where no value fits. Of a text it has what its sort key has."""
        copied = f"SELECT *, nullif({self.expression}, {literal(self.sort_key.lowest)}) AS promoted FROM {SAMPLE}"
        condition = self.condition()

        def add_column() -> int:
            self.run(f"CREATE TEMPORARY TABLE {COLUMN} ON COMMIT DROP AS {copied}")
            size = int(self.scalar(f"SELECT coalesce(sum(pg_column_size(promoted)), 0) FROM {COLUMN}"))
            return size + self.make_index("USING btree (promoted)", table=COLUMN)

        return self.compare(
            f"{self.expression} {condition}",
            add_column,
            after=f"SELECT id FROM {COLUMN} WHERE promoted {condition}",
            write=f"INSERT INTO {COLUMN} {copied} LIMIT {WRITTEN_ROWS}",
        )

    def try_table(self) -> dict[str, Any]:
        """Try a table with a row for each record of the list, found by the most frequent key of these records."""
        self.run(f"""CREATE TEMPORARY TABLE {RECORDS} ON COMMIT DROP AS
            SELECT id AS owner, record FROM {SAMPLE}, {self.elements} AS record
             WHERE jsonb_typeof(record) = 'object'""")
        key = literal(
            self.scalar(f"SELECT mode() WITHIN GROUP (ORDER BY key) FROM {RECORDS}, jsonb_object_keys(record) AS key")
        )
        probe = literal(
            self.scalar(
                f"SELECT percentile_disc({EQUAL_SHARE}) WITHIN GROUP (ORDER BY record ->> {key}) FROM {RECORDS}"
            )
        )

        condition = f"EXISTS (SELECT FROM {self.elements} AS record WHERE record ->> {key} = {probe})"

        def add_index() -> int:
            self.make_index(f"USING btree ((record ->> {key}))", table=RECORDS)
            return int(self.scalar(f"SELECT pg_total_relation_size('{RECORDS}')"))

        # Joined by the key of the record, as the table itself is.
        self.run(f"CREATE INDEX ON {SAMPLE} (id)")
        self.run(f"ANALYZE {SAMPLE}")
        return self.compare(
            condition,
            add_index,
            after=f"SELECT id FROM {SAMPLE} WHERE id IN (SELECT owner FROM {RECORDS} WHERE record ->> {key} = {probe})",
            write=f"WITH copied AS ({WRITE_SAMPLE}) INSERT INTO {RECORDS} SELECT * FROM {RECORDS} LIMIT {WRITTEN_ROWS}",
        )

    def weigh_values(self) -> dict[str, Any]:
        """Return how much room the values of the key take."""
        name = len(self.steps[-1].encode()) if self.steps else 0
        size = self.scalar(f"SELECT coalesce(sum(pg_column_size({self.json}) + {name}), 0) FROM {SAMPLE}")
        return {"size": self.project(int(size))}

    def make_index(self, definition: str, *, table: str = SAMPLE) -> int:
        """Create an index on the sample and return its bytes."""
        before = self.index_size(table)
        self.run(f"CREATE INDEX ON {table} {definition}")
        self.run(f"ANALYZE {table}")
        return self.index_size(table) - before

    def index_size(self, table: str) -> int:
        return int(self.scalar(f"SELECT pg_indexes_size('{table}')"))


TRIALS: dict[str, Callable[[Trial], dict[str, Any]]] = {
    Decision.INDEX: Trial.try_index,
    Decision.GIN: Trial.try_gin,
    Decision.COLUMN: Trial.try_column,
    Decision.TABLE: Trial.try_table,
    Decision.RETIRE: Trial.weigh_values,
}


def run_trial(row: FieldStatistic, figures: KeyFigures, decision: Decision) -> dict[str, Any]:
    """Return what `decision` would cost and gain for the key of `row`; nothing of the trial stays.

    Raises:
        QueryTooSlow: a statement took longer than `TIMEOUT_SECONDS`.
    """
    with time_limit(TIMEOUT_SECONDS), rolled_back(), connection.cursor() as cursor:
        trial = Trial(cursor, row, figures)
        return {"decision": decision.value, "sample_rows": trial.rows, **TRIALS[decision](trial)}


@contextmanager
def rolled_back() -> Iterator[None]:
    """Undo what the block does in the database."""
    with transaction.atomic():
        savepoint = transaction.savepoint()
        try:
            yield
        finally:
            transaction.savepoint_rollback(savepoint)


def reads_all(plan: dict[str, Any]) -> bool:
    """Whether a plan reads a whole table."""
    return plan["Node Type"] == "Seq Scan" or any(map(reads_all, plan.get("Plans", ())))


def compared_kind(row: FieldStatistic, figures: KeyFigures) -> str:
    """Return the kind by which an index would compare the values: the defined one, or the one of most values."""
    defined = row.defined_field()
    if defined is not None and defined.kind in SORT_KEYS:
        return defined.kind
    return FIELD_KINDS.get(figures.main_kind, CustomFieldKind.TEXT).value


def quote(name: str) -> str:
    return connection.ops.quote_name(name)


def as_text(part: sql.Composable) -> str:
    return part.as_string(connection.connection)


def literal(value: Any) -> str:
    """Return a value as an SQL literal, also for statements that take no parameters."""
    return as_text(sql.Literal(value))
