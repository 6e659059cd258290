"""Choosing and using what tells the chance of a lead."""

from collections.abc import Iterator, Sequence
from datetime import datetime
from typing import Any
from uuid import UUID

from django.db import connection, transaction
from django.utils import timezone
from procrastinate.contrib.django import app

from crm.exceptions import IllegalTransition
from crm.models import User
from crm.records.activity import Actor, record
from crm.runtime.job_queue import enqueue
from leads.models import Lead, LeadSnapshot, PredictionModel, Rung
from leads.prediction.scorecard import probability
from leads.prediction.snapshots import build_features_of_leads
from leads.prediction.stage_win_rates import stage_win_rate

PREDICT_ALL_TASK, TRAIN_TASK = "leads.predict_all", "leads.train"
ACTIVATE_MODEL_PERMISSION = "leads.activate_predictionmodel"
PREDICTION_BATCH_SIZE = 2_000
LOWEST_LEAD_ID = UUID(int=0)
UPDATE_PROBABILITIES_SQL = """
UPDATE leads SET predicted_close_probability = told.chance
  FROM unnest(%s::uuid[], %s::numeric[]) AS told (id, chance)
 WHERE leads.id = told.id AND closed_at IS NULL AND predicted_close_probability IS DISTINCT FROM told.chance
"""


def ensure_snapshots(leads: Sequence[UUID]) -> list[dict[str, Any]]:
    """The snapshots of `leads`, in their order; one that is not there yet is taken now."""
    features_by_lead = dict(LeadSnapshot.objects.filter(lead__in=leads).values_list("lead", "features"))
    missing = [key for key in leads if key not in features_by_lead]
    if missing:
        new = build_features_of_leads(Lead.everything.filter(pk__in=missing))
        now = timezone.now()
        rows = [LeadSnapshot(lead_id=key, features=features, taken_at=now) for key, features in new.items()]
        LeadSnapshot.objects.bulk_create(rows, ignore_conflicts=True, batch_size=PREDICTION_BATCH_SIZE)
        features_by_lead |= new
    return [features_by_lead.get(key, {}) for key in leads]


@transaction.atomic
def activate_prediction_model(model: PredictionModel, *, by: Actor | User) -> None:
    """Tell chances by `model` from now on, an earlier one too.

    Raises:
        NotPermitted: `by` may not choose.
        IllegalTransition: it is in use already.
    """
    Actor.of(by).require_permission(ACTIVATE_MODEL_PERMISSION, "choose what tells the chances")
    if PredictionModel.objects.select_for_update().get(pk=model.pk).is_active:
        raise IllegalTransition(f"{model} is in use already.")
    set_active_model(model, by=by)


def set_active_model(model: PredictionModel, *, by: Actor | User) -> None:
    PredictionModel.objects.filter(is_active=True).update(is_active=False)
    PredictionModel.objects.filter(pk=model.pk).update(is_active=True, activated_at=timezone.now())
    model.refresh_from_db()
    enqueue(app.configure_task(PREDICT_ALL_TASK, queueing_lock=PREDICT_ALL_TASK), timestamp=0)
    record(model, "activated", by=by, summary=f"{model} is in use")


def refresh_prediction(lead: Lead) -> None:
    """Take the snapshot of `lead` if there is none, and tell its chance by the model in use, if one is."""
    ensure_snapshots([lead.pk])
    model = PredictionModel.objects.active()
    if model is not None and lead.is_open:
        update_probabilities(model, {lead.pk: lead.status_id})
        lead.refresh_from_db()


def update_all_probabilities(
    model: PredictionModel | None, at: datetime, *, batch: int = PREDICTION_BATCH_SIZE
) -> Iterator[tuple[int, int]]:
    """Tell the chance of every open lead by `model` (None: only look at them), `batch` to a transaction.

    Yields how many were read and written.
    """
    after = LOWEST_LEAD_ID
    while True:
        with transaction.atomic():
            rows = Lead.objects.open().filter(pk__gt=after).order_by("pk")
            stages = dict(rows.values_list("pk", "status_id")[:batch])
            if not stages:
                break
            ensure_snapshots(list(stages))
            written = update_probabilities(model, stages) if model else 0
        yield len(stages), written
        after = max(stages)
    if model:
        PredictionModel.objects.filter(pk=model.pk).update(ran_at=at)


def update_probabilities(model: PredictionModel, stages: dict[UUID, str]) -> int:
    """Tell the chance of the leads that `stages` names with their stage; how many changed."""
    keys = list(stages)
    if model.rung == Rung.STAGES:
        probabilities = [stage_win_rate(model.card, stages[key]) for key in keys]
    else:
        probabilities = [probability(model.card, row) for row in ensure_snapshots(keys)]
    with connection.cursor() as cursor:
        cursor.execute(UPDATE_PROBABILITIES_SQL, [keys, [f"{one:.2f}" for one in probabilities]])
        return cursor.rowcount
