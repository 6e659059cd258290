"""Score all open leads now."""

import argparse
import sys
from typing import Any

from django.core.management.base import BaseCommand
from django.utils import timezone

from leads.models import ScoringPolicy
from leads.scoring.field_signals import sync_all_field_signals
from leads.scoring.rescoring import SCORING_BATCH_SIZE, rescore_all_leads

PROGRESS_INTERVAL = 20


class Command(BaseCommand):
    """Do what a job does every night and after a scoring policy is activated."""

    help = "Update the signals and scores of all open leads with the active scoring policy. Writes only changed leads."

    def add_arguments(self, parser: argparse.ArgumentParser) -> None:
        parser.add_argument("--batch", type=int, default=SCORING_BATCH_SIZE, help="Number of leads in one transaction.")

    def handle(self, *, batch: int, verbosity: int, **options: Any) -> None:
        policy, read_count, changed_count = ScoringPolicy.objects.active(), 0, 0
        batch, now = max(batch, 1), timezone.now()
        changed_signals = sum(sync_all_field_signals(policy, now, batch=batch))
        for number, (batch_read, batch_changed) in enumerate(rescore_all_leads(policy, now, batch=batch), 1):
            read_count, changed_count = read_count + batch_read, changed_count + batch_changed
            if verbosity and number % PROGRESS_INTERVAL == 0:
                sys.stderr.write(f"{read_count:,} leads read\n")
        self.stdout.write(
            f"{read_count:,} leads read, {changed_signals:,} with changed signals, {changed_count:,} with a changed "
            f"score or tier (policy version {policy.version})."
        )
