"""Restore a backup."""

import argparse
from datetime import datetime
from pathlib import Path
from typing import Any

from django.core.management.base import BaseCommand, CommandError
from django.db import connection
from django.db.migrations.executor import MigrationExecutor

from crm.records.local_time import format_agency_moment
from crm.runtime.backup.archive import Manifest, check_archive
from crm.runtime.backup.database import has_tables
from crm.runtime.backup.exceptions import BackupError
from crm.runtime.backup.restore import check_restore, restore_backup


class Command(BaseCommand):
    help = "Restore a backup into an empty database. Stop the web server and all workers first."
    requires_system_checks = []

    def add_arguments(self, parser: argparse.ArgumentParser) -> None:
        parser.add_argument("path", type=Path, help="The file that manage.py backup wrote.")
        parser.add_argument("--replace", action="store_true", help="Delete what the database and its files hold.")
        parser.add_argument("--no-input", action="store_false", dest="interactive", help="Do not ask first.")

    def handle(self, *, path: Path, replace: bool, interactive: bool, **options: Any) -> None:
        try:
            manifest = check_archive(path)
            check_restore(manifest, replace=replace)
            if has_tables() and interactive:
                self.confirm(manifest)
            restore_backup(path, manifest)
        except BackupError as error:
            raise CommandError(f"{error} Nothing was changed.") from error
        self.stdout.write(
            f"Restored the backup of {time_of(manifest)}: {manifest.row_count:,} rows of {len(manifest.rows):,} "
            f"tables, {manifest.file_count:,} stored files. Everyone signs in again."
        )
        self.report_missing_migrations()

    def confirm(self, manifest: Manifest) -> None:
        name = connection.settings_dict["NAME"]
        # The person may take any time, and nothing else may use the database meanwhile.
        connection.close()
        answer = input(f"Replace everything in the database {name} with the backup of {time_of(manifest)}? [y/N] ")
        if answer.strip().lower() not in {"y", "yes"}:
            raise CommandError("Nothing was changed.")
        check_restore(manifest, replace=True)

    def report_missing_migrations(self) -> None:
        executor = MigrationExecutor(connection)
        missing = executor.migration_plan(executor.loader.graph.leaf_nodes())
        if missing:
            self.stdout.write(
                f"The backup is older than this version: {len(missing)} migrations to apply with manage.py migrate."
            )


def time_of(manifest: Manifest) -> str:
    return format_agency_moment(datetime.fromisoformat(manifest.created_at))
