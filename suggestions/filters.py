"""The filters of suggestions, and the states of the queue."""

from collections.abc import Callable
from datetime import datetime, timedelta
from functools import cache, reduce
from operator import or_
from typing import Any

import django_filters
from django.db import models
from django.utils import timezone

from crm.models import Client
from crm.screens.filters import (
    MIN_SEARCH_LENGTH,
    DayFilter,
    LiveRowsFilter,
    RelatedRecordFilter,
    filter_by_owner,
    owner_choices,
    people_search_terms,
)
from inbox.models import Thread
from leads.models import Lead
from suggestions.models import (
    APPROVED_STATUSES,
    ExecutionState,
    Suggestion,
    SuggestionQuerySet,
    SuggestionStatus,
    SuggestionType,
)
from support.models import SupportTicket

WAITING_STATE = "waiting"
# Parts of the queue. The tabs show four of them, the filter "State" all.
QUEUE_STATES: dict[str, tuple[str, Callable[[SuggestionQuerySet, datetime], models.QuerySet]]] = {
    WAITING_STATE: ("To decide", lambda rows, now: rows.awaiting_decision(now)),
    "drafts": ("Drafts", lambda rows, now: rows.filter(status=SuggestionStatus.DRAFT)),
    "failed": ("Failed or unconfirmed", lambda rows, now: rows.filter(status=SuggestionStatus.FAILED)),
    "unknown": (
        "Delivery unconfirmed",
        lambda rows, now: rows.filter(status=SuggestionStatus.FAILED, executions__state=ExecutionState.UNKNOWN),
    ),
    "snoozed": (
        "Snoozed",
        lambda rows, now: rows.filter(status=SuggestionStatus.PENDING, snoozed_until__gt=now),
    ),
    "decided": (
        "Decided",
        lambda rows, now: rows.filter(status__in=[*APPROVED_STATUSES, SuggestionStatus.REJECTED]),
    ),
    "policy": ("Automatic", lambda rows, now: rows.auto_approved()),
    "edited": ("Approved with changes", lambda rows, now: rows.filter(status=SuggestionStatus.MODIFIED)),
    "approved": ("Approved", lambda rows, now: rows.filter(status__in=APPROVED_STATUSES)),
    "rejected": ("Rejected", lambda rows, now: rows.filter(status=SuggestionStatus.REJECTED)),
    "all": ("All", lambda rows, now: rows),
}
TAB_STATES = (WAITING_STATE, "failed", "decided", "policy")
# An archive only grows, so its tab shows no count.
UNCOUNTED_STATES = ("decided", "policy")


BY_PEOPLE, BY_POLICY = "people", "policy"


class SuggestionFilter(LiveRowsFilter):
    """Filters of suggestions; without `state`, those that wait for a decision."""

    q = django_filters.CharFilter(method="search", label="Search", min_length=MIN_SEARCH_LENGTH, max_length=200)
    state = django_filters.ChoiceFilter(
        method="keep_all_rows", label="State", choices=[(name, label) for name, (label, _) in QUEUE_STATES.items()]
    )
    type = django_filters.ChoiceFilter(label="Type", choices=SuggestionType.choices)
    agent = django_filters.CharFilter(method="filter_by_agent", label="Agent or model", max_length=100)
    owner = django_filters.ChoiceFilter(method="filter_by_owner", label="Owner of the lead", choices=owner_choices)
    sure = django_filters.NumberFilter(
        method="filter_by_confidence", label="Confidence from (%)", min_value=0, max_value=100, decimal_places=0
    )
    older = django_filters.NumberFilter(
        method="filter_older_than", label="Older than (days)", min_value=0, max_value=36_500, decimal_places=0
    )
    newer = django_filters.NumberFilter(
        method="filter_newer_than", label="Newer than (days)", min_value=1, max_value=36_500, decimal_places=0
    )
    decided_by = django_filters.ChoiceFilter(
        method="filter_by_decider",
        label="Decided by",
        choices=[(BY_PEOPLE, "A person"), (BY_POLICY, "The policy")],
    )
    decided_from = DayFilter(field_name="reviewed_at", lookup_expr="gte", label="Decided from")
    decided_to = DayFilter(field_name="reviewed_at", lookup_expr="lte", label="Decided to")
    lead = RelatedRecordFilter(Lead)
    client = RelatedRecordFilter(Client)
    thread = RelatedRecordFilter(Thread)
    ticket = RelatedRecordFilter(SupportTicket)

    class Meta:
        model = Suggestion
        fields: list[str] = []

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        # Validation, the sheet and the chips all read the choices: load them once.
        self.filters["owner"].extra["choices"] = cache(owner_choices)

    def filter_queryset(self, queryset: models.QuerySet) -> models.QuerySet:
        queryset = super().filter_queryset(queryset)
        data = self.form.cleaned_data
        if data.get("deleted"):
            return queryset
        _, apply_state = QUEUE_STATES[data.get("state") or WAITING_STATE]
        return apply_state(queryset, timezone.now())

    def search(self, queryset: models.QuerySet, name: str, value: str) -> models.QuerySet:
        """Return suggestions for visible leads that contain every word; the leads' trigram index serves it."""
        leads = Lead.objects.visible_to(self.request.user)
        for word in people_search_terms(value):
            leads = leads.filter(search_text__contains=word)
        return queryset.filter(lead__in=leads.values("pk"))

    def filter_by_agent(self, queryset: models.QuerySet, name: str, value: str) -> models.QuerySet:
        """Return those of the agent or model with this name; only one matches, so that one index serves the order."""
        known = Suggestion.objects.order_by()
        matching = [
            wanted
            for wanted in (
                ~models.Q(agent="") & models.Q(agent__iexact=value),
                ~models.Q(ai_model_version="") & models.Q(ai_model_version__iexact=value),
            )
            if known.filter(wanted).exists()
        ]
        return queryset.filter(reduce(or_, matching)) if matching else queryset.none()

    def filter_by_owner(self, queryset: models.QuerySet, name: str, value: str) -> models.QuerySet:
        return filter_by_owner(queryset, value, self.request, "owner")

    def filter_by_decider(self, queryset: models.QuerySet, name: str, value: str) -> models.QuerySet:
        return queryset.filter(reviewed_at__isnull=False, reviewed_by__isnull=value == BY_POLICY)

    def filter_by_confidence(self, queryset: models.QuerySet, name: str, value: Any) -> models.QuerySet:
        return queryset.filter(confidence__gte=value / 100)

    def filter_older_than(self, queryset: models.QuerySet, name: str, value: Any) -> models.QuerySet:
        return queryset.filter(created_at__lt=timezone.now() - timedelta(days=int(value)))

    def filter_newer_than(self, queryset: models.QuerySet, name: str, value: Any) -> models.QuerySet:
        return queryset.filter(created_at__gte=timezone.now() - timedelta(days=int(value)))
