"""The due times on the rows of tickets, and computing again those that are outdated."""

from datetime import datetime
from typing import Any

from django.db import connection, transaction

from support.models import SupportTicket
from support.service_levels.levels import TICKET_COLUMNS, ServiceLevels, hold_service_levels

COMPUTE_TASK = "support.compute_due_times"
MAX_COMPUTED_AT_ONCE = 1_000
# The promise of a first response that was given stays on record.
STORE_SQL = """
    UPDATE support_tickets AS ticket
       SET first_response_due_at = CASE WHEN ticket.first_responded_at IS NULL THEN computed.first_response_due_at
                                        ELSE coalesce(ticket.first_response_due_at, computed.first_response_due_at) END,
           resolve_due_at = computed.resolve_due_at, due_is_stale = false
      FROM unnest(%s::uuid[], %s::timestamptz[], %s::timestamptz[])
           AS computed (id, first_response_due_at, resolve_due_at)
     WHERE ticket.id = computed.id
"""


def due_columns(ticket: SupportTicket, levels: ServiceLevels) -> dict[str, Any]:
    """Return the columns of `ticket` with its due times by its service level; none where a person gave them."""
    if ticket.has_own_due_times:
        return {}
    due = levels.due_times(ticket)
    columns: dict[str, datetime | bool | None] = {"resolve_due_at": due.resolution, "due_is_stale": False}
    if ticket.first_responded_at is None:
        columns["first_response_due_at"] = due.first_response
    return columns


def compute_outdated() -> int:
    """Compute the outdated due times again, a batch in each transaction; return how many tickets there were.

    What a killed job leaves is outdated still. Of two jobs, each computes the rows that the other does not hold.
    """
    total = 0
    while count := compute_some():
        total += count
    return total


@transaction.atomic
def compute_some() -> int:
    """Compute the due times of at most a thousand outdated tickets; return how many there were."""
    levels = hold_service_levels()
    outdated = SupportTicket.everything.filter(due_is_stale=True).order_by("pk").only(*TICKET_COLUMNS)
    tickets = list(outdated.select_for_update(skip_locked=True, of=("self",))[:MAX_COMPUTED_AT_ONCE])
    if not tickets:
        return 0
    due_times = [levels.due_times(ticket) for ticket in tickets]
    columns = [
        [ticket.pk for ticket in tickets],
        [due.first_response for due in due_times],
        [due.resolution for due in due_times],
    ]
    with connection.cursor() as cursor:
        cursor.execute(STORE_SQL, columns)
    return len(tickets)
