"""Erase the texts of old AI interactions."""

import argparse
import sys
from datetime import date
from typing import Any

from django.core.management.base import BaseCommand, CommandError

from ai_log.models import AIInteraction
from ai_log.transitions import erase_texts
from crm.records.local_time import agency_today, start_of_agency_day


def parse_day(text: str) -> date:
    try:
        return date.fromisoformat(text)
    except ValueError:
        raise argparse.ArgumentTypeError(f"{text!r} is not a date. Write it as 2026-01-31.") from None


class Command(BaseCommand):
    """Erase by date. Suitable for a cron job: interactions that are already erased cost nothing."""

    help = "Permanently erase all questions and answers before a date. Tokens, costs and times stay."

    def add_arguments(self, parser: argparse.ArgumentParser) -> None:
        parser.add_argument("--before", type=parse_day, required=True, help="The first day that is not erased.")
        parser.add_argument("--dry-run", action="store_true", help="Only count the interactions.")

    def handle(self, *, before: date, dry_run: bool, verbosity: int, **options: Any) -> None:
        if before > agency_today():
            raise CommandError(f"{before} is in the future. Nothing was erased.")
        rows = AIInteraction.objects.filter(created_at__lt=start_of_agency_day(before))
        if dry_run:
            self.stdout.write(f"The texts of {rows.erasable(unlink=False).count():,} interactions would be erased.")
            return
        erased = 0
        for number in erase_texts(rows):
            erased += number
            if verbosity:
                sys.stderr.write(f"{erased:,} interactions erased\n")
        self.stdout.write(f"Texts of {erased:,} interactions erased; their numbers stay.")
