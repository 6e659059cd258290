"""The figure of AI spend on the dashboard."""

from datetime import datetime
from decimal import Decimal

from django.urls import reverse

from ai_log.usage.rollup import calls_between, group_by_dimension, load_cells, sum_calls, sum_cells
from crm.models import User
from crm.records.base import can_see_everyone
from crm.records.local_time import agency_today
from crm.screens.panels import DashboardFigure

MAX_CALLS_READ = 10_000
# The first page of the day waits for these.
MAX_CALLS_OF_FIGURE = 2_000
TENTH_OF_A_CENT = Decimal("0.001")


def ai_spend_figure(user: User, now: datetime) -> DashboardFigure | None:
    """Return the dollars spent today, with a note on this month and on calls of unknown cost."""
    if not user.has_perm("ai_log.view_aiinteraction"):
        return None
    today = agency_today(now)
    month_start = today.replace(day=1)
    if can_see_everyone(user):
        cells = load_cells(month_start, today, by=["day"])["day"]
    else:
        newest = calls_between(month_start, today).visible_to(user).order_by("-created_at", "-id")
        cells = group_by_dimension(sum_calls(newest[:MAX_CALLS_OF_FIGURE]))["day"]
    month, day = sum_cells(cells), sum_cells(cell for cell in cells if cell.day == today)
    note = f"{format_cost(month.cost, month.priced) if month.priced else '$0'} this month"
    if month.calls > month.priced:
        note += f"; {month.calls - month.priced:,} of unknown cost"
    if month.calls == MAX_CALLS_OF_FIGURE and not can_see_everyone(user):
        note += f"; newest {MAX_CALLS_OF_FIGURE:,} calls only"
    return DashboardFigure(
        "AI spend today", format_dollars(day.cost), reverse("admin:ai_log_aiinteraction_totals"), note
    )


def format_dollars(amount: Decimal | None) -> str:
    """Return an amount such as `$12.30`, or `$0.004` below one dollar, or `< $0.001` for less."""
    if not amount:
        return "$0"
    if amount < TENTH_OF_A_CENT:
        return f"< ${TENTH_OF_A_CENT}"
    return f"${amount:,.2f}" if amount >= 1 else f"${amount:.3f}"


def format_cost(amount: Decimal, priced_calls: int) -> str:
    """Return the cost of `priced_calls` calls with a known cost; "unknown" if there are none."""
    return format_dollars(amount) if priced_calls else "unknown"
