"""Import email from files."""

import argparse
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from django.core.management.base import BaseCommand, CommandError

from crm.exceptions import ActionRefused
from crm.records.activity import SYSTEM_ACTOR
from crm.records.transitions import create
from inbox.incoming.arrivals import Arrival
from inbox.incoming.files import iter_emails
from inbox.incoming.parallel_parsing import parse_in_parallel
from inbox.incoming.participants import our_addresses
from inbox.incoming.transitions import ReceiveCounts, receive_parsed
from inbox.models import Mailbox, Provider


class Command(BaseCommand):
    """`import_mail PATH --mailbox ADDRESS`: safe to run again, because known emails are skipped."""

    help = "Import emails from .eml and .mbox files, and from folders and tar archives of them."

    def add_arguments(self, parser: argparse.ArgumentParser) -> None:
        parser.add_argument("paths", nargs="+", type=Path, metavar="PATH", help="A file or a folder.")
        parser.add_argument("--mailbox", required=True, metavar="ADDRESS", help="The address that received the email.")

    def handle(self, *, paths: list[Path], mailbox: str, verbosity: int, **options: Any) -> None:
        for path in paths:
            if not path.exists():
                raise CommandError(f"{path} does not exist.")
        try:
            box = get_or_create_mailbox(mailbox)
        except ActionRefused as exception:
            raise CommandError(str(exception)) from exception
        own_addresses, counts, read_count = our_addresses(), ReceiveCounts(), 0
        for batch in parse_in_parallel(iter_arrivals(paths)):
            counts += receive_parsed(box, batch, own_addresses=own_addresses)
            read_count += len(batch)
            if verbosity:
                sys.stderr.write(f"{read_count:,} read\n")
        self.stdout.write(
            f"{read_count:,} email{'' if read_count == 1 else 's'} read: {counts.taken:,} imported, "
            f"{counts.duplicates:,} already known, {counts.aside:,} set aside."
        )


def iter_arrivals(paths: list[Path]) -> Iterator[Arrival]:
    for path in paths:
        for origin, raw in iter_emails(path):
            yield Arrival(origin, raw)


def get_or_create_mailbox(address: str) -> Mailbox:
    """Return the mailbox with that address, created if it does not exist.

    Raises:
        InvalidInput: `address` is not an email address.
    """
    found = Mailbox.objects.filter(address__iexact=address).first()
    if found is None:
        found = Mailbox(address=address.strip().lower(), provider=Provider.IMPORT)
        create(found, by=SYSTEM_ACTOR)
    return found
