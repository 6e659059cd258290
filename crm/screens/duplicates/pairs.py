"""The list of pairs that may be duplicates: both records side by side, merged or told apart."""

from collections.abc import Callable
from typing import Any, NamedTuple
from urllib.parse import urlencode
from uuid import UUID

import django_filters
from django import forms
from django.contrib import messages
from django.core.exceptions import PermissionDenied
from django.db import models
from django.http import HttpRequest, HttpResponse, HttpResponseRedirect
from django.urls import path, reverse
from django.utils.text import capfirst
from django.views.decorators.http import require_POST

from crm.exceptions import ActionRefused
from crm.models import DuplicatePair
from crm.records.base import Record
from crm.records.duplicates.matching import COLUMNS, Reason
from crm.records.duplicates.pairs import current_pairs, load_sides
from crm.records.duplicates.transitions import dismiss, queue_search, restore
from crm.records.transitions import permission_name
from crm.screens.action_values import safe_next_url
from crm.screens.filters import people_search_terms
from crm.screens.lists import Column, KeysetChangeList, Tab
from crm.screens.paging import Order
from crm.screens.record_admin import ReadOnlyMixin, RecordAdmin

SHARED_COLUMNS = {"email": Reason.EMAIL, "phone": Reason.PHONE, "company": Reason.COMPANY}


class Fact(NamedTuple):
    """A value of a record, and whether the other record of the pair shares it."""

    text: str
    is_shared: bool


class Side(NamedTuple):
    """One record of a pair."""

    record: Record
    table: str
    url: str
    facts: list[Fact]


class DuplicatePairFilter(django_filters.FilterSet):
    q = django_filters.CharFilter(method="search", label="Search", max_length=200)
    state = django_filters.ChoiceFilter(
        method="filter_state", label="State", choices=[("dismissed", "Dismissed")], widget=forms.HiddenInput
    )
    table = django_filters.ChoiceFilter(method="filter_table", label="Records", choices=[])
    reason = django_filters.ChoiceFilter(method="filter_reason", label="Reason", choices=Reason.choices)

    class Meta:
        model = DuplicatePair
        fields: list[str] = []

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        tables = ((model._meta.label_lower, capfirst(model._meta.verbose_name_plural)) for model in COLUMNS)
        self.filters["table"].extra["choices"] = list(tables)

    def filter_queryset(self, queryset: models.QuerySet) -> models.QuerySet:
        queryset = super().filter_queryset(queryset)
        return queryset if self.form.cleaned_data.get("state") else queryset.undecided()

    def search(self, queryset: models.QuerySet, name: str, value: str) -> models.QuerySet:
        """Return the pairs of which one record contains every word."""
        found = models.Q()
        for model in COLUMNS:
            rows = model._default_manager.all()
            for word in people_search_terms(value):
                rows = rows.filter(search_text__contains=word)
            found |= models.Q(first_id__in=rows.values("pk")) | models.Q(second_id__in=rows.values("pk"))
        return queryset.filter(found)

    def filter_state(self, queryset: models.QuerySet, name: str, value: str) -> models.QuerySet:
        return queryset.dismissed()

    def filter_table(self, queryset: models.QuerySet, name: str, value: str) -> models.QuerySet:
        return queryset.filter(models.Q(first_table=value) | models.Q(second_table=value))

    def filter_reason(self, queryset: models.QuerySet, name: str, value: str) -> models.QuerySet:
        return queryset.filter(reasons__contains=[value])


class DuplicatePairList(KeysetChangeList):
    """The pairs, each with both records."""

    def get_results(self, request: HttpRequest) -> None:
        super().get_results(request)
        records = load_sides(self.page.rows)
        for pair in self.page.rows:
            pair.sides = describe_sides(pair, records)
            pair.shared = capfirst(", ".join(Reason(reason).label for reason in pair.reasons))
            pair.merge_label, pair.merge_url = merge_link(pair)

    def notice(self) -> str:
        return "Most likely pairs first. New ones are found every night."


