"""The rows of owners whose list and rows differ: found in batches of owners, written in short transactions."""

from typing import Any
from uuid import UUID

from django.db import connection, transaction
from psycopg import sql

from crm.schema.promotion.backfill import BatchWalk
from crm.schema.promotion.group_table.layout import GroupTable
from crm.schema.promotion.monitor import ChangeMonitor

OWNERS_A_TRANSACTION = 100
DIVERGES_SQL = """
 (({entries})::text <> coalesce((
      SELECT jsonb_agg(entry.data ORDER BY entry.position)::text FROM {table} AS entry
       WHERE entry.{owner} = owner.id), '[]')
   OR EXISTS (SELECT FROM {table} AS entry
               WHERE entry.{owner} = owner.id AND {stored_values} IS DISTINCT FROM {values}))
"""
DIVERGING_SQL = """
SELECT owner.id FROM {owners} AS owner WHERE owner.id > {first} AND owner.id <= {last} AND {diverges} ORDER BY owner.id
"""
COUNT_SQL = "SELECT count(*) FROM {owners} AS owner WHERE {diverges}"
LOCK_FREE_OWNERS_SQL = (
    "SELECT id FROM {owners} WHERE id = ANY ({ids}::uuid[]) ORDER BY id FOR NO KEY UPDATE SKIP LOCKED"
)
READ_JSON_SQL = "SELECT {read_json}({ids}::uuid[])"
DELETE_ORPHANS_SQL = """
DELETE FROM {table} AS entry WHERE NOT EXISTS (SELECT FROM {owners} AS owner WHERE owner.id = entry.{owner})
"""


class TableFill(BatchWalk):
    """Writes the rows of the owners that were there at the beginning."""

    def __init__(self, table: GroupTable, monitor: ChangeMonitor) -> None:
        super().__init__(table.owner_table, monitor)
        self.table = table

    def fill(self, first: UUID, last: UUID) -> int:
        owners = diverging_owners(self.table, first, last)
        for start in range(0, len(owners), OWNERS_A_TRANSACTION):
            self.monitor.check()
            with self.limited():
                follow_json(self.table, owners[start : start + OWNERS_A_TRANSACTION])
        return len(owners)

    def count_diverging(self, first: UUID, last: UUID) -> int:
        return len(diverging_owners(self.table, first, last))


def compose(table: GroupTable, statement: str, **values: Any) -> sql.Composed:
    """Return a statement with `values` in it: a key in JSON may hold the sign of a parameter."""
    parts: dict[str, sql.Composable] = {
        "owners": sql.Identifier(table.owner_table),
        "owner": sql.Identifier(table.owner_column),
        "table": table.identifier,
        "entries": table.entries("owner"),
        "values": table.values(sql.Identifier("entry", "data")),
        "stored_values": table.stored_values("entry"),
        "read_json": table.function("read_json"),
        **{name: sql.Literal(value) for name, value in values.items()},
    }
    return sql.SQL(statement).format(diverges=sql.SQL(DIVERGES_SQL).format(**parts), **parts)


def diverging_owners(table: GroupTable, first: UUID, last: UUID) -> list[UUID]:
    """Return the owners between two keys, the first left out, whose list and rows differ."""
    with connection.cursor() as cursor:
        cursor.execute(compose(table, DIVERGING_SQL, first=first, last=last))
        return [key for (key,) in cursor.fetchall()]


def count_diverging(table: GroupTable) -> int:
    """Return how many owners have a list that differs from their rows."""
    with connection.cursor() as cursor:
        cursor.execute(compose(table, COUNT_SQL))
        return cursor.fetchone()[0]


@transaction.atomic
def follow_json(table: GroupTable, owners: list[UUID]) -> int:
    """Write the rows of those `owners` that no one else writes now; return how many."""
    with connection.cursor() as cursor:
        cursor.execute(compose(table, LOCK_FREE_OWNERS_SQL, ids=owners))
        free = [key for (key,) in cursor.fetchall()]
        cursor.execute(compose(table, READ_JSON_SQL, ids=free))
    return len(free)


def delete_orphans(table: GroupTable) -> None:
    """Delete the rows without an owner, which can only exist if the foreign key was removed."""
    with connection.cursor() as cursor:
        cursor.execute(compose(table, DELETE_ORPHANS_SQL))
