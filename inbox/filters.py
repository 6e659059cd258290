"""The filters of conversations, used by the list, saved views and commands."""

from typing import ClassVar

import django_filters
from django.db import models

from crm.filters import OUR_TURN, TURN_CHOICES
from crm.models import Client
from crm.screens.filters import (
    MIN_SEARCH_LENGTH,
    DayFilter,
    LiveRowsFilter,
    RelatedRecordFilter,
    filter_by_owner,
    owner_choices,
)
from inbox.models import EmailDelivery, Mailbox, Message, Sentiment, Thread, ThreadQuerySet, ThreadSource, ThreadStatus
from inbox.search import (
    QUICK_LIMITS,
    SearchLimits,
    SearchResult,
    filter_by_participant,
    list_limits,
    search_threads,
    validate_search_text,
)
from leads.models import Lead, Policy

# With one of these parameters the list covers all conversations, not only those that need a reply.
PARAMS_BEYOND_QUEUE = ("snoozed", "q", "participant", "lead", "client", "policy", "mailbox", "sent", "deleted")


def unlinked(threads: ThreadQuerySet) -> ThreadQuerySet:
    """Return threads without a lead or client."""
    return threads.filter(lead__isnull=True, client__isnull=True)


def with_unsent_messages(threads: ThreadQuerySet) -> ThreadQuerySet:
    """Return threads, resolved ones too, with a message that failed to send, is held or has an unconfirmed delivery."""
    return threads.filter(pk__in=Message.objects.not_sent().values("thread"))


def with_scheduled_messages(threads: ThreadQuerySet) -> ThreadQuerySet:
    """Return threads with an email that waits for the time that its sender chose."""
    return threads.filter(pk__in=EmailDelivery.objects.scheduled().values("message__thread"))


class ThreadFilter(LiveRowsFilter):
    """The filters of conversations. Without parameters, those that need a reply."""

    q = django_filters.CharFilter(
        method="keep_all_rows",
        label="Search",
        min_length=MIN_SEARCH_LENGTH,
        max_length=200,
        validators=[validate_search_text],
    )
    turn = django_filters.ChoiceFilter(method="filter_turn", label="Reply", choices=TURN_CHOICES)
    status = django_filters.ChoiceFilter(label="Status", choices=ThreadStatus.choices)
    linked = django_filters.ChoiceFilter(
        method="filter_linked", label="Lead or client", choices=[("yes", "Linked"), ("no", "Unlinked")]
    )
    sent = django_filters.ChoiceFilter(
        method="filter_unsent", label="Delivery", choices=[("no", "Failed to send"), ("later", "Scheduled")]
    )
    snoozed = django_filters.ChoiceFilter(method="filter_snoozed", label="Snooze", choices=[("yes", "Snoozed")])
    source = django_filters.ChoiceFilter(label="Channel", choices=ThreadSource.choices)
    sentiment = django_filters.ChoiceFilter(label="Sentiment", choices=Sentiment.choices)
    assigned = django_filters.ChoiceFilter(method="filter_assigned", label="Assigned to", choices=owner_choices)
    owner = django_filters.ChoiceFilter(method="filter_owner", label="Owner", choices=owner_choices)
    participant = django_filters.CharFilter(method="filter_participant", label="Participant address", max_length=254)
    since = DayFilter(field_name="last_message_at", lookup_expr="gte", label="Last message since")
    until = DayFilter(field_name="last_message_at", lookup_expr="lte", label="Last message until")
    lead = RelatedRecordFilter(Lead)
    client = RelatedRecordFilter(Client)
    policy = RelatedRecordFilter(Policy)
    mailbox = RelatedRecordFilter(Mailbox)

    ranges: ClassVar[dict[str, tuple[str, str]]] = {"Last message": ("since", "until")}

    class Meta:
        model = Thread
        fields: list[str] = []

    def search_limits(self) -> SearchLimits:
        return list_limits()

    # Set when the rows are filtered by a search.
    search_result: SearchResult | None = None

    @property
    def searches_all_tabs(self) -> bool:
        return any(self.form.cleaned_data.get(name) for name in PARAMS_BEYOND_QUEUE)

    def filter_queryset(self, queryset: ThreadQuerySet) -> ThreadQuerySet:
        params = self.form.cleaned_data
        if not any(params.get(name) for name in ("turn", "status", "linked", "assigned", *PARAMS_BEYOND_QUEUE)):
            queryset = queryset.needs_reply()
        elif (params.get("linked") == "no" or params.get("assigned")) and not any(
            params.get(name) for name in ("turn", "status", *PARAMS_BEYOND_QUEUE)
        ):
            queryset = queryset.filter(status=ThreadStatus.OPEN).awake()
        return self.apply_search(super().filter_queryset(queryset), params.get("q"))

    def apply_search(self, queryset: ThreadQuerySet, text: str) -> ThreadQuerySet:
        """Search the rows left by the other filters. A full address is looked up among the participants."""
        if not text:
            return queryset
        if "@" in text and " " not in text.strip():
            return self.filter_participant(queryset, "q", text)
        self.search_result = search_threads(text, queryset, self.search_limits())
        return self.search_result.filter_threads(queryset)

    def filter_turn(self, queryset: ThreadQuerySet, name: str, value: str) -> ThreadQuerySet:
        return queryset.needs_reply() if value == OUR_TURN else queryset.waiting_on_them()

    def filter_linked(self, queryset: ThreadQuerySet, name: str, value: str) -> ThreadQuerySet:
        if value == "no":
            return unlinked(queryset)
        return queryset.filter(models.Q(lead__isnull=False) | models.Q(client__isnull=False))

    def filter_snoozed(self, queryset: ThreadQuerySet, name: str, value: str) -> ThreadQuerySet:
        return queryset.snoozed()

    def filter_unsent(self, queryset: ThreadQuerySet, name: str, value: str) -> ThreadQuerySet:
        return with_unsent_messages(queryset) if value == "no" else with_scheduled_messages(queryset)

    def filter_assigned(self, queryset: ThreadQuerySet, name: str, value: str) -> ThreadQuerySet:
        return filter_by_owner(queryset, value, self.request, "assigned_to")

    def filter_owner(self, queryset: ThreadQuerySet, name: str, value: str) -> ThreadQuerySet:
        return filter_by_owner(queryset, value, self.request, "owner")

    def filter_participant(self, queryset: ThreadQuerySet, name: str, value: str) -> ThreadQuerySet:
        if self.form.cleaned_data.get("deleted"):
            return queryset.filter(participant_emails__contains=[value.strip().lower()])
        return filter_by_participant(queryset, value)


class QuickThreadFilter(ThreadFilter):
    """The same filters with a search that answers while a person types."""

    def search_limits(self) -> SearchLimits:
        return QUICK_LIMITS
