"""Fields, requests and indexes for tests of promotions, which commit."""

from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

from django.db import connection

from crm.models import Client, CustomField, SchemaChange
from crm.records.activity import SYSTEM_ACTOR
from crm.schema.promotion.group_table.groups import group_table
from crm.schema.promotion.group_table.statements import remove_table
from crm.schema.promotion.indexes import PromotedKey
from crm.schema.promotion.running import run_change
from crm.schema.requests.transitions import decide_request, request_change

OUR_OBJECTS_SQL = """
SELECT 'INDEX', relname FROM pg_class WHERE relkind = 'i' AND starts_with(relname, 'cf_')
UNION ALL SELECT 'STATISTICS', stxname FROM pg_statistic_ext WHERE starts_with(stxname, 'cf_')
UNION ALL SELECT 'TABLE', relname FROM pg_class
           WHERE relkind = 'r' AND obj_description(oid, 'pg_class') LIKE '%kept in step%'
"""


def make_field(**kw: Any) -> CustomField:
    """Create a field of clients."""
    defaults = {"table": "crm.client", "key": "level", "label": "Level", "kind": "text"}
    if "choices" in kw:
        kw["choices"] = [{"value": code, "label": code, "retired": False} for code in kw["choices"]]
    return CustomField.objects.create(**{**defaults, **kw})


def decided_index(field: CustomField) -> SchemaChange:
    """Return a request for an index on `field` that is decided and queued."""
    change = SchemaChange(table=field.table, key=field.key, proposed="index", why="Slow.", expected_use="Daily.")
    request_change(change, by=SYSTEM_ACTOR)
    decide_request(change, decision="index", reason="Used daily.", by=SYSTEM_ACTOR)
    return change


def decided_table(key: str = "other_vehicles", column: str = "auto_data") -> SchemaChange:
    """Return a request for a table of a repeated group of leads that is decided and queued."""
    change = SchemaChange(
        table="leads.lead", column=column, key=key, proposed="table", why="Slow.", expected_use="Daily."
    )
    request_change(change, by=SYSTEM_ACTOR)
    decide_request(change, decision="table", reason="VINs are searched.", by=SYSTEM_ACTOR)
    return change


def promote(field: CustomField) -> SchemaChange:
    """Give `field` an index, as a request, a decision and a job do."""
    change = decided_index(field)
    run_change(change.pk)
    change.refresh_from_db()
    return change


def fill_clients(values: list[Any], key: str = "level", rows: int = 0) -> None:
    """Create a client for each value, and `rows` more with a number as value."""
    clients = [Client(name=repr(value)[:100], custom_fields={key: value}) for value in values]
    clients += [Client(name=f"C{n}", custom_fields={key: n}) for n in range(rows)]
    Client.objects.bulk_create(clients)


def is_valid(change: SchemaChange) -> list[bool | None]:
    return [index.is_valid() for index in PromotedKey.of(change).indexes]


def our_objects() -> list[tuple[str, str]]:
    """Return the indexes and statistics of promotions that the database has."""
    with connection.cursor() as cursor:
        cursor.execute(OUR_OBJECTS_SQL)
        return sorted(cursor.fetchall())


def drop_our_objects() -> None:
    with connection.cursor() as cursor:
        for change in SchemaChange.objects.filter(decision="table"):
            cursor.execute(remove_table(group_table(change)))
        for kind, name in our_objects():
            cursor.execute(f'DROP {kind} "{name}"')


@contextmanager
def other_session() -> Iterator[Any]:
    """Yield a cursor of a second connection, in autocommit."""
    other = connection.copy()
    try:
        with other.cursor() as cursor:
            yield cursor
    finally:
        other.close()
