"""The database of a test process: a copy of one that was migrated once and stays for the next run."""

from collections.abc import Iterator
from contextlib import contextmanager
from hashlib import sha256
from pathlib import Path

from django.conf import settings
from django.db import connection
from django.db.backends.utils import CursorWrapper

# What the migrated database follows from; while none of these files changes, neither does the template.
SOURCES = (
    "*/migrations/*.py",
    "*/models.py",
    "*/models/*.py",
    "crm/records/*.py",
    "crm/records/owners/*.py",
    "crm/records/privacy/suppression.py",
    "crm/apps.py",
    "crm/runtime/after_migrate.py",
    "leads/ownership.py",
    "requirements.txt",
)
TEMPLATE_PREFIX = "test_template_"
# Held while a template is made or copied: another process must not be connected to it then.
LOCK_KEY = 7_305_142_267


@contextmanager
def migrated_database(*, rebuild: bool = False) -> Iterator[None]:
    """Inside, the connection is to a migrated database of this process; `rebuild` migrates even if nothing changed."""
    original, copy = connection.settings_dict["NAME"], connection.creation._get_test_db_name()
    with connection._nodb_cursor() as cursor:
        cursor.execute("SELECT pg_advisory_lock(%s)", [LOCK_KEY])
        template = template_name()
        if rebuild or not database_exists(cursor, template):
            drop_templates(cursor)
            make_template(cursor, template)
        drop_database(cursor, copy)
        cursor.execute(f'CREATE DATABASE "{copy}" TEMPLATE "{template}"')
        # Tests kill programs, and a server only where they have started one: none reads this database after a crash.
        cursor.execute(f'ALTER DATABASE "{copy}" SET synchronous_commit = off')
        cursor.execute("SELECT pg_advisory_unlock(%s)", [LOCK_KEY])
    use_database(copy)
    try:
        yield
    finally:
        use_database(original)
        with connection._nodb_cursor() as cursor:
            drop_database(cursor, copy)


def source_files() -> list[Path]:
    return sorted(path for pattern in SOURCES for path in settings.BASE_DIR.glob(pattern))


def template_name() -> str:
    digest = sha256()
    for path in source_files():
        digest.update(f"{path.relative_to(settings.BASE_DIR)}\n".encode() + path.read_bytes())
    return TEMPLATE_PREFIX + digest.hexdigest()[:16]


def make_template(cursor: CursorWrapper, template: str) -> None:
    """Migrate a new database, and call it `template` once it is whole."""
    unfinished = f"{TEMPLATE_PREFIX}unfinished"
    test_settings = connection.settings_dict["TEST"]
    copy, test_settings["NAME"] = test_settings["NAME"], unfinished
    try:
        connection.creation.create_test_db(verbosity=0, autoclobber=True, serialize=False)
    finally:
        test_settings["NAME"] = copy
        connection.close()
    cursor.execute(f'ALTER DATABASE "{unfinished}" RENAME TO "{template}"')


def drop_templates(cursor: CursorWrapper) -> None:
    cursor.execute("SELECT datname FROM pg_database WHERE starts_with(datname, %s)", [TEMPLATE_PREFIX])
    for (name,) in cursor.fetchall():
        drop_database(cursor, name)


def drop_database(cursor: CursorWrapper, name: str) -> None:
    cursor.execute(f'DROP DATABASE IF EXISTS "{name}" WITH (FORCE)')


def database_exists(cursor: CursorWrapper, name: str) -> bool:
    cursor.execute("SELECT EXISTS (SELECT FROM pg_database WHERE datname = %s)", [name])
    return cursor.fetchone()[0]


def use_database(name: str) -> None:
    """Connect to `name` from now on."""
    connection.close()
    settings.DATABASES["default"]["NAME"] = connection.settings_dict["NAME"] = name


@contextmanager
def connected_to(name: str) -> Iterator[None]:
    """Connect to the database `name` of the same server inside the block."""
    original = connection.settings_dict["NAME"]
    use_database(name)
    try:
        yield
    finally:
        use_database(original)
