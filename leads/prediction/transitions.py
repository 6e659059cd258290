"""Choosing and using what tells the chance of a lead."""

from collections.abc import Iterator, Sequence
from datetime import datetime
from typing import Any
from uuid import UUID

from django.db import connection, transaction
from django.utils import timezone
from procrastinate.contrib.django import app

from crm.exceptions import IllegalMove
from crm.models import User
from crm.records.activity import Actor, record
from crm.runtime.job_queue import enqueue
from leads.models import Lead, LeadSnapshot, PredictionModel, Rung
from leads.prediction.scorecard import probability
from leads.prediction.snapshots import snapshots_of
from leads.prediction.stage_win_rates import chance

PREDICT_ALL, TRAIN = "leads.predict_all", "leads.train"
MAY = "leads.activate_predictionmodel"
BATCH = 2_000
FIRST = UUID(int=0)
WRITE = """
UPDATE leads SET predicted_close_probability = told.chance
  FROM unnest(%s::uuid[], %s::numeric[]) AS told (id, chance)
 WHERE leads.id = told.id AND closed_at IS NULL AND predicted_close_probability IS DISTINCT FROM told.chance
"""


def taken(leads: Sequence[UUID]) -> list[dict[str, Any]]:
    """The snapshots of `leads`, in their order; one that is not there yet is taken now."""
    found = dict(LeadSnapshot.objects.filter(lead__in=leads).values_list("lead", "features"))
    lacking = [key for key in leads if key not in found]
    if lacking:
        new = snapshots_of(Lead.everything.filter(pk__in=lacking))
        now = timezone.now()
        rows = [LeadSnapshot(lead_id=key, features=features, taken_at=now) for key, features in new.items()]
        LeadSnapshot.objects.bulk_create(rows, ignore_conflicts=True, batch_size=BATCH)
        found |= new
    return [found.get(key, {}) for key in leads]


@transaction.atomic
def use(model: PredictionModel, *, by: Actor | User) -> None:
    """Tell chances by `model` from now on, an earlier one too.

    Raises:
        NotAllowed: `by` may not choose.
        IllegalMove: it is in use already.
    """
    Actor.of(by).require(MAY, "choose what tells the chances")
    if PredictionModel.objects.select_for_update().get(pk=model.pk).is_active:
        raise IllegalMove(f"{model} is in use already.")
    put_in_use(model, by=by)


def put_in_use(model: PredictionModel, *, by: Actor | User) -> None:
    PredictionModel.objects.filter(is_active=True).update(is_active=False)
    PredictionModel.objects.filter(pk=model.pk).update(is_active=True, activated_at=timezone.now())
    model.refresh_from_db()
    enqueue(app.configure_task(PREDICT_ALL, queueing_lock=PREDICT_ALL), timestamp=0)
    record(model, "activated", by=by, summary=f"{model} is in use")


def look_at(lead: Lead) -> None:
    """Take the snapshot of `lead` if there is none, and tell its chance by the model in use, if one is."""
    taken([lead.pk])
    model = PredictionModel.objects.active()
    if model is not None and lead.is_open:
        predict(model, {lead.pk: lead.status_id})
        lead.refresh_from_db()


def predict_all(model: PredictionModel | None, at: datetime, *, batch: int = BATCH) -> Iterator[tuple[int, int]]:
    """Tell the chance of every open lead by `model` (None: only look at them), `batch` to a transaction.

    Yields how many were read and written.
    """
    after = FIRST
    while True:
        with transaction.atomic():
            rows = Lead.objects.open().filter(pk__gt=after).order_by("pk")
            stages = dict(rows.values_list("pk", "status_id")[:batch])
            if not stages:
                break
            taken(list(stages))
            written = predict(model, stages) if model else 0
        yield len(stages), written
        after = max(stages)
    if model:
        PredictionModel.objects.filter(pk=model.pk).update(ran_at=at)


def predict(model: PredictionModel, stages: dict[UUID, str]) -> int:
    """Tell the chance of the leads that `stages` names with their stage; how many changed."""
    keys = list(stages)
    if model.rung == Rung.STAGES:
        told = [chance(model.card, stages[key]) for key in keys]
    else:
        told = [probability(model.card, row) for row in taken(keys)]
    with connection.cursor() as cursor:
        cursor.execute(WRITE, [keys, [f"{one:.2f}" for one in told]])
        return cursor.rowcount
