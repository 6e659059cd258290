"""What can be asked of tickets; the list, saved views and commands use the same."""

import re
from typing import Any

import django_filters
from django import forms
from django.utils import timezone

from crm.filters import LiveFilter, PointsTo, owned_by, owner_choices, search_words
from crm.models import Client
from leads.models import Lead
from support.models import SupportTicket, TicketPriority, TicketQuerySet, TicketStatus

NUMBER = re.compile(r"#\s*([0-9]{1,18})")
SHORTEST_SEARCH = 2
# Whoever asks for one of these means every ticket, not only the unresolved.
WIDE = ("q", "client", "lead", "deleted")


class Suggesting(forms.TextInput):
    """A text input that proposes words without insisting on them."""

    template_name = "support/suggesting.html"

    def __init__(self, words: Any, attrs: dict[str, Any] | None = None) -> None:
        super().__init__(attrs)
        self.words = words

    def get_context(self, name: str, value: Any, attrs: dict[str, Any] | None) -> dict[str, Any]:
        context = super().get_context(name, value, attrs)
        context["widget"]["attrs"]["list"] = f"{name}-words"
        return {**context, "words": self.words()}


def issue_types() -> list[str]:
    """The kinds of trouble of late."""
    newest = SupportTicket.objects.order_by("-created_at", "-id").values_list("issue_type", flat=True)[:500]
    return sorted({kind for kind in newest if kind})


class TicketFilter(LiveFilter):
    """Everything that can be asked of tickets; without a status, the unresolved ones."""

    q = django_filters.CharFilter(method="search", label="Search", min_length=SHORTEST_SEARCH, max_length=200)
    status = django_filters.ChoiceFilter(label="Status", choices=TicketStatus.choices)
    state = django_filters.ChoiceFilter(
        method="unfiltered", label="Open or resolved", choices=[("unresolved", "Unresolved"), ("all", "All")]
    )
    priority = django_filters.ChoiceFilter(label="Priority", choices=TicketPriority.choices)
    issue_type = django_filters.CharFilter(
        lookup_expr="iexact", label="Kind of trouble", max_length=80, widget=Suggesting(issue_types)
    )
    assignee = django_filters.ChoiceFilter(method="owned", label="Assignee", choices=owner_choices)
    late = django_filters.BooleanFilter(
        method="is_late", label="Late", widget=forms.Select(choices=[("", "—"), ("true", "Yes")])
    )
    client = PointsTo(Client)
    lead = PointsTo(Lead)

    class Meta:
        model = SupportTicket
        fields: list[str] = []

    @property
    def looks_beyond(self) -> bool:
        return any(self.form.cleaned_data.get(name) for name in WIDE)

    def filter_queryset(self, queryset: TicketQuerySet) -> TicketQuerySet:
        asked = self.form.cleaned_data
        everything = asked.get("state") == "all" or self.looks_beyond
        if asked.get("state") == "unresolved" or not (asked.get("status") or everything):
            queryset = queryset.unresolved()
        return super().filter_queryset(queryset)

    def search(self, queryset: TicketQuerySet, name: str, value: str) -> TicketQuerySet:
        """`#1003` is one ticket; anything else is looked for in numbers, subjects and descriptions."""
        number = NUMBER.fullmatch(value.strip())
        if number:
            return queryset.filter(number=int(number[1]))
        for word in search_words(value):
            queryset = queryset.filter(search_text__contains=word)
        return queryset

    def owned(self, queryset: TicketQuerySet, name: str, value: str) -> TicketQuerySet:
        return owned_by(queryset, value, self.request)

    def is_late(self, queryset: TicketQuerySet, name: str, value: bool) -> TicketQuerySet:
        return queryset.due(timezone.now()) if value else queryset