class DuplicatePairAdmin(ReadOnlyMixin, RecordAdmin):
    form = forms.ModelForm
    filterset_class = DuplicatePairFilter
    search_label = "Search by name, email or phone"
    empty_text = "No possible duplicates. Press Find duplicates after changes."
    row_template = "crm/rows/duplicate_pair.html"
    change_list_template = "crm/duplicate_pairs.html"
    list_select_related = ("dismissed_by",)
    columns = (Column("Record"), Column("May be the same as"), Column("Reason"), Column("Decision"))
    orders = {"likely": Order("Most likely first", {"score": models.F("score"), "id": models.F("id")})}
    tabs = (
        Tab("Possible duplicates", {}, lambda pairs, user: pairs.undecided()),
        Tab("Dismissed", {"state": "dismissed"}, lambda pairs, user: pairs.dismissed()),
    )

    def get_urls(self) -> list[Any]:
        wrap = self.admin_site.admin_view
        return [
            path("search/", wrap(require_POST(self.search_view)), name="crm_duplicatepair_search"),
            path("<uuid:pk>/dismiss/", wrap(require_POST(self.dismiss_view)), name="crm_duplicatepair_dismiss"),
            path("<uuid:pk>/restore/", wrap(require_POST(self.restore_view)), name="crm_duplicatepair_restore"),
            *super().get_urls(),
        ]

    def get_queryset(self, request: HttpRequest) -> models.QuerySet:
        return current_pairs(request.user)

    def get_changelist(self, request: HttpRequest, **kwargs: Any) -> type[KeysetChangeList]:
        return DuplicatePairList

    def has_view_permission(self, request: HttpRequest, obj: DuplicatePair | None = None) -> bool:
        return may_see_pairs(request)

    def has_module_permission(self, request: HttpRequest) -> bool:
        return may_see_pairs(request)

    def search_view(self, request: HttpRequest) -> HttpResponse:
        """Search in the background."""
        if not may_see_pairs(request):
            raise PermissionDenied
        queue_search()
        messages.success(request, "Searching. New pairs appear here within a few minutes.")
        return HttpResponseRedirect(self.list_url())

    def dismiss_view(self, request: HttpRequest, pk: UUID) -> HttpResponse:
        return self.decide(
            request, pk, dismiss, "Dismissed. The pair comes back only if what both records share changes."
        )

    def restore_view(self, request: HttpRequest, pk: UUID) -> HttpResponse:
        return self.decide(request, pk, restore, "The pair is back among the possible duplicates.")

    def decide(
        self, request: HttpRequest, pk: UUID, transition: Callable[..., None], confirmation: str
    ) -> HttpResponse:
        pair = self.get_visible_object(request, pk)
        try:
            transition(pair, by=request.user)
            messages.success(request, confirmation)
        except ActionRefused as error:
            messages.error(request, str(error))
        return HttpResponseRedirect(safe_next_url(request.POST.get("next"), self.list_url()))


def may_see_pairs(request: HttpRequest) -> bool:
    return any(request.user.has_perm(permission_name(model, "merge")) for model in COLUMNS)


def describe_sides(pair: DuplicatePair, records: dict[Any, Record]) -> list[Side]:
    sides = []
    for key in (pair.first_id, pair.second_id):
        # A record may have been deleted since the page was read.
        if (record := records.get(key)) is not None:
            meta = record._meta
            url = reverse(f"admin:{meta.app_label}_{meta.model_name}_change", args=[record.pk])
            sides.append(Side(record, meta.verbose_name, url, side_facts(record, pair)))
    return sides


def side_facts(record: Record, pair: DuplicatePair) -> list[Fact]:
    columns = COLUMNS[type(record)]
    details = [
        Fact(getattr(record, getattr(columns, name)), SHARED_COLUMNS[name] in pair.reasons)
        for name in ("email", "phone", "company")
        if getattr(columns, name)
    ]
    stage = [Fact(str(record.status), False)] if hasattr(record, "status") else []
    owner = [Fact(f"Owner: {record.assigned_to or 'unassigned'}", False)] if hasattr(record, "assigned_to") else []
    return [fact for fact in (*details, *stage, *owner) if fact.text]


def merge_link(pair: DuplicatePair) -> tuple[str, str]:
    """Return label and address of what makes one of the two: a merge, or the conversion of a lead to a client."""
    if pair.first_table == pair.second_table:
        url = reverse(f"admin:{pair.first_table.replace('.', '_')}_merge", args=[pair.first_id])
        return "Merge", f"{url}?{urlencode({'other': pair.second_id})}"
    url = reverse(f"admin:{pair.second_table.replace('.', '_')}_convert", args=[pair.second_id])
    return "Convert lead", f"{url}?{urlencode({'client': pair.first_id})}"
