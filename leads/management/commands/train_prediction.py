"""Learn anew how likely leads are to be won."""

from typing import Any

from django.core.management.base import BaseCommand, CommandError
from django.utils import timezone

from crm.exceptions import Refused
from crm.records.activity import SYSTEM
from leads.models import PredictionModel
from leads.prediction.training import train
from leads.prediction.transitions import predict_all


class Command(BaseCommand):
    """`train_prediction`: what happens every week."""

    help = "Learn from the leads that have ended, and tell the chance of every open one by the better model."

    def handle(self, **options: Any) -> None:
        try:
            made = train(by=SYSTEM)
        except Refused as refusal:
            raise CommandError(str(refusal)) from refusal
        told = made.evaluation
        figures = f" AUC {told['auc']}, calibration error {told['calibration_error']}." if told else ""
        self.stdout.write(
            f"{made} ({made.get_rung_display().lower()}) from {made.leads:,} leads.{figures} {made.verdict}"
        )
        for name, why in made.refused.items():
            self.stdout.write(f"  not used: {name}: {why}")
        read = written = 0
        for seen, changed in predict_all(PredictionModel.objects.active(), timezone.now()):
            read, written = read + seen, written + changed
        self.stdout.write(f"{read:,} open leads, {written:,} with another chance than before.")
