"""The list of failed logins for administrators."""

import django_filters
from django import forms
from django.db import models
from django.http import HttpRequest
from django.utils import timezone

from crm.accounts.transitions import unblock
from crm.models import LimitScope, LoginLimit, User
from crm.screens.action_forms import ActionForm
from crm.screens.filters import filter_by_owner, owner_choices
from crm.screens.lists import Column, Tab
from crm.screens.paging import Order
from crm.screens.record_admin import ReadOnlyMixin, RecordAdmin


def only_blocked(rows: models.QuerySet, user: User) -> models.QuerySet:
    return rows.filter(blocked_until__gt=timezone.now())


class LoginLimitFilter(django_filters.FilterSet):
    who = django_filters.ChoiceFilter(method="filter_user", label="Account", choices=owner_choices)
    address = django_filters.CharFilter(label="Address", max_length=50)
    scope = django_filters.ChoiceFilter(choices=LimitScope.choices, label="Counted for")
    blocked = django_filters.BooleanFilter(method="filter_blocked", label="Blocked", widget=forms.HiddenInput)

    class Meta:
        model = LoginLimit
        fields: list[str] = []

    def filter_user(self, queryset: models.QuerySet, name: str, value: str) -> models.QuerySet:
        return filter_by_owner(queryset, value, self.request, "user")

    def filter_blocked(self, queryset: models.QuerySet, name: str, value: bool) -> models.QuerySet:
        return only_blocked(queryset, self.request.user) if value else queryset


class Unblock(ActionForm):
    """Allow logins again."""

    verb, label, permission, icon = "unblock", "Allow logins again", "crm.unblock_loginlimit", "lock_open"
    past_tense = "cleared"

    def perform(self, record: LoginLimit, by: User) -> str:
        unblock(record, by=by)
        return f"Logins of {record} allowed again."


class LoginLimitAdmin(ReadOnlyMixin, RecordAdmin):
    """Failed logins, the newest first: for which account and from where, and until when further ones are refused."""

    form = forms.ModelForm
    filterset_class = LoginLimitFilter
    row_template = "crm/rows/failed_login.html"
    list_select_related = ("user",)
    columns = (
        Column("Account"),
        Column("From"),
        Column("Failed in a row"),
        Column("Last try"),
        Column("Refused until"),
    )
    orders = {"newest": Order("Newest first", {"last_tried_at": models.F("last_tried_at"), "id": models.F("id")})}
    tabs = (Tab("All", {}, lambda rows, user: rows), Tab("Blocked now", {"blocked": "true"}, only_blocked))
    bulk_actions = (Unblock,)
    empty_text = "No login has failed in the last day."
    fields = ("scope", "user", "address", "failures", "last_tried_at", "blocked_until")

    def get_queryset(self, request: HttpRequest) -> models.QuerySet:
        return LoginLimit.objects.visible_to(request.user)
