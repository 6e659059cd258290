"""Load the demo agency."""

from typing import Any

from django.conf import settings
from django.core.management.base import BaseCommand, CommandError
from django.db import ProgrammingError

from crm.exceptions import ActionRefused
from crm.records.local_time import agency_today
from demo import agency

LOGIN_HEADINGS = ("Username", "Name", "Role", "Password")


class Command(BaseCommand):
    """Load the demo once; later runs only print the logins."""

    help = "Load the demo agency, with its dates moved to today, and print the logins of each role."

    def handle(self, **options: Any) -> None:
        if not settings.DEBUG:
            raise CommandError("The demo has public passwords, so it can only be loaded with DEBUG on.")
        try:
            count = agency.load_demo(agency_today())
        except ActionRefused as error:
            raise CommandError(f"The demo was not loaded. {error}") from error
        except ProgrammingError as error:
            raise CommandError(f"Run manage.py migrate first: {str(error).splitlines()[0]}.") from error
        self.stdout.write(
            f"Demo loaded: {count:,} rows." if count else "The demo was already loaded. Nothing was changed."
        )
        self._print_logins()

    def _print_logins(self) -> None:
        table = [LOGIN_HEADINGS, *agency.demo_logins()]
        widths = [max(map(len, column)) for column in zip(*table, strict=True)]
        for line in table:
            cells = (cell.ljust(width) for cell, width in zip(line, widths, strict=True))
            self.stdout.write(f"  {'  '.join(cells)}".rstrip())
