"""The screens of fields in use: the list of keys, the page of one, what is advised, and the thresholds."""

from typing import Any
from urllib.parse import urlencode

import django_filters
from django.apps import apps
from django.contrib import messages
from django.core.exceptions import PermissionDenied
from django.db import models
from django.db.models.functions import Cast, Coalesce, Now
from django.db.models.lookups import GreaterThan
from django.http import HttpRequest, HttpResponse, HttpResponseRedirect
from django.template.response import TemplateResponse
from django.urls import path, reverse
from django.utils.text import capfirst
from django.views.decorators.http import require_POST, require_safe

from crm.exceptions import ActionRefused
from crm.models import CustomField, CustomFieldTable, FieldStatistic, FieldUsage, FieldUse, ScannedTable, User
from crm.models.schema_change import COLUMNS_BY_TABLE, JsonColumn
from crm.records.base import can_see_everyone
from crm.records.json_keys import path_steps
from crm.schema.advice.figures import AdvisedKey, load_advice, load_thresholds, unused_indexes
from crm.schema.advice.rules import Decision
from crm.schema.advice.transitions import measure
from crm.schema.usage.findings import unfitting_kinds
from crm.schema.usage.report import REPORTED_DAYS, last_written_on
from crm.schema.usage.scan import describe_kinds
from crm.schema.usage.sparkline import draw
from crm.schema.usage.statements import load_statements
from crm.schema.usage.transitions import MEASURE_PERMISSION, queue_scan
from crm.screens.action_forms import ActionForm
from crm.screens.custom_fields.schema_requests import request_address
from crm.screens.filters import LiveRowsFilter
from crm.screens.lists import Column, KeysetChangeList, Tab
from crm.screens.paging import Order
from crm.screens.record_admin import ReadOnlyMixin, RecordAdmin

FINDINGS = {"conflict": "Conflicting kinds", "near": "Nearly the same name", "unused": "Not used in 30 days"}
# The page of the advice lists the keys with a decision to make, the most used first.
MAX_ADVISED_KEYS = 500
# A GIN index is one of a whole column, and a field is retired on its own page.
REQUESTED_DECISIONS = frozenset({Decision.INDEX, Decision.COLUMN, Decision.TABLE})


def recent_uses() -> models.QuerySet:
    """Return the counts of the last 30 days of the key of the outer row."""
    first = Cast(Now(), models.DateField()) - models.Value(REPORTED_DAYS, models.IntegerField())
    return FieldUsage.objects.of_outer_key().filter(GreaterThan(models.F("day"), first))


def uses_key() -> models.Expression:
    """Return the number of uses in the last 30 days."""
    total = sum((models.F(use) for use in FieldUse.values[1:]), models.F(FieldUse.values[0]))
    counted = recent_uses().values("table").annotate(total=models.Sum(total)).values("total")
    return Coalesce(models.Subquery(counted), models.Value(0), output_field=models.BigIntegerField())


def with_finding(rows: models.QuerySet, finding: str) -> models.QuerySet:
    if finding == "conflict":
        return rows.filter(has_conflict=True)
    if finding == "near":
        return rows.exclude(near_keys=[])
    return rows.exclude(models.Exists(recent_uses()))


class FieldStatisticFilter(LiveRowsFilter):
    q = django_filters.CharFilter(field_name="key", lookup_expr="icontains", label="Search", max_length=200)
    table = django_filters.ChoiceFilter(choices=ScannedTable.choices, label="Table")
    column = django_filters.CharFilter(label="Column", max_length=63)
    finding = django_filters.ChoiceFilter(method="filter_finding", label="Finding", choices=list(FINDINGS.items()))

    class Meta:
        model = FieldStatistic
        fields: list[str] = []

    def filter_finding(self, queryset: models.QuerySet, name: str, value: str) -> models.QuerySet:
        return with_finding(queryset, value)


