"""Erase what models were asked and answered about one person."""

import argparse
import sys
from typing import Any

from django.core.exceptions import ValidationError
from django.core.management.base import BaseCommand, CommandError
from django.core.validators import validate_email

from ai_log.models import AIInteraction
from ai_log.transitions import erase_texts


class Command(BaseCommand):
    """`erase_ai_log --email ADDRESS`: reads the whole log for the address."""

    help = (
        "Erase what models were asked and answered about the person with this address, for good: about their leads "
        "and client records, and wherever the address is written. Tokens, costs and times stay, linked to nobody."
    )

    def add_arguments(self, parser: argparse.ArgumentParser) -> None:
        parser.add_argument("--email", required=True, help="The person's address, in any case.")
        parser.add_argument("--dry-run", action="store_true", help="Only say how many it would be.")

    def handle(self, *, email: str, dry_run: bool, verbosity: int, **options: Any) -> None:
        try:
            validate_email(email)
        except ValidationError:
            raise CommandError(f"{email!r} is no address: nothing was erased.") from None
        rows = AIInteraction.objects.about_person(email)
        if dry_run:
            self.stdout.write(f"{rows.erasable(unlink=True).count():,} interactions would lose their texts.")
            return
        erased = 0
        for number in erase_texts(rows, unlink=True):
            erased += number
            if verbosity:
                sys.stderr.write(f"{erased:,} erased\n")
        self.stdout.write(f"{erased:,} interactions lost their texts and whom they were about; their numbers stay.")
