"""The filters of policies."""

from datetime import date
from typing import ClassVar

import django_filters
from django.db import models

from crm.models import Client
from crm.records.local_time import agency_today
from crm.screens.custom_fields.filters import CustomFieldFilterMixin
from crm.screens.filters import (
    MIN_SEARCH_LENGTH,
    AmountFilter,
    LiveRowsFilter,
    RelatedRecordFilter,
    filter_by_owner,
    import_filter,
    owner_choices,
    split_search_terms,
)
from leads.filters import VALUE_FILTER_OPTIONS, date_input, line_choices
from leads.models import InsuranceType, Policy, PolicyStatus
from leads.models.policy import RENEWAL_WINDOW_DAYS

EXPIRING = str(RENEWAL_WINDOW_DAYS)


class PolicyFilter(CustomFieldFilterMixin, LiveRowsFilter):
    """Filter policies."""

    q = django_filters.CharFilter(
        method="search",
        label="Search",
        min_length=MIN_SEARCH_LENGTH,
        max_length=200,
        error_messages={"min_length": f"Type at least {MIN_SEARCH_LENGTH} characters."},
    )
    status = django_filters.ChoiceFilter(label="Status", choices=PolicyStatus.choices)
    expiring = django_filters.ChoiceFilter(
        method="filter_expiring", label="Expiring", choices=[(EXPIRING, f"in {EXPIRING} days, without a renewal")]
    )
    in_force = django_filters.DateFilter(method="filter_in_force", label="In force on", widget=date_input())
    line = django_filters.ChoiceFilter(method="filter_by_line", label="Line", choices=line_choices)
    carrier = django_filters.CharFilter(lookup_expr="iexact", label="Carrier", max_length=120)
    owner = django_filters.ChoiceFilter(method="filter_owner", label="Owner", choices=owner_choices)
    expires_from = django_filters.DateFilter(method="filter_expires_from", label="Expires from", widget=date_input())
    expires_to = django_filters.DateFilter(method="filter_expires_to", label="Expires to", widget=date_input())
    premium_min = AmountFilter(field_name="premium", lookup_expr="gte", label="Premium from", **VALUE_FILTER_OPTIONS)
    premium_max = AmountFilter(field_name="premium", lookup_expr="lte", label="Premium to", **VALUE_FILTER_OPTIONS)
    client = RelatedRecordFilter(Client)
    import_batch = import_filter()

    ranges: ClassVar[dict[str, tuple[str, str]]] = {
        "Expires": ("expires_from", "expires_to"),
        "Premium": ("premium_min", "premium_max"),
    }

    class Meta:
        model = Policy
        fields: list[str] = []

    def search(self, queryset: models.QuerySet, name: str, value: str) -> models.QuerySet:
        """Return the policies with every word in their number or carrier."""
        for word in split_search_terms(value):
            queryset = queryset.filter(search_text__contains=word)
        return queryset

    def filter_expiring(self, queryset: models.QuerySet, name: str, value: str) -> models.QuerySet:
        return queryset.expiring(agency_today(), int(value))

    def filter_in_force(self, queryset: models.QuerySet, name: str, value: date) -> models.QuerySet:
        return queryset.in_force(value)

    def filter_by_line(self, queryset: models.QuerySet, name: str, value: str) -> models.QuerySet:
        return queryset.filter(insurance_type_id=InsuranceType.objects.filter(code=value).values("pk")[:1])

    def filter_owner(self, queryset: models.QuerySet, name: str, value: str) -> models.QuerySet:
        return filter_by_owner(queryset, value, self.request, "client__assigned_to")

    def filter_expires_from(self, queryset: models.QuerySet, name: str, value: date) -> models.QuerySet:
        return queryset.expiring_between(value, None)

    def filter_expires_to(self, queryset: models.QuerySet, name: str, value: date) -> models.QuerySet:
        return queryset.expiring_between(None, value)
