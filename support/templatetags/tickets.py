"""Template filters for tickets."""

from django import template
from django.utils import timezone
from django.utils.timesince import timesince

from support.models import SupportTicket

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
    return ticket.is_first_response_late(timezone.now())


@register.filter
def is_due_soon(ticket: SupportTicket) -> bool:
    """Return whether the assignee was warned of a due time that is still to come."""
    promises = {ticket.resolve_due_at, None if ticket.first_responded_at else ticket.first_response_due_at}
    return ticket.warned_for is not None and ticket.warned_for in promises and ticket.warned_for > timezone.now()
