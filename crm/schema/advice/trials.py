"""What an advised change would cost and gain, tried on a temporary copy of a sample. The table itself is only read."""

import json
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Any

from django.apps import apps
from django.db import connection, transaction
from django.db.backends.utils import CursorWrapper
from psycopg import sql

from crm.models import FieldStatistic, ValueKind
from crm.records.json_keys import ISO_DATE_PATTERN, path_steps
from crm.schema.advice.rules import COMPARED_KINDS, Decision, KeyFigures

SAMPLE_ROWS, WRITTEN_ROWS = 20_000, 2_000
TIMEOUT_MILLISECONDS = 30_000
# A comparison that a twentieth of the values meet; an equality with a value in the middle.
COMPARED_SHARE, EQUAL_SHARE = 0.95, 0.5
SAMPLE, COLUMN, RECORDS = "trial_sample", "trial_column", "trial_records"
WRITE_SAMPLE = f"INSERT INTO {SAMPLE} SELECT * FROM {SAMPLE} LIMIT {WRITTEN_ROWS}"


class Trial:
    """A sample of a table as the temporary table `trial_sample`, with the columns `id` and `value`, the JSON column."""

    def __init__(self, cursor: CursorWrapper, row: FieldStatistic, figures: KeyFigures) -> None:
        self.cursor, self.row, self.figures = cursor, row, figures
        self.table = apps.get_model(row.table)._meta.db_table
        self.steps = path_steps(row.key)
        self.rows = self.copy_sample()

    def copy_sample(self) -> int:
        percent = min(100.0, 100 * SAMPLE_ROWS / max(self.row.row_count, 1))
        sampled = "" if percent == 100.0 else f"TABLESAMPLE SYSTEM ({percent:.6f})"
        self.run(f"""CREATE TEMPORARY TABLE {SAMPLE} ON COMMIT DROP AS
            SELECT t.id, t.{quote(self.row.column)} AS value FROM {quote(self.table)} AS t {sampled}
             WHERE t.deleted_at IS NULL""")
        self.run(f"ANALYZE {SAMPLE}")
        return int(self.scalar(f"SELECT count(*) FROM {SAMPLE}"))

    # SQL

    def json(self, column: str = "value") -> str:
        """Return the value of the key, as JSON."""
        return "(" + " -> ".join([column, *(literal(step) for step in self.steps)]) + ")"

    def expression(self, column: str = "value") -> str:
        """Return the value of the key as its kind is compared: null where it is of another kind, never an error."""
        value = self.json(column)
        if self.figures.main_kind in {ValueKind.NUMBER, ValueKind.HUGE_NUMBER}:
            return f"(CASE WHEN jsonb_typeof({value}) = 'number' THEN ({value})::numeric END)"
        text = f"({value} #>> '{{}}')"
        if self.figures.main_kind == ValueKind.DATE:
            return f"""(CASE WHEN {text} ~ '{ISO_DATE_PATTERN}' THEN {text} COLLATE "C" END)"""
        return text

    def elements(self, column: str) -> str:
        """Return the records of the list."""
        value = self.json(column)
        return f"jsonb_array_elements(CASE jsonb_typeof({value}) WHEN 'array' THEN {value} END)"

    @property
    def comparison(self) -> str:
        return ">=" if self.figures.main_kind in COMPARED_KINDS else "="

    def probe(self, expression: str, source: str = SAMPLE) -> str:
        """Return a typical value of `expression`, as a literal. It is never shown."""
        share = COMPARED_SHARE if self.comparison == ">=" else EQUAL_SHARE
        value = self.scalar(
            f"SELECT (percentile_disc({share}) WITHIN GROUP (ORDER BY {expression}))::text FROM {source}"
        )
        is_number = self.figures.main_kind in {ValueKind.NUMBER, ValueKind.HUGE_NUMBER}
        return f"{literal(value)}::numeric" if is_number and value is not None else literal(value)

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
        self, now: str, before: str, after: str, change: Callable[[], int], write: str = WRITE_SAMPLE
    ) -> dict[str, Any]:
        """Explain `now` on the table, `before` and `after` the `change` on the sample; `change` returns its bytes.

        `write` is what an insert does after the change.
        """
        current, unchanged = self.explain(now, run=False), self.explain(before)
        with rolled_back():
            plain = self.write_seconds(WRITE_SAMPLE)
        size = change()
        changed = self.explain(after)
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

    def find(self, condition: str, table: str = SAMPLE) -> str:
        live = " AND deleted_at IS NULL" if table == quote(self.table) else ""
        return f"SELECT id FROM {table} WHERE {condition}{live}"

    # The changes

    def try_index(self) -> dict[str, Any]:
        expression, column = self.expression(), quote(self.row.column)
        rest = f" {self.comparison} {self.probe(expression)}"
        now = self.find(self.expression(column) + rest, quote(self.table))
        before = self.find(expression + rest)
        return self.compare(now, before, before, lambda: self.make_index(f"({expression})"))

    def try_gin(self) -> dict[str, Any]:
        value = self.scalar(f"SELECT mode() WITHIN GROUP (ORDER BY {self.json()})::text FROM {SAMPLE}") or "null"
        for step in reversed(self.steps):
            value = f"{{{json.dumps(step)}: {value}}}"
        contained = f" @> {literal(value)}::jsonb"
        now, before = self.find(quote(self.row.column) + contained, quote(self.table)), self.find("value" + contained)
        return self.compare(now, before, before, lambda: self.make_index("value jsonb_path_ops", method="gin"))

    def try_column(self) -> dict[str, Any]:
        expression, column = self.expression(), quote(self.row.column)
        kind = "numeric" if self.figures.main_kind in {ValueKind.NUMBER, ValueKind.HUGE_NUMBER} else "text"
        rest = f" {self.comparison} {self.probe(expression)}"
        now = self.find(self.expression(column) + rest, quote(self.table))

        def add_column() -> int:
            self.run(f"""CREATE TEMPORARY TABLE {COLUMN} ON COMMIT DROP AS
                SELECT id, value, ({expression})::{kind} AS promoted FROM {SAMPLE}""")
            size = int(self.scalar(f"SELECT coalesce(sum(pg_column_size(promoted)), 0) FROM {COLUMN}"))
            return size + self.make_index("promoted", table=COLUMN)

        write = f"INSERT INTO {COLUMN} SELECT id, value, ({expression})::{kind} FROM {SAMPLE} LIMIT {WRITTEN_ROWS}"
        after = self.find("promoted" + rest, COLUMN)
        return self.compare(now, self.find(expression + rest), after, add_column, write)

    def try_table(self) -> dict[str, Any]:
        """Try a table with a row for each record of the list, found by the most frequent key of these records."""
        self.run(f"""CREATE TEMPORARY TABLE {RECORDS} ON COMMIT DROP AS
            SELECT id AS owner, record FROM {SAMPLE}, {self.elements("value")} AS record
             WHERE jsonb_typeof(record) = 'object'""")
        key = literal(
            self.scalar(f"SELECT mode() WITHIN GROUP (ORDER BY key) FROM {RECORDS}, jsonb_object_keys(record) AS key")
        )
        probe = literal(
            self.scalar(
                f"SELECT percentile_disc({EQUAL_SHARE}) WITHIN GROUP (ORDER BY record ->> {key}) FROM {RECORDS}"
            )
        )

        def condition(column: str) -> str:
            return f"EXISTS (SELECT FROM {self.elements(column)} AS record WHERE record ->> {key} = {probe})"

        def add_index() -> int:
            self.make_index(f"(record ->> {key})", table=RECORDS)
            return int(self.scalar(f"SELECT pg_total_relation_size('{RECORDS}')"))

        now = self.find(condition(quote(self.row.column)), quote(self.table))
        after = self.find(f"id IN (SELECT owner FROM {RECORDS} WHERE record ->> {key} = {probe})")
        # Joined by the key of the record, as the table itself is.
        self.run(f"CREATE INDEX ON {SAMPLE} (id)")
        self.run(f"ANALYZE {SAMPLE}")
        write = f"WITH copied AS ({WRITE_SAMPLE}) INSERT INTO {RECORDS} SELECT * FROM {RECORDS} LIMIT {WRITTEN_ROWS}"
        return self.compare(now, self.find(condition("value")), after, add_index, write)

    def weigh_values(self) -> dict[str, Any]:
        """Return how much room the values of the key take."""
        name = len(self.steps[-1].encode()) if self.steps else 0
        size = self.scalar(f"SELECT coalesce(sum(pg_column_size({self.json()}) + {name}), 0) FROM {SAMPLE}")
        return {"size": self.project(int(size))}

    def make_index(self, expression: str, *, method: str = "btree", table: str = SAMPLE) -> int:
        """Create an index on the sample and return its bytes."""
        self.run(f"CREATE INDEX trial_index ON {table} USING {method} ({expression})")
        self.run(f"ANALYZE {table}")
        return int(self.scalar("SELECT pg_relation_size('trial_index')"))


TRIALS: dict[str, Callable[[Trial], dict[str, Any]]] = {
    Decision.INDEX: Trial.try_index,
    Decision.GIN: Trial.try_gin,
    Decision.COLUMN: Trial.try_column,
    Decision.TABLE: Trial.try_table,
    Decision.RETIRE: Trial.weigh_values,
}


def run_trial(row: FieldStatistic, figures: KeyFigures, decision: Decision) -> dict[str, Any]:
    """Return what `decision` would cost and gain for the key of `row`; nothing of the trial stays."""
    with rolled_back(), connection.cursor() as cursor:
        cursor.execute(f"SET LOCAL statement_timeout = {TIMEOUT_MILLISECONDS}")
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


def quote(name: str) -> str:
    return connection.ops.quote_name(name)


def literal(value: str | None) -> str:
    """Return a text as an SQL literal, also for statements that take no parameters."""
    return sql.Literal(value).as_string(connection.connection)
