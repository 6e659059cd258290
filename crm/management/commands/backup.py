"""Back up the database and the stored files."""

import argparse
import signal
from pathlib import Path
from types import FrameType
from typing import Any

from django.core.management.base import BaseCommand, CommandError

from crm.records.local_time import agency_now
from crm.runtime.backup.create import create_backup
from crm.runtime.backup.exceptions import BackupError

NOT_IN_BACKUP = (
    "Not in the backup: the settings (.env or the environment). Keep them elsewhere, above all SECRET_KEY and "
    "CREDENTIALS_KEYS, without which mailbox passwords must be entered again."
)


class Command(BaseCommand):
    help = "Back up the database and the stored files to one file, while the CRM runs, and read it back."
    requires_system_checks = []

    def add_arguments(self, parser: argparse.ArgumentParser) -> None:
        parser.add_argument("path", type=Path, help="A new file, or a folder: then the file is named by the time.")

    def handle(self, *, path: Path, **options: Any) -> None:
        if path.is_dir():
            path = path / f"crm-{agency_now():%Y-%m-%d-%H%M%S}.tar"
        # As Ctrl-C does, so that an unfinished file is removed.
        signal.signal(signal.SIGTERM, stop)
        try:
            manifest = create_backup(path.absolute())
        except BackupError as error:
            raise CommandError(f"{error} There is no backup.") from error
        self.stdout.write(
            f"Backed up to {path} and read back: {manifest.row_count:,} rows of {len(manifest.rows):,} tables, "
            f"{manifest.file_count:,} stored files ({manifest.file_bytes:,} bytes)."
        )
        self.stdout.write(NOT_IN_BACKUP)


def stop(number: int, frame: FrameType | None) -> None:
    raise KeyboardInterrupt
