"""Erase the texts of old calls to models."""

import argparse
import sys
from datetime import date
from typing import Any

from django.core.management.base import BaseCommand, CommandError
from django.utils import timezone

from ai_log.models import AIInteraction
from ai_log.transitions import erase_texts
from crm.screens.filters import start_of_day


def parse_day(text: str) -> date:
    try:
        return date.fromisoformat(text)
    except ValueError:
        raise argparse.ArgumentTypeError(f"{text!r} is no day: write one as 2026-01-31") from None


class Command(BaseCommand):
    """`prune_ai_log --before 2026-01-31`: for a cron job; what is erased already costs nothing."""

    help = "Erase what models were asked and answered before a day, for good; tokens, costs and times stay."

    def add_arguments(self, parser: argparse.ArgumentParser) -> None:
        parser.add_argument("--before", type=parse_day, required=True, help="The first day that is left alone.")
        parser.add_argument("--dry-run", action="store_true", help="Only say how many it would be.")

    def handle(self, *, before: date, dry_run: bool, verbosity: int, **options: Any) -> None:
        if before > timezone.localdate():
            raise CommandError(f"{before} has not come yet: nothing was erased.")
        rows = AIInteraction.objects.filter(created_at__lt=start_of_day(before))
        if dry_run:
            self.stdout.write(f"{rows.erasable(unlink=False).count():,} interactions would lose their texts.")
            return
        erased = 0
        for number in erase_texts(rows):
            erased += number
            if verbosity:
                sys.stderr.write(f"{erased:,} erased\n")
        self.stdout.write(f"{erased:,} interactions lost their texts; their numbers stay.")
