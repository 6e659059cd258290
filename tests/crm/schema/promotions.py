"""Fields, requests and indexes for tests of promotions, which commit."""

import subprocess
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

import pytest
from django.db import connection
from psycopg import sql

from crm.models import Client, CustomField, SchemaChange
from crm.records.activity import SYSTEM_ACTOR
from crm.runtime.embedded.cluster import programs_folder
from crm.schema.promotion.group_table.groups import group_table
from crm.schema.promotion.group_table.statements import remove_table
from crm.schema.promotion.indexes import PromotedKey
from crm.schema.promotion.running import run_change
from crm.schema.requests.transitions import decide_request, request_change
from crm.screens.custom_fields.sort_keys import FilterField
from tests.template_database import connected_to

OUR_OBJECTS_SQL = """
SELECT 'INDEX', relname FROM pg_class WHERE relkind = 'i' AND starts_with(relname, 'cf_')
UNION ALL SELECT 'STATISTICS', stxname FROM pg_statistic_ext WHERE starts_with(stxname, 'cf_')
UNION ALL SELECT 'TABLE', relname FROM pg_class
           WHERE relkind = 'r' AND obj_description(oid, 'pg_class') LIKE '%kept in step%'
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


def decided_table(key: str = "other_vehicles", column: str = "auto_data") -> SchemaChange:
    """Return a request for a table of a repeated group of leads that is decided and queued."""
    change = SchemaChange(
        table="leads.lead", column=column, key=key, proposed="table", why="Slow.", expected_use="Daily."
    )
    request_change(change, by=SYSTEM_ACTOR)
    decide_request(change, decision="table", reason="VINs are searched.", by=SYSTEM_ACTOR)
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
        for change in SchemaChange.objects.filter(decision="table"):
            cursor.execute(remove_table(group_table(change)))
        cursor.execute(TABLES_WITH_COLUMNS_SQL)
        for (table,) in cursor.fetchall():
            for kind, name in our_objects():
                if kind == "COLUMN":
                    cursor.execute(f'ALTER TABLE "{table}" DROP COLUMN IF EXISTS "{name}" CASCADE')
        for kind, name in our_objects():
            cursor.execute(f'DROP {kind} IF EXISTS "{name}" CASCADE')


def execute(statement: str | sql.Composable, params: list[Any] | None = None) -> list[tuple]:
    """Execute a statement and return its rows, if it has any."""
    with connection.cursor() as cursor:
        cursor.execute(statement, params)
        return cursor.fetchall() if cursor.description else []


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


needs_embedded_server = pytest.mark.skipif(
    connection.settings_dict["ENGINE"] != "crm.runtime.embedded", reason="needs the embedded server"
)


@contextmanager
def restored_from_dump(*dump_options: str) -> Iterator[None]:
    """Connect inside the block to a database that a dump of the present one was restored to."""
    server, copy = connection.settings_dict, f"{connection.settings_dict['NAME']}_restored"
    options = ["-h", server["HOST"], "-p", str(server["PORT"] or 5432), "-U", server["USER"]]
    dump = [programs_folder() / "pg_dump", *options, *dump_options, server["NAME"]]
    text = subprocess.run(dump, capture_output=True, check=True).stdout
    with connection._nodb_cursor() as cursor:
        cursor.execute(f'DROP DATABASE IF EXISTS "{copy}"')
        cursor.execute(f'CREATE DATABASE "{copy}"')
    try:
        restore = [programs_folder() / "psql", *options, "-q", "-v", "ON_ERROR_STOP=1", "-d", copy]
        subprocess.run(restore, input=text, capture_output=True, check=True)
        with connected_to(copy):
            yield
    finally:
        with connection._nodb_cursor() as cursor:
            cursor.execute(f'DROP DATABASE "{copy}" WITH (FORCE)')
