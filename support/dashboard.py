"""The tickets that are due, on the first page."""

from collections.abc import Iterator
from datetime import datetime, time, timedelta
from functools import partial

from django.urls import reverse

from crm.models import User
from crm.records.local_time import agency_today, agency_zone, format_short_moment
from crm.records.owners.branches import first_rows
from crm.screens.today.items import Candidate, TodayAction, TodayItem, TodaySource, Urgency
from support.models import SupportTicket, TicketPriority

# What is due later is for another day.
DAYS_AHEAD = timedelta(days=7)
TICKET_COLUMNS = (
    *("number", "subject", "priority", "status", "resolve_due_at", "waiting_since"),
    *("lead", "client", "owner", "record_owner", "restriction"),
    *("lead__contact_name", "lead__company_name", "lead__estimated_value", "lead__assigned_to"),
    *("client__name", "client__assigned_to"),
)


def ticket_source(user: User, now: datetime) -> TodaySource | None:
    """Return the unresolved tickets that are late or due within a week, the earliest first."""
    if not user.has_perm("support.view_supportticket"):
        return None
    rows = SupportTicket.objects.visible_to(user).due_first(now + DAYS_AHEAD)
    end_of_day = datetime.combine(agency_today(now), time.max, tzinfo=agency_zone())

    def load(size: int) -> Iterator[Candidate]:
        for ticket in first_rows(rows.select_related("lead", "client").only(*TICKET_COLUMNS), size):
            urgency = Urgency.NOW if ticket.is_late(now) or ticket.priority == TicketPriority.URGENT else Urgency.LATER
            if urgency == Urgency.LATER and ticket.resolve_due_at <= end_of_day:
                urgency = Urgency.TODAY
            value = ticket.lead.estimated_value if ticket.lead else None
            yield Candidate(urgency, value, ticket.resolve_due_at, partial(build_ticket, ticket, user, now))

    url = reverse("admin:support_supportticket_changelist")
    return TodaySource("ticket", "Tickets", "support_agent", url, rows, load)


def build_ticket(ticket: SupportTicket, user: User, now: datetime) -> TodayItem:
    resolve = TodayAction("Resolve", reverse("admin:support_supportticket_do", args=[ticket.pk, "resolve"]))
    is_late = ticket.is_late(now)
    return TodayItem(
        person=ticket.customer.name_for(user) if ticket.customer else "",
        text=str(ticket),
        url=reverse("admin:support_supportticket_change", args=[ticket.pk]),
        icon="support_agent",
        action=resolve if user.has_perm("support.resolve_supportticket") else None,
        due=f"due {format_short_moment(ticket.resolve_due_at)}" + (", late" if is_late else ""),
        is_late=is_late,
    )
