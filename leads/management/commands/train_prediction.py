"""Train a new prediction model."""

from typing import Any

from django.core.management.base import BaseCommand, CommandError
from django.utils import timezone

from crm.exceptions import ActionRefused
from crm.records.activity import SYSTEM_ACTOR
from leads.models import PredictionModel
from leads.prediction.training import train_model
from leads.prediction.transitions import update_all_probabilities


class Command(BaseCommand):
    """Do what a job does every week."""

    help = "Train a prediction model on the closed leads, and update all open leads with the better model."

    def handle(self, **options: Any) -> None:
        try:
            model = train_model(by=SYSTEM_ACTOR)
        except ActionRefused as error:
            raise CommandError(str(error)) from error
        metrics = model.evaluation
        metrics_text = f" AUC {metrics['auc']}, calibration error {metrics['calibration_error']}." if metrics else ""
        self.stdout.write(
            f"{model} ({model.get_rung_display().lower()}) from {model.leads:,} leads.{metrics_text} {model.verdict}"
        )
        for name, reason in model.refused.items():
            self.stdout.write(f"  not used: {name}: {reason}")
        read_count = written_count = 0
        for batch_read, changed in update_all_probabilities(PredictionModel.objects.active(), timezone.now()):
            read_count, written_count = read_count + batch_read, written_count + changed
        self.stdout.write(f"{read_count:,} open leads read, {written_count:,} with a changed probability.")
