"""Filters shared by all tables of records."""

from datetime import date, datetime, time, timedelta
from typing import Any

import django_filters
from django import forms
from django.db import models
from django.utils import timezone

from crm.models import ActivityLog, ActorType, Client, ClientType, Contact, Project, ProjectStatus, SavedView, User
from crm.text.cleaning import strip_nul

MIN_SEARCH_LENGTH = 3
PHONE_SEARCH_DIGITS = 10
CUSTOM_FIELD_PREFIX = "cf."
MIN_FILTER_DATE, MAX_FILTER_DATE = date(1900, 1, 1), date(2200, 1, 1)


def owner_choices() -> list[tuple[str, str]]:
    staff = User.objects.filter(is_active=True).order_by("first_name", "last_name", "username")
    return [("me", "Me"), ("none", "Unassigned"), *((str(user.pk), str(user)) for user in staff)]


class DayFilter(django_filters.DateFilter):
    """Filter moments from the start of a day (`gte`) or until its end (`lte`), in a form the index can serve."""

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        kwargs.setdefault("widget", forms.DateInput(attrs={"type": "date"}))
        super().__init__(*args, **kwargs)

    def filter(self, qs: models.QuerySet, value: date | None) -> models.QuerySet:
        if value is None:
            return qs
        day = min(max(value, MIN_FILTER_DATE), MAX_FILTER_DATE)
        if self.lookup_expr == "gte":
            return qs.filter(**{f"{self.field_name}__gte": start_of_day(day)})
        return qs.filter(**{f"{self.field_name}__lt": start_of_day(day + timedelta(days=1))})


def start_of_day(day: date) -> datetime:
    """Return the first moment of `day` in the agency's time zone."""
    return timezone.make_aware(datetime.combine(day, time.min))


class RelatedRecordFilter(django_filters.UUIDFilter):
    """Filter rows by one related record of `model`. The filter must have the name of its column."""

    def __init__(self, model: type[models.Model], **kwargs: Any) -> None:
        self.related_model = model  # `model` is the name under which a FilterSet tells its filters its own
        super().__init__(widget=forms.HiddenInput, label=str(model._meta.verbose_name).capitalize(), **kwargs)

    def filter(self, qs: models.QuerySet, value: Any) -> models.QuerySet:
        if value is None:
            return qs
        record = self.related_model.objects.visible_to(self.parent.request.user).filter(pk=value).first()
        # Give the list a readable label for the filter chip.
        self.parent.form.fields[self.field_name].choices = [(str(value), str(record or "not known"))]
        return qs.filter(**{f"{self.field_name}_id": value})


class RecordFilter(django_filters.FilterSet):
    """Search, tags, custom fields and deleted rows, for tables that have them.

    Filter custom fields with `cf.<key>=<value>`. A value that looks like a number or a boolean
    also matches that type.
    """

    has_custom_fields = True

    q = django_filters.CharFilter(
        method="search",
        label="Search",
        min_length=MIN_SEARCH_LENGTH,
        max_length=200,
        error_messages={"min_length": f"Type at least {MIN_SEARCH_LENGTH} characters."},
    )
    tags = django_filters.CharFilter(method="filter_tags", label="Tags, separated by commas", max_length=500)
    tags_mode = django_filters.ChoiceFilter(
        method="keep_all_rows",
        label="Tags match",
        choices=[("any", "any of them"), ("all", "all of them")],
        empty_label=None,
    )
    deleted = django_filters.BooleanFilter(method="filter_deleted", label="Deleted", widget=forms.HiddenInput)

    def __init__(self, data: Any = None, *args: Any, **kwargs: Any) -> None:
        super().__init__(data, *args, **kwargs)
        data = data or {}
        custom_keys = [key for key in data if key.startswith(CUSTOM_FIELD_PREFIX)]
        requested = {strip_nul(key.removeprefix(CUSTOM_FIELD_PREFIX)): strip_nul(data[key]) for key in custom_keys}
        self.custom_filters = {key: value for key, value in requested.items() if key and value}

    def filter_queryset(self, queryset: models.QuerySet) -> models.QuerySet:
        queryset = super().filter_queryset(queryset)
        if not self.form.cleaned_data.get("deleted"):
            queryset = queryset.filter(deleted_at__isnull=True)
        for key, value in self.custom_filters.items():
            queryset = queryset.filter(custom_field_matches(key, value))
        return queryset

    def search(self, queryset: models.QuerySet, name: str, value: str) -> models.QuerySet:
        """Return rows that contain every word; the trigram index serves words of three or more letters."""
        for word in split_search_terms(value):
            queryset = queryset.filter(search_text__contains=word)
        return queryset

    def filter_tags(self, queryset: models.QuerySet, name: str, value: str) -> models.QuerySet:
        tags = [tag.strip() for tag in value.split(",") if tag.strip()]
        if not tags:
            return queryset
        lookup = "tags__contains" if self.data.get("tags_mode") == "all" else "tags__overlap"
        return queryset.filter(**{lookup: tags})

    def filter_deleted(self, queryset: models.QuerySet, name: str, value: bool) -> models.QuerySet:
        return queryset.filter(deleted_at__isnull=False) if value else queryset

    def keep_all_rows(self, queryset: models.QuerySet, name: str, value: Any) -> models.QuerySet:
        """Return all rows; another filter reads this field."""
        return queryset


