"""The screen of prediction models, and the explanation of a lead's probability."""

from dataclasses import dataclass
from typing import Any

from django.db import models
from django.http import Http404, HttpRequest, HttpResponse
from django.utils import timezone

from crm.models import User
from crm.runtime.job_queue import configure_job, enqueue
from crm.screens.action_forms import ActionForm
from crm.screens.filters import LiveRowsFilter
from crm.screens.lists import Column, Tab
from crm.screens.paging import Order
from crm.screens.record_admin import ReadOnlyMixin, RecordAdmin
from leads.models import Lead, LeadStatus, PredictionFeature, PredictionModel, Rung
from leads.prediction.feature_screen import ConfirmFeatures, model_effect
from leads.prediction.scorecard import Reason, reasons
from leads.prediction.snapshots import CUSTOM_PREFIX
from leads.prediction.training import MIN_CLOSED_LEADS
from leads.prediction.transitions import ACTIVATE_MODEL_PERMISSION, TRAIN_TASK, activate_prediction_model
from leads.prediction.weekly_change import WeeklyChange, weekly_change

MAX_REASONS_SHOWN, MAX_FEATURES_SHOWN = 6, 30


@dataclass(frozen=True)
class ProbabilityExplanation:
    """The model behind a probability, its main reasons or the win rate of the stage, and the change in a week."""

    model: PredictionModel
    reasons: list[Reason]
    stage: dict[str, Any]
    weekly_change: WeeklyChange | None


def probability_explanation(lead: Lead) -> ProbabilityExplanation | None:
    """Explain the probability of `lead`; None while no model is active."""
    model = PredictionModel.objects.active()
    if model is None:
        return None
    snapshot = getattr(lead, "snapshot", None)
    change = (
        weekly_change(lead, model, snapshot.features if snapshot else None, timezone.now()) if lead.is_open else None
    )
    if model.rung == Rung.STAGES:
        return ProbabilityExplanation(model, [], model.card["stages"].get(lead.status_id, {}), change)
    return ProbabilityExplanation(
        model, reasons(model.card, snapshot.features)[:MAX_REASONS_SHOWN] if snapshot else [], {}, change
    )


class PredictionModelFilter(LiveRowsFilter):
    class Meta:
        model = PredictionModel
        fields: list[str] = []


class ActivatePredictionModel(ActionForm):
    """Activate a model, even an earlier version."""

    verb, label, permission, icon, primary = "use", "Activate", ACTIVATE_MODEL_PERMISSION, "check", True

    @classmethod
    def is_applicable(cls, record: PredictionModel) -> bool:
        return not record.is_active

    def perform(self, record: PredictionModel, by: User) -> str:
        activate_prediction_model(record, by=by)
        return f"{record} activated. The probabilities of all open leads are being updated."


class TrainPredictionModel(ActionForm):
    """Train a new model on all leads closed so far."""

    verb, label, permission, icon = "train", "Train new model", ACTIVATE_MODEL_PERMISSION, "model_training"

    def perform(self, record: PredictionModel, by: User) -> str:
        enqueue(configure_job(TRAIN_TASK, queueing_lock=TRAIN_TASK), timestamp=0)
        return "Training started. The new version will appear in the list, and become active if it is better."


class PredictionModelAdmin(ReadOnlyMixin, RecordAdmin):
    filterset_class = PredictionModelFilter
    row_template = "leads/prediction_row.html"
    page_template = "leads/prediction_page.html"
    list_defer = ("card",)
    empty_text = f"No model yet. Training runs every week, once {MIN_CLOSED_LEADS} leads are closed."
    columns = (
        Column("Version"),
        Column("Method"),
        Column("Trained on", css_class="num"),
        Column("AUC", css_class="num"),
        Column("Calibration error", css_class="num"),
        Column("Active"),
    )
    orders = {"newest": Order("Newest first", {"version": models.F("version")})}
    tabs = (Tab("All", {}, lambda rows, user: rows),)
    page_actions = (ConfirmFeatures, ActivatePredictionModel, TrainPredictionModel)

    def get_queryset(self, request: HttpRequest) -> models.QuerySet:
        return PredictionModel.objects.all()

    def changeform_view(
        self, request: HttpRequest, object_id: str | None = None, form_url: str = "", extra_context: Any = None
    ) -> HttpResponse:
        """Show a model. Only training creates one, so there is no form."""
        if object_id and request.method in {"GET", "HEAD"}:
            return self.page_view(request, object_id)
        raise Http404

    def page_context(self, request: HttpRequest, row: PredictionModel) -> dict[str, Any]:
        labels = dict(LeadStatus.objects.values_list("code", "label"))
        stages = row.card.get("stages", {})
        return {
            **super().page_context(request, row),
            "features": features_by_spread(row.card.get("features", {}))[:MAX_FEATURES_SHOWN],
            "effect": model_effect(row),
            "standings": PredictionFeature.objects.for_screen() if is_newest(row) else [],
            # JSONB keeps no order: the stages stand as on the board, those that no longer exist last.
            "stages": [(labels.get(code, code), stages[code]) for code in {**labels, **stages} if code in stages],
            "can_edit": False,
        }


def is_newest(model: PredictionModel) -> bool:
    return not PredictionModel.objects.filter(version__gt=model.version).exists()


def features_by_spread(features: dict[str, Any]) -> list[dict[str, Any]]:
    """Return the features of a card with their lowest and highest points, widest spread first."""
    ranges = []
    for name, feature in features.items():
        all_points = (
            feature["points"] if feature["kind"] == "number" else [*feature["points"].values(), feature["other"]]
        )
        low, high = min([*all_points, feature["missing"]]), max([*all_points, feature["missing"]])
        ranges.append({"name": name.removeprefix(CUSTOM_PREFIX), "low": low, "high": high, "spread": high - low})
    return sorted(ranges, key=lambda one: -one["spread"])
