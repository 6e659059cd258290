"""The filters of clients, contacts, projects, saved views and activity."""

import django_filters
from django import forms
from django.db import models

from crm.models import ActivityLog, ActorType, Client, ClientType, Contact, Project, ProjectStatus, SavedView
from crm.records.consent import CHANNEL_LABELS
from crm.screens.filters import LiveRowsFilter, RecordFilter, filter_by_owner, import_filter, owner_choices

# Whose turn it is in a conversation.
OUR_TURN, THEIR_TURN = "ours", "theirs"
TURN_CHOICES = [(OUR_TURN, "Needs reply"), (THEIR_TURN, "Waiting on them")]


class ClientFilter(RecordFilter):
    type = django_filters.ChoiceFilter(field_name="client_type", choices=ClientType.choices, label="Type")
    owner = django_filters.ChoiceFilter(method="filter_owner", label="Owner", choices=owner_choices)
    turn = django_filters.ChoiceFilter(method="filter_turn", label="Reply", choices=TURN_CHOICES)
    refuses = django_filters.ChoiceFilter(
        method="filter_refusing", label="Do not contact by", choices=list(CHANNEL_LABELS.items())
    )
    import_batch = import_filter()

    class Meta:
        model = Client
        fields: list[str] = []

    def filter_owner(self, queryset: models.QuerySet, name: str, value: str) -> models.QuerySet:
        return filter_by_owner(queryset, value, self.request)

    def filter_turn(self, queryset: models.QuerySet, name: str, value: str) -> models.QuerySet:
        """Return the clients with a conversation in which it is our turn, or theirs, that the user may see."""
        user, model = self.request.user, Client._meta.get_field("threads").related_model
        threads = model.objects.visible_to(user) if user.has_perm("inbox.view_thread") else model.objects.none()
        waiting = threads.needs_reply() if value == OUR_TURN else threads.waiting_on_them()
        return queryset.filter(pk__in=waiting.order_by().filter(client__isnull=False).values("client"))

    def filter_refusing(self, queryset: models.QuerySet, name: str, value: str) -> models.QuerySet:
        return queryset.refusing(value)


class ContactFilter(RecordFilter):
    import_batch = import_filter()

    class Meta:
        model = Contact
        fields: list[str] = []


class ProjectFilter(LiveRowsFilter):
    q = django_filters.CharFilter(field_name="name", lookup_expr="icontains", label="Search", max_length=200)
    status = django_filters.ChoiceFilter(choices=ProjectStatus.choices, label="Status")

    class Meta:
        model = Project
        fields: list[str] = []


class SavedViewFilter(LiveRowsFilter):
    q = django_filters.CharFilter(field_name="name", lookup_expr="icontains", label="Search", max_length=80)
    shared = django_filters.BooleanFilter(
        label="Shared", widget=forms.Select(choices=[("", "—"), ("true", "Yes"), ("false", "No")])
    )

    class Meta:
        model = SavedView
        fields: list[str] = []


class ActivityFilter(django_filters.FilterSet):
    who = django_filters.ChoiceFilter(method="filter_actor", label="Who", choices=owner_choices)
    kind = django_filters.ChoiceFilter(field_name="actor_type", choices=ActorType.choices, label="Actor type")
    verb = django_filters.CharFilter(label="Verb", max_length=60)
    import_batch = import_filter()

    class Meta:
        model = ActivityLog
        fields: list[str] = []

    def filter_actor(self, queryset: models.QuerySet, name: str, value: str) -> models.QuerySet:
        return filter_by_owner(queryset, value, self.request, "actor")