def split_search_terms(text: str) -> list[str]:
    """Return the search terms of `text`: the digits of a phone number, else each word.

    A phone number is searched without its country code. A word too short for the trigram index
    is joined with its neighbours.
    """
    # Lower-case letter by letter like the database: `str.lower` would lengthen İ and treat a final Σ differently.
    text = " ".join("".join(char.lower()[0] for char in strip_nul(text)).split())
    number = "".join(char for char in text if char.isdigit())[-PHONE_SEARCH_DIGITS:]
    if len(number) >= MIN_SEARCH_LENGTH and not any(char.isalpha() or char == "@" for char in text):
        return [number]
    words = text.split(" ")
    return words if all(len(word) >= MIN_SEARCH_LENGTH for word in words) else [text]


def custom_field_matches(key: str, value: str) -> models.Q:
    """Return the condition that custom field `key` equals `value` as text, number or boolean."""
    condition = models.Q(custom_fields__contains={key: value})
    if value in {"true", "false"}:
        condition |= models.Q(custom_fields__contains={key: value == "true"})
    try:
        number: int | float = int(value) if value.lstrip("-").isdigit() else float(value)
    except (ValueError, OverflowError):
        return condition
    if number - number == 0:  # exclude infinity and NaN
        condition |= models.Q(custom_fields__contains={key: number})
    return condition


class LiveRowsFilter(django_filters.FilterSet):
    """Filter a small table: optional search, and live rows unless deleted ones are requested."""

    deleted = django_filters.BooleanFilter(method="keep_all_rows", label="Deleted", widget=forms.HiddenInput)

    def filter_queryset(self, queryset: models.QuerySet) -> models.QuerySet:
        queryset = super().filter_queryset(queryset)
        return queryset.filter(deleted_at__isnull=not self.form.cleaned_data.get("deleted"))

    def keep_all_rows(self, queryset: models.QuerySet, name: str, value: Any) -> models.QuerySet:
        """Return all rows; `filter_queryset` reads this field."""
        return queryset


class ClientFilter(RecordFilter):
    type = django_filters.ChoiceFilter(field_name="client_type", choices=ClientType.choices, label="Type")
    owner = django_filters.ChoiceFilter(method="filter_owner", label="Owner", choices=owner_choices)

    class Meta:
        model = Client
        fields: list[str] = []

    def filter_owner(self, queryset: models.QuerySet, name: str, value: str) -> models.QuerySet:
        return filter_by_owner(queryset, value, self.request)


class ContactFilter(RecordFilter):
    class Meta:
        model = Contact
        fields: list[str] = []


class ProjectFilter(LiveRowsFilter):
    q = django_filters.CharFilter(field_name="name", lookup_expr="icontains", label="Search", max_length=200)
    status = django_filters.ChoiceFilter(choices=ProjectStatus.choices, label="Status")

    class Meta:
        model = Project
        fields: list[str] = []


def filter_by_owner(queryset: models.QuerySet, value: str, request: Any, field: str = "assigned_to") -> models.QuerySet:
    """Return rows owned by `value`: "me", "none" or a user's key."""
    if value == "none":
        return queryset.filter(**{f"{field}__isnull": True})
    return queryset.filter(**{field: request.user.pk if value == "me" else value})


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

    class Meta:
        model = ActivityLog
        fields: list[str] = []

    def filter_actor(self, queryset: models.QuerySet, name: str, value: str) -> models.QuerySet:
        return filter_by_owner(queryset, value, self.request, "actor")
