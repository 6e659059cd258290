"""Score leads now."""

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
    """`score_leads`: what happens every night and whenever another policy is put in use."""

    help = "Read the facts about every open lead and score it by the policy in use; what stays as it is is not written."

    def add_arguments(self, parser: argparse.ArgumentParser) -> None:
        parser.add_argument("--batch", type=int, default=SCORING_BATCH_SIZE, help="How many leads to a transaction.")

    def handle(self, *, batch: int, verbosity: int, **options: Any) -> None:
        policy, read, changed = ScoringPolicy.objects.active(), 0, 0
        batch, now = max(batch, 1), timezone.now()
        changed_signals = sum(sync_all_field_signals(policy, now, batch=batch))
        for number, (batch_read, batch_changed) in enumerate(rescore_all_leads(policy, now, batch=batch), 1):
            read, changed = read + batch_read, changed + batch_changed
            if verbosity and number % PROGRESS_INTERVAL == 0:
                sys.stderr.write(f"{read:,} read\n")
        by = f"by version {policy.version} of the policy"
        self.stdout.write(f"{read:,} leads read, {changed_signals:,} with other facts, {changed:,} scored anew {by}.")
