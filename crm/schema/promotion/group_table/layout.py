"""What the table of a repeated group consists of: its name, its columns and the names of its parts."""

from collections.abc import Iterable
from dataclasses import dataclass
from functools import cached_property

from django.apps import apps
from psycopg import sql

from crm.schema.promotion.group_table.columns import QuestionColumn
from crm.schema.promotion.indexes import KeyIndex
from crm.screens.custom_fields.group_tables import OWNER_COLUMNS, group_table_name, indexed_keys, short_name
from crm.screens.custom_fields.sort_keys import compose_member

NO_LIST = sql.SQL("'[]'::jsonb")


@dataclass(frozen=True)
class GroupTable:
    """The table of the list under `steps` in a JSON `column` of `table` (a model label)."""

    table: str
    column: str
    steps: tuple[str, ...]
    questions: tuple[QuestionColumn, ...]

    @property
    def owner_table(self) -> str:
        return apps.get_model(self.table)._meta.db_table

    @property
    def owner_column(self) -> str:
        return OWNER_COLUMNS[self.table]

    @cached_property
    def name(self) -> str:
        return group_table_name(self.table, self.column, self.steps)

    @property
    def list_label(self) -> str:
        """The place of the list, for sentences: `auto_data.vehicles`."""
        return ".".join([self.column, *self.steps])

    @property
    def comment(self) -> str:
        """What the database says about the table; it tells it from one that others made."""
        return f"Entries of {self.list_label} of {self.owner_table}, kept in step both ways."

    # SQL

    @property
    def identifier(self) -> sql.Identifier:
        return sql.Identifier(self.name)

    def function(self, part: str) -> sql.Identifier:
        """Return the name of a function or a trigger of the table."""
        return sql.Identifier(self.function_name(part))

    def function_name(self, part: str) -> str:
        return f"{self.name}_{part}"

    def stored_list(self, row: str) -> sql.Composed:
        """Return what stands in the place of the list in `row` of the owners."""
        return self.member(row, self.steps)

    def holder(self, row: str) -> sql.Composed:
        """Return the JSON object that holds the list."""
        return self.member(row, self.steps[:-1])

    def member(self, row: str, steps: tuple[str, ...]) -> sql.Composed:
        """Return what stands under `steps` in the JSON column of `row`."""
        return compose_member(sql.Identifier(row, self.column), steps)

    def entries(self, row: str) -> sql.Composed:
        """Return the list in `row`; an empty one if there is none."""
        return sql.SQL("CASE jsonb_typeof({0}) WHEN 'array' THEN {0} ELSE {1} END").format(
            self.stored_list(row), NO_LIST
        )

    def values(self, data: sql.Composable) -> sql.Composed:
        """Return the values of all columns in the entry `data`, as one row."""
        return compose_row(one.value(data) for one in self.questions)

    def stored_values(self, row: str) -> sql.Composed:
        """Return the values in the columns of `row`, as one row."""
        return compose_row(sql.Identifier(row, one.name) for one in self.questions)

    @property
    def indexes(self) -> tuple[KeyIndex, ...]:
        """The indexes of the texts that entries are looked up by."""
        keys = indexed_keys((one.key, one.kind) for one in self.questions)
        return tuple(self.make_index(one) for one in self.questions if one.key in keys)

    def make_index(self, question: QuestionColumn) -> KeyIndex:
        name = short_name(f"{self.name}_{question.name}")
        create = sql.SQL("CREATE INDEX CONCURRENTLY {} ON {} ({}, {})").format(
            sql.Identifier(name), self.identifier, sql.Identifier(question.name), sql.Identifier(self.owner_column)
        )
        return KeyIndex(name, question.key, create)


def compose_row(values: Iterable[sql.Composable]) -> sql.Composed:
    """Return `values` as a row that can be compared, which one without any value cannot."""
    return sql.SQL("ROW({})").format(sql.SQL(", ").join([sql.SQL("0"), *values]))
