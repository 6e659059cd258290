"""Bring mail in from files."""

import argparse
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from django.core.management.base import BaseCommand, CommandError

from crm.exceptions import Refused
from crm.records.activity import SYSTEM
from crm.records.transitions import create
from inbox.incoming.arrivals import Arrival
from inbox.incoming.files import mails_in
from inbox.incoming.parallel_parsing import read_ahead
from inbox.incoming.participants import our_addresses
from inbox.incoming.transitions import Counted, receive_read
from inbox.models import Mailbox, Provider


class Command(BaseCommand):
    """`import_mail PATH --mailbox ADDRESS`: safe to run again, for what is there already changes nothing."""

    help = "Take in the mails of .eml and .mbox files, of folders and of tar archives of them."

    def add_arguments(self, parser: argparse.ArgumentParser) -> None:
        parser.add_argument("paths", nargs="+", type=Path, metavar="PATH", help="A file or a folder.")
        parser.add_argument("--mailbox", required=True, metavar="ADDRESS", help="Whose mail it is: an address of ours.")

    def handle(self, *, paths: list[Path], mailbox: str, verbosity: int, **options: Any) -> None:
        for path in paths:
            if not path.exists():
                raise CommandError(f"There is no {path}.")
        try:
            box = box_of(mailbox)
        except Refused as refusal:
            raise CommandError(str(refusal)) from refusal
        ours, counted, read = our_addresses(), Counted(), 0
        for batch in read_ahead(arrivals(paths)):
            counted += receive_read(box, batch, ours=ours)
            read += len(batch)
            if verbosity:
                sys.stderr.write(f"{read:,} read\n")
        self.stdout.write(
            f"{read:,} mails read: {counted.taken:,} taken in, {counted.there:,} there already, "
            f"{counted.aside:,} set aside."
        )


def arrivals(paths: list[Path]) -> Iterator[Arrival]:
    for path in paths:
        for origin, raw in mails_in(path):
            yield Arrival(origin, raw)


def box_of(address: str) -> Mailbox:
    """The mailbox of that address, made where there is none.

    Raises:
        BadInput: it is no address.
    """
    found = Mailbox.objects.filter(address__iexact=address).first()
    if found is None:
        found = Mailbox(address=address.strip().lower(), provider=Provider.IMPORT)
        create(found, by=SYSTEM)
    return found
