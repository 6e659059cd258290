"""A database of another version is refused in a sentence, whatever is asked of it."""

import psycopg
import pytest
from django.db import connection
from django.db.backends.signals import connection_created

from crm.runtime import checks
from crm.runtime.startup_errors import DatabaseUnusable
from tests.crm.processes import current_database_url, manage, manage_here
from tests.template_database import connected_to


@pytest.fixture
def old_database(django_db_setup):
    """The name of a database in which a migration was applied that is not on disk."""
    name = f"{connection.settings_dict['NAME']}_of_another_version"  # the test processes share one server
    with psycopg.connect(current_database_url("postgres"), autocommit=True) as server:
        server.execute(f"CREATE DATABASE {name}")
        with psycopg.connect(current_database_url(name)) as old:
            old.execute("CREATE TABLE django_migrations (id int, app text, name text)")
            old.execute("INSERT INTO django_migrations VALUES (1, 'auth', '0001_gone'), (2, 'leads', '0001_initial')")
        yield name
        server.execute(f"DROP DATABASE {name} WITH (FORCE)")


@pytest.fixture
def first_connection():
    """Check the next connection as a process checks its first."""
    connection_created.connect(checks.require_known_migrations, dispatch_uid=checks.KNOWN_MIGRATIONS_UID)
    yield
    connection_created.disconnect(dispatch_uid=checks.KNOWN_MIGRATIONS_UID)


REFUSAL = (
    "The database of DATABASE_URL was made by another version of the CRM: it has the migration "
    "leads.0001_initial, which this version lacks. Use a new, empty database.\n"
)


def test_serve_refuses_database_of_another_version(old_database):
    ended = manage("serve", DATABASE_URL=current_database_url(old_database))
    assert (ended.returncode, ended.stdout) == (1, REFUSAL)


@pytest.mark.parametrize("command", ["migrate", "demo", "worker"])
@pytest.mark.usefixtures("transactional_db", "first_connection")
def test_command_refuses_database_of_another_version(old_database, settings, monkeypatch, command):
    settings.DEBUG = True  # as in a process of its own: the test runner turns it off
    monkeypatch.setitem(connection.settings_dict, "ENGINE", "django.db.backends.postgresql")
    with connected_to(old_database):
        ended = manage_here(command)
    assert (ended.returncode, ended.stdout) == (1, REFUSAL)


def test_embedded_database_of_another_version_says_what_to_move(transactional_db, settings, monkeypatch):
    monkeypatch.setattr(checks, "migration_names", lambda config: set())
    connection.ensure_connection()
    monkeypatch.setitem(connection.settings_dict, "ENGINE", checks.EMBEDDED_ENGINE)
    with pytest.raises(DatabaseUnusable) as caught:
        checks.require_known_migrations(None, connection)
    folder = settings.DATA_DIR
    assert str(caught.value).startswith(f"The database in {folder} was made by another version of the CRM: ")
    assert str(caught.value).endswith(f" Move it away (mv {folder} {folder}.old) and run make demo again.")


@pytest.mark.usefixtures("db", "first_connection")
def test_current_database_is_accepted_and_checked_only_once():
    checks.require_known_migrations(None, connection)
    assert connection.is_usable()
    assert not connection_created.disconnect(dispatch_uid=checks.KNOWN_MIGRATIONS_UID), "it is checked again"
