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
from leads.models import ImportBatch, InsuranceType, Lead, LeadStatus, Source, Task, TaskStatus, Tier
from leads.models.task import DUE_SORT_KEY

NO_TIER = "none"
VALUE_FILTER_OPTIONS = {"min_value": 0, "max_value": 10**10, "decimal_places": 2}


def stage_choices() -> list[tuple[str, str]]:
    return [(stage.code, stage.label) for stage in LeadStatus.objects.all()]


def line_choices() -> list[tuple[str, str]]:
    return [(line.code, line.name) for line in InsuranceType.objects.order_by("name")]


def date_input() -> forms.DateInput:
    return forms.DateInput(attrs={"type": "date"})


class LeadFilter(RecordFilter):
    """Filter leads. Without `state`, a list shows the open leads and a search shows all."""

    tier = django_filters.ChoiceFilter(
        method="filter_by_tier", label="Tier", choices=[*Tier.choices, (NO_TIER, "Not scored")]
    )
    stage = django_filters.ChoiceFilter(field_name="status_id", label="Stage", choices=stage_choices)
    owner = django_filters.ChoiceFilter(method="filter_owner", label="Owner", choices=owner_choices)
    line = django_filters.ChoiceFilter(method="filter_by_line", label="Line", choices=line_choices)
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
        line = InsuranceType.objects.filter(code=value).values_list("pk", flat=True).first()
        return queryset.filter(insurance_type_id=line)

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
