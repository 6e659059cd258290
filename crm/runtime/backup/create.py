"""Make a backup."""

from datetime import UTC, datetime
from pathlib import Path

from django.conf import settings

from crm.runtime.backup.archive import DUMP, Manifest, new_archive
from crm.runtime.backup.database import dump_database, server_version
from crm.runtime.backup.programs import find_program, major_version
from crm.runtime.backup.stored_files import add_files


def create_backup(path: Path) -> Manifest:
    """Write a backup of the database and the stored files to `path`, and read it back.

    The files are read after the dump, so those that it names are among them, except files deleted in between.

    Raises:
        BackupError: there is no backup at `path`; the message says why.
    """
    created_at = datetime.now(UTC)
    with new_archive(path) as (writer, folder):
        dump = folder / DUMP
        rows, migrations = dump_database(dump)
        with dump.open("rb") as file:
            writer.add(DUMP, file)
        dump.unlink()
        add_files(writer, Path(settings.MEDIA_ROOT))
        return writer.finish(
            created_at=created_at.isoformat(timespec="seconds"),
            server_version=server_version(),
            dump_version=major_version(find_program("pg_dump", server_version())),
            migrations=migrations,
            rows=rows,
        )
