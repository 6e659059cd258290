"""The screen of scoring policies, with a preview of the leads that a policy would move to another tier."""

from typing import Any

from django.core.exceptions import ValidationError
from django.db import models
from django.http import Http404, HttpRequest, HttpResponse
from django.utils import timezone

from crm.models import User
from crm.screens.action_forms import ActionForm
from crm.screens.filters import LiveRowsFilter
from crm.screens.json_forms.fields import SchemaField, replace_fields
from crm.screens.lists import Column, Tab
from crm.screens.paging import Order
from crm.screens.record_admin import RecordAdmin
from crm.screens.record_forms import RecordForm
from leads.models import ScoringPolicy, Tier
from leads.scoring.rescoring import preview_tier_changes
from leads.transitions import activate_policy, create_policy_version

TIER_VALUES = [*Tier.values]
WEIGHT_TABLE_SCHEMA: dict[str, Any] = {
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
    """Edit the weights of a policy as a table with one row for each type of signal."""

    def __init__(self, **kwargs: Any) -> None:
        super().__init__(WEIGHT_TABLE_SCHEMA, **kwargs)

    def prepare_value(self, value: Any) -> Any:
        if not isinstance(value, dict):
            return value
        return [{"type": name, **counts} for name, counts in sort_by_weight(value)]

    def clean(self, value: Any) -> dict[str, Any]:
        self.saved_value = None
        parsed_weights: dict[str, Any] = {}
        for row in super().clean(value) or []:
            if row["type"] in parsed_weights:
                raise ValidationError(f"The signal “{row['type']}” is listed twice.")
            parsed_weights[row["type"]] = {"weight": row["weight"], "half_life_days": row["half_life_days"]}
        return parsed_weights


def sort_by_weight(weights: dict[str, Any]) -> list[tuple[str, Any]]:
    """Return the weights, highest first."""
    return sorted(weights.items(), key=lambda pair: (-pair[1]["weight"], pair[0]))


class ScoringPolicyForm(RecordForm):
    """Create a new version; it starts with the values of the active one."""

    class Meta:
        model = ScoringPolicy
        fields = ("note", "hot_from", "warm_from", "dormant_after_days", "half_life_days", "weights")

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        replace_fields(self, {"weights": WeightsField(label="Signal weights")})


class ScoringPolicyFilter(LiveRowsFilter):
    class Meta:
        model = ScoringPolicy
        fields: list[str] = []


class ActivatePolicy(ActionForm):
    """Activate a policy; its page previews which leads change their tier."""

    verb, label, permission = "activate", "Activate", "leads.activate_scoringpolicy"
    icon, primary = "check", True

    @classmethod
    def is_applicable(cls, record: ScoringPolicy) -> bool:
        return not record.is_active

    def perform(self, record: ScoringPolicy, by: User) -> str:
        activate_policy(record, by=by)
        return f"{record} activated. All open leads are being rescored."


class ScoringPolicyAdmin(RecordAdmin):
    form = ScoringPolicyForm
    filterset_class = ScoringPolicyFilter
    row_template = "leads/policy_row.html"
    page_template = "leads/policy_page.html"
    list_defer = ("weights",)
    page_select_related = ("activated_by",)
    columns = (Column("Policy"), Column("Note"), Column("Hot, warm"), Column("Dormant after"), Column("Active"))
    orders = {"newest": Order("Newest first", {"version": models.F("version")})}
    tabs = (Tab("All", {}, lambda rows, user: rows),)
    page_actions = (ActivatePolicy,)
    fields = ("note", ("hot_from", "warm_from"), ("dormant_after_days", "half_life_days"), "weights", "loaded_digest")

    def get_queryset(self, request: HttpRequest) -> models.QuerySet:
        return ScoringPolicy.objects.all()

    def deleted_row_actions(self) -> tuple[type[ActionForm], ...]:
        """Offer no actions: versions are never deleted, because old scores depend on them."""
        return ()

    def has_change_permission(self, request: HttpRequest, obj: Any = None) -> bool:
        return False

    def has_delete_permission(self, request: HttpRequest, obj: Any = None) -> bool:
        return False

    def get_changeform_initial_data(self, request: HttpRequest) -> dict[str, Any]:
        active_policy = ScoringPolicy.objects.active()
        names = ("hot_from", "warm_from", "dormant_after_days", "half_life_days", "weights")
        return {
            **super().get_changeform_initial_data(request),
            **{name: getattr(active_policy, name) for name in names},
        }

    def create_record(self, request: HttpRequest, row: ScoringPolicy) -> None:
        create_policy_version(row, by=request.user)

    def changeform_view(
        self, request: HttpRequest, object_id: str | None = None, form_url: str = "", extra_context: Any = None
    ) -> HttpResponse:
        """Show a version, or the form of a new one. A saved version cannot be edited."""
        if object_id is None:
            return super().changeform_view(request, object_id, form_url, extra_context)
        if request.method in {"GET", "HEAD"}:
            return self.page_view(request, object_id)
        raise Http404

    def page_context(self, request: HttpRequest, row: ScoringPolicy) -> dict[str, Any]:
        affected_leads = {} if row.is_active else preview_tier_changes(row, timezone.now())
        return {
            **super().page_context(request, row),
            "weights": sort_by_weight(row.weights),
            "tier_matrix": [
                (
                    Tier(was).label if was else "Not scored",
                    [(affected_leads.get((was, now), 0), now) for now in TIER_VALUES],
                )
                for was in ("", *TIER_VALUES)
            ],
            "affected_leads": sum(affected_leads.values()),
            "tiers": [Tier(tier).label for tier in TIER_VALUES],
            "can_edit": False,
        }
