"""The screens of schema requests: the list, the form, and the page with facts and decision."""

from typing import Any

import django_filters
from django import forms
from django.db import models
from django.http import HttpRequest
from django.urls import path

from crm.models import CustomFieldTable, SchemaChange, SchemaChangeState, SchemaDecision
from crm.records.base import can_see_everyone
from crm.schema.promotion.indexes import total_size
from crm.schema.promotion.promotions import promotion_of
from crm.schema.requests.facts import load_facts
from crm.schema.requests.forms import (
    DecideRequest,
    PauseChange,
    RepairChange,
    RequestForm,
    ResumeChange,
    UndoChange,
    WithdrawRequest,
)
from crm.schema.requests.transitions import request_change
from crm.screens.lists import Column, Tab
from crm.screens.paging import Order
from crm.screens.record_admin import RecordAdmin


class SchemaChangeFilter(django_filters.FilterSet):
    """Filter requests. Without `show`, a list has the open ones, and a search has all."""

    q = django_filters.CharFilter(field_name="key", lookup_expr="icontains", label="Search", max_length=200)
    table = django_filters.ChoiceFilter(choices=CustomFieldTable.choices, label="Table")
    decision = django_filters.ChoiceFilter(choices=SchemaDecision.choices, label="Decision")
    show = django_filters.ChoiceFilter(
        method="keep_all_rows",
        label="Show",
        choices=[("decided", "Decided"), ("applied", "Applied"), ("all", "All")],
        widget=forms.HiddenInput,
    )

    class Meta:
        model = SchemaChange
        fields: list[str] = []

    @property
    def searches_all_tabs(self) -> bool:
        return bool(self.form.cleaned_data.get("q"))

    def filter_queryset(self, queryset: models.QuerySet) -> models.QuerySet:
        queryset, show = super().filter_queryset(queryset), self.form.cleaned_data.get("show")
        if show == "all" or (not show and self.searches_all_tabs):
            return queryset
        return {"decided": queryset.decided, "applied": queryset.applied}.get(show, queryset.open)()

    def keep_all_rows(self, queryset: models.QuerySet, name: str, value: str) -> models.QuerySet:
        """Filter nothing: `filter_queryset` reads this field."""
        return queryset


class SchemaChangeAdmin(RecordAdmin):
    form = RequestForm
    filterset_class = SchemaChangeFilter
    search_label = "Search by key"
    row_template = "crm/rows/schema_change.html"
    page_template = "crm/schema_change.html"
    list_select_related = ("requested_by", "decided_by")
    columns = (
        Column("Key"),
        Column("Proposal"),
        Column("Decision"),
        Column("State"),
        Column("Requested by"),
        Column("When", "newest"),
    )
    orders = {"newest": Order("Newest first", {"id": models.F("id")})}
    tabs = (
        Tab("Open", {}, lambda rows, user: rows.open()),
        Tab("Decided", {"show": "decided"}, lambda rows, user: rows.decided()),
        Tab("Applied", {"show": "applied"}, lambda rows, user: rows.applied()),
        Tab("All", {"show": "all"}, None),
    )
    page_actions = (DecideRequest, WithdrawRequest, PauseChange, ResumeChange, RepairChange, UndoChange)
    list_links = (("crm_customfield_changelist", "list_alt", "Custom fields"),)
    empty_text = "No requests here."
    fields = (("table", "column"), "key", "proposed", "why", "expected_use", "loaded_digest")

    def get_queryset(self, request: HttpRequest) -> models.QuerySet:
        return SchemaChange.objects.visible_to(request.user)

    def deleted_row_actions(self) -> tuple[Any, ...]:
        return ()

    def has_change_permission(self, request: HttpRequest, obj: SchemaChange | None = None) -> bool:
        return False

    def has_delete_permission(self, request: HttpRequest, obj: SchemaChange | None = None) -> bool:
        return False

    def get_urls(self) -> list[Any]:
        view = self.admin_site.admin_view(self.add_view)
        return [path("request/", view, name="crm_schemachange_request"), *super().get_urls()]

    def get_changeform_initial_data(self, request: HttpRequest) -> dict[str, str]:
        """Fill in the form from the address: `table`, `column`, `key` and `decision`."""
        given = {name: request.GET[name] for name in ("table", "column", "key") if name in request.GET}
        return {**given, "proposed": request.GET.get("decision", "")}

    def create_record(self, request: HttpRequest, row: SchemaChange) -> None:
        request_change(row, by=request.user)

    def page_context(self, request: HttpRequest, row: SchemaChange) -> dict[str, Any]:
        promotion = promotion_of(row) if row.is_carried_out_by_job else None
        is_applied = promotion is not None and row.state == SchemaChangeState.APPLIED
        names = promotion.sized_names if is_applied else ()
        context = {
            "facts": load_facts(row, request.user),
            "promotion": promotion,
            "named_parts": promotion.named_parts if is_applied else {},
            # The index holds the values of every owner's records.
            "index_size": total_size(names) if names and can_see_everyone(request.user) else None,
        }
        return {**super().page_context(request, row), **context}
