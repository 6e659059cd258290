"""Clean the tables after tests that commit; only tests may do this."""

from collections.abc import Iterator
from contextlib import contextmanager
from functools import cache

import pgtrigger
from django.apps import apps
from django.db import connection, transaction
from django.db.backends.utils import CursorWrapper

# The schema that keeps the migrations' seed rows.
SEED_SCHEMA = "seeds_of_tests"


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
def save_seed_rows() -> tuple[str, ...]:
    """Copy the migrations' seed rows before the first test commits; return their tables."""
    with connection.cursor() as cursor:
        cursor.execute(f"DROP SCHEMA IF EXISTS {SEED_SCHEMA} CASCADE")
        cursor.execute(f"CREATE SCHEMA {SEED_SCHEMA}")
        names = non_empty_tables(cursor)
        for name in names:
            cursor.execute(f'CREATE TABLE {SEED_SCHEMA}."{name}" AS TABLE "{name}"')
    return tuple(names)


def restore_seed_rows() -> None:
    """Restore only the seed rows, without firing triggers; far faster than truncating every table."""
    with transaction.atomic(), connection.cursor() as cursor:
        cursor.execute("SET LOCAL session_replication_role = replica")
        for name in non_empty_tables(cursor):
            cursor.execute(f'DELETE FROM "{name}"')
        for name in save_seed_rows():
            cursor.execute(f'INSERT INTO "{name}" SELECT * FROM {SEED_SCHEMA}."{name}"')