class Measure(ActionForm):
    """Try on a sample what is advised for a key."""

    verb, label, permission, icon = "measure", "Measure cost and gain", MEASURE_PERMISSION, "speed"

    def perform(self, record: FieldStatistic, by: User) -> str:
        decision = measure(record, by=by)
        return f"Measured on a sample: {decision.label.lower()}."


class FieldList(KeysetChangeList):
    """The keys of a page, with their uses and the advice."""

    def get_results(self, request: HttpRequest) -> None:
        super().get_results(request)
        advised = load_advice(self.page.rows)
        for row, one in zip(self.page.rows, advised, strict=True):
            describe_key(row, one)

    def notice(self) -> str:
        newest = FieldStatistic.objects.aggregate(at=models.Max("scanned_at"))["at"]
        if newest is None:
            return ""
        return "Scanned every night. Large tables are sampled: ± is the margin of error at 95 % confidence."


def describe_key(row: FieldStatistic, one: AdvisedKey) -> None:
    """Give `row` what its line in a list shows."""
    row.usage, row.advice, row.figures = one.usage, one.advice, one.figures
    row.sparkline = draw(one.usage.daily)
    row.column_label = column_label(row)
    row.kind_labels = list(describe_kinds(row.kinds))
    row.margin_percent = 100 * row.margin / row.row_count if row.row_count else 0


def column_label(row: FieldStatistic) -> str:
    """Return the name of the column of `row` as staff know it."""
    labels = {field.name: capfirst(field.verbose_name) for field in apps.get_model(row.table)._meta.concrete_fields}
    return {**labels, **dict(JsonColumn.choices)}.get(row.column, row.column)


class FieldStatisticAdmin(ReadOnlyMixin, RecordAdmin):
    filterset_class = FieldStatisticFilter
    search_label = "Search keys"
    row_template = "crm/rows/field_statistic.html"
    page_template = "crm/field_statistic.html"
    change_list_template = "crm/field_statistics.html"
    empty_text = "No keys are known yet. They are found by a scan, every night or now."
    columns = (
        Column("Key"),
        Column("Table"),
        Column("Filled", "filled", "num"),
        Column("Kinds"),
        Column("Distinct", "", "num"),
        Column("Uses in 30 days", "used"),
        Column("People", "", "num"),
        Column("Last used"),
        Column("Advice"),
    )
    orders = {
        "used": Order(
            "Most used first", {"used": uses_key(), "filled": models.F("filled_count"), "id": models.F("id")}
        ),
        "filled": Order("Most filled first", {"filled": models.F("filled_count"), "id": models.F("id")}),
        "key": Order("By key", {"key": models.F("key"), "id": models.F("id")}, descending=False),
    }
    tabs = (
        Tab("All"),
        *(
            Tab(label, {"finding": finding}, lambda rows, user, finding=finding: with_finding(rows.live(), finding))
            for finding, label in FINDINGS.items()
        ),
    )
    page_actions = (Measure,)
    list_per_page = 30

    def get_changelist(self, request: HttpRequest, **kwargs: Any) -> type[KeysetChangeList]:
        return FieldList

    def get_list_links(self, request: HttpRequest) -> list[tuple[str, str, str]]:
        links = [("crm_fieldstatistic_advice", "lightbulb", "Advice")] if can_see_everyone(request.user) else []
        if request.user.has_perm("crm.view_schemathresholds"):
            links.append(("crm_schemathresholds_changelist", "tune", "Thresholds"))
        return links

    def get_urls(self) -> list[Any]:
        wrap = self.admin_site.admin_view
        return [
            path("advice/", wrap(require_safe(self.advice_view)), name="crm_fieldstatistic_advice"),
            path("scan/", wrap(require_POST(self.scan_view)), name="crm_fieldstatistic_scan"),
            *super().get_urls(),
        ]

    def scan_view(self, request: HttpRequest) -> HttpResponse:
        """Scan in the background."""
        try:
            queue_scan(by=request.user)
        except ActionRefused as error:
            raise PermissionDenied(str(error)) from error
        messages.success(request, "Scanning. The figures change here within a few minutes.")
        return HttpResponseRedirect(self.list_url())

    def advice_view(self, request: HttpRequest) -> HttpResponse:
        """List the keys with a decision to make, unused indexes, and statements of other programs.

        The sizes and the numbers of rows are those of the records of every owner.
        """
        if not self.has_view_permission(request) or not can_see_everyone(request.user):
            raise PermissionDenied
        thresholds = load_thresholds()
        rows = (
            FieldStatistic.objects.visible_to(request.user)
            .annotate(used=uses_key())
            .order_by("-used", "-filled_count", "id")
        )
        advised = load_advice(rows[:MAX_ADVISED_KEYS], thresholds)
        for one in advised:
            describe_key(one.statistic, one)
        context = {
            **self.admin_site.each_context(request),
            "title": "Advice on fields",
            "opts": self.opts,
            "advised": [one.statistic for one in advised if one.advice.decision != Decision.STAY],
            "kept": sum(one.advice.decision == Decision.STAY for one in advised),
            "thresholds": thresholds,
            "unused_indexes": unused_indexes(thresholds),
            "statements": load_statements(),
            "may_measure": request.user.has_perm(MEASURE_PERMISSION),
        }
        return TemplateResponse(request, "crm/field_advice.html", context)

    def page_context(self, request: HttpRequest, row: FieldStatistic) -> dict[str, Any]:
        (one,) = load_advice([row])
        describe_key(row, one)
        context = super().page_context(request, row)
        if one.advice.decision == Decision.STAY:
            context["page_actions"] = [form for form in context["page_actions"] if not isinstance(form, Measure)]
        defined = row.defined_field()
        return {
            **context,
            "defined": defined,
            "definition_url": definition_url(request, row) if defined is None else "",
            "kinds": kind_bars(row, defined),
            "uses": [(use.label, one.usage.totals[use], draw(use_days(one, use))) for use in FieldUse],
            "near": FieldStatistic.objects.filter(table=row.table, column=row.column, key__in=row.near_keys),
            "last_written_on": last_written_on(row),
            "request_url": request_url(request, row, one.advice.decision),
            "request_label": Decision(one.advice.decision).label,
            "tried": Decision(row.trial["decision"]) if row.trial else None,
        }


