"""What the templates of tickets need."""

from django import template
from django.utils import timezone
from django.utils.timesince import timesince

from support.models import SupportTicket, TicketStatus

register = template.Library()


@register.filter
def is_late(ticket: SupportTicket) -> bool:
    """Whether the solution is overdue now."""
    return ticket.is_late(timezone.now())


@register.filter
def late_by(ticket: SupportTicket) -> str:
    """For how long the solution is overdue, in one unit."""
    return timesince(ticket.resolve_due_at, depth=1)


@register.filter
def is_first_response_late(ticket: SupportTicket) -> bool:
    """Whether even the first answer is overdue now."""
    due = ticket.first_response_due_at
    is_unanswered = ticket.first_responded_at is None and ticket.status != TicketStatus.RESOLVED
    return is_unanswered and due is not None and due < timezone.now()
