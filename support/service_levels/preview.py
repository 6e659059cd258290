"""Which due times a change of the service levels would move. It computes them, and writes nothing."""

from dataclasses import dataclass

from crm.models import User
from support.models import DUE_ORDER, SupportTicket
from support.service_levels.changes import format_minutes
from support.service_levels.levels import DueTimes, ServiceLevels

MAX_TICKETS_COMPUTED, MAX_TICKETS_LISTED = 50_000, 20
PREVIEWED_COLUMNS = (
    *("number", "subject", "priority", "issue_type", "opened_at", "waits", "waiting_since"),
    *("first_response_due_at", "first_responded_at", "resolve_due_at"),
    *("owner", "record_owner", "restriction"),
)


@dataclass(frozen=True)
class MovedTicket:
    """A ticket with the due times that it has, and those that it would have."""

    ticket: SupportTicket
    before: DueTimes
    after: DueTimes
    shift: str


@dataclass(frozen=True)
class Preview:
    """How many due times would move, and the first of the tickets that the reader may see."""

    count: int
    listed: list[MovedTicket]
    is_complete: bool


def preview(levels: ServiceLevels, reader: User) -> Preview:
    """Return the unresolved tickets, those due first before the others, that `levels` would give other due times."""
    rows = SupportTicket.objects.unresolved().filter(has_own_due_times=False).order_by(DUE_ORDER, "id")
    tickets = rows.only(*PREVIEWED_COLUMNS)[: MAX_TICKETS_COMPUTED + 1]
    count, listed, seen = 0, [], 0
    for seen, ticket in enumerate(tickets.iterator(chunk_size=2_000), start=1):
        if seen > MAX_TICKETS_COMPUTED:
            break
        moved = moved_ticket(ticket, levels)
        if moved is None:
            continue
        count += 1
        if len(listed) < MAX_TICKETS_LISTED and ticket.is_visible_to(reader):
            listed.append(moved)
    return Preview(count, listed, is_complete=seen <= MAX_TICKETS_COMPUTED)


def moved_ticket(ticket: SupportTicket, levels: ServiceLevels) -> MovedTicket | None:
    """Return `ticket` with its new due times; None if they are the same. A first response that was given stays."""
    before = DueTimes(ticket.first_response_due_at, ticket.resolve_due_at)
    after = levels.due_times(ticket)
    if ticket.first_responded_at is not None:
        after = after._replace(first_response=before.first_response)
    if before == after:
        return None
    return MovedTicket(ticket, before, after, describe_shift(ticket, levels, before, after))


def describe_shift(ticket: SupportTicket, levels: ServiceLevels, before: DueTimes, after: DueTimes) -> str:
    """Return by how much time that counts the resolution moves, such as “3 h later”; empty where it does not."""
    if before.resolution is None or after.resolution is None or before.resolution == after.resolution:
        return ""
    level = levels.of(ticket.priority, ticket.issue_type)
    work = levels.hours_of(level).between(before.resolution, after.resolution)
    minutes = round(abs(work).total_seconds() / 60)
    direction = "later" if after.resolution > before.resolution else "earlier"
    return f"{format_minutes(minutes)} {direction}" if minutes else direction
