"""Template filters for tickets."""

from django import template
from django.utils import timezone
from django.utils.timesince import timesince

from support.models import SupportTicket, TicketStatus

register = template.Library()


@register.filter
def is_late(ticket: SupportTicket) -> bool:
    """Return whether the resolution is overdue."""
    return ticket.is_late(timezone.now())


@register.filter
def late_by(ticket: SupportTicket) -> str:
    """Return for how long the resolution is overdue, in one unit."""
    return timesince(ticket.resolve_due_at, depth=1)


@register.filter
def is_first_response_late(ticket: SupportTicket) -> bool:
    """Return whether the first response is overdue."""
    due = ticket.first_response_due_at
    is_unanswered = ticket.first_responded_at is None and ticket.status != TicketStatus.RESOLVED
    return is_unanswered and due is not None and due < timezone.now()
