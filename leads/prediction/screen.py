"""The screen of what tells the chances of leads: how it was learnt, how good it is, and why a lead has its chance."""

from dataclasses import dataclass
from typing import Any

from django.db import models
from django.http import Http404, HttpRequest, HttpResponse
from django.utils import timezone
from procrastinate.contrib.django import app

from crm.filters import LiveFilter
from crm.models import User
from crm.runtime.job_queue import enqueue
from crm.screens.action_forms import DeedForm
from crm.screens.lists import Column, Tab
from crm.screens.paging import Order
from crm.screens.record_admin import OnlyRead, RecordAdmin
from leads.models import Lead, LeadStatus, PredictionModel, Rung
from leads.prediction.scorecard import Reason, reasons
from leads.prediction.transitions import MAY, TRAIN, use
from leads.prediction.weekly_change import WeekAgo, week_ago

REASONS_SHOWN, FEATURES_SHOWN = 6, 30


@dataclass(frozen=True)
class Told:
    """Why a lead has its chance: the model, and either what counts most or what its stage says; and a week ago."""

    model: PredictionModel
    reasons: list[Reason]
    stage: dict[str, Any]
    week_ago: WeekAgo | None


def told(lead: Lead) -> Told | None:
    """Why `lead` has its chance; None while no model is in use."""
    model = PredictionModel.objects.active()
    if model is None:
        return None
    snapshot = getattr(lead, "snapshot", None)
    before = week_ago(lead, model, snapshot.features if snapshot else None, timezone.now()) if lead.is_open else None
    if model.rung == Rung.STAGES:
        return Told(model, [], model.card["stages"].get(lead.status_id, {}), before)
    return Told(model, reasons(model.card, snapshot.features)[:REASONS_SHOWN] if snapshot else [], {}, before)


class PredictionModelFilter(LiveFilter):
    class Meta:
        model = PredictionModel
        fields: list[str] = []


class UseModel(DeedForm):
    """Telling chances by this one, be it an earlier one."""

    verb, label, permission, icon, primary = "use", "Put in use", MAY, "check", True

    @classmethod
    def possible(cls, record: PredictionModel) -> bool:
        return not record.is_active

    def perform(self, record: PredictionModel, by: User) -> str:
        use(record, by=by)
        return f"{record} is in use: the chances are being told anew."


class TrainAnew(DeedForm):
    """Learning from all that has ended by now."""

    verb, label, permission, icon = "train", "Train anew", MAY, "model_training"

    def perform(self, record: PredictionModel, by: User) -> str:
        enqueue(app.configure_task(TRAIN, queueing_lock=TRAIN), timestamp=0)
        return "It is being trained; a new version appears in the list, and is put in use if it is better."


class PredictionModelAdmin(OnlyRead, RecordAdmin):
    filterset_class = PredictionModelFilter
    row_template = "leads/prediction_row.html"
    page_template = "leads/prediction_page.html"
    list_defer = ("card",)
    columns = (
        Column("Version"),
        Column("Rests on"),
        Column("Learnt from", css="num"),
        Column("AUC", css="num"),
        Column("Calibration error", css="num"),
        Column("In use"),
    )
    orders = {"newest": Order("Newest first", {"version": models.F("version")})}
    tabs = (Tab("All", {}, lambda rows, user: rows),)
    deeds = (UseModel, TrainAnew)

    def get_queryset(self, request: HttpRequest) -> models.QuerySet:
        return PredictionModel.objects.all()

    def changeform_view(
        self, request: HttpRequest, object_id: str | None = None, form_url: str = "", extra_context: Any = None
    ) -> HttpResponse:
        """Made by training and by nothing else."""
        if object_id and request.method in {"GET", "HEAD"}:
            return self.page_view(request, object_id)
        raise Http404

    def page_context(self, request: HttpRequest, row: PredictionModel) -> dict[str, Any]:
        labels = dict(LeadStatus.objects.values_list("code", "label"))
        stages = row.card.get("stages", {})
        return {
            **super().page_context(request, row),
            "features": weightiest(row.card.get("features", {}))[:FEATURES_SHOWN],
            "stages": [(labels.get(code, code), one) for code, one in stages.items()],
            "can_edit": False,
        }


def weightiest(features: dict[str, Any]) -> list[dict[str, Any]]:
    """The features of a card with the lowest and the highest points, the widest apart first."""
    found = []
    for name, feature in features.items():
        known = feature["points"] if feature["kind"] == "number" else [*feature["points"].values(), feature["other"]]
        low, high = min([*known, feature["missing"]]), max([*known, feature["missing"]])
        found.append({"name": name, "low": low, "high": high, "spread": high - low})
    return sorted(found, key=lambda one: -one["spread"])
