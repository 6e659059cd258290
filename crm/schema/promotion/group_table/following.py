"""The rows of owners whose list and rows differ: found in ranges of owners, written in short transactions.

An owner that another session writes is left for the next round, so no one waits for us behind someone else.
"""

from collections.abc import Iterator
from uuid import UUID

from django.db import connection, transaction
from psycopg import sql

from crm.schema.promotion.group_table.layout import GroupTable
from crm.schema.promotion.monitor import ChangeMonitor

OWNERS_A_RANGE, OWNERS_A_BATCH = 2_000, 100
BUSY_OWNER_PAUSE_SECONDS = 0.2
FIRST_KEY = UUID(int=0)
LAST_OWNER_SQL = "SELECT id FROM {owners} ORDER BY id DESC LIMIT 1"
RANGE_END_SQL = """
SELECT id FROM (SELECT id FROM {owners} WHERE id > %s AND id <= %s ORDER BY id LIMIT %s) AS range
 ORDER BY id DESC LIMIT 1
"""
DIVERGING_SQL = """
SELECT owner.id FROM {owners} AS owner
 WHERE owner.id > %s AND owner.id <= %s AND (
       ({entries})::text <> coalesce((
           SELECT jsonb_agg(entry.data ORDER BY entry.position)::text FROM {table} AS entry
            WHERE entry.{owner} = owner.id), '[]')
    OR EXISTS (SELECT FROM {table} AS entry
                WHERE entry.{owner} = owner.id AND {stored_values} IS DISTINCT FROM {values}))
 ORDER BY owner.id
"""
LOCK_FREE_OWNERS_SQL = "SELECT id FROM {owners} WHERE id = ANY (%s) ORDER BY id FOR NO KEY UPDATE SKIP LOCKED"
READ_JSON_SQL = "SELECT {read_json}(%s::uuid[])"
DELETE_ORPHANS_SQL = """
DELETE FROM {table} AS entry WHERE NOT EXISTS (SELECT FROM {owners} AS owner WHERE owner.id = entry.{owner})
"""


def compose(table: GroupTable, statement: str) -> sql.Composed:
    entry_data = sql.Identifier("entry", "data")
    return sql.SQL(statement).format(
        owners=sql.Identifier(table.owner_table),
        owner=sql.Identifier(table.owner_column),
        table=table.identifier,
        entries=table.entries("owner"),
        values=table.values(entry_data),
        stored_values=table.stored_values("entry"),
        read_json=table.function("read_json"),
    )


def last_owner(table: GroupTable) -> UUID:
    """Return the key of the last owner; the owners that come later are none of the backfill's business."""
    with connection.cursor() as cursor:
        cursor.execute(compose(table, LAST_OWNER_SQL))
        row = cursor.fetchone()
    return row[0] if row else FIRST_KEY


def owner_ranges(table: GroupTable, end: UUID) -> Iterator[tuple[UUID, UUID]]:
    """Yield ranges of owners up to `end`: the key before the first one, and that of the last one."""
    after = FIRST_KEY
    while True:
        with connection.cursor() as cursor:
            cursor.execute(compose(table, RANGE_END_SQL), [after, end, OWNERS_A_RANGE])
            row = cursor.fetchone()
        if row is None:
            return
        yield after, row[0]
        after = row[0]


def diverging_owners(table: GroupTable, after: UUID, end: UUID) -> list[UUID]:
    """Return the owners in a range whose list and rows differ."""
    with connection.cursor() as cursor:
        cursor.execute(compose(table, DIVERGING_SQL), [after, end])
        return [key for (key,) in cursor.fetchall()]


def count_diverging(table: GroupTable) -> int:
    """Return how many owners have a list that differs from their rows."""
    return sum(len(diverging_owners(table, *bounds)) for bounds in owner_ranges(table, last_owner(table)))


@transaction.atomic
def follow_json(table: GroupTable, owners: list[UUID]) -> int:
    """Write the rows of those `owners` that no one else writes now; return how many."""
    with connection.cursor() as cursor:
        cursor.execute(compose(table, LOCK_FREE_OWNERS_SQL), [owners])
        free = [key for (key,) in cursor.fetchall()]
        cursor.execute(compose(table, READ_JSON_SQL), [free])
    return len(free)


def bring_into_step(table: GroupTable, monitor: ChangeMonitor) -> None:
    """Write the rows of every owner that was there at the beginning; a range is left once all of it is in step.

    Raises:
        ChangeStopped: a person stopped the change.
    """
    for bounds in owner_ranges(table, last_owner(table)):
        while diverging := diverging_owners(table, *bounds):
            for start in range(0, len(diverging), OWNERS_A_BATCH):
                monitor.check()
                owners = diverging[start : start + OWNERS_A_BATCH]
                if follow_json(table, owners) < len(owners):
                    monitor.wait(BUSY_OWNER_PAUSE_SECONDS)
        monitor.check()


def delete_orphans(table: GroupTable) -> None:
    """Delete the rows without an owner, which can only exist if the foreign key was removed."""
    with connection.cursor() as cursor:
        cursor.execute(compose(table, DELETE_ORPHANS_SQL))
