"""Restore a backup: all of it, or nothing."""

from pathlib import Path

from django.apps import apps
from django.conf import settings
from django.db import connection, transaction

from crm.runtime.after_migrate import install_statement_statistics
from crm.runtime.backup.after_restore import apply_changes
from crm.runtime.backup.archive import DUMP, Manifest, unpack
from crm.runtime.backup.database import has_tables, other_sessions, restore_database
from crm.runtime.backup.exceptions import BackupError
from crm.runtime.backup.programs import find_program
from crm.runtime.backup.stored_files import FileExchange
from crm.runtime.checks import is_own_app, migration_names


def check_restore(manifest: Manifest, *, replace: bool) -> None:
    """Check that the backup fits this program and the database is ready for it.

    Raises:
        BackupError: it does not or is not; nothing was changed.
    """
    if unknown := unknown_migrations(manifest):
        raise BackupError(
            f"The backup is of another version of the CRM: it has the migration {unknown[0]}, which this version "
            "lacks. Update the program first."
        )
    find_program("pg_restore", manifest.dump_version)
    if has_tables() and not replace:
        raise BackupError(
            f"The database {connection.settings_dict['NAME']} is not empty. Use --replace to delete what it holds."
        )
    if count := other_sessions():
        raise BackupError(
            f"The database is in use ({count} other session{'s' if count > 1 else ''}). "
            "Stop the web server and all workers first."
        )


def unknown_migrations(manifest: Manifest) -> list[str]:
    """Return the applied migrations of our apps that this version does not have."""
    known = {config.label: migration_names(config) for config in apps.get_app_configs() if is_own_app(config)}
    split = (name.split(".", 1) for name in manifest.migrations)
    return [f"{app}.{name}" for app, name in split if app in known and name not in known[app]]


def restore_backup(path: Path, manifest: Manifest) -> None:
    """Replace the database and the stored files with those of a checked backup.

    Raises:
        BackupError: nothing was changed; the message says why.
    """
    program = find_program("pg_restore", manifest.dump_version)
    try:
        with FileExchange(Path(settings.MEDIA_ROOT)) as files:
            unpack(path, files.prepared)
            with transaction.atomic(durable=True):
                restore_database(program, files.prepared / DUMP, manifest.rows)
                install_statement_statistics()
                apply_changes()
                files.exchange()
    except OSError as error:
        raise BackupError(f"The files cannot be restored: {error.strerror or error} ({error.filename}).") from error
    finally:
        # Settings of the restored script must not outlive it.
        connection.close()
