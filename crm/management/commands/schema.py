"""The schema that staff change, as a file: what is decided here, replayed there."""

import sys
from pathlib import Path
from typing import Any

from django.core.management.base import BaseCommand, CommandError, CommandParser

from crm.exceptions import ActionRefused
from crm.models import SchemaChange, SchemaChangeState
from crm.models.schema_change import BUSY_STATES
from crm.schema.change_lock import ChangeLocked
from crm.schema.promotion.drift import find_drift
from crm.schema.promotion.running import run_change
from crm.schema.schema_file.contents import Contents, read_database, read_text, write_text
from crm.schema.schema_file.replay import find_differences, replay


class Command(BaseCommand):
    help = "Show what drifted (status), write custom fields and decisions to a file (export), replay a file (apply)."

    def add_arguments(self, parser: CommandParser) -> None:
        parser.add_argument("action", choices=["status", "export", "apply"])
        parser.add_argument("file", nargs="?", help="the file; - or none is standard output or input")
        parser.add_argument("--dry-run", action="store_true", help="apply: only say what differs")

    def handle(self, *args: Any, **options: Any) -> None:
        try:
            getattr(self, f"{options['action']}_schema")(options)
        except ActionRefused as error:
            raise CommandError(f"{error} Nothing was changed.") from error

    def status_schema(self, options: dict[str, Any]) -> None:
        """Say what jobs work on and what drifted; with a file, also what differs from it. Drift is an error."""
        for change in SchemaChange.objects.filter(state__in=BUSY_STATES).order_by("pk"):
            self.stdout.write(f"{change}: {change.get_state_display().lower()}. {change.step}".strip())
        lines = find_drift() + (find_differences(self.read_file(options["file"])) if options["file"] else [])
        for line in lines:
            self.stdout.write(line)
        if lines:
            raise CommandError(f"{len(lines)} difference{'s' if len(lines) > 1 else ''}.", returncode=1)
        self.stdout.write("Everything is as decided.")

    def export_schema(self, options: dict[str, Any]) -> None:
        text = write_text(read_database())
        if options["file"] in {None, "-"}:
            self.stdout.write(text, ending="")
            return
        try:
            Path(options["file"]).write_text(text, encoding="utf-8")
        except OSError as error:
            raise CommandError(f"{options['file']} cannot be written: {error.strerror}.") from error

    def apply_schema(self, options: dict[str, Any]) -> None:
        """Replay the file, then carry out what it decides, here and now."""
        contents = self.read_file(options["file"])
        if options["dry_run"]:
            for line in find_differences(contents):
                self.stdout.write(line)
            return
        count, waiting, are_done = 0, 1, True
        # A key with several promotions gets one after the other.
        while waiting and are_done:
            lines, waiting = replay(contents)
            for line in lines:
                self.stdout.write(line)
            count += len(lines)
            are_done = self.carry_out()
        self.stdout.write(f"{count} change{'' if count == 1 else 's'} made.")
        if waiting:
            raise CommandError(f"{waiting} not yet: an earlier change of the same key is unfinished. Apply again.")

    def carry_out(self) -> bool:
        """Carry out what is queued, and return whether nothing is left to do."""
        for change in SchemaChange.objects.filter(state__in=BUSY_STATES).order_by("pk"):
            try:
                run_change(change.pk)
            except ChangeLocked:
                self.stdout.write(f"{change}: a worker carries it out.")
                continue
            change.refresh_from_db()
            self.stdout.write(f"{change}: {change.get_state_display().lower()}. {change.error_message}".strip())
        return not SchemaChange.objects.filter(state__in=[*BUSY_STATES, SchemaChangeState.FAILED]).exists()

    def read_file(self, name: str | None) -> Contents:
        try:
            text = sys.stdin.read() if name in {None, "-"} else Path(name).read_text(encoding="utf-8")
        except OSError as error:
            raise CommandError(f"{name} cannot be read: {error.strerror}.") from error
        except UnicodeDecodeError as error:
            raise CommandError(f"{name} is not a text in UTF-8.") from error
        return read_text(text)
