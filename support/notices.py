"""What members of staff are told about tickets."""

from datetime import datetime, time

from django.db.models import F

from crm.models import NotificationKind
from crm.records.local_time import agency_today, agency_zone
from crm.records.notifications.due import DUE_PERIOD, DUE_SOURCES
from crm.records.notifications.tables import NotifiedTable, Words, register_table
from support.models import SupportTicket, TicketQuerySet


def register_notifications() -> None:
    """Register the words of tickets, and how due ones are found; called once at start."""
    words = {
        NotificationKind.ASSIGNED: Words("Ticket assigned to you"),
        NotificationKind.MENTIONED: Words("You were mentioned on a ticket", "{count} mentions on a ticket"),
        NotificationKind.DUE: Words("Ticket due"),
        NotificationKind.ESCALATED: Words("Ticket escalated"),
    }
    register_table("support.supportticket", NotifiedTable("support_agent", words))
    DUE_SOURCES.append(due_tickets)


def due_tickets(now: datetime) -> TicketQuerySet:
    """Return the unresolved tickets that are due by the end of the agency's day or became overdue lately."""
    end_of_day = datetime.combine(agency_today(now), time.max, tzinfo=agency_zone())
    tickets = SupportTicket.objects.due(end_of_day).filter(resolve_due_at__gte=now - DUE_PERIOD)
    return tickets.filter(owner__isnull=False).annotate(due_moment=F("resolve_due_at"))
