"""The due times of a ticket by its priority. Pure: no database."""

from datetime import datetime, timedelta

from support.models import TicketPriority

# The times to the first response and to the resolution.
RESPONSE_TARGETS = {
    TicketPriority.URGENT: (timedelta(hours=1), timedelta(hours=8)),
    TicketPriority.HIGH: (timedelta(hours=4), timedelta(days=1)),
    TicketPriority.NORMAL: (timedelta(hours=8), timedelta(days=3)),
    TicketPriority.LOW: (timedelta(days=1), timedelta(days=7)),
}


def compute_due_times(priority: str, opened_at: datetime) -> tuple[datetime, datetime]:
    """Return when the first response and the resolution of a ticket opened at `opened_at` are due."""
    to_first_response, to_resolution = RESPONSE_TARGETS[TicketPriority(priority)]
    return opened_at + to_first_response, opened_at + to_resolution
