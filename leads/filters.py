"""The filters of leads and tasks, shared by lists, saved views and commands."""

from datetime import date, timedelta
from typing import Any, ClassVar

import django_filters
from django import forms
from django.db import models
from django.utils import timezone

from crm.screens.filters import (
    AmountFilter,
    DayFilter,
    LiveRowsFilter,
    RecordFilter,
    RelatedRecordFilter,
    filter_by_owner,
    owner_choices,
)
from leads.models import (
    ImportBatch,
    InsuranceType,
    Lead,
    LeadStageHistory,
    LeadStatus,
    LossReason,
    Source,
    StageCategory,
    Task,
    TaskStatus,
    Tier,
)
from leads.models.task import DUE_SORT_KEY

NO_TIER = NO_LINE = "none"
OUTCOMES = [(one.value, one.label) for one in (StageCategory.WON, StageCategory.LOST, StageCategory.UNQUALIFIED)]
VALUE_FILTER_OPTIONS = {"min_value": 0, "max_value": 10**10, "decimal_places": 2}


def stage_choices() -> list[tuple[str, str]]:
    return [(stage.code, stage.label) for stage in LeadStatus.objects.all()]


def line_choices() -> list[tuple[str, str]]:
    return [(line.code, line.name) for line in InsuranceType.objects.order_by("name")]


def line_or_none_choices() -> list[tuple[str, str]]:
    return [*line_choices(), (NO_LINE, "No line")]


def date_input() -> forms.DateInput:
    return forms.DateInput(attrs={"type": "date"})


def date_filter(column: str, lookup: str, label: str) -> django_filters.DateFilter:
    return django_filters.DateFilter(field_name=column, lookup_expr=lookup, label=label, widget=date_input())


class LeadFilter(RecordFilter):
    """Filter leads. Without `state`, a list shows the open leads and a search shows all."""

    tier = django_filters.ChoiceFilter(
        method="filter_by_tier", label="Tier", choices=[*Tier.choices, (NO_TIER, "Not scored")]
    )
    stage = django_filters.ChoiceFilter(field_name="status_id", label="Stage", choices=stage_choices)
    owner = django_filters.ChoiceFilter(method="filter_owner", label="Owner", choices=owner_choices)
    line = django_filters.ChoiceFilter(method="filter_by_line", label="Line", choices=line_or_none_choices)
    source = django_filters.ChoiceFilter(field_name="source_type", label="Source", choices=Source.choices)
    import_batch = RelatedRecordFilter(ImportBatch)
    state = django_filters.ChoiceFilter(
        method="keep_all_rows",
        label="Open or closed",
        choices=[("open", "Open"), ("closed", "Closed"), ("all", "Open and closed")],
    )
    awaiting = django_filters.BooleanFilter(
        field_name="awaiting_reply",
        label="Waiting on them",
        widget=forms.Select(choices=[("", "—"), ("1", "Yes")]),
    )
    value_min = AmountFilter(
        field_name="estimated_value", lookup_expr="gte", label="Value from", **VALUE_FILTER_OPTIONS
    )
    value_max = AmountFilter(field_name="estimated_value", lookup_expr="lte", label="Value to", **VALUE_FILTER_OPTIONS)
    quiet_days = django_filters.NumberFilter(
        method="filter_by_days_without_contact",
        label="No contact for (days)",
        min_value=1,
        max_value=36_500,
        decimal_places=0,
    )
    created_from = DayFilter(field_name="created_at", lookup_expr="gte", label="Created from")
    created_to = DayFilter(field_name="created_at", lookup_expr="lte", label="Created to")
    closing_from = date_filter("expected_close_date", "gte", "Expected to close from")
    closing_to = date_filter("expected_close_date", "lte", "Expected to close to")
    closed_from = DayFilter(field_name="closed_at", lookup_expr="gte", label="Closed from")
    closed_to = DayFilter(field_name="closed_at", lookup_expr="lte", label="Closed to")
    outcome = django_filters.ChoiceFilter(method="filter_by_outcome", label="Outcome", choices=OUTCOMES)
    loss_reason = django_filters.ChoiceFilter(label="Lost because of", choices=LossReason.choices)
    reached = django_filters.ChoiceFilter(
        method="filter_by_past_stage", label="Was ever in stage", choices=stage_choices
    )

    # Two filters that are the ends of one range: its label, and their names.
    ranges: ClassVar[dict[str, tuple[str, str]]] = {
        "Value": ("value_min", "value_max"),
        "Created": ("created_from", "created_to"),
    }

    class Meta:
        model = Lead
        fields: list[str] = []

    @property
    def searches_all_tabs(self) -> bool:
        return bool(self.form.cleaned_data.get("q"))

    def filter_queryset(self, queryset: models.QuerySet) -> models.QuerySet:
        params = self.form.cleaned_data
        state = params.get("state") or ("all" if self.searches_all_tabs or params.get("deleted") else "open")
        if state != "all":
            queryset = queryset.filter(closed_at__isnull=state == "open")
        return super().filter_queryset(queryset)

    def filter_by_tier(self, queryset: models.QuerySet, name: str, value: str) -> models.QuerySet:
        return queryset.of_tier(None if value == NO_TIER else value)

    def filter_by_line(self, queryset: models.QuerySet, name: str, value: str) -> models.QuerySet:
        # A join would hide from the planner how many leads a line has, so look up its key first.
        # NO_LINE is the code of none.
        line = InsuranceType.objects.filter(code=value).values_list("pk", flat=True).first()
        return queryset.filter(insurance_type_id=line)

    def filter_by_outcome(self, queryset: models.QuerySet, name: str, value: str) -> models.QuerySet:
        stages = LeadStatus.objects.filter(category=value).values_list("pk", flat=True)
        return queryset.filter(status_id__in=list(stages))

    def filter_by_past_stage(self, queryset: models.QuerySet, name: str, value: str) -> models.QuerySet:
        moves = LeadStageHistory.objects.filter(lead=models.OuterRef("pk"), to_status=value)
        return queryset.filter(models.Exists(moves))

    def filter_owner(self, queryset: models.QuerySet, name: str, value: str) -> models.QuerySet:
        return filter_by_owner(queryset, value, self.request)

    def filter_by_days_without_contact(self, queryset: models.QuerySet, name: str, value: Any) -> models.QuerySet:
        return queryset.without_contact_since(timezone.now() - timedelta(days=int(value)))


class TaskFilter(LiveRowsFilter):
    """Filter tasks. Without `status`, show the unfinished ones."""

    q = django_filters.CharFilter(field_name="title", lookup_expr="icontains", label="Search", max_length=200)
    status = django_filters.ChoiceFilter(label="Status", choices=TaskStatus.choices)
    assignee = django_filters.ChoiceFilter(method="filter_owner", label="Assignee", choices=owner_choices)
    due_to = django_filters.DateFilter(method="filter_due_to", label="Due by", widget=date_input())

    class Meta:
        model = Task
        fields: list[str] = []

    def filter_queryset(self, queryset: models.QuerySet) -> models.QuerySet:
        queryset, params = super().filter_queryset(queryset), self.form.cleaned_data
        return queryset if params.get("status") or params.get("deleted") else queryset.unfinished()

    def filter_due_to(self, queryset: models.QuerySet, name: str, value: date) -> models.QuerySet:
        # By the sort key, which the indexes have.
        return queryset.alias(_due=DUE_SORT_KEY).filter(_due__lte=value)

    def filter_owner(self, queryset: models.QuerySet, name: str, value: str) -> models.QuerySet:
        return filter_by_owner(queryset, value, self.request, "assignee")
