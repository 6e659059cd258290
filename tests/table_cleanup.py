"""Clean the tables after tests that commit; only tests may do this."""

from collections.abc import Iterator
from contextlib import contextmanager
from functools import cache

import pgtrigger
from django.apps import apps
from django.db import connection
from django.db.backends.utils import CursorWrapper

# The schema that keeps the migrations' seed rows, and the function that restores them.
SEED_SCHEMA = "seeds_of_tests"
# One round trip after each test, and no trigger fires.
RESTORE_FUNCTION = """
    CREATE FUNCTION {schema}.restore() RETURNS void LANGUAGE plpgsql SET session_replication_role = replica
    AS $$BEGIN {statements} END$$
"""
EMPTY_TABLE = 'IF EXISTS (SELECT FROM "{name}") THEN DELETE FROM "{name}"; END IF;'
# Most tests leave the seed rows as they were.
RESTORE_TABLE = """
    IF EXISTS (TABLE "{name}" EXCEPT ALL TABLE {schema}."{name}")
    OR EXISTS (TABLE {schema}."{name}" EXCEPT ALL TABLE "{name}") THEN
        DELETE FROM "{name}"; INSERT INTO "{name}" SELECT * FROM {schema}."{name}";
    END IF;
"""


@contextmanager
def allow_truncate() -> Iterator[None]:
    """Allow TRUNCATE on append-only tables inside the block."""
    uris = [f"{model._meta.label}:{t.name}" for model, t in pgtrigger.registered() if t.name == "no_truncate"]
    with pgtrigger.ignore(*uris):
        yield


@cache
def table_names() -> tuple[str, ...]:
    """Return all tables of the models; the job queue's too, which Django does not manage."""
    managed = connection.introspection.django_table_names(only_existing=True, include_views=False)
    jobs = (model._meta.db_table for model in apps.get_app_config("procrastinate").get_models())
    return tuple(sorted({*managed, *jobs}))


def non_empty_tables(cursor: CursorWrapper) -> list[str]:
    cursor.execute(
        " UNION ALL ".join(f"SELECT '{name}' WHERE EXISTS (SELECT FROM \"{name}\")" for name in table_names())
    )
    return [name for (name,) in cursor.fetchall()]


@cache
def save_seed_rows() -> None:
    """Copy the migrations' seed rows before the first test commits, and make the function that restores them."""
    with connection.cursor() as cursor:
        cursor.execute(f"DROP SCHEMA IF EXISTS {SEED_SCHEMA} CASCADE")
        cursor.execute(f"CREATE SCHEMA {SEED_SCHEMA}")
        seeded = non_empty_tables(cursor)
        for name in seeded:
            cursor.execute(f'CREATE TABLE {SEED_SCHEMA}."{name}" AS TABLE "{name}"')
        statements = "".join(
            (RESTORE_TABLE if name in seeded else EMPTY_TABLE).format(name=name, schema=SEED_SCHEMA)
            for name in table_names()
        )
        cursor.execute(RESTORE_FUNCTION.format(schema=SEED_SCHEMA, statements=statements))


def restore_seed_rows() -> None:
    """Restore only the seed rows, without firing triggers; far faster than truncating every table."""
    with connection.cursor() as cursor:
        cursor.execute(f"SELECT {SEED_SCHEMA}.restore()")
