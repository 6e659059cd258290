"""The facts beside a request: how the key is defined, and in how many records it has a value."""

from dataclasses import dataclass

from django.apps import apps
from django.db import connection

from crm.models import CustomField, SchemaChange
from crm.schema.undefined_keys import SAMPLED_ROW_COUNT

COUNT_SQL = """
SELECT count(*), count(*) FILTER (WHERE {column} ? %s)
FROM (SELECT {column} FROM {table} WHERE deleted_at IS NULL ORDER BY id DESC LIMIT %s) AS newest
"""
ROWS_SQL = "SELECT greatest(reltuples, 0)::bigint FROM pg_class WHERE oid = %s::regclass"


@dataclass(frozen=True)
class KeyFacts:
    """What the newest rows say about a key; `table_rows` is the database's estimate."""

    field: CustomField | None
    table_rows: int
    sampled_rows: int
    filled_rows: int

    @property
    def filled_percent(self) -> int:
        return round(100 * self.filled_rows / self.sampled_rows) if self.sampled_rows else 0


def find_field(change: SchemaChange) -> CustomField | None:
    """Return the definition of the key of `change`, if it has one."""
    return CustomField.objects.filter(table=change.table, key=change.key).first()


def load_facts(change: SchemaChange) -> KeyFacts:
    """Return the facts about the key of `change`, from a bounded number of rows."""
    quote = connection.ops.quote_name
    table = quote(apps.get_model(change.table)._meta.db_table)
    with connection.cursor() as cursor:
        cursor.execute(COUNT_SQL.format(table=table, column=quote(change.column)), [change.key, SAMPLED_ROW_COUNT])
        sampled, filled = cursor.fetchone()
        cursor.execute(ROWS_SQL, [table])
        (rows,) = cursor.fetchone()
    return KeyFacts(find_field(change), max(rows, sampled), sampled, filled)
