"""Promotion to a column: JSON keeps the values, and a trigger keeps both in step."""

from collections.abc import Iterable
from functools import cached_property
from typing import ClassVar

from django.apps import apps
from django.db import connection
from psycopg import sql

from crm.exceptions import IllegalTransition, InvalidInput
from crm.models import CustomFieldTable, SchemaChange, SchemaDecision
from crm.models.schema_change import JsonColumn
from crm.schema.promotion.backfill import Backfill
from crm.schema.promotion.base import Promotion
from crm.schema.promotion.columns import KeyColumn
from crm.schema.promotion.index_builds import build_indexes, index_problems, remove_indexes, remove_invalid_indexes
from crm.schema.promotion.index_promotion import comparable_kind, has_statistics
from crm.schema.promotion.indexes import drop_statistics
from crm.schema.promotion.monitor import ChangeMonitor
from crm.schema.promotion.patience import run_patiently
from crm.schema.promotion.readers import wait_for_readers
from crm.screens.custom_fields.filter_plans import estimate_table_rows
from crm.screens.custom_fields.promoted_columns import NAME_PREFIX

SAMPLED_ROWS = 20_000
OUR_COLUMNS_SQL = """
SELECT attname FROM pg_attribute JOIN pg_class ON pg_class.oid = attrelid
 WHERE relkind = 'r' AND relname = ANY (%s) AND relnamespace = current_schema()::regnamespace
   AND starts_with(attname, %s) AND NOT attisdropped
"""
OUR_TRIGGERS_SQL = """
SELECT tgname FROM pg_trigger JOIN pg_class ON pg_class.oid = tgrelid
 WHERE relname = ANY (%s) AND relnamespace = current_schema()::regnamespace
   AND starts_with(tgname, %s) AND NOT tgisinternal
"""
COUNT_SAMPLED_SQL = """
SELECT count(*) FROM {table} {sample} WHERE {name} IS DISTINCT FROM {value}
"""


class ColumnPromotion(Promotion):
    """A column of the type of a custom field, in step with its key, with an index."""

    plan_text: ClassVar[str] = (
        "The table gets a column of the type of the field, and a trigger that keeps column and JSON in step. The "
        "values are copied in small batches and compared row by row, then the index is built. Filters and orders "
        "read the column from then on. The values stay in JSON too. An index on the JSON key stays until it is undone."
    )
    applied_text: ClassVar[str] = (
        "Filters and orders read the column. Whatever writes the JSON key changes the column, and the other way "
        "round; a statement that writes both differently is refused."
    )
    undone_text: ClassVar[str] = "The column is removed. The values are in JSON as before."

    @cached_property
    def column(self) -> KeyColumn:
        return KeyColumn.of(self.change)

    @classmethod
    def check_decision(cls, change: SchemaChange) -> str:
        if change.column != JsonColumn.CUSTOM_FIELDS:
            raise InvalidInput("Only a custom field becomes a column. A question of a line can get an index.")
        kind = comparable_kind(change)
        same_key = SchemaChange.objects.applied().filter(table=change.table, column=change.column, key=change.key)
        if same_key.filter(decision=SchemaDecision.COLUMN).exists():
            raise IllegalTransition(f"“{change.key[:60]}” has a column already.")
        return kind

    # Carry out

    def carry_out(self, monitor: ChangeMonitor) -> None:
        self.add_column(monitor)
        Backfill(self.column.key.db_table, self.column.name, self.column.stored_value, monitor).run()
        self.add_check(monitor)
        build_indexes(self.column.indexes, monitor)
        monitor.step = "Analyzing the values"
        run_patiently(self.column.create_statistics, monitor)
        run_patiently(self.column.key.analyze, monitor)

    def add_column(self, monitor: ChangeMonitor) -> None:
        """Add the column with its trigger, or mend what someone removed of them."""
        monitor.step, state = "Adding the column", self.column.state()
        if not state.has_column or state.fires is None:
            run_patiently(self.column.create, monitor, locks_others_out=True)
        elif not state.fires:
            run_patiently(self.column.enable_trigger, monitor, locks_others_out=True)
        run_patiently(self.column.create_function, monitor)

    def add_check(self, monitor: ChangeMonitor) -> None:
        monitor.step, is_valid = "Checking that the column stays the same", self.column.state().is_check_valid
        if is_valid is None:
            run_patiently(self.column.add_check, monitor, locks_others_out=True)
        if not is_valid:
            run_patiently(self.column.validate_check, monitor)

    # Take back

    def take_back(self, monitor: ChangeMonitor) -> None:
        # Nothing has read a column that was never applied.
        if self.change.applied_at and self.column.state().has_column:
            wait_for_readers(self.column.key.db_table, monitor)
        remove_indexes(self.column.indexes, monitor)
        monitor.step = "Removing the column"
        run_patiently(drop_statistics(self.column.statistics_name), monitor)
        run_patiently(self.column.drop, monitor, locks_others_out=True)

    def clean_up(self, monitor: ChangeMonitor) -> None:
        remove_invalid_indexes(self.column.indexes, monitor)

    # Drift

    def problems(self) -> Iterable[str]:
        state = self.column.state()
        if not state.has_column:
            yield f"the column {self.column.name} is missing"
            return
        if not state.fires:
            word = "missing" if state.fires is None else "disabled"
            yield f"the trigger {self.column.trigger_name} is {word}"
        if not state.is_check_valid:
            word = "missing" if state.is_check_valid is None else "not validated"
            yield f"the check {self.column.check_name} is {word}"
        if differing := self.count_sampled_differences():
            yield f"{differing:,} of the rows looked at differ between the column {self.column.name} and the JSON"
        yield from index_problems(self.column.indexes)
        if not has_statistics(self.column.statistics_name):
            yield f"the statistics {self.column.statistics_name} are missing"

    def count_sampled_differences(self) -> int:
        """Return how many rows of a sample differ between column and JSON."""
        percent = 100 * SAMPLED_ROWS / max(1, estimate_table_rows(self.column.key.db_table))
        with connection.cursor() as cursor:
            sample = "" if percent >= 100 else f"TABLESAMPLE SYSTEM ({percent:.6f})"
            statement = sql.SQL(COUNT_SAMPLED_SQL).format(
                **self.column.parts, value=self.column.stored_value, sample=sql.SQL(sample)
            )
            cursor.execute(statement)
            return cursor.fetchone()[0]

    @property
    def object_names(self) -> frozenset[str]:
        return frozenset({self.column.name, self.column.trigger_name, *self.index_names})

    @property
    def index_names(self) -> tuple[str, ...]:
        return tuple(index.name for index in self.column.indexes)

    @property
    def named_parts(self) -> dict[str, tuple[str, ...]]:
        return {"Column": (self.column.name,), "Trigger": (self.column.trigger_name,), **super().named_parts}

    @classmethod
    def find_objects(cls) -> Iterable[tuple[str, str]]:
        tables = [apps.get_model(label)._meta.db_table for label in CustomFieldTable.values]
        with connection.cursor() as cursor:
            for noun, query in (("column", OUR_COLUMNS_SQL), ("trigger", OUR_TRIGGERS_SQL)):
                cursor.execute(query, [tables, NAME_PREFIX])
                yield from ((noun, name) for (name,) in cursor.fetchall())
