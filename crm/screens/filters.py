"""Filters that any list can use: search, tags, custom fields, owner, days, one related record."""

from collections.abc import Collection
from datetime import date, datetime, timedelta
from typing import Any

import django_filters
from django import forms
from django.apps import apps
from django.db import models
from django.utils.text import capfirst

from crm.exceptions import InvalidInput
from crm.models import User
from crm.records.base import lower_tags
from crm.records.local_time import start_of_agency_day, start_of_reader_day
from crm.records.people import PeopleQuerySet
from crm.screens.custom_fields.filters import CustomFieldFilterMixin
from crm.screens.custom_fields.questions import QUESTION_PREFIX
from crm.screens.record_forms import TypedDecimalField
from crm.text.addresses import EMAIL_ADDRESS_PATTERN
from crm.text.cleaning import strip_nul
from crm.text.letters import plain_letters
from crm.text.phones import phone_digits
from crm.text.tags import unique_tags

MIN_SEARCH_LENGTH = 3
PHONE_SEARCH_DIGITS = 10
MAX_UNKNOWN_FILTERS = 5
MAX_ROWS_OF_ADDRESS = 1_000
MIN_FILTER_DATE, MAX_FILTER_DATE = date(1900, 1, 1), date(2200, 1, 1)


def owner_choices() -> list[tuple[str, str]]:
    """Return the owners to filter by: users who have left come last, because records may still be theirs."""
    staff = User.objects.order_by("-is_active", "first_name", "last_name", "username")
    names = ((str(user.pk), str(user) if user.is_active else f"{user} (inactive)") for user in staff)
    return [("me", "Me"), ("none", "Unassigned"), *names]


class AmountFilter(django_filters.NumberFilter):
    """An amount of money as people type it."""

    field_class = TypedDecimalField


class DayFilter(django_filters.DateFilter):
    """Rows from the start of a day (`gte`) or to its end (`lte`), as bounds that an index on the column serves.

    The days are the reader's, as the list shows them.
    """

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        kwargs.setdefault("widget", forms.DateInput(attrs={"type": "date"}))
        super().__init__(*args, **kwargs)

    def filter(self, qs: models.QuerySet, value: date | None) -> models.QuerySet:
        if value is None:
            return qs
        day = min(max(value, MIN_FILTER_DATE), MAX_FILTER_DATE)
        if self.lookup_expr == "gte":
            return qs.filter(**{f"{self.field_name}__gte": self.start_of_day(day)})
        return qs.filter(**{f"{self.field_name}__lt": self.start_of_day(day + timedelta(days=1))})

    def start_of_day(self, day: date) -> datetime:
        return start_of_reader_day(day)


class AgencyDayFilter(DayFilter):
    """Rows of days as the agency counts them, for lists that reports by day link to."""

    def start_of_day(self, day: date) -> datetime:
        return start_of_agency_day(day)


class RelatedRecordFilter(django_filters.UUIDFilter):
    """Rows that point to one record of `model`, which a link names; the filter has the name of the column."""

    def __init__(self, model: type[models.Model], **kwargs: Any) -> None:
        self.related_model = model  # a FilterSet sets `model` on its filters
        super().__init__(widget=forms.HiddenInput, label=capfirst(model._meta.verbose_name), **kwargs)

    def filter(self, qs: models.QuerySet, value: Any) -> models.QuerySet:
        if value is None:
            return qs
        record = self.related_model.objects.visible_to(self.parent.request.user).filter(pk=value).first()
        # The chip above the list shows the record by name.
        self.parent.form.fields[self.field_name].choices = [(str(value), str(record or "unknown record"))]
        return qs.filter(**{f"{self.field_name}_id": value})


