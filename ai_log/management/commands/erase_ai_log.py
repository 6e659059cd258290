"""Erase the texts of all AI interactions about one person."""

import argparse
import sys
from typing import Any

from django.core.exceptions import ValidationError
from django.core.management.base import BaseCommand, CommandError
from django.core.validators import validate_email

from ai_log.models import AIInteraction
from ai_log.transitions import erase_texts


class Command(BaseCommand):
    """Erase by email address. This reads the whole log."""

    help = (
        "Permanently erase all questions and answers about the person with this email address: about their leads "
        "and client records, and wherever the address appears. Tokens, costs and times stay, without links."
    )

    def add_arguments(self, parser: argparse.ArgumentParser) -> None:
        parser.add_argument("--email", required=True, help="The email address of the person.")
        parser.add_argument("--dry-run", action="store_true", help="Only count the interactions.")

    def handle(self, *, email: str, dry_run: bool, verbosity: int, **options: Any) -> None:
        try:
            validate_email(email)
        except ValidationError:
            raise CommandError(f"{email!r} is not an email address. Nothing was erased.") from None
        rows = AIInteraction.objects.about_person(email)
        if dry_run:
            self.stdout.write(f"The texts of {rows.erasable(unlink=True).count():,} interactions would be erased.")
            return
        erased = 0
        for number in erase_texts(rows, unlink=True):
            erased += number
            if verbosity:
                sys.stderr.write(f"{erased:,} interactions erased\n")
        self.stdout.write(f"Texts and links of {erased:,} interactions erased; their numbers stay.")
