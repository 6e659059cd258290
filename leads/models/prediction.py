"""Prediction models with their evaluation, the features they may use, and the snapshots of leads that hold them."""

from typing import Any

import pgtrigger
from django.conf import settings
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


IMMUTABLE_MODEL_FIELDS = ["version", "rung", "card", "judged_card", "evaluation", "refused", "leads", "won", "verdict"]


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
    # The card that `evaluation` judges: the same features, fitted without the newest leads.
    judged_card = json_field(dict)
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
            json_type_check("prediction_models", "judged_card", "object"),
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


class FeatureStanding(models.TextChoices):
    """Whether the value of a feature was known when a lead arrived. Only such features count."""

    PROVEN = "PROVEN", "Proven by snapshots"
    KNOWN = "KNOWN", "Known at arrival"
    LATER = "LATER", "Recorded later"
    UNCONFIRMED = "UNCONFIRMED", "Unconfirmed"


DECIDED_STANDINGS = (FeatureStanding.KNOWN, FeatureStanding.LATER)
MAX_FEATURES_ON_SCREEN = 200
# Only these features count.
COUNTED_STANDINGS = (FeatureStanding.PROVEN, FeatureStanding.KNOWN)


class PredictionFeatureQuerySet(RecordQuerySet):
    """Named sets of features."""

    def standings(self) -> dict[str, str]:
        """Return the standing of each feature by its name."""
        return dict(self.values_list("name", "standing"))

    def decided_standings(self) -> dict[str, str]:
        """Return the standing by name of each feature that a person decided."""
        return dict(self.filter(standing__in=DECIDED_STANDINGS).values_list("name", "standing"))

    def for_screen(self) -> "PredictionFeatureQuerySet":
        """Return the features that a person may decide: unconfirmed ones first, those that would add most on top."""
        rows = self.exclude(standing=FeatureStanding.PROVEN).select_related("decided_by")
        is_decided = models.Case(models.When(standing__in=DECIDED_STANDINGS, then=1), default=0)
        return rows.order_by(is_decided, models.F("gain").desc(nulls_last=True), "name")[:MAX_FEATURES_ON_SCREEN]


@with_row_audit(exclude=["gain", "evidence", "filled", "measured_at"])
class PredictionFeature(Record):
    """A feature of leads: whether it was known at arrival, who decided that, and what training measured."""

    name = models.CharField(max_length=220, unique=True)
    standing = models.CharField(
        max_length=11,
        choices=FeatureStanding,
        default=FeatureStanding.UNCONFIRMED,
        db_default=FeatureStanding.UNCONFIRMED,
    )
    decided_by = models.ForeignKey(settings.AUTH_USER_MODEL, null=True, blank=True, on_delete=models.SET_NULL)
    decided_at = models.DateTimeField(null=True, blank=True)
    # What the feature would add to the AUC on the newest leads; unknown for features that are used.
    gain = models.FloatField(null=True, blank=True)
    # Sentences that suggest a recording after arrival.
    evidence = json_field(list)
    filled = models.PositiveIntegerField(default=0, db_default=0)
    measured_at = models.DateTimeField(null=True, blank=True)

    objects = models.Manager.from_queryset(PredictionFeatureQuerySet)()
    everything = models.Manager.from_queryset(PredictionFeatureQuerySet)()

    class Meta(Record.Meta):
        db_table = "prediction_features"
        default_permissions = ("view",)
        ordering = ("name",)
        constraints = [
            choices_check("prediction_features", "standing", FeatureStanding),
            not_blank_check("prediction_features", "name"),
            json_type_check("prediction_features", "evidence", "array"),
            models.CheckConstraint(
                name="prediction_features_decided_at",
                condition=models.Q(standing__in=DECIDED_STANDINGS, decided_at__isnull=False)
                | models.Q(~models.Q(standing__in=DECIDED_STANDINGS), decided_at__isnull=True, decided_by__isnull=True),
                violation_error_message="A decided feature needs the time of the decision, another must have none.",
            ),
        ]

    def __str__(self) -> str:
        return self.name.removeprefix("custom: ")

    @property
    def is_decided(self) -> bool:
        return self.standing in DECIDED_STANDINGS


class LeadSnapshot(models.Model):
    """The features of a lead at the time of its first prediction. A snapshot never changes."""

    lead = models.OneToOneField(Lead, primary_key=True, on_delete=models.CASCADE, related_name="snapshot")
    features = json_field(dict)
    taken_at = models.DateTimeField()
    # Taken when the lead was created here and open, so everything in it was known when the lead arrived.
    is_at_arrival = models.BooleanField(default=False, db_default=False)

    class Meta:
        db_table = "lead_snapshots"
        default_permissions = ()
        constraints = [json_type_check("lead_snapshots", "features", "object")]
        triggers = [
            pgtrigger.Protect(name="never_changes", operation=pgtrigger.Update),
        ]

    def __str__(self) -> str:
        return f"{len(self.features)} features"
