"""Score leads now."""

import argparse
import sys
from typing import Any

from django.core.management.base import BaseCommand
from django.utils import timezone

from leads.models import ScoringPolicy
from leads.scoring.field_signals import read_all
from leads.scoring.rescoring import BATCH, rescore_all

EVERY = 20


class Command(BaseCommand):
    """`score_leads`: what happens every night and whenever another policy is put in use."""

    help = "Read the facts about every open lead and score it by the policy in use; what stays as it is is not written."

    def add_arguments(self, parser: argparse.ArgumentParser) -> None:
        parser.add_argument("--batch", type=int, default=BATCH, help="How many leads to a transaction.")

    def handle(self, *, batch: int, verbosity: int, **options: Any) -> None:
        policy, read, changed = ScoringPolicy.objects.active(), 0, 0
        batch, now = max(batch, 1), timezone.now()
        told = sum(read_all(policy, now, batch=batch))
        for number, (seen, moved) in enumerate(rescore_all(policy, now, batch=batch), 1):
            read, changed = read + seen, changed + moved
            if verbosity and number % EVERY == 0:
                sys.stderr.write(f"{read:,} read\n")
        by = f"by version {policy.version} of the policy"
        self.stdout.write(f"{read:,} leads read, {told:,} with other facts, {changed:,} scored anew {by}.")
