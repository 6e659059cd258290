"""Export leads to a CSV or Excel file."""

import argparse
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from django.contrib import admin
from django.core.management.base import BaseCommand, CommandError
from django.http import HttpRequest, QueryDict

from crm.exceptions import ActionRefused
from crm.models import User
from crm.screens.export.views import CSV, XLSX
from leads.models import Lead


class Command(BaseCommand):
    """Write the file that the list of leads exports for a user: what they may see, and nothing else."""

    help = "Export leads to a CSV or Excel file, as their list shows them to a user. The file can be imported again."

    def add_arguments(self, parser: argparse.ArgumentParser) -> None:
        parser.add_argument("file", type=Path, help="The file to write: .xlsx for Excel, else CSV.")
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
        if file.exists():
            raise CommandError(f"The file {file} exists. Choose another name.")
        try:
            exported = admin.site.get_model_admin(Lead).export_file(request, file_format_of(file))
            write_whole(file, exported.chunks)
        except ActionRefused as error:
            raise CommandError(str(error)) from None
        except OSError as error:
            raise CommandError(f"The file cannot be written: {error}.") from None
        self.stdout.write(f"Leads exported to {file}: {exported.row_count:,}.")


def file_format_of(file: Path) -> str:
    return XLSX if file.suffix.lower() == f".{XLSX}" else CSV


def write_whole(file: Path, chunks: Iterator[bytes]) -> None:
    """Write `file`. Until it is whole it has another name, and what is not whole is deleted."""
    unfinished = file.with_name(f"{file.name}.part")
    try:
        with unfinished.open("wb") as output:
            output.writelines(chunks)
        unfinished.rename(file)
    finally:
        unfinished.unlink(missing_ok=True)
