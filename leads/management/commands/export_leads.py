"""Export leads to a CSV file."""

import argparse
from pathlib import Path
from typing import Any

from django.contrib import admin
from django.core.management.base import BaseCommand, CommandError
from django.http import HttpRequest, QueryDict

from crm.exceptions import ActionRefused
from crm.models import User
from leads.models import Lead


class Command(BaseCommand):
    """Write the file that the list of leads exports for a user: what they may see, and nothing else."""

    help = "Export leads to a CSV file, as their list shows them to a user. The file can be imported again."

    def add_arguments(self, parser: argparse.ArgumentParser) -> None:
        parser.add_argument("file", type=Path, help="The file to write.")
        parser.add_argument("--user", required=True, metavar="NAME", help="The user who exports.")
        parser.add_argument(
            "--list",
            default="state=all&order=newest",
            metavar="QUERY",
            help="Filters and order as in the address of the list, such as 'tier=hot&order=value'. Default: all leads.",
        )

    def handle(self, *, file: Path, user: str, list: str, **options: Any) -> None:
        request = HttpRequest()
        request.user, request.GET = User.objects.filter(username=user, is_active=True).first(), QueryDict(list)
        if request.user is None:
            raise CommandError(f"There is no active user “{user}”.")
        try:
            lines = admin.site.get_model_admin(Lead).export_lines(request)
            if file.exists():
                raise CommandError(f"The file {file} exists. Choose another name.")
            # Until it is whole, the file has another name.
            unfinished = file.with_name(f"{file.name}.part")
            with unfinished.open("w", encoding="utf-8", newline="") as output:
                number = sum(1 for _ in map(output.write, lines)) - 1
            unfinished.rename(file)
        except ActionRefused as error:
            raise CommandError(str(error)) from None
        except OSError as error:
            raise CommandError(f"The file cannot be written: {error}.") from None
        self.stdout.write(f"Leads exported to {file}: {number:,}.")
