"""The databases that are measured: made and filled once, and kept for the next run."""

import os
import sys
from collections.abc import Iterator
from contextlib import contextmanager

from django.core.management import call_command
from django.db import connection

from leads.models import Lead

# Leads in each; the names are ours alone, so that nobody's data is ever dropped.
DATABASE_SIZES = {"bench_100k": 100_000, "bench_1m": 1_000_000}


@contextmanager
def use_database(name: str) -> Iterator[None]:
    """Work in the database `name` of the server instead of the usual one."""
    default_name = connection.settings_dict["NAME"]
    connection.close()
    connection.settings_dict["NAME"] = name
    try:
        yield
    finally:
        connection.close()
        connection.settings_dict["NAME"] = default_name


def prepare_database(name: str, leads: int) -> None:
    """See to it that `name` exists, has today's tables and at least `leads` leads."""
    with connection.cursor() as cursor:
        cursor.execute("SELECT 1 FROM pg_database WHERE datname = %s", [name])
        if cursor.fetchone() is None:
            cursor.execute(f"CREATE DATABASE {name}")
    with use_database(name):
        call_command("migrate", verbosity=0)
        missing = leads - Lead.everything.count()
        if missing > 0:
            sys.stdout.write(f"{name}: {missing:,} leads are missing; this happens once.\n")
            call_command("seed", leads=missing)
        _analyze_if_never_done()


def process_database(name: str) -> str:
    """`name` for this process alone: two benches may run on one server."""
    return f"bench_{name}_{os.getpid()}"


def drop_stale_databases(name: str) -> None:
    """Remove what processes that were killed have left of theirs; whoever still works in one is left alone."""
    for database in list_databases(name):
        if not is_process_running(int(database.rpartition("_")[2])):
            drop_database(database)


def list_databases(name: str) -> list[str]:
    """The databases that processes have made under `name`."""
    with connection.cursor() as cursor:
        cursor.execute("SELECT datname FROM pg_database WHERE datname ~ %s", [rf"^bench_{name}_\d+$"])
        return [row[0] for row in cursor.fetchall()]


def is_process_running(process: int) -> bool:
    """Whether there is a process of that number."""
    try:
        os.kill(process, 0)
    except ProcessLookupError:
        return False
    except PermissionError:
        return True
    return True


@contextmanager
def scratch_database() -> Iterator[None]:
    """Work in a database of its own with today's tables and nothing in them, which is gone afterwards."""
    drop_stale_databases("scratch")
    name = process_database("scratch")
    with connection.cursor() as cursor:
        cursor.execute(f"CREATE DATABASE {name}")
    try:
        with use_database(name):
            call_command("migrate", verbosity=0)
            yield
    finally:
        drop_database(name)


@contextmanager
def database_copy(name: str) -> Iterator[None]:
    """Work in a copy of the database `name`, which is gone afterwards."""
    drop_stale_databases("copy")
    copy = process_database("copy")
    with connection.cursor() as cursor:
        cursor.execute(f"CREATE DATABASE {copy} TEMPLATE {name} STRATEGY FILE_COPY")
    try:
        with use_database(copy):
            yield
    finally:
        drop_database(copy)


def drop_database(name: str) -> None:
    """Remove the database `name`, to be made afresh."""
    with connection.cursor() as cursor:
        cursor.execute(f"DROP DATABASE IF EXISTS {name} WITH (FORCE)")


def _analyze_if_never_done() -> None:
    # A seed that was killed at its very end leaves all leads and no statistics.
    with connection.cursor() as cursor:
        cursor.execute("SELECT reltuples < 0 FROM pg_class WHERE oid = 'leads'::regclass")
        if cursor.fetchone()[0]:
            cursor.execute("VACUUM (ANALYZE)")
