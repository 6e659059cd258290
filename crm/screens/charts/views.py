"""The page with the chart of a list: the list's rows, as its filters narrow them, in groups."""

from dataclasses import dataclass
from typing import Any, ClassVar
from urllib.parse import urlencode

from django.conf import settings
from django.contrib import messages
from django.core.exceptions import PermissionDenied
from django.http import HttpRequest, HttpResponse, HttpResponseRedirect, StreamingHttpResponse
from django.template.response import TemplateResponse
from django.utils.text import capfirst

from crm.exceptions import ActionRefused, InvalidInput
from crm.models import FieldUse
from crm.records import transitions
from crm.records.field_usage import count_use
from crm.records.json_keys import key_path
from crm.records.local_time import agency_today
from crm.screens.charts.counting import Chart, count_groups
from crm.screens.charts.groupings import Amount, Grouping, ListChart, find_amounts, find_groupings
from crm.screens.columns.choice import COLUMN_PARAM
from crm.screens.export.columns import ExportTable
from crm.screens.export.csv_file import csv_chunks
from crm.screens.filters import valid_rows
from crm.screens.lists import AFTER_PARAM, BEFORE_PARAM, COUNT_PARAM, LIST_PARAMS, ORDER_PARAM
from crm.screens.paging import QueryTooSlow, time_limit

GROUPING_PARAM, AMOUNT_PARAM = "by", "sum"
CHART_PARAMS = LIST_PARAMS | {GROUPING_PARAM, AMOUNT_PARAM}
# What an address of a list may also say, and a chart does not need.
OTHER_PARAMS = {ORDER_PARAM, COLUMN_PARAM, AFTER_PARAM, BEFORE_PARAM, COUNT_PARAM}
TOO_SLOW = "The chart was stopped after {:g} seconds, because it reads too many records. Add a filter."


@dataclass(frozen=True)
class ChartChoice:
    """What a page shows: what can be chosen, and what is."""

    groupings: dict[str, Grouping]
    amounts: dict[str, Amount]
    grouping: Grouping
    amount: Amount | None
    filters: list[tuple[str, str]]


class ChartViewMixin:
    """For the admin class of a record: the chart of its list, if `list_chart` says how."""

    list_chart: ClassVar[ListChart | None] = None

    def chart_view(self, request: HttpRequest) -> HttpResponse | StreamingHttpResponse:
        """Show the chart; a POST request sends it as a CSV file. Filters that cannot be used lead back to the list."""
        if not self.has_view_permission(request):
            raise PermissionDenied
        if request.method == "POST" and not self.can_export(request):
            raise PermissionDenied
        try:
            choice, chart = self.load_chart(request)
        except ActionRefused as error:
            messages.error(request, f"There is no chart. {error}")
            return HttpResponseRedirect(f"{self.list_url()}?{urlencode(list_filters(request))}")
        if request.method == "POST":
            return self.chart_file(request, choice, chart)
        context = {
            **self.admin_site.each_context(request),
            "title": f"{capfirst(self.opts.verbose_name_plural)} by {choice.grouping.label}",
            "opts": self.opts,
            "choice": choice,
            "chart": chart,
            "back": f"{self.list_url()}?{chart.total.query}",
            "can_export": self.can_export(request),
        }
        return TemplateResponse(request, "crm/chart.html", context)

    def load_chart(self, request: HttpRequest) -> tuple[ChartChoice, Chart]:
        """Return the chart that `request.GET` describes.

        Raises:
            InvalidInput: a filter, the grouping or the amount is unknown or invalid, or there are too many rows.
        """
        filterset = self.filterset_class(request.GET, self.get_queryset(request), request=request)
        rows = valid_rows(filterset, CHART_PARAMS)
        groupings, amounts = find_groupings(self.list_chart, filterset), find_amounts(self.list_chart, filterset)
        choice = ChartChoice(
            groupings,
            amounts,
            choose(groupings, request.GET.get(GROUPING_PARAM) or next(iter(groupings)), "be grouped by"),
            choose(amounts, request.GET[AMOUNT_PARAM], "add up") if request.GET.get(AMOUNT_PARAM) else None,
            list_filters(request),
        )
        try:
            with time_limit(settings.LIST_TIMEOUT):
                chart = count_groups(rows, choice.grouping, choice.amount, choice.filters)
        except QueryTooSlow:
            raise InvalidInput(TOO_SLOW.format(settings.LIST_TIMEOUT)) from None
        if field := choice.grouping.json_field:
            count_use(FieldUse.SHOWN, self.opts.label_lower, field.column, [key_path(*field.steps)], request.user)
        return choice, chart

    def chart_file(self, request: HttpRequest, choice: ChartChoice, chart: Chart) -> StreamingHttpResponse:
        """Log the export, and return the chart as a CSV file."""
        noun = str(self.opts.verbose_name_plural)
        filters = {name: value for name, value in request.GET.items() if value}
        transitions.record_export(f"a chart of {noun} by {choice.grouping.label} as CSV", filters, by=request.user)
        amounts = [choice.amount.label] if choice.amount else []
        table = ExportTable(
            [choice.grouping.label, capfirst(noun), *amounts],
            iter([[one.label, one.count, *([one.amount] if amounts else [])] for one in chart.groups]),
        )
        file = StreamingHttpResponse(csv_chunks(table), content_type="text/csv; charset=utf-8")
        name = f"{noun.lower().replace(' ', '-')}-chart-{agency_today()}.csv"
        file["Content-Disposition"] = f'attachment; filename="{name}"'
        file["Cache-Control"] = "no-store"
        return file


def choose(options: dict[str, Any], name: str, verb: str) -> Any:
    """Return the option `name`.

    Raises:
        InvalidInput: there is no such option.
    """
    if name not in options:
        raise InvalidInput(f"The list cannot {verb} “{name[:40]}”.")
    return options[name]


def list_filters(request: HttpRequest) -> list[tuple[str, str]]:
    """Return the parameters of the request that filter the list."""
    left_out = OTHER_PARAMS | {GROUPING_PARAM, AMOUNT_PARAM}
    return [(name, value) for name, values in request.GET.lists() for value in values if value and name not in left_out]
