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
from leads.prediction.scorecard import points, probability
from leads.prediction.stage_win_rates import chance

WEEK = timedelta(days=7)
SHOWN = 3
# Points are shown to two decimals: what moves less is no change.
LEAST = 0.005
CENT = Decimal("0.01")


@dataclass(frozen=True)
class Moved:
    """What one feature counts more or less than it did (log odds)."""

    feature: str
    points: float

    @property
    def words(self) -> str:
        return f"{abs(self.points):.2f} {'more' if self.points > 0 else 'less'}"


@dataclass(frozen=True)
class WeekAgo:
    """A lead's chance of a week ago and of now, by which model and in which stage, and the features that moved most."""

    was: Decimal
    now: Decimal
    model: PredictionModel
    stage: LeadStatus
    has_other_model: bool
    has_other_stage: bool
    moved: list[Moved]

    @property
    def change(self) -> int:
        """By how many hundredths the chance has moved."""
        return int((self.now - self.was) * 100)


def week_ago(lead: Lead, model: PredictionModel, features: dict[str, Any] | None, now: datetime) -> WeekAgo | None:
    """What `model`, in use, and what was in use a week before `now` tell of `lead`; None if nothing was told then."""
    at = now - WEEK
    before = in_use(at, model)
    entered = lead.stage_history.filter(at__lte=at).select_related("to_status").order_by("-at", "-id").first()
    if before is None or entered is None:
        return None
    was = told_by(before, entered.to_status_id, features)
    is_now = told_by(model, lead.status_id, features)
    if was is None or is_now is None:
        return None
    return WeekAgo(
        was,
        is_now,
        before,
        entered.to_status,
        before.pk != model.pk,
        # A scorecard does not look at stages.
        entered.to_status_id != lead.status_id and Rung.STAGES in (before.rung, model.rung),
        moved(before, model, features or {}),
    )


def in_use(at: datetime, now: PredictionModel) -> PredictionModel | None:
    """The model that was in use at `at`, where `now` is in use now; None if none was."""
    if now.activated_at is not None and now.activated_at <= at:
        return now
    activated = ActivityLog.objects.filter(
        target_type=PredictionModel._meta.label_lower, verb="activated", occurred_at__lte=at
    )
    last = activated.order_by("-occurred_at", "-id").values_list("target_id", flat=True).first()
    return PredictionModel.objects.filter(pk=last).first() if last else None


def told_by(model: PredictionModel, stage: str, features: dict[str, Any] | None) -> Decimal | None:
    """The chance that `model` tells of a lead in `stage`; None if it must know features and there are none."""
    if model.rung == Rung.STAGES:
        told = chance(model.card, stage)
    elif features is None:
        return None
    else:
        told = probability(model.card, features)
    return Decimal(told).quantize(CENT, rounding=ROUND_HALF_EVEN)


def moved(before: PredictionModel, model: PredictionModel, features: dict[str, Any]) -> list[Moved]:
    """The features that count otherwise by `model` than by `before`, the furthest moved first."""
    if before.pk == model.pk or before.rung != Rung.SCORECARD or model.rung != Rung.SCORECARD:
        return []
    counted = [
        {name: points(one, features.get(name)) for name, one in card["features"].items()}
        for card in (before.card, model.card)
    ]
    names = {*counted[0], *counted[1]}
    found = [Moved(name, counted[1].get(name, 0.0) - counted[0].get(name, 0.0)) for name in names]
    found = [one for one in found if abs(one.points) >= LEAST]
    return sorted(found, key=lambda one: (-abs(one.points), one.feature))[:SHOWN]