def use_days(one: AdvisedKey, use: FieldUse) -> list[int]:
    return one.usage.by_use.get(use, [0] * one.usage.days)


def definition_url(request: HttpRequest, row: FieldStatistic) -> str:
    """Return the address of the form that defines the key; empty if it cannot be defined, or not by this user."""
    steps = path_steps(row.key)
    is_definable = row.column == "custom_fields" and len(steps) == 1 and row.table in CustomFieldTable
    if not is_definable or not request.user.has_perm("crm.add_customfield"):
        return ""
    return f"{reverse('admin:crm_customfield_add')}?{urlencode({'table': row.table, 'key': steps[0]})}"


def kind_bars(row: FieldStatistic, defined: CustomField | None) -> list[tuple[str, int, float, bool]]:
    """Return label, count, share and whether it conflicts, of each kind of value."""
    conflicting = unfitting_kinds(row.kinds, defined.kind if defined else "")
    total = sum(row.kinds.values()) or 1
    pairs = sorted(row.kinds.items(), key=lambda pair: (-pair[1], pair[0]))
    labels = dict(zip((kind for kind, _ in pairs), (label for label, _ in describe_kinds(row.kinds)), strict=True))
    return [(labels[kind], count, 100 * count / total, kind in conflicting) for kind, count in pairs]


def request_url(request: HttpRequest, row: FieldStatistic, decision: Decision) -> str:
    """Return the address of the form that requests what is advised; empty if it cannot be, or not by this user."""
    if row.column not in COLUMNS_BY_TABLE.get(row.table, ()) or decision not in REQUESTED_DECISIONS:
        return ""
    steps = path_steps(row.key)
    key = steps[0] if len(steps) == 1 else row.key
    return request_address(request.user, table=row.table, column=row.column, key=key, decision=decision.value)
