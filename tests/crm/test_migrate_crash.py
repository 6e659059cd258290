"""A migration of an empty database that is killed goes on where it was, and ends with the same tables."""

import os
import signal
import time

import pytest
from django.db import connection

from tests.crm.processes import current_database_url, manage, running, wait_until
from tests.template_database import connected_to

pytestmark = [pytest.mark.django_db(transaction=True), pytest.mark.storm]
DATABASE = "test_killed_migration"
# Killed after so many migrations are recorded, and a moment later: in the middle of the next one.
POINTS = ((0, 0.4), (12, 0.2), (30, 0.1), (60, 0.3))
CONTENTS_SQL = """
    SELECT 'column', table_name || '.' || column_name || ' ' || data_type FROM information_schema.columns
     WHERE table_schema = 'public'
    UNION ALL SELECT 'index', indexdef FROM pg_indexes WHERE schemaname = 'public'
    UNION ALL SELECT 'invalid index', indexrelid::regclass::text FROM pg_index WHERE NOT indisvalid
    UNION ALL SELECT 'trigger', tgrelid::regclass || ' ' || tgname FROM pg_trigger WHERE NOT tgisinternal
    UNION ALL SELECT 'constraint', conrelid::regclass || ' ' || pg_get_constraintdef(oid) FROM pg_constraint
               WHERE conrelid > 0 AND connamespace = 'public'::regnamespace
"""


def contents(name: str) -> set[tuple[str, str]]:
    with connected_to(name), connection.cursor() as cursor:
        cursor.execute(CONTENTS_SQL)
        return set(cursor.fetchall())


def count_applied(name: str) -> int:
    with connected_to(name), connection.cursor() as cursor:
        cursor.execute("SELECT to_regclass('django_migrations') IS NOT NULL")
        if not cursor.fetchone()[0]:
            return 0
        cursor.execute("SELECT count(*) FROM django_migrations")
        return cursor.fetchone()[0]


@pytest.fixture
def empty_database():
    def run(statement: str) -> None:
        with connected_to("postgres"), connection.cursor() as cursor:
            cursor.execute(statement)

    run(f"DROP DATABASE IF EXISTS {DATABASE} WITH (FORCE)")
    run(f"CREATE DATABASE {DATABASE}")
    yield
    run(f"DROP DATABASE IF EXISTS {DATABASE} WITH (FORCE)")


def test_killed_migration_goes_on_where_it_was(empty_database, tmp_path):
    variables = {"DATABASE_URL": current_database_url(DATABASE), "DATA_DIR": str(tmp_path)}
    killed = 0
    for number, moment in POINTS:
        with running("manage.py", "migrate", "--verbosity", "0", **variables) as migrate:
            wait_until(lambda n=number: count_applied(DATABASE) > n or migrate.poll() is not None)
            time.sleep(moment)
            if migrate.poll() is None:
                os.killpg(migrate.pid, signal.SIGKILL)
                killed += 1
    assert killed >= 2
    finished = manage("migrate", "--verbosity", "0", **variables)
    assert (finished.returncode, finished.stdout) == (0, "")
    assert manage("migrate", "--check", **variables).returncode == 0
    whole = contents(connection.settings_dict["NAME"])
    assert contents(DATABASE) == whole
