"""By what the chance of a lead is told, how well that did, and what was known of each lead when it came."""

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
    """What a chance rests on; with fewer than a hundred ended leads it is not told at all."""

    STAGES = "STAGES", "Win rate of the stage"
    SCORECARD = "SCORECARD", "Scorecard of ended leads"


IMMUTABLE_MODEL_FIELDS = ["version", "rung", "card", "evaluation", "refused", "leads", "won", "verdict"]


class PredictionModelQuerySet(RecordQuerySet):
    """Named sets of models."""

    def active(self) -> "PredictionModel | None":
        """The one by which chances are told; None while there are too few ended leads."""
        return self.filter(is_active=True).first()


@with_row_audit(exclude=["ran_at"])
class PredictionModel(Record):
    """One training: what was learnt, from how many leads, and how it did on the newest, which it had not seen."""

    version = models.PositiveIntegerField(unique=True)
    rung = models.CharField(max_length=10, choices=Rung)
    card = json_field(dict)
    evaluation = json_field(dict)
    # Features that were not used, each with why.
    refused = json_field(dict)
    leads = models.PositiveIntegerField()
    won = models.PositiveIntegerField()
    verdict = models.TextField(help_text="Why it was put in use, or was not.")
    is_active = models.BooleanField(default=False, db_default=False, editable=False)
    activated_at = models.DateTimeField(null=True, blank=True, editable=False)
    ran_at = models.DateTimeField(null=True, blank=True, editable=False)

    objects = models.Manager.from_queryset(PredictionModelQuerySet)()
    everything = models.Manager.from_queryset(PredictionModelQuerySet)()

    class Meta(Record.Meta):
        db_table = "prediction_models"
        default_permissions = ("view",)
        permissions = [("activate_predictionmodel", "Can train models of prediction and say which is used")]
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
                violation_error_message="No more leads were won than ended.",
            ),
            models.UniqueConstraint(
                "is_active",
                condition=models.Q(is_active=True),
                name="prediction_models_one_active",
                violation_error_message="Another model is in use.",
            ),
            models.CheckConstraint(
                name="prediction_models_active_since",
                condition=models.Q(is_active=False) | models.Q(activated_at__isnull=False),
                violation_error_message="A model in use says since when.",
            ),
        ]

    def __str__(self) -> str:
        return f"Prediction {self.version}"

    @property
    def deciles(self) -> list[dict[str, Any]]:
        return self.evaluation.get("deciles", [])


class LeadSnapshot(models.Model):
    """What was known of a lead when its chance was first told; it never changes."""

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
