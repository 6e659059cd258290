"""Read received emails again from their stored sources."""

import argparse
from typing import Any

from django.core.management.base import BaseCommand

from crm.exceptions import ActionRefused
from inbox.incoming.participants import our_addresses
from inbox.models import Direction, Message
from inbox.transitions import reparse_message

CHUNK_SIZE = 200


class Command(BaseCommand):
    """`reparse_mail [--mailbox ADDRESS]`: safe to run again, because what is read the same changes nothing."""

    help = "Read received emails again from their stored sources (KEEP_EMAIL_SOURCE), such as after an update."

    def add_arguments(self, parser: argparse.ArgumentParser) -> None:
        parser.add_argument("--mailbox", metavar="ADDRESS", help="Only the emails of this mailbox.")

    def handle(self, *, mailbox: str | None, **options: Any) -> None:
        messages = Message.objects.filter(direction=Direction.IN).exclude(source_digest="")
        if mailbox:
            messages = messages.filter(mailbox__address__iexact=mailbox.strip())
        own_addresses, read_count, changed_count, failed_count = our_addresses(), 0, 0, 0
        for message in messages.order_by("pk").iterator(chunk_size=CHUNK_SIZE):
            read_count += 1
            try:
                changed_count += reparse_message(message, own_addresses)
            except ActionRefused as error:
                failed_count += 1
                self.stderr.write(f"Message {message.pk}: {error}")
        self.stdout.write(
            f"{read_count:,} email{'' if read_count == 1 else 's'} read again: {changed_count:,} changed, "
            f"{failed_count:,} could not be read."
        )
