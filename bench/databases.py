"""Benchmark databases: created and filled once, and kept for the next run."""

import os
import sys
from collections.abc import Callable, Iterator
from contextlib import contextmanager

from django.core.management import call_command
from django.db import connection

from crm.records.field_usage import buffer
from leads.models import Lead

# Leads in each. The names are reserved for benchmarks, so that no user data is dropped.
DATABASE_SIZES = {"bench_100k": 100_000, "bench_1m": 1_000_000}


@contextmanager
def use_database(name: str) -> Iterator[None]:
    """Use the database `name` of the server instead of the default one."""
    default_name = connection.settings_dict["NAME"]
    connection.close()
    connection.settings_dict["NAME"] = name
    try:
        yield
    finally:
        connection.close()
        connection.settings_dict["NAME"] = default_name


def seed(leads: int) -> None:
    call_command("seed", leads=leads)


def prepare_database(name: str, leads: int, fill: Callable[[int], None] = seed) -> None:
    """Make sure that `name` exists, is migrated and has at least `leads` leads; `fill` adds as many as are missing."""
    with connection.cursor() as cursor:
        cursor.execute("SELECT 1 FROM pg_database WHERE datname = %s", [name])
        if cursor.fetchone() is None:
            cursor.execute(f"CREATE DATABASE {name}")
    with use_database(name):
        call_command("migrate", verbosity=0)
        missing = leads - Lead.everything.count()
        if missing > 0:
            sys.stdout.write(f"{name}: {missing:,} leads are being created; this happens once.\n")
            fill(missing)
        _analyze_if_never_done()


def process_database(name: str) -> str:
    """Return `name` with this process's number, so that two benchmarks can share a server."""
    return f"bench_{name}_{os.getpid()}"


def drop_stale_databases(name: str) -> None:
    """Drop databases left by killed processes; databases of running processes stay."""
    for database in list_databases(name):
        if not is_process_running(int(database.rpartition("_")[2])):
            drop_database(database)


def list_databases(name: str) -> list[str]:
    """Return the databases that processes created under `name`."""
    with connection.cursor() as cursor:
        cursor.execute("SELECT datname FROM pg_database WHERE datname ~ %s", [rf"^bench_{name}_\d+$"])
        return [row[0] for row in cursor.fetchall()]


def is_process_running(process: int) -> bool:
    """Return whether a process with this number exists."""
    try:
        os.kill(process, 0)
    except ProcessLookupError:
        return False
    except PermissionError:
        return True
    return True


@contextmanager
def scratch_database() -> Iterator[None]:
    """Use a new empty database with current tables, dropped afterwards."""
    drop_stale_databases("scratch")
    name = process_database("scratch")
    with connection.cursor() as cursor:
        cursor.execute(f"CREATE DATABASE {name}")
    try:
        with use_database(name):
            call_command("migrate", verbosity=0)
            yield
    finally:
        buffer.take()  # the uses that were counted are of records that are gone
        drop_database(name)


@contextmanager
def database_copy(name: str) -> Iterator[None]:
    """Use a copy of the database `name`, dropped afterwards."""
    drop_stale_databases("copy")
    copy = process_database("copy")
    with connection.cursor() as cursor:
        cursor.execute(f"CREATE DATABASE {copy} TEMPLATE {name} STRATEGY FILE_COPY")
    try:
        with use_database(copy):
            yield
    finally:
        buffer.take()
        drop_database(copy)


def drop_database(name: str) -> None:
    """Drop the database `name`."""
    with connection.cursor() as cursor:
        cursor.execute(f"DROP DATABASE IF EXISTS {name} WITH (FORCE)")


def _analyze_if_never_done() -> None:
    # A seeding killed at the very end leaves all leads but no statistics.
    with connection.cursor() as cursor:
        cursor.execute("SELECT reltuples < 0 FROM pg_class WHERE oid = 'leads'::regclass")
        if cursor.fetchone()[0]:
            cursor.execute("VACUUM (ANALYZE)")
