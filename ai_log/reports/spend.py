"""What AI calls cost for each lead that was won, by month."""

from collections import defaultdict
from collections.abc import Iterable
from datetime import date
from decimal import Decimal

from django.db.models import Count
from django.db.models.functions import TruncMonth
from django.urls import reverse

from ai_log.usage.rollup import Cell, calls_between, group_by_dimension, load_cells, sum_calls
from crm.models import User
from crm.records.base import can_see_everyone
from crm.records.local_time import format_month
from crm.screens.reports import Figure, Period, Report, ReportColumn, ReportRow, ReportTable, Unit
from leads.models import Lead, StageCategory
from leads.reports.dimensions import days_of_month
from leads.reports.pipeline import leads_address

COLUMNS = (
    ReportColumn("Spend", Unit.CENTS),
    ReportColumn("Calls"),
    ReportColumn("Of unknown cost"),
    ReportColumn("Leads won"),
    ReportColumn("Spend per lead won", Unit.CENTS),
)


def load_spend(user: User, period: Period) -> list[ReportTable]:
    """Return the spend and the leads won by month, as far as `user` sees the calls and the leads."""
    spent: dict[date, list] = defaultdict(lambda: [Decimal(), 0, 0])
    for cell in daily_cells(user, period):
        month = spent[cell.day.replace(day=1)]
        month[0] += cell.sums.cost
        month[1] += cell.sums.calls
        month[2] += cell.sums.calls - cell.sums.priced
    closed = Lead.objects.visible_to(user).filter(
        status__category=StageCategory.WON, closed_at__gte=period.start, closed_at__lt=period.end
    )
    months = closed.order_by().annotate(month=TruncMonth("closed_at")).values_list("month").annotate(won=Count("*"))
    won = {month.date(): count for month, count in months}
    rows = [make_row(month, *spent[month], won.get(month, 0), period) for month in sorted({*spent, *won})]
    note = "All AI calls of the month, whatever they were for, ÷ the leads won in it."
    return [ReportTable("By month", "Month", COLUMNS, rows, note=note)]


def daily_cells(user: User, period: Period) -> Iterable[Cell]:
    if can_see_everyone(user):
        return load_cells(period.first, period.last, by=["day"])["day"]
    return group_by_dimension(sum_calls(calls_between(period.first, period.last).visible_to(user)))["day"]


def make_row(month: date, cost: Decimal, calls: int, unpriced: int, won: int, period: Period) -> ReportRow:
    first, last = days_of_month(month)
    days = {
        "closed_from": max(first, period.first).isoformat(),
        "closed_to": min(last, period.last).isoformat(),
    }
    won_address = leads_address({"state": "closed", "outcome": StageCategory.WON}, days)
    figures = (
        Figure(cost, reverse("admin:ai_log_aiinteraction_totals")),
        Figure(calls),
        Figure(unpriced),
        Figure(won, won_address),
        Figure(cost / won if won else None),
    )
    return ReportRow(format_month(month), figures)


SPEND = Report(
    "ai-spend",
    "AI spend per lead won",
    "What AI calls cost each month, beside the leads won.",
    "ai_log.view_aiinteraction",
    load_spend,
)
