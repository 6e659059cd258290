"""The list of reports, and the page of each, which is also sent as a CSV file."""

from typing import Any

from django.conf import settings
from django.contrib import messages
from django.contrib.admin import AdminSite
from django.core.exceptions import PermissionDenied
from django.http import Http404, HttpRequest, HttpResponse, HttpResponseRedirect, StreamingHttpResponse
from django.template.response import TemplateResponse
from django.urls import URLPattern, path, reverse
from django.utils import timezone
from django.views.decorators.http import require_http_methods, require_POST, require_safe

from crm.exceptions import InvalidInput
from crm.models import ReportFrequency, ReportSchedule
from crm.records import transitions
from crm.records.local_time import agency_today
from crm.screens.export.columns import ExportTable
from crm.screens.export.csv_file import csv_chunks
from crm.screens.paging import QueryTooSlow, time_limit
from crm.screens.reports.all_reports import all_reports, find_report
from crm.screens.reports.period import Period, PeriodForm, suggested_periods
from crm.screens.reports.tables import Report, ReportLink, ReportTable
from crm.screens.reports.transitions import save_schedule

TOO_SLOW = "The report was stopped after {:g} seconds, because it reads too many records. Choose a shorter period."


def report_urls(site: AdminSite) -> list[URLPattern]:
    return [
        path("reports/", site.admin_view(report_list_view), {"site": site}, name="reports"),
        path("reports/<slug:key>/", site.admin_view(report_view), {"site": site}, name="report"),
        path("reports/<slug:key>/email/", site.admin_view(schedule_view), {"site": site}, name="report_schedule"),
    ]


@require_safe
def report_list_view(request: HttpRequest, site: AdminSite) -> HttpResponse:
    """Show the reports that the user may open."""
    shown = [one for one in all_reports() if request.user.has_perm(one.permission)]
    if not shown:
        raise PermissionDenied
    entries = [(one, report_address(one)) for one in shown]
    context = {**site.each_context(request), "title": "Reports", "entries": entries}
    return TemplateResponse(request, "crm/reports/list.html", context)


def report_address(report: Report | ReportLink) -> str:
    if isinstance(report, ReportLink):
        return reverse(f"admin:{report.page}")
    return reverse("admin:report", args=[report.key])


@require_http_methods(["GET", "HEAD", "POST"])
def report_view(request: HttpRequest, site: AdminSite, key: str) -> HttpResponse | StreamingHttpResponse:
    """Show a report; a POST request sends the table that it names as a CSV file. The address names the period."""
    report = require_report(request, key)
    can_export = request.user.has_perm(transitions.EXPORT_PERMISSION)
    if request.method == "POST" and not can_export:
        raise PermissionDenied
    period, form = read_period(request)
    try:
        tables = [] if form.errors else load_tables(report, request, period)
    except InvalidInput as error:
        form.add_error(None, str(error))
        tables = []
    if request.method == "POST" and not form.errors:
        return table_file(request, report, period, choose_table(tables, request.POST.get("table", "")))
    context: dict[str, Any] = {
        **site.each_context(request),
        "title": report.title,
        "report": report,
        "form": form,
        "period": period,
        "suggested": suggested_periods(agency_today()),
        "tables": tables,
        "can_export": can_export,
        "frequencies": ReportFrequency.choices,
        "schedule": ReportSchedule.objects.filter(user=request.user, report=report.key).first(),
        "lacks_server": not settings.EMAIL_HOST,
    }
    return TemplateResponse(request, "crm/reports/report.html", context, status=422 if form.errors else 200)


def require_report(request: HttpRequest, key: str) -> Report:
    """Return the report `key`, which the user may open.

    Raises:
        Http404: there is no such report.
        PermissionDenied: the user may not open it.
    """
    report = find_report(key)
    if report is None:
        raise Http404
    if not request.user.has_perm(report.permission):
        raise PermissionDenied
    return report


@require_POST
def schedule_view(request: HttpRequest, site: AdminSite, key: str) -> HttpResponse:
    """Save how often the user gets the report by email."""
    report = require_report(request, key)
    frequency = request.POST.get("frequency", "")
    try:
        save_schedule(request.user, report, frequency, now=timezone.now())
    except InvalidInput as error:
        messages.error(request, str(error))
    else:
        chosen = ReportFrequency(frequency).label.lower() if frequency else "no longer"
        messages.success(request, f"You get this report by email {chosen}.")
    return HttpResponseRedirect(reverse("admin:report", args=[report.key]))


def read_period(request: HttpRequest) -> tuple[Period, PeriodForm]:
    """Return the period that the address names, by default the last 90 days, and its form, checked."""
    period = Period.of_last_days(agency_today())
    asked = {name: request.GET.get(name) or getattr(period, name).isoformat() for name in PeriodForm.base_fields}
    form = PeriodForm(asked)
    return Period(**form.cleaned_data) if form.is_valid() else period, form


def load_tables(report: Report, request: HttpRequest, period: Period) -> list[ReportTable]:
    """Return the tables of `report` that have rows.

    Raises:
        InvalidInput: reading them takes too long.
    """
    try:
        with time_limit(settings.LIST_TIMEOUT):
            return [table for table in report.load(request.user, period) if table.rows]
    except QueryTooSlow:
        raise InvalidInput(TOO_SLOW.format(settings.LIST_TIMEOUT)) from None


def choose_table(tables: list[ReportTable], title: str) -> ReportTable:
    for table in tables:
        if table.title == title:
            return table
    raise Http404


def table_file(request: HttpRequest, report: Report, period: Period, table: ReportTable) -> StreamingHttpResponse:
    """Log the export, and return the table as a CSV file."""
    days = {"first": period.first.isoformat(), "last": period.last.isoformat()} if report.has_period else {}
    transitions.record_export(f"the report “{report.title}, {table.title}” as CSV", days, by=request.user)
    content = ExportTable(
        [table.label, *(column.label for column in table.columns)],
        iter([[row.label, *(figure.value for figure in row.figures)] for row in table.rows]),
    )
    file = StreamingHttpResponse(csv_chunks(content), content_type="text/csv; charset=utf-8")
    file["Content-Disposition"] = f'attachment; filename="{report.key}-{agency_today()}.csv"'
    file["Cache-Control"] = "no-store"
    return file
