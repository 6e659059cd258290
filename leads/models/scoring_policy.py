"""Scoring policies: the weight of each signal, and the limits of the tiers."""

from decimal import Decimal
from typing import Any

import pgtrigger
from django.db import models

from crm.records.base import (
    Record,
    RecordQuerySet,
    choices_check,
    json_field,
    json_type_check,
    jsonpath_exists,
    not_blank_check,
    range_check,
    with_row_audit,
)
from leads.models.lead import Lead
from leads.models.lead_choices import Tier

# A weight is {weight −1..1, half_life_days > 0}; the path finds everything else.
MALFORMED_WEIGHT_PATH = (
    '$.* ? ((@.type() <> "object")'
    ' || (!exists(@.weight ? (@.type() == "number" && @ >= -1 && @ <= 1)))'
    ' || (!exists(@.half_life_days ? (@.type() == "number" && @ > 0 && @ <= 3650))))'
)
IMMUTABLE_POLICY_FIELDS = [
    "version",
    "note",
    "weights",
    "half_life_days",
    "hot_from",
    "warm_from",
    "dormant_after_days",
]

# A score that moves by this much at once is worth a line on the timeline.
SCORE_MOVE = Decimal("0.10")


class ScoringPolicyQuerySet(RecordQuerySet):
    """Named sets of policies."""

    def active(self) -> "ScoringPolicy":
        """Return the policy in use."""
        return self.get(is_active=True)


@with_row_audit(exclude=["ran_at"])
class ScoringPolicy(Record):
    """A version of the scoring rules. It never changes; every change is a new version."""

    version = models.PositiveIntegerField(unique=True)
    note = models.TextField(help_text="Purpose of this version, or what it changes.")
    weights = json_field(dict, help_text="Weight (−1 to 1) and half-life in days of each type of signal.")
    half_life_days = models.DecimalField(
        "half-life of other signals",
        max_digits=6,
        decimal_places=1,
        default=Decimal(30),
        db_default=Decimal(30),
        help_text="In days, for types of signals not listed here. These count with their own weight.",
    )
    hot_from = models.DecimalField(max_digits=3, decimal_places=2, default=Decimal("0.70"), db_default=Decimal("0.70"))
    warm_from = models.DecimalField(max_digits=3, decimal_places=2, default=Decimal("0.40"), db_default=Decimal("0.40"))
    dormant_after_days = models.PositiveSmallIntegerField(
        default=30, db_default=30, help_text="Days without contact in either direction."
    )
    is_active = models.BooleanField(default=False, db_default=False, editable=False)
    activated_at = models.DateTimeField(null=True, blank=True, editable=False)
    # When this policy last scored all leads. A lead with an unchanged score has no other record of it.
    ran_at = models.DateTimeField(null=True, blank=True, editable=False)
    activated_by = models.ForeignKey(
        "crm.User", null=True, blank=True, on_delete=models.SET_NULL, related_name="+", editable=False
    )

    objects = models.Manager.from_queryset(ScoringPolicyQuerySet)()
    everything = models.Manager.from_queryset(ScoringPolicyQuerySet)()

    class Meta(Record.Meta):
        db_table = "scoring_policies"
        verbose_name_plural = "scoring policies"
        default_permissions = ("view", "add")
        permissions = [("activate_scoringpolicy", "Can activate a scoring policy")]
        triggers = [
            pgtrigger.Protect(
                name="kept_to_the_letter",
                operation=pgtrigger.Update,
                condition=pgtrigger.AnyChange(*IMMUTABLE_POLICY_FIELDS),
            ),
            pgtrigger.Protect(name="no_delete", operation=pgtrigger.Delete),
        ]
        constraints = [
            not_blank_check("scoring_policies", "note"),
            json_type_check("scoring_policies", "weights", "object"),
            models.CheckConstraint(
                name="scoring_policies_weights_well_formed",
                condition=~models.Q(jsonpath_exists("weights", MALFORMED_WEIGHT_PATH)),
                violation_error_message="Weights must be from -1 to 1, half-lives above 0 and at most 3,650 days.",
            ),
            range_check("scoring_policies", "half_life_days", Decimal("0.1"), 3650),
            models.CheckConstraint(
                name="scoring_policies_tiers_in_order",
                condition=models.Q(warm_from__gt=0, hot_from__lte=1) & models.Q(warm_from__lt=models.F("hot_from")),
                violation_error_message="Warm must begin above 0 and below hot, and hot must begin at 1 or less.",
            ),
            range_check("scoring_policies", "dormant_after_days", 1, 3650),
            models.UniqueConstraint(
                "is_active",
                condition=models.Q(is_active=True),
                name="scoring_policies_one_active",
                violation_error_message="Another policy is active.",
            ),
            models.CheckConstraint(
                name="scoring_policies_active_since",
                condition=models.Q(is_active=False) | models.Q(activated_at__isnull=False),
                violation_error_message="An active policy needs the time of its activation.",
            ),
        ]

    def __str__(self) -> str:
        return f"Scoring policy {self.version}"

    def weight_and_half_life(self, signal: dict[str, Any]) -> tuple[float, float]:
        """Return the weight of `signal` and its half-life in days."""
        own = self.weights.get(signal["type"], {})
        return float(own.get("weight", signal["weight"])), float(own.get("half_life_days", self.half_life_days))

    def tier_for_score(self, score: Decimal | None) -> str | None:
        """Return the tier of a lead with this `score` (0 to 1) and recent contact; None without a score."""
        if score is None:
            return None
        if score >= self.hot_from:
            return Tier.HOT
        return Tier.WARM if score >= self.warm_from else Tier.COLD


class TierChange(models.Model):
    """A change of a lead's tier, or a move of its score by `SCORE_MOVE` or more at once.

    Scoring writes it and the timeline shows it; a job deletes it after a year. The slow fading of a score leaves no
    row until the tier changes, so a nightly run does not write a row for each lead.
    """

    lead = models.ForeignKey(Lead, on_delete=models.CASCADE, related_name="tier_changes", db_index=False)
    at = models.DateTimeField()
    was = models.CharField(max_length=8, choices=Tier, null=True)
    now = models.CharField(max_length=8, choices=Tier, null=True)
    previous_score = models.DecimalField(max_digits=3, decimal_places=2, null=True)
    score = models.DecimalField(max_digits=3, decimal_places=2, null=True)

    class Meta:
        db_table = "tier_changes"
        default_permissions = ()
        constraints = [
            choices_check("tier_changes", "was", Tier, null=True),
            choices_check("tier_changes", "now", Tier, null=True),
            range_check("tier_changes", "score", 0, 1),
            range_check("tier_changes", "previous_score", 0, 1),
        ]
        indexes = [
            models.Index("lead", models.F("at").desc(), name="tier_changes_of_lead"),
            models.Index("at", name="tier_changes_at"),
        ]

    def __str__(self) -> str:
        return f"{self.was or 'none'} → {self.now or 'none'}"
