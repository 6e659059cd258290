"""Tickets, and how long they may take."""

from support.models.service_level import (
    CHANGE_LOCK,
    MAX_TARGET_MINUTES,
    MAX_WARN_MINUTES,
    Holiday,
    ServiceLevel,
    WorkingDay,
)
from support.models.ticket import (
    DUE_ORDER,
    TICKET_TRANSITIONS,
    UNRESOLVED,
    UNSHOWN_LEAD_FIELDS,
    SupportTicket,
    TicketPriority,
    TicketQuerySet,
    TicketStatus,
)

__all__ = [
    "CHANGE_LOCK",
    "DUE_ORDER",
    "MAX_TARGET_MINUTES",
    "MAX_WARN_MINUTES",
    "TICKET_TRANSITIONS",
    "UNRESOLVED",
    "UNSHOWN_LEAD_FIELDS",
    "Holiday",
    "ServiceLevel",
    "SupportTicket",
    "TicketPriority",
    "TicketQuerySet",
    "TicketStatus",
    "WorkingDay",
]
