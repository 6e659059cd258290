"""Fields, requests and indexes for tests of promotions, which commit."""

import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

from django.db import connection

from crm.models import Client, CustomField, SchemaChange
from crm.records.activity import SYSTEM_ACTOR
from crm.schema.promotion.indexes import PromotedKey
from crm.schema.promotion.running import run_change
from crm.schema.requests.transitions import decide_request, request_change
from crm.screens.custom_fields.sort_keys import FilterField

OUR_OBJECTS_SQL = """
SELECT 'INDEX', relname FROM pg_class WHERE relkind = 'i' AND starts_with(relname, 'cf_')
UNION ALL SELECT 'STATISTICS', stxname FROM pg_statistic_ext WHERE starts_with(stxname, 'cf_')
UNION ALL SELECT 'COLUMN', attname FROM pg_attribute JOIN pg_class ON pg_class.oid = attrelid
           WHERE relkind = 'r' AND starts_with(attname, 'cf_') AND NOT attisdropped
UNION ALL SELECT 'TRIGGER', tgname FROM pg_trigger WHERE starts_with(tgname, 'cf_')
UNION ALL SELECT 'CONSTRAINT', conname FROM pg_constraint WHERE starts_with(conname, 'cf_')
UNION ALL SELECT 'FUNCTION', proname FROM pg_proc WHERE starts_with(proname, 'cf_')
"""
TABLES_WITH_COLUMNS_SQL = """
SELECT DISTINCT relname FROM pg_attribute JOIN pg_class ON pg_class.oid = attrelid
 WHERE relkind = 'r' AND starts_with(attname, 'cf_') AND NOT attisdropped
"""


def make_field(**kw: Any) -> CustomField:
    """Create a field of clients."""
    defaults = {"table": "crm.client", "key": "level", "label": "Level", "kind": "text"}
    if "choices" in kw:
        kw["choices"] = [{"value": code, "label": code, "retired": False} for code in kw["choices"]]
    return CustomField.objects.create(**{**defaults, **kw})


def decided(field: FilterField, decision: str) -> SchemaChange:
    """Return a request about `field` that is decided and queued."""
    place = {"table": field.table, "column": field.column, "key": field.key}
    change = SchemaChange(**place, proposed=decision, why="Slow.", expected_use="Daily.")
    request_change(change, by=SYSTEM_ACTOR)
    decide_request(change, decision=decision, reason="Used daily.", by=SYSTEM_ACTOR)
    return change


def decided_index(field: FilterField) -> SchemaChange:
    return decided(field, "index")


def promote(field: FilterField, decision: str = "index") -> SchemaChange:
    """Give `field` an index or a column, as a request, a decision and a job do."""
    change = decided(field, decision)
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
    """Return kind and name of what the database has of promotions."""
    with connection.cursor() as cursor:
        cursor.execute(OUR_OBJECTS_SQL)
        return sorted(cursor.fetchall())


def drop_our_objects() -> None:
    """Remove what the database has of promotions; with a column goes everything that depends on it."""
    with connection.cursor() as cursor:
        cursor.execute(TABLES_WITH_COLUMNS_SQL)
        for (table,) in cursor.fetchall():
            for kind, name in our_objects():
                if kind == "COLUMN":
                    cursor.execute(f'ALTER TABLE "{table}" DROP COLUMN IF EXISTS "{name}" CASCADE')
        for kind, name in our_objects():
            cursor.execute(f'DROP {kind} IF EXISTS "{name}" CASCADE')


@contextmanager
def other_session() -> Iterator[Any]:
    """Yield a cursor of a second connection, in autocommit."""
    other = connection.copy()
    try:
        with other.cursor() as cursor:
            yield cursor
    finally:
        other.close()


def step_of(cursor, change: SchemaChange) -> str:
    cursor.execute("SELECT step FROM schema_changes WHERE id = %s", [change.pk])
    return cursor.fetchone()[0]


def state_of(change: SchemaChange) -> str:
    change.refresh_from_db()
    return change.state


def wait_until(condition, seconds=20):
    until = time.monotonic() + seconds
    while not (answer := condition()):
        assert time.monotonic() < until, "nothing happened"
        time.sleep(0.02)
    return answer


@contextmanager
def job(change: SchemaChange):
    """Run the job of `change` in a thread; the list gets its exception, if there is one."""
    errors = []

    def work():
        try:
            run_change(change.pk)
        except Exception as error:  # noqa: BLE001
            errors.append(error)
        finally:
            connection.close()

    thread = threading.Thread(target=work)
    thread.start()
    try:
        yield errors
    finally:
        thread.join(30)
        assert not thread.is_alive()
