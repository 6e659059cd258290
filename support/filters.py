"""The filters of tickets, shared by the list, saved views and commands."""

import re
from functools import partial
from typing import Any

import django_filters
from django import forms
from django.utils import timezone

from crm.models import Client, User
from crm.screens.custom_fields.filters import CustomFieldFilterMixin
from crm.screens.filters import LiveRowsFilter, RelatedRecordFilter, filter_by_owner, owner_choices, split_search_terms
from leads.models import Lead
from support.models import SupportTicket, TicketPriority, TicketQuerySet, TicketStatus

TICKET_NUMBER = re.compile(r"#\s*([0-9]{1,18})")
MIN_TICKET_SEARCH_LENGTH = 2
# With one of these filters, the list shows all tickets and not only the unresolved ones.
WIDENING_FILTERS = ("q", "client", "lead", "deleted")


class DatalistInput(forms.TextInput):
    """A text input that suggests values but accepts any."""

    template_name = "support/datalist_input.html"

    def __init__(self, options: Any, attrs: dict[str, Any] | None = None) -> None:
        super().__init__(attrs)
        self.options = options

    def get_context(self, name: str, value: Any, attrs: dict[str, Any] | None) -> dict[str, Any]:
        context = super().get_context(name, value, attrs)
        context["widget"]["attrs"]["list"] = f"{name}-words"
        return {**context, "options": self.options()}


def recent_issue_types(user: User) -> list[str]:
    """Return the issue types of the newest tickets that `user` may see."""
    newest = SupportTicket.objects.visible_to(user).order_by("-created_at", "-id")
    return sorted({kind for kind in newest.values_list("issue_type", flat=True)[:500] if kind})


class TicketFilter(CustomFieldFilterMixin, LiveRowsFilter):
    """Filter tickets. Without a status, show the unresolved ones."""

    q = django_filters.CharFilter(method="search", label="Search", min_length=MIN_TICKET_SEARCH_LENGTH, max_length=200)
    status = django_filters.ChoiceFilter(label="Status", choices=TicketStatus.choices)
    state = django_filters.ChoiceFilter(
        method="keep_all_rows", label="Open or resolved", choices=[("unresolved", "Unresolved"), ("all", "All")]
    )
    priority = django_filters.ChoiceFilter(label="Priority", choices=TicketPriority.choices)
    issue_type = django_filters.CharFilter(
        lookup_expr="iexact", label="Issue type", max_length=80, widget=DatalistInput(list)
    )
    assignee = django_filters.ChoiceFilter(method="filter_owner", label="Assignee", choices=owner_choices)
    late = django_filters.BooleanFilter(
        method="filter_late", label="Late", widget=forms.Select(choices=[("", "—"), ("true", "Yes")])
    )
    waiting = django_filters.BooleanFilter(
        method="filter_waiting",
        label="Waiting for the customer",
        widget=forms.Select(choices=[("", "—"), ("true", "Yes")]),
    )
    client = RelatedRecordFilter(Client)
    lead = RelatedRecordFilter(Lead)

    class Meta:
        model = SupportTicket
        fields: list[str] = []

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        if self.request is not None:
            self.form.fields["issue_type"].widget.options = partial(recent_issue_types, self.request.user)

    @property
    def searches_all_tabs(self) -> bool:
        return any(self.form.cleaned_data.get(name) for name in WIDENING_FILTERS)

    def filter_queryset(self, queryset: TicketQuerySet) -> TicketQuerySet:
        filters = self.form.cleaned_data
        wants_all = filters.get("state") == "all" or self.searches_all_tabs
        if filters.get("state") == "unresolved" or not (filters.get("status") or wants_all):
            queryset = queryset.unresolved()
        return super().filter_queryset(queryset)

    def search(self, queryset: TicketQuerySet, name: str, value: str) -> TicketQuerySet:
        """Find one ticket by `#1003`, or all tickets with these words in number, subject or description."""
        number = TICKET_NUMBER.fullmatch(value.strip())
        if number:
            return queryset.filter(number=int(number[1]))
        for word in split_search_terms(value):
            queryset = queryset.filter(search_text__contains=word)
        return queryset

    def filter_owner(self, queryset: TicketQuerySet, name: str, value: str) -> TicketQuerySet:
        return filter_by_owner(queryset, value, self.request)

    def filter_late(self, queryset: TicketQuerySet, name: str, value: bool) -> TicketQuerySet:
        return queryset.due(timezone.now()) if value else queryset

    def filter_waiting(self, queryset: TicketQuerySet, name: str, value: bool) -> TicketQuerySet:
        return queryset.filter(waiting_since__isnull=False) if value else queryset