class ListedRecordFilter(django_filters.UUIDFilter):
    """Rows that a table of links lists under one record, such as the clients that one import made.

    The models are named as `app.Model`, because they are of an app to the right; `key` is the column of the link that
    holds the key of a row.
    """

    def __init__(self, model: str, *, links: str, column: str, key: str, **kwargs: Any) -> None:
        self.listing_model, self.links, self.column, self.key = model, links, column, key
        super().__init__(widget=forms.HiddenInput, **kwargs)

    def filter(self, qs: models.QuerySet, value: Any) -> models.QuerySet:
        if value is None:
            return qs
        visible = apps.get_model(self.listing_model).objects.visible_to(self.parent.request.user)
        record = visible.filter(pk=value).first()
        # The chip above the list shows the record by name.
        self.parent.form.fields[self.field_name].choices = [(str(value), str(record or "unknown record"))]
        links = apps.get_model(self.links).objects.filter(**{f"{self.column}_id": value})
        return qs.filter(pk__in=links.values(self.key))


def import_filter() -> ListedRecordFilter:
    """Return the filter of the rows that one import made."""
    return ListedRecordFilter(
        "leads.ImportBatch", links="leads.ImportedRecord", column="batch", key="record_id", label="Import"
    )


class RecordFilter(CustomFieldFilterMixin, django_filters.FilterSet):
    """Search, tags, custom fields and deleted rows, for every table that has them."""

    q = django_filters.CharFilter(
        method="search",
        label="Search",
        min_length=MIN_SEARCH_LENGTH,
        max_length=200,
        error_messages={"min_length": f"Type at least {MIN_SEARCH_LENGTH} characters."},
    )
    tags = django_filters.CharFilter(method="filter_tags", label="Tags (comma-separated)", max_length=500)
    tags_mode = django_filters.ChoiceFilter(
        method="keep_all_rows",
        label="Tags match",
        choices=[("any", "any"), ("all", "all")],
        empty_label=None,
    )
    deleted = django_filters.BooleanFilter(method="filter_deleted", label="Deleted", widget=forms.HiddenInput)

    def filter_queryset(self, queryset: models.QuerySet) -> models.QuerySet:
        queryset = super().filter_queryset(queryset)
        if not self.form.cleaned_data.get("deleted"):
            queryset = queryset.filter(deleted_at__isnull=True)
        return queryset

    def search(self, queryset: models.QuerySet, name: str, value: str) -> models.QuerySet:
        """Return rows that contain every word; the trigram index serves words of three letters and more.

        A whole email address finds the records that have it, and is searched as a word only if none has.
        """
        if (rows := self.with_address(queryset, value.strip())) is not None:
            return rows
        for word in people_search_terms(value):
            queryset = queryset.filter(search_text__contains=word)
        return queryset

    def with_address(self, queryset: models.QuerySet, text: str) -> models.QuerySet | None:
        """Return the rows with the email address `text`, which an index finds; None if no row has it."""
        is_address = EMAIL_ADDRESS_PATTERN.fullmatch(text) and isinstance(queryset, PeopleQuerySet)
        # The index leaves deleted rows out.
        if not is_address or self.form.cleaned_data.get("deleted"):
            return None
        rows = queryset.with_addresses([text]).filter(deleted_at__isnull=True).order_by()
        # The keys are read here. With the order of the list, the planner might read the list in order to find them.
        keys = list(rows.values_list("pk", flat=True)[:MAX_ROWS_OF_ADDRESS])
        return queryset.filter(pk__in=keys) if keys else None

    def filter_tags(self, queryset: models.QuerySet, name: str, value: str) -> models.QuerySet:
        tags = [tag.lower() for tag in unique_tags(value.split(","))]
        if not tags:
            return queryset
        lookup = "contains" if self.data.get("tags_mode") == "all" else "overlap"
        return queryset.alias(_tags=lower_tags("tags")).filter(**{f"_tags__{lookup}": tags})

    def filter_deleted(self, queryset: models.QuerySet, name: str, value: bool) -> models.QuerySet:
        return queryset.filter(deleted_at__isnull=False) if value else queryset

    def keep_all_rows(self, queryset: models.QuerySet, name: str, value: Any) -> models.QuerySet:
        """Filter nothing: `filter_tags` reads this field."""
        return queryset


