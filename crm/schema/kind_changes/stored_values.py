"""The stored values of a custom field, read and written in sets. Deleted records count: they can be restored."""

import json
from collections.abc import Iterator
from typing import Any
from uuid import UUID

from django.apps import apps
from django.db import connection, models
from psycopg import sql

from crm.models import CustomField, KindChange

# Small, because the records of a batch are locked until it is written.
BATCH_SIZE = 250
# Of a batch: what is set aside has no value after the change. A record that was changed since it was read stays.
WRITE_SQL = sql.SQL("""
WITH written AS (
    UPDATE {table} SET custom_fields = CASE
               WHEN converted.after IS NULL
               THEN custom_fields - %(key)s::text || jsonb_build_object(%(aside)s::text, converted.before)
               ELSE custom_fields || jsonb_build_object(%(key)s::text, converted.after) END
      FROM unnest(%(ids)s::uuid[], %(befores)s::jsonb[], %(afters)s::jsonb[]) AS converted (row_id, before, after)
     WHERE {table}.id = converted.row_id AND {table}.custom_fields -> %(key)s = converted.before
    RETURNING {table}.id, converted.before, converted.after
)
INSERT INTO kind_change_values (change_id, "table", record_id, before, after)
SELECT %(change)s, %(label)s, id, before, after FROM written
""")
# The values that are still as the change has left them.
RESTORE_SQL = sql.SQL("""
UPDATE {table}
   SET custom_fields = CASE WHEN stored.after IS NULL THEN custom_fields - %(aside)s::text ELSE custom_fields END
                       || jsonb_build_object(%(key)s::text, stored.before)
  FROM kind_change_values AS stored
 WHERE stored.id = ANY(%(batch)s) AND {table}.id = stored.record_id
   AND CASE WHEN stored.after IS NULL
            THEN NOT {table}.custom_fields ? %(key)s AND {table}.custom_fields -> %(aside)s = stored.before
            ELSE {table}.custom_fields -> %(key)s = stored.after END
RETURNING stored.id
""")


def table_of(field: CustomField) -> sql.Identifier:
    return sql.Identifier(apps.get_model(field.table)._meta.db_table)


def compose(statement: sql.SQL, field: CustomField) -> str:
    return statement.format(table=table_of(field)).as_string()


def distinct_values(field: CustomField) -> Iterator[tuple[Any, int]]:
    """Yield each different value of `field` and in how many records it is, the most frequent first."""
    statement = sql.SQL("""SELECT custom_fields -> %(key)s, count(*) FROM {table}
        WHERE custom_fields ? %(key)s GROUP BY 1 ORDER BY 2 DESC, 1""")
    with connection.chunked_cursor() as cursor:
        cursor.execute(compose(statement, field), {"key": field.key})
        yield from ((json.loads(value), count) for value, count in cursor)


def sampled_values(field: CustomField, rows: models.QuerySet, size: int, limit: int) -> list[tuple[Any, int]]:
    """Return at most `limit` different values of the newest `size` of `rows` that have one, most frequent first."""
    filled = rows.filter(custom_fields__has_key=field.key).order_by("-id").values("custom_fields")[:size]
    inner, params = filled.query.sql_with_params()
    with connection.cursor() as cursor:
        cursor.execute(
            f"SELECT newest.custom_fields -> %s AS value, count(*) FROM ({inner}) AS newest "
            "GROUP BY 1 ORDER BY 2 DESC, 1 LIMIT %s",
            [field.key, *params, limit],
        )
        return [(json.loads(value), count) for value, count in cursor.fetchall()]


def unconverted_batches(change: KindChange) -> Iterator[list[tuple[UUID, str]]]:
    """Yield the records with a value that this change has not written, in batches, in the order of their keys.

    The values are JSON texts: a number may have more digits than one of Python's keeps.
    """
    statement = sql.SQL("""SELECT id, custom_fields -> %(key)s FROM {table} AS record
        WHERE id > %(after)s AND custom_fields ? %(key)s
          AND NOT EXISTS (SELECT 1 FROM kind_change_values WHERE change_id = %(change)s AND record_id = record.id)
        ORDER BY id LIMIT %(size)s""")
    params = {"key": change.field.key, "change": change.pk, "size": BATCH_SIZE, "after": UUID(int=0)}
    while True:
        with connection.cursor() as cursor:
            cursor.execute(compose(statement, change.field), params)
            rows = cursor.fetchall()
        if not rows:
            return
        yield rows
        params["after"] = rows[-1][0]


def write_batch(change: KindChange, rows: list[tuple[UUID, str, Any]]) -> None:
    """Write the values of `rows`: record, JSON text before, value after (None: set aside); keep those before."""
    ids, befores, afters = zip(*rows, strict=True)
    params = {
        "ids": list(ids),
        "befores": list(befores),
        "afters": [None if value is None else json.dumps(value) for value in afters],
        "key": change.field.key,
        "aside": change.aside_key,
        "change": change.pk,
        "label": change.field.table,
    }
    with connection.cursor() as cursor:
        cursor.execute(compose(WRITE_SQL, change.field), params)


def restore_batch(change: KindChange, stored: list[int]) -> list[int]:
    """Write the old values of the rows `stored` of `kind_change_values` back; return those that were written."""
    params = {"batch": stored, "key": change.field.key, "aside": change.aside_key}
    with connection.cursor() as cursor:
        cursor.execute(compose(RESTORE_SQL, change.field), params)
        return [pk for (pk,) in cursor.fetchall()]


def has_key(field: CustomField, key: str) -> bool:
    """Return whether any record of the table of `field` has `key` among its custom fields."""
    return apps.get_model(field.table).everything.filter(custom_fields__has_key=key).exists()
