"""By when a ticket is promised an answer and a solution. Pure: no database."""

from datetime import datetime, timedelta

from support.models import TicketPriority

RESPONSE_TARGETS = {
    TicketPriority.URGENT: (timedelta(hours=1), timedelta(hours=8)),
    TicketPriority.HIGH: (timedelta(hours=4), timedelta(days=1)),
    TicketPriority.NORMAL: (timedelta(hours=8), timedelta(days=3)),
    TicketPriority.LOW: (timedelta(days=1), timedelta(days=7)),
}


def compute_due_times(priority: str, opened_at: datetime) -> tuple[datetime, datetime]:
    """When the first response and the resolution of a ticket opened at `opened_at` are due."""
    first, resolved = RESPONSE_TARGETS[TicketPriority(priority)]
    return opened_at + first, opened_at + resolved
