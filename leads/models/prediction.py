"""Prediction models with their evaluation, and the snapshots of leads that they use."""

from typing import Any

import pgtrigger
from django.db import models

from crm.records.base import (
    Record,
    RecordQuerySet,
    choices_check,
    json_field,
    json_type_check,
    not_blank_check,
    with_row_audit,
)
from leads.models.lead import Lead


class Rung(models.TextChoices):
    """The method of a prediction. With fewer than a hundred closed leads there is none."""

    STAGES = "STAGES", "Win rate of the stage"
    SCORECARD = "SCORECARD", "Scorecard of closed leads"


IMMUTABLE_MODEL_FIELDS = ["version", "rung", "card", "evaluation", "refused", "leads", "won", "verdict"]


class PredictionModelQuerySet(RecordQuerySet):
    """Named sets of models."""

    def active(self) -> "PredictionModel | None":
        """Return the model in use; None while there are too few closed leads."""
        return self.filter(is_active=True).first()


@with_row_audit(exclude=["ran_at"])
class PredictionModel(Record):
    """A trained model, with the number of leads it was trained on and its evaluation on the newest leads."""

    version = models.PositiveIntegerField(unique=True)
    rung = models.CharField(max_length=10, choices=Rung)
    card = json_field(dict)
    evaluation = json_field(dict)
    # Features that were not used, each with the reason.
    refused = json_field(dict)
    leads = models.PositiveIntegerField()
    won = models.PositiveIntegerField()
    verdict = models.TextField(help_text="Why the model was activated or not.")
    is_active = models.BooleanField(default=False, db_default=False, editable=False)
    activated_at = models.DateTimeField(null=True, blank=True, editable=False)
    ran_at = models.DateTimeField(null=True, blank=True, editable=False)

    objects = models.Manager.from_queryset(PredictionModelQuerySet)()
    everything = models.Manager.from_queryset(PredictionModelQuerySet)()

    class Meta(Record.Meta):
        db_table = "prediction_models"
        default_permissions = ("view",)
        permissions = [("activate_predictionmodel", "Can train and activate prediction models")]
        triggers = [
            pgtrigger.Protect(
                name="kept_to_the_letter",
                operation=pgtrigger.Update,
                condition=pgtrigger.AnyChange(*IMMUTABLE_MODEL_FIELDS),
            ),
            pgtrigger.Protect(name="no_delete", operation=pgtrigger.Delete),
        ]
        constraints = [
            choices_check("prediction_models", "rung", Rung),
            not_blank_check("prediction_models", "verdict"),
            json_type_check("prediction_models", "card", "object"),
            json_type_check("prediction_models", "evaluation", "object"),
            json_type_check("prediction_models", "refused", "object"),
            models.CheckConstraint(
                name="prediction_models_won_of_leads",
                condition=models.Q(won__lte=models.F("leads")),
                violation_error_message="The number of won leads must not exceed the number of leads.",
            ),
            models.UniqueConstraint(
                "is_active",
                condition=models.Q(is_active=True),
                name="prediction_models_one_active",
                violation_error_message="Another model is active.",
            ),
            models.CheckConstraint(
                name="prediction_models_active_since",
                condition=models.Q(is_active=False) | models.Q(activated_at__isnull=False),
                violation_error_message="An active model needs the time of its activation.",
            ),
        ]

    def __str__(self) -> str:
        return f"Prediction {self.version}"

    @property
    def deciles(self) -> list[dict[str, Any]]:
        return self.evaluation.get("deciles", [])


class LeadSnapshot(models.Model):
    """The features of a lead at the time of its first prediction. A snapshot never changes."""

    lead = models.OneToOneField(Lead, primary_key=True, on_delete=models.CASCADE, related_name="snapshot")
    features = json_field(dict)
    taken_at = models.DateTimeField()

    class Meta:
        db_table = "lead_snapshots"
        default_permissions = ()
        constraints = [json_type_check("lead_snapshots", "features", "object")]
        triggers = [
            pgtrigger.Protect(name="never_changes", operation=pgtrigger.Update),
        ]

    def __str__(self) -> str:
        return f"{len(self.features)} features"
