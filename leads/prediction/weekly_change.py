"""The change of a lead's probability within a week: another model, another stage, or other points for a feature.

The features of a lead never change, so its probability of a week ago is computed again with the model that was active
then, for the stage the lead was in then.
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
# Points are shown with two decimals, so smaller changes are not shown.
MIN_POINTS_CHANGE = 0.005
CENT = Decimal("0.01")


@dataclass(frozen=True)
class FeatureChange:
    """The change of the points (log odds) of one feature."""

    feature: str
    points: float

    @property
    def points_text(self) -> str:
        return f"{abs(self.points):.2f} {'more' if self.points > 0 else 'less'}"


@dataclass(frozen=True)
class WeeklyChange:
    """The probabilities of a lead a week ago and now, the model and stage of a week ago, and the largest changes."""

    previous_probability: Decimal
    current_probability: Decimal
    previous_model: PredictionModel
    previous_stage: LeadStatus
    has_model_changed: bool
    has_stage_changed: bool
    feature_changes: list[FeatureChange]

    @property
    def change(self) -> int:
        """Return the change of the probability in percentage points."""
        return int((self.current_probability - self.previous_probability) * 100)


def weekly_change(
    lead: Lead, model: PredictionModel, features: dict[str, Any] | None, now: datetime
) -> WeeklyChange | None:
    """Compare the probability of `lead` by the active `model` with that of a week ago; None if there was none then."""
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
        # A scorecard does not depend on the stage.
        stage_entry.to_status_id != lead.status_id and Rung.STAGES in (before.rung, model.rung),
        feature_changes(before, model, features or {}),
    )


def model_active_at(at: datetime, current: PredictionModel) -> PredictionModel | None:
    """Return the model that was active at `at`; None if there was none. `current` is active now."""
    if current.activated_at is not None and current.activated_at <= at:
        return current
    activated = ActivityLog.objects.filter(
        target_type=PredictionModel._meta.label_lower, verb="activated", occurred_at__lte=at
    )
    model_id = activated.order_by("-occurred_at", "-id").values_list("target_id", flat=True).first()
    return PredictionModel.objects.filter(pk=model_id).first() if model_id else None


def predicted_probability(model: PredictionModel, stage: str, features: dict[str, Any] | None) -> Decimal | None:
    """Return the probability by `model` of a lead in `stage`; None if the model needs `features` and there are none."""
    if model.rung == Rung.STAGES:
        predicted = stage_win_rate(model.card, stage)
    elif features is None:
        return None
    else:
        predicted = probability(model.card, features)
    return Decimal(predicted).quantize(CENT, rounding=ROUND_HALF_EVEN)


def feature_changes(before: PredictionModel, model: PredictionModel, features: dict[str, Any]) -> list[FeatureChange]:
    """Return the features with different points in the models `before` and `model`, largest change first."""

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
