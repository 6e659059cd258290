"""The figure and the panel of tickets on the dashboard."""

from datetime import datetime, time

from django.urls import reverse

from crm.models import User
from crm.records.local_time import agency_today, agency_zone
from crm.screens.paging import format_capped_count
from crm.screens.panels import CountedFigure, DashboardFigure, Panel
from support.models import DUE_ORDER, UNSHOWN_LEAD_FIELDS, SupportTicket

MAX_DUE_SHOWN = 6


def tickets_due_figure(user: User, now: datetime) -> CountedFigure | None:
    """Return the number of unresolved tickets due by the end of the day, with a note on late ones."""
    if not user.has_perm("support.view_supportticket"):
        return None
    tickets = SupportTicket.objects.visible_to(user)
    end_of_day = datetime.combine(agency_today(now), time.max, tzinfo=agency_zone())
    return CountedFigure({"due": tickets.due(end_of_day), "late": tickets.due(now)}, make_tickets_due_figure)


def make_tickets_due_figure(due: int, late: int) -> DashboardFigure:
    note = f"{format_capped_count(late)} late" if late else ""
    return DashboardFigure.from_count("Tickets due today", due, reverse("admin:support_supportticket_changelist"), note)


def tickets_due_panel(user: User, now: datetime) -> Panel | None:
    """Return the unresolved tickets that are due first."""
    if not user.has_perm("support.view_supportticket"):
        return None
    tickets = SupportTicket.objects.visible_to(user).unresolved().order_by(DUE_ORDER, "id")
    next_tickets = tickets.select_related("client", "lead").defer(
        "issue_description", "notes", "search_text", *UNSHOWN_LEAD_FIELDS
    )[:MAX_DUE_SHOWN]
    url = reverse("admin:support_supportticket_changelist")
    return Panel("Tickets due next", "support/dashboard.html", list(next_tickets), url=url)