def split_search_terms(text: str) -> list[str]:
    """Return the terms to search for: the whole text if it is a number in any notation, else each word.

    A phone number is searched without its country code. A word too short for the trigram index is searched
    together with its neighbours.
    """
    # Letter by letter, as the database does it: lowering a whole text can lengthen it (İ) or change its end (Σ).
    text = " ".join("".join(char.lower()[0] for char in strip_nul(text)).split())
    number = phone_digits(text)[-PHONE_SEARCH_DIGITS:]
    if len(number) >= MIN_SEARCH_LENGTH and not any(char.isalpha() or char == "@" for char in text):
        return [number]
    words = text.split(" ")
    return words if all(len(word) >= MIN_SEARCH_LENGTH for word in words) else [text]


def people_search_terms(text: str) -> list[str]:
    """Return the terms to search people for: without accents, with one apostrophe, “Last, First” as two names."""
    plain = plain_letters(strip_nul(text))
    last, comma, first = (part.strip() for part in plain.partition(","))
    if not comma or "@" in plain:
        return split_search_terms(plain)
    names = [word for part in (first, last) for word in part.replace(",", " ").split()]
    if all(len(name) >= MIN_SEARCH_LENGTH for name in names):
        return names or [plain]
    # A name too short for the index is searched as the person writes it: first, then last.
    return split_search_terms(" ".join(names))


class LiveRowsFilter(django_filters.FilterSet):
    """For a small table: live rows, or the deleted ones with `deleted`."""

    deleted = django_filters.BooleanFilter(method="keep_all_rows", label="Deleted", widget=forms.HiddenInput)

    def filter_queryset(self, queryset: models.QuerySet) -> models.QuerySet:
        queryset = super().filter_queryset(queryset)
        return queryset.filter(deleted_at__isnull=not self.form.cleaned_data.get("deleted"))

    def keep_all_rows(self, queryset: models.QuerySet, name: str, value: Any) -> models.QuerySet:
        """Filter nothing: `filter_queryset` reads this field."""
        return queryset


def unknown_filters(filterset: django_filters.FilterSet, own_params: Collection[str] = ()) -> list[str]:
    """Return the parameters of `filterset` with a value that name no filter; `own_params` belong to the page.

    The comparison with a question that is unknown (`~op`) is no second one.
    """
    known = {*filterset.form.fields, *own_params}
    custom_fields = getattr(filterset, "custom_fields", None)
    unknown = [
        name
        for name, value in filterset.data.items()
        if value and name not in known and not (custom_fields and name in custom_fields.data)
    ]
    return [*dict.fromkeys(name.partition("~")[0] if name.startswith(QUESTION_PREFIX) else name for name in unknown)]


def describe_unknown_filters(filterset: django_filters.FilterSet, own_params: Collection[str] = ()) -> list[str]:
    """Return a sentence for each unknown filter, with the names of the filters that there are."""
    names = ", ".join(name for name, field in filterset.form.fields.items() if not field.widget.is_hidden)
    return [
        f"There is no filter “{name[:40]}”, so it was left out. The filters are: {names}."
        for name in unknown_filters(filterset, own_params)[:MAX_UNKNOWN_FILTERS]
    ]


def valid_rows(filterset: django_filters.FilterSet, own_params: Collection[str] = ()) -> models.QuerySet:
    """Return the rows of `filterset`, for a page that cannot leave a filter out.

    Raises:
        InvalidInput: a filter is unknown or invalid.
    """
    invalid = [*filterset.form.errors, *unknown_filters(filterset, own_params)]
    if invalid:
        raise InvalidInput(f"The filter “{invalid[0][:40]}” is unknown or invalid. Correct it first.")
    rows = filterset.qs
    custom_fields = getattr(filterset, "custom_fields", None)
    if custom_fields and custom_fields.errors:
        raise InvalidInput(f"{next(iter(custom_fields.errors.values()))} Correct this filter first.")
    return rows


def filter_by_owner(queryset: models.QuerySet, value: str, request: Any, field: str = "assigned_to") -> models.QuerySet:
    """Return the rows of an owner: "me", "none" (unassigned), or a user's key."""
    if value == "none":
        return queryset.filter(**{f"{field}__isnull": True})
    return queryset.filter(**{field: request.user.pk if value == "me" else value})
