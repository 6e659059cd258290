"""Activate prediction models, and update the probabilities of leads."""

from collections.abc import Iterator, Sequence
from datetime import datetime
from typing import Any
from uuid import UUID

from django.db import connection, transaction
from django.utils import timezone

from crm.exceptions import IllegalTransition
from crm.models import User
from crm.records.activity import Actor, record
from crm.records.base import RecordQuerySet
from crm.runtime.job_queue import configure_job, enqueue
from leads.models import Lead, LeadSnapshot, PredictionFeature, PredictionModel, Rung
from leads.models.prediction import COUNTED_STANDINGS
from leads.prediction.scorecard import probability
from leads.prediction.snapshots import CUSTOM_PREFIX, build_features_of_leads
from leads.prediction.stage_win_rates import stage_win_rate

PREDICT_ALL_TASK, TRAIN_TASK = "leads.predict_all", "leads.train"
ACTIVATE_MODEL_PERMISSION = "leads.activate_predictionmodel"
PREDICTION_BATCH_SIZE = 2_000
MAX_NAMED_FEATURES = 5
LOWEST_LEAD_ID = UUID(int=0)
UPDATE_PROBABILITIES_SQL = """
UPDATE leads SET predicted_close_probability = predicted.probability
  FROM unnest(%s::uuid[], %s::numeric[]) AS predicted (id, probability)
 WHERE leads.id = predicted.id AND closed_at IS NULL
   AND predicted_close_probability IS DISTINCT FROM predicted.probability
"""


def ensure_snapshots(leads: Sequence[UUID]) -> list[dict[str, Any]]:
    """Return the snapshots of `leads`, in their order. Take the missing ones now."""
    features_by_lead = dict(LeadSnapshot.objects.filter(lead__in=leads).values_list("lead", "features"))
    missing = [key for key in leads if key not in features_by_lead]
    if missing:
        features_by_lead |= take_snapshots(Lead.everything.filter(pk__in=missing), is_at_arrival=False)
    return [features_by_lead.get(key, {}) for key in leads]


def take_snapshots(leads: RecordQuerySet, *, is_at_arrival: bool) -> dict[UUID, dict[str, Any]]:
    """Keep the current features of `leads`, which have no snapshot yet; return them by ID."""
    features_by_lead, now = build_features_of_leads(leads), timezone.now()
    rows = [
        LeadSnapshot(lead_id=key, features=features, taken_at=now, is_at_arrival=is_at_arrival)
        for key, features in features_by_lead.items()
    ]
    LeadSnapshot.objects.bulk_create(rows, ignore_conflicts=True, batch_size=PREDICTION_BATCH_SIZE)
    return features_by_lead


@transaction.atomic
def activate_prediction_model(model: PredictionModel, *, by: Actor | User) -> None:
    """Use `model` for all predictions from now on.

    Raises:
        NotPermitted: `by` may not activate models.
        IllegalTransition: the model is already active, or uses features that do not count any more.
    """
    Actor.of(by).require_permission(ACTIVATE_MODEL_PERMISSION, "activate a prediction model")
    if PredictionModel.objects.select_for_update().get(pk=model.pk).is_active:
        raise IllegalTransition(f"{model} is already active.")
    if names := uncounted_features(model):
        raise IllegalTransition(f"{model} uses features that do not count any more: {names}. Train a new model.")
    set_active_model(model, by=by)


def uncounted_features(model: PredictionModel) -> str:
    """Name the features of `model` that are not known at arrival by today's standings."""
    counted = PredictionFeature.objects.filter(standing__in=COUNTED_STANDINGS).values_list("name", flat=True)
    names = sorted(set(model.card.get("features", {})).difference(counted))
    return ", ".join(name.removeprefix(CUSTOM_PREFIX) for name in names[:MAX_NAMED_FEATURES])


def set_active_model(model: PredictionModel, *, by: Actor | User) -> None:
    PredictionModel.objects.filter(is_active=True).update(is_active=False)
    PredictionModel.objects.filter(pk=model.pk).update(is_active=True, activated_at=timezone.now())
    model.refresh_from_db()
    enqueue(configure_job(PREDICT_ALL_TASK, queueing_lock=PREDICT_ALL_TASK), timestamp=0)
    record(model, "activated", by=by, summary=f"{model} activated")


def take_arrival_snapshot(lead: Lead) -> None:
    """Keep the features of `lead`, which is being created. Those of a lead created as closed prove nothing."""
    take_snapshots(Lead.everything.filter(pk=lead.pk), is_at_arrival=lead.is_open)


def refresh_prediction(lead: Lead) -> None:
    """Take the snapshot of `lead` if it has none, and update its probability with the active model, if any."""
    ensure_snapshots([lead.pk])
    predict(lead)


def predict(lead: Lead) -> None:
    """Update the probability of `lead`, which has a snapshot, with the active model, if any."""
    model = PredictionModel.objects.active()
    if model is not None and lead.is_open:
        update_probabilities(model, {lead.pk: lead.status_id})
        lead.refresh_from_db()


def update_all_probabilities(
    model: PredictionModel | None, at: datetime, *, batch: int = PREDICTION_BATCH_SIZE
) -> Iterator[tuple[int, int]]:
    """Update the probability of every open lead with `model` (None: only take snapshots), in batches.

    Each batch is one transaction. Yields the numbers of leads read and written.
    """
    after = LOWEST_LEAD_ID
    while True:
        with transaction.atomic():
            rows = Lead.objects.open().filter(pk__gt=after).order_by("pk")
            stages = dict(rows.values_list("pk", "status_id")[:batch])
            if not stages:
                break
            ensure_snapshots(list(stages))
            changed = update_probabilities(model, stages) if model else 0
        yield len(stages), changed
        after = max(stages)
    if model:
        PredictionModel.objects.filter(pk=model.pk).update(ran_at=at)


def update_probabilities(model: PredictionModel, stages: dict[UUID, str]) -> int:
    """Update the probabilities of the leads in `stages` (ID to stage). Return how many changed."""
    keys = list(stages)
    if model.rung == Rung.STAGES:
        probabilities = [stage_win_rate(model.card, stages[key]) for key in keys]
    else:
        probabilities = [probability(model.card, row) for row in ensure_snapshots(keys)]
    with connection.cursor() as cursor:
        cursor.execute(UPDATE_PROBABILITIES_SQL, [keys, [f"{one:.2f}" for one in probabilities]])
        return cursor.rowcount
