"""What the table of a repeated group consists of: its name, its columns and the names of its parts.

All names follow from the place of the list alone, so every database has the same.
"""

import json
from collections.abc import Iterable
from dataclasses import dataclass
from functools import cached_property

from django.apps import apps
from psycopg import sql

from crm.models.schema_change import JsonColumn
from crm.schema.promotion.group_table.columns import MAX_INDEXES, OWNER_COLUMNS, QuestionColumn, short_name
from crm.schema.promotion.indexes import KeyIndex

# Between the name of a group and that of the line that it belongs to.
OF = "_of_"
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
        """The name of the table, such as `lead_vehicles` or `lead_vehicles_of_truck`."""
        *lines, group = self.steps
        parts = [group, *([] if self.column == JsonColumn.AUTO_DATA else lines or [self.column.removesuffix("_data")])]
        plain = f"{self.table.partition('.')[2]}_{OF.join(parts)}"
        others = {model._meta.db_table for model in apps.get_models(include_auto_created=True)}
        is_clear = len(lines) < 2 and plain not in others and not any(OF in f"_{part}_" for part in parts)
        is_usual = bool(lines) == (self.column == JsonColumn.LINE_DATA) and lines != ["home"]
        return short_name(plain, identity=json.dumps([self.column, *self.steps]), is_free=is_clear and is_usual)

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
        return self.inner(row, self.steps)

    def holder(self, row: str) -> sql.Composed:
        """Return the JSON object that holds the list."""
        return self.inner(row, self.steps[:-1])

    def inner(self, row: str, steps: tuple[str, ...]) -> sql.Composed:
        data = sql.Composed([sql.Identifier(row, self.column)])
        for step in steps:
            data = sql.SQL("({} -> {})").format(data, sql.Literal(step))
        return data

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
        searched = [one for one in self.questions if one.is_indexed][:MAX_INDEXES]
        return tuple(self.make_index(one) for one in searched)

    def make_index(self, question: QuestionColumn) -> KeyIndex:
        name = short_name(f"{self.name}_{question.name}")
        create = sql.SQL("CREATE INDEX CONCURRENTLY {} ON {} ({}, {})").format(
            sql.Identifier(name), self.identifier, sql.Identifier(question.name), sql.Identifier(self.owner_column)
        )
        return KeyIndex(name, question.key, create)


def compose_row(values: Iterable[sql.Composable]) -> sql.Composed:
    """Return `values` as a row that can be compared, which one without any value cannot."""
    return sql.SQL("ROW({})").format(sql.SQL(", ").join([sql.SQL("0"), *values]))
