"""Bring mail in from files."""

import argparse
import sys
from collections import Counter
from pathlib import Path
from typing import Any

from django.core.management.base import BaseCommand, CommandError

from crm.activity import SYSTEM
from crm.refusals import Refused
from crm.transitions import create
from inbox.models import Mailbox, Message, Provider, SetAside
from inbox.receiving import our_addresses, receive
from inbox.sources import mails_in

EVERY = 500


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
        before = Message.everything.filter(mailbox=box).count()
        aside = SetAside.objects.filter(mailbox=box).count()
        ours, counted = our_addresses(), Counter[str]()
        for path in paths:
            for origin, raw in mails_in(path):
                counted["read"] += 1
                receive(box, raw, origin=origin, ours=ours)
                if verbosity and counted["read"] % EVERY == 0:
                    sys.stderr.write(f"{counted['read']:,} read\n")
        new = Message.everything.filter(mailbox=box).count() - before
        kept = SetAside.objects.filter(mailbox=box).count() - aside
        there = counted["read"] - new - kept
        self.stdout.write(
            f"{counted['read']:,} mails read: {new:,} taken in, {there:,} there already, {kept:,} set aside."
        )


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
