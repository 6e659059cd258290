"""The screen of scoring policies: what each sign counts, and whom another opinion would move."""

from typing import Any

from django.core.exceptions import ValidationError
from django.db import models
from django.http import Http404, HttpRequest, HttpResponse
from django.utils import timezone

from crm.filters import LiveFilter
from crm.models import User
from crm.screens.action_forms import DeedForm
from crm.screens.json_forms import SchemaField, give_inputs
from crm.screens.lists import Column, Tab
from crm.screens.paging import Order
from crm.screens.record_admin import RecordAdmin
from crm.screens.record_forms import RecordForm
from leads.models import ScoringPolicy, Tier
from leads.scoring.rescoring import preview
from leads.transitions import activate_policy, new_policy

TIERS = [*Tier.values]
ROWS: dict[str, Any] = {
    "type": "array",
    "items": {
        "type": "object",
        "propertyOrder": ["type", "weight", "half_life_days"],
        "properties": {
            "type": {"type": "string", "maxLength": 60, "pattern": "^[a-z][a-z0-9_]*$", "title": "Signal"},
            "weight": {"type": "number", "minimum": -1, "maximum": 1, "title": "Weight, −1 to 1"},
            "half_life_days": {
                "type": "number",
                "exclusiveMinimum": 0,
                "maximum": 3650,
                "title": "Half-life, days",
            },
        },
        "required": ["type", "weight", "half_life_days"],
    },
}


class WeightsField(SchemaField):
    """The weights of a policy as a table: one row a type of signal."""

    def __init__(self, **kwargs: Any) -> None:
        super().__init__(ROWS, **kwargs)

    def prepare_value(self, value: Any) -> Any:
        if not isinstance(value, dict):
            return value
        return [{"type": name, **counts} for name, counts in by_weight(value)]

    def clean(self, value: Any) -> dict[str, Any]:
        self.kept = None
        found: dict[str, Any] = {}
        for row in super().clean(value) or []:
            if row["type"] in found:
                raise ValidationError(f"The signal “{row['type']}” stands twice.")
            found[row["type"]] = {"weight": row["weight"], "half_life_days": row["half_life_days"]}
        return found


def by_weight(weights: dict[str, Any]) -> list[tuple[str, Any]]:
    """What counts most first, what speaks against a lead last."""
    return sorted(weights.items(), key=lambda pair: (-pair[1]["weight"], pair[0]))


class ScoringPolicyForm(RecordForm):
    """A new version, which begins as the one in use."""

    class Meta:
        model = ScoringPolicy
        fields = ("note", "hot_from", "warm_from", "dormant_after_days", "half_life_days", "weights")

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        give_inputs(self, {"weights": WeightsField(label="What signals count")})


class ScoringPolicyFilter(LiveFilter):
    class Meta:
        model = ScoringPolicy
        fields: list[str] = []


class ActivatePolicy(DeedForm):
    """Scoring by it from now on; its page shows beforehand whom that moves."""

    verb, label, permission = "activate", "Put in use", "leads.activate_scoringpolicy"
    icon, primary = "check", True

    @classmethod
    def possible(cls, record: ScoringPolicy) -> bool:
        return not record.is_active

    def perform(self, record: ScoringPolicy, by: User) -> str:
        activate_policy(record, by=by)
        return f"{record} is in use: all leads are being scored by it."


class ScoringPolicyAdmin(RecordAdmin):
    form = ScoringPolicyForm
    filterset_class = ScoringPolicyFilter
    row_template = "leads/policy_row.html"
    page_template = "leads/policy_page.html"
    list_defer = ("weights",)
    page_select_related = ("activated_by",)
    columns = (Column("Policy"), Column("What for"), Column("Hot, warm"), Column("Dormant after"), Column("In use"))
    orders = {"newest": Order("Newest first", {"version": models.F("version")})}
    tabs = (Tab("All", {}, lambda rows, user: rows),)
    deeds = (ActivatePolicy,)
    fields = ("note", ("hot_from", "warm_from"), ("dormant_after_days", "half_life_days"), "weights", "seen")

    def get_queryset(self, request: HttpRequest) -> models.QuerySet:
        return ScoringPolicy.objects.all()

    def bin_deeds(self) -> tuple[type[DeedForm], ...]:
        """Every version stays: scores of the past were made by it."""
        return ()

    def has_change_permission(self, request: HttpRequest, obj: Any = None) -> bool:
        return False

    def has_delete_permission(self, request: HttpRequest, obj: Any = None) -> bool:
        return False

    def get_changeform_initial_data(self, request: HttpRequest) -> dict[str, Any]:
        used = ScoringPolicy.objects.active()
        names = ("hot_from", "warm_from", "dormant_after_days", "half_life_days", "weights")
        return {**super().get_changeform_initial_data(request), **{name: getattr(used, name) for name in names}}

    def create(self, request: HttpRequest, row: ScoringPolicy) -> None:
        new_policy(row, by=request.user)

    def changeform_view(
        self, request: HttpRequest, object_id: str | None = None, form_url: str = "", extra_context: Any = None
    ) -> HttpResponse:
        """A version is read and never written again."""
        if object_id is None:
            return super().changeform_view(request, object_id, form_url, extra_context)
        if request.method in {"GET", "HEAD"}:
            return self.page_view(request, object_id)
        raise Http404

    def page_context(self, request: HttpRequest, row: ScoringPolicy) -> dict[str, Any]:
        moved = {} if row.is_active else preview(row, timezone.now())
        return {
            **super().page_context(request, row),
            "weights": by_weight(row.weights),
            "moves": [
                (Tier(was).label if was else "Not scored", [(moved.get((was, now), 0), now) for now in TIERS])
                for was in ("", *TIERS)
            ],
            "moved": sum(moved.values()),
            "tiers": [Tier(tier).label for tier in TIERS],
            "can_edit": False,
        }
