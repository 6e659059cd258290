"""Decide which features were known at arrival, and save what training measured of them."""

from collections.abc import Mapping
from typing import Any

from django.db import transaction
from django.utils import timezone

from crm.exceptions import InvalidInput
from crm.models import User
from crm.records.activity import Actor, record
from crm.runtime.job_queue import configure_job, enqueue
from leads.models import FeatureStanding, PredictionFeature, PredictionModel
from leads.models.prediction import DECIDED_STANDINGS
from leads.prediction.transitions import ACTIVATE_MODEL_PERMISSION, TRAIN_TASK

MEASURED_FIELDS = ["standing", "gain", "evidence", "filled", "measured_at"]
ANSWERS = (*DECIDED_STANDINGS, FeatureStanding.UNCONFIRMED)


@transaction.atomic
def decide_features(answers: Mapping[str, str], *, by: Actor | User, source: str = "") -> list[PredictionFeature]:
    """Record for each feature in `answers` whether it was known at arrival, and queue training if any changed.

    An answer is KNOWN, LATER, or UNCONFIRMED to withdraw a decision. `source` says where the answer was given, such
    as the name of a file. Returns the changed features.

    Raises:
        NotPermitted: `by` may not train models.
        InvalidInput: an answer is none of the three.
    """
    actor = Actor.of(by)
    actor.require_permission(ACTIVATE_MODEL_PERMISSION, "confirm features of the prediction")
    if wrong := next((one for one in answers.values() if one not in ANSWERS), None):
        raise InvalidInput(f"“{wrong}” is not an answer. Choose one of: {', '.join(ANSWERS)}.")
    PredictionFeature.objects.bulk_create([PredictionFeature(name=name) for name in answers], ignore_conflicts=True)
    features = PredictionFeature.objects.select_for_update(of=("self",)).filter(name__in=answers).order_by("name")
    changed = [feature for feature in features if decide_feature(feature, answers[feature.name], actor, source)]
    if changed:
        enqueue(configure_job(TRAIN_TASK, queueing_lock=TRAIN_TASK), timestamp=0)
    return changed


def decide_feature(feature: PredictionFeature, answer: str, actor: Actor, source: str) -> bool:
    """Record the answer for one locked feature; return whether it changed."""
    if answer == feature.standing or (answer not in DECIDED_STANDINGS and not feature.is_decided):
        return False
    was, feature.standing = feature.standing, FeatureStanding(answer)
    feature.decided_at = timezone.now() if feature.is_decided else None
    feature.decided_by = actor.user if feature.is_decided else None
    feature.save(update_fields=["standing", "decided_at", "decided_by", "updated_at"])
    where = f" ({source})" if source else ""
    record(
        feature,
        "decided",
        by=actor,
        summary=f"{feature}: {feature.standing.label.lower()}{where}",
        timeline_owner=PredictionModel.objects.active() or feature,
        was=was,
        now=feature.standing,
    )
    return True


@transaction.atomic
def save_measurements(measurements: Mapping[str, Mapping[str, Any]]) -> None:
    """Save what training measured of each feature: `standing`, `gain`, `evidence`, `filled`.

    A decision of a person stays as it is.
    """
    now = timezone.now()
    PredictionFeature.objects.bulk_create(
        [PredictionFeature(name=name) for name in measurements], ignore_conflicts=True
    )
    features = list(
        PredictionFeature.objects.select_for_update(of=("self",)).filter(name__in=measurements).order_by("name")
    )
    for feature in features:
        measured = measurements[feature.name]
        feature.gain, feature.evidence, feature.filled = measured["gain"], measured["evidence"], measured["filled"]
        feature.measured_at = now
        if not feature.is_decided:
            feature.standing = measured["standing"]
    PredictionFeature.objects.bulk_update(features, MEASURED_FIELDS)
