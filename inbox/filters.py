"""What can be asked of conversations; the list, saved views and commands use the same."""

import django_filters
from django.db import models

from crm.filters import SHORTEST_SEARCH, DayFilter, LiveFilter, PointsTo, owned_by, owner_choices
from crm.models import Client
from inbox.models import Mailbox, Message, Sentiment, Thread, ThreadQuerySet, ThreadSource, ThreadStatus
from inbox.search import Found, can_be_found, of_address, search
from leads.models import Lead

OURS, THEIRS = "ours", "theirs"
# Whoever asks for one of these means every conversation, not the queue that the list begins with.
WIDE = ("q", "participant", "lead", "client", "mailbox", "sent", "deleted")


def unlinked(threads: ThreadQuerySet) -> ThreadQuerySet:
    """Conversations with somebody we do not know yet."""
    return threads.filter(lead__isnull=True, client__isnull=True)


def not_sent(threads: ThreadQuerySet) -> ThreadQuerySet:
    """Conversations, settled ones too, with a mail that did not go out or of which nobody knows whether it did."""
    return threads.filter(pk__in=Message.objects.not_sent().values("thread"))


class ThreadFilter(LiveFilter):
    """Everything that can be asked of conversations; asked nothing in particular, those in which we owe an answer."""

    q = django_filters.CharFilter(
        method="unfiltered",
        label="Search",
        min_length=SHORTEST_SEARCH,
        max_length=200,
        validators=[can_be_found],
    )
    turn = django_filters.ChoiceFilter(
        method="whose_turn", label="Whose turn", choices=[(OURS, "We owe an answer"), (THEIRS, "They owe an answer")]
    )
    status = django_filters.ChoiceFilter(label="Status", choices=ThreadStatus.choices)
    linked = django_filters.ChoiceFilter(
        method="is_linked", label="Lead or client", choices=[("yes", "Linked"), ("no", "Unlinked")]
    )
    sent = django_filters.ChoiceFilter(method="went_out", label="What we sent", choices=[("no", "Not sent")])
    source = django_filters.ChoiceFilter(label="Channel", choices=ThreadSource.choices)
    sentiment = django_filters.ChoiceFilter(label="Sentiment", choices=Sentiment.choices)
    assigned = django_filters.ChoiceFilter(method="given_to", label="Assigned to", choices=owner_choices)
    owner = django_filters.ChoiceFilter(method="owned", label="Whose it is", choices=owner_choices)
    participant = django_filters.CharFilter(method="takes_part", label="Address that takes part", max_length=254)
    since = DayFilter(field_name="last_message_at", lookup_expr="gte", label="Last message since")
    until = DayFilter(field_name="last_message_at", lookup_expr="lte", label="Last message until")
    lead = PointsTo(Lead)
    client = PointsTo(Client)
    mailbox = PointsTo(Mailbox)

    class Meta:
        model = Thread
        fields: list[str] = []

    # What a search has found, once the rows have been asked for.
    found: Found | None = None

    @property
    def looks_beyond(self) -> bool:
        return any(self.form.cleaned_data.get(name) for name in WIDE)

    def filter_queryset(self, queryset: ThreadQuerySet) -> ThreadQuerySet:
        asked = self.form.cleaned_data
        if not any(asked.get(name) for name in ("turn", "status", "linked", "assigned", *WIDE)):
            queryset = queryset.we_owe()
        elif (asked.get("linked") == "no" or asked.get("assigned")) and not any(
            asked.get(name) for name in ("turn", "status", *WIDE)
        ):
            queryset = queryset.filter(status=ThreadStatus.OPEN)
        return self.searched(super().filter_queryset(queryset), asked.get("q"))

    def searched(self, queryset: ThreadQuerySet, text: str) -> ThreadQuerySet:
        """Last of all, so that only in what is left is looked; a whole address is looked for among who takes part."""
        if not text:
            return queryset
        if "@" in text and " " not in text.strip():
            return self.takes_part(queryset, "q", text)
        self.found = search(text, queryset)
        return self.found.narrow(queryset)

    def whose_turn(self, queryset: ThreadQuerySet, name: str, value: str) -> ThreadQuerySet:
        return queryset.we_owe() if value == OURS else queryset.they_owe()

    def is_linked(self, queryset: ThreadQuerySet, name: str, value: str) -> ThreadQuerySet:
        if value == "no":
            return unlinked(queryset)
        return queryset.filter(models.Q(lead__isnull=False) | models.Q(client__isnull=False))

    def went_out(self, queryset: ThreadQuerySet, name: str, value: str) -> ThreadQuerySet:
        return not_sent(queryset)

    def given_to(self, queryset: ThreadQuerySet, name: str, value: str) -> ThreadQuerySet:
        return owned_by(queryset, value, self.request, "assigned_to")

    def owned(self, queryset: ThreadQuerySet, name: str, value: str) -> ThreadQuerySet:
        return owned_by(queryset, value, self.request, "owner")

    def takes_part(self, queryset: ThreadQuerySet, name: str, value: str) -> ThreadQuerySet:
        if self.form.cleaned_data.get("deleted"):
            return queryset.filter(participant_emails__contains=[value.strip().lower()])
        return of_address(queryset, value)
