"""What has changed in a lead's chance since a week ago: another model, another stage, and what counts otherwise for it.

What was known of a lead when it came never changes, so its chance of a week ago is told anew by the model that was in
use then, for the stage in which the lead stood then.
"""

from dataclasses import dataclass
from datetime import datetime, timedelta
from decimal import ROUND_HALF_EVEN, Decimal
from typing import Any

from crm.models import ActivityLog
from leads.models import Lead, LeadStatus, PredictionModel, Rung
from leads.prediction.scorecard import feature_points, probability
from leads.prediction.stage_win_rates import stage_win_rate

WEEK = timedelta(days=7)
MAX_FEATURE_CHANGES = 3
# Points are shown to two decimals: what moves less is no change.
MIN_POINTS_CHANGE = 0.005
CENT = Decimal("0.01")


@dataclass(frozen=True)
class FeatureChange:
    """What one feature counts more or less than it did (log odds)."""

    feature: str
    points: float

    @property
    def points_text(self) -> str:
        return f"{abs(self.points):.2f} {'more' if self.points > 0 else 'less'}"


@dataclass(frozen=True)
class WeeklyChange:
    """A lead's chance of a week ago and of now, by which model and in which stage, and the features that moved most."""

    previous_probability: Decimal
    current_probability: Decimal
    previous_model: PredictionModel
    previous_stage: LeadStatus
    has_model_changed: bool
    has_stage_changed: bool
    feature_changes: list[FeatureChange]

    @property
    def change(self) -> int:
        """By how many hundredths the chance has moved."""
        return int((self.current_probability - self.previous_probability) * 100)


def weekly_change(
    lead: Lead, model: PredictionModel, features: dict[str, Any] | None, now: datetime
) -> WeeklyChange | None:
    """What `previous_model`, in use, and what was in use a week before `current_probability` tell of `lead`; None if nothing was told then."""
    at = now - WEEK
    before = model_active_at(at, model)
    stage_entry = lead.stage_history.filter(at__lte=at).select_related("to_status").order_by("-at", "-id").first()
    if before is None or stage_entry is None:
        return None
    was = predicted_probability(before, stage_entry.to_status_id, features)
    current = predicted_probability(model, lead.status_id, features)
    if was is None or current is None:
        return None
    return WeeklyChange(
        was,
        current,
        before,
        stage_entry.to_status,
        before.pk != model.pk,
        # A scorecard does not look at stages.
        stage_entry.to_status_id != lead.status_id and Rung.STAGES in (before.rung, model.rung),
        feature_changes(before, model, features or {}),
    )


def model_active_at(at: datetime, now: PredictionModel) -> PredictionModel | None:
    """The model that was in use at `at`, where `current_probability` is in use now; None if none was."""
    if now.activated_at is not None and now.activated_at <= at:
        return now
    activated = ActivityLog.objects.filter(
        target_type=PredictionModel._meta.label_lower, verb="activated", occurred_at__lte=at
    )
    model_id = activated.order_by("-occurred_at", "-id").values_list("target_id", flat=True).first()
    return PredictionModel.objects.filter(pk=model_id).first() if model_id else None


def predicted_probability(model: PredictionModel, stage: str, features: dict[str, Any] | None) -> Decimal | None:
    """The chance that `previous_model` tells of a lead in `previous_stage`; None if it must know features and there are none."""
    if model.rung == Rung.STAGES:
        predicted = stage_win_rate(model.card, stage)
    elif features is None:
        return None
    else:
        predicted = probability(model.card, features)
    return Decimal(predicted).quantize(CENT, rounding=ROUND_HALF_EVEN)


def feature_changes(before: PredictionModel, model: PredictionModel, features: dict[str, Any]) -> list[FeatureChange]:
    """The features that count otherwise by `previous_model` than by `before`, the furthest moved first."""
    if before.pk == model.pk or before.rung != Rung.SCORECARD or model.rung != Rung.SCORECARD:
        return []
    points_by_model = [
        {name: feature_points(one, features.get(name)) for name, one in card["features"].items()}
        for card in (before.card, model.card)
    ]
    names = {*points_by_model[0], *points_by_model[1]}
    changes = [
        FeatureChange(name, points_by_model[1].get(name, 0.0) - points_by_model[0].get(name, 0.0)) for name in names
    ]
    changes = [one for one in changes if abs(one.points) >= MIN_POINTS_CHANGE]
    return sorted(changes, key=lambda one: (-abs(one.points), one.feature))[:MAX_FEATURE_CHANGES]
