"""The indexes of a promoted key: names, statements, and what the database has of them.

A name follows from table, column, key and kind alone. It has a hash, because a key may be longer than a name and may
hold any character.
"""

import json
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from hashlib import sha256

from django.apps import apps
from django.db import connection
from psycopg import sql

from crm.models import CustomFieldKind, SchemaChange
from crm.models.schema_change import JsonColumn
from crm.records.json_keys import path_steps
from crm.screens.custom_fields.promoted_columns import NAME_PREFIX
from crm.screens.custom_fields.sort_keys import SORT_KEYS, compose_member

# Of these kinds, an index of words serves "contains".
WORD_KINDS = frozenset(
    {
        CustomFieldKind.TEXT,
        CustomFieldKind.LONG_TEXT,
        CustomFieldKind.LINK,
        CustomFieldKind.EMAIL,
        CustomFieldKind.PHONE,
    }
)
INDEX_STATE_SQL = """
SELECT indisvalid AND indisready AND indislive FROM pg_index WHERE indexrelid = to_regclass(%s)
"""
OTHER_BUILDERS_SQL = """
SELECT EXISTS (
    SELECT FROM pg_stat_progress_create_index
     WHERE datname = current_database() AND index_relid = to_regclass(%s) AND pid <> pg_backend_pid()
)
"""
SIZE_SQL = "SELECT coalesce(sum(pg_relation_size(to_regclass(name))), 0) FROM unnest(%s::text[]) AS name"


@dataclass(frozen=True)
class KeyIndex:
    """One index of a key: its name, and the statement that creates it while everyone works."""

    name: str
    label: str
    create: sql.Composed

    @property
    def drop(self) -> sql.Composed:
        return sql.SQL("DROP INDEX CONCURRENTLY IF EXISTS {}").format(sql.Identifier(self.name))

    def is_valid(self) -> bool | None:
        """Return whether queries can use the index; None if there is none."""
        with connection.cursor() as cursor:
            cursor.execute(INDEX_STATE_SQL, [connection.ops.quote_name(self.name)])
            row = cursor.fetchone()
        return row and row[0]

    def is_built_elsewhere(self) -> bool:
        """Return whether another session builds the index, such as that of a worker that was killed."""
        with connection.cursor() as cursor:
            cursor.execute(OTHER_BUILDERS_SQL, [connection.ops.quote_name(self.name)])
            return cursor.fetchone()[0]


@dataclass(frozen=True)
class PromotedKey:
    """A key of a JSON column; `kind` says how its values compare."""

    table: str
    column: str
    key: str
    kind: str

    @classmethod
    def of(cls, change: SchemaChange) -> "PromotedKey":
        return cls(change.table, change.column, change.key, change.kind)

    @property
    def db_table(self) -> str:
        return apps.get_model(self.table)._meta.db_table

    @property
    def base_name(self) -> str:
        identity = json.dumps([self.table, self.column, self.key, self.kind])
        return f"{NAME_PREFIX}{self.db_table[:24]}_{sha256(identity.encode()).hexdigest()[:20]}"

    @property
    def steps(self) -> list[str]:
        """The steps to the value in the column. The key of a custom field is one, whatever it holds."""
        return [self.key] if self.column == JsonColumn.CUSTOM_FIELDS else path_steps(self.key)

    @property
    def holder(self) -> sql.Composed:
        """The JSON object that holds the value."""
        return compose_member(sql.Identifier(self.column), self.steps[:-1])

    @property
    def sort_expression(self) -> sql.Composed:
        """The expression by which filters and orders compare the key."""
        return SORT_KEYS[self.kind].compose(self.holder, self.steps[-1])

    @property
    def indexes(self) -> tuple[KeyIndex, ...]:
        """The indexes of the key. They are partial on live rows, as the lists are."""
        definitions = index_definitions(self.holder, self.steps[-1], self.kind)
        return tuple(
            live_index(f"{self.base_name}_{end}", label, self.db_table, text) for end, label, text in definitions
        )

    @property
    def statistics_name(self) -> str:
        return f"{self.base_name}_stats"

    @property
    def create_statistics(self) -> sql.Composed:
        return create_statistics(self.statistics_name, self.sort_expression, self.db_table)

    @property
    def analyze(self) -> sql.Composed:
        return sql.SQL("ANALYZE {}").format(sql.Identifier(self.db_table))


def create_statistics(name: str, expression: sql.Composable, db_table: str) -> sql.Composed:
    """Return the statement that lets ANALYZE count the values, whatever index the planner considers."""
    return sql.SQL("CREATE STATISTICS IF NOT EXISTS {} ON ({}) FROM {}").format(
        sql.Identifier(name), expression, sql.Identifier(db_table)
    )


def drop_statistics(name: str) -> sql.Composed:
    return sql.SQL("DROP STATISTICS IF EXISTS {}").format(sql.Identifier(name))


def live_index(name: str, label: str, db_table: str, definition: sql.Composed) -> KeyIndex:
    """Return an index on the live rows of a table."""
    create = sql.SQL("CREATE INDEX CONCURRENTLY {} ON {} {} WHERE deleted_at IS NULL").format(
        sql.Identifier(name), sql.Identifier(db_table), definition
    )
    return KeyIndex(name, label, create)


def index_definitions(data: sql.Composable, key: str, kind: str) -> Iterator[tuple[str, str, sql.Composed]]:
    """Yield the end of the name, the label and the definition of each index of a key; `data` is what holds the key."""
    sort_key = SORT_KEYS[kind]
    return definitions_of(sort_key.compose(data, key), sort_key.compose_value(data, key), kind)


def definitions_of(values: sql.Composable, text: sql.Composable, kind: str) -> Iterator[tuple[str, str, sql.Composed]]:
    """Yield the same of an index by the sort key `values`, and of one by the words of `text`."""
    yield "sort", "values", sql.SQL("USING btree (({}), id)").format(values)
    if kind in WORD_KINDS:
        yield "words", "words", sql.SQL("USING gin (upper({}) gin_trgm_ops)").format(text)


def total_size(names: Iterable[str]) -> int:
    """Return the bytes on disk of those of the indexes with `names` that exist."""
    with connection.cursor() as cursor:
        cursor.execute(SIZE_SQL, [[connection.ops.quote_name(name) for name in names]])
        return int(cursor.fetchone()[0])
