"""What can be done to a ticket."""

from typing import Any

from django.db import transaction
from django.db.models import Q
from django.utils import timezone

from crm.exceptions import IllegalTransition, InvalidInput, errors_as_invalid_input
from crm.models import User
from crm.records.activity import Actor, record
from support.due_times import compute_due_times
from support.models import TICKET_TRANSITIONS, SupportTicket, TicketPriority, TicketStatus

MAX_NOTE_LENGTH = 10_000


@transaction.atomic
def open_ticket(ticket: SupportTicket, *, by: Actor | User) -> None:
    """Save a new `ticket` with its number and the times by which it is due.

    Raises:
        NotPermitted: `by` may not add tickets.
        InvalidInput: a field refuses it.
    """
    actor = Actor.of(by)
    actor.require_permission("support.add_supportticket", "open a ticket")
    ticket.created_by = ticket.created_by or str(actor)
    with errors_as_invalid_input():
        ticket.full_clean()
        first_response_due, resolution_due = compute_due_times(ticket.priority, ticket.created_at)
        ticket.first_response_due_at = ticket.first_response_due_at or first_response_due
        ticket.resolve_due_at = ticket.resolve_due_at or resolution_due
        ticket.save(force_insert=True)
    ticket.refresh_from_db()
    record(ticket, "opened", timeline_owner=ticket.client, by=by, summary=f"Ticket {ticket} opened")


def set_status(ticket: SupportTicket, to: TicketStatus, *, by: Actor | User, **changes: Any) -> None:
    """Set the status by compare-and-set: of two people who move one ticket, the first wins.

    Raises:
        NotPermitted: `by` may not work on tickets.
        IllegalTransition: not possible from where the ticket stands.
    """
    Actor.of(by).require_permission("support.resolve_supportticket", "change the status of a ticket")
    allowed_from = [was for was, following in TICKET_TRANSITIONS.items() if to in following]
    with errors_as_invalid_input():
        updated = SupportTicket.objects.filter(pk=ticket.pk, status__in=allowed_from).update(status=to, **changes)
    current = SupportTicket.everything.get(pk=ticket.pk)
    if updated != 1:
        state = "deleted" if current.is_deleted else current.get_status_display().lower()
        raise IllegalTransition(
            f"Ticket #{current.number} is {state} and cannot become {TicketStatus(to).label.lower()}."
        )
    ticket.refresh_from_db()


@transaction.atomic
def start_work(ticket: SupportTicket, *, by: Actor | User) -> None:
    """Take up work on `ticket`; it becomes the starter's if it was nobody's."""
    actor = Actor.of(by)
    set_status(ticket, TicketStatus.IN_PROGRESS, by=by)
    if ticket.assigned_to_id is None and actor.user is not None:
        SupportTicket.objects.filter(pk=ticket.pk, assigned_to=None).update(assigned_to=actor.user)
        ticket.refresh_from_db()
    record(ticket, "started", timeline_owner=ticket.client, by=by, summary=f"Ticket {ticket} taken up")


@transaction.atomic
def escalate(ticket: SupportTicket, *, why: str, by: Actor | User) -> None:
    """Ask for help with `ticket`.

    Raises:
        InvalidInput: `why` is blank.
    """
    why = strip_text(why)
    if not why:
        raise InvalidInput("Say why the ticket is escalated.")
    set_status(ticket, TicketStatus.ESCALATED, by=by, escalated_at=timezone.now())
    record(ticket, "escalated", timeline_owner=ticket.client, by=by, summary=f"Ticket {ticket} escalated: {why}")


@transaction.atomic
def resolve(ticket: SupportTicket, *, summary: str, by: Actor | User) -> None:
    """Close `ticket` with what solved it.

    Raises:
        InvalidInput: `summary` is blank.
        IllegalTransition: it is already resolved.
    """
    summary = strip_text(summary)
    if not summary:
        raise InvalidInput("Say what solved it: a resolution summary is required.")
    now = timezone.now()
    set_status(ticket, TicketStatus.RESOLVED, by=by, resolution_summary=summary, resolved_at=now)
    record_first_response(ticket, now)
    record(ticket, "resolved", timeline_owner=ticket.client, by=by, summary=f"Ticket {ticket} resolved: {summary}")


@transaction.atomic
def reopen(ticket: SupportTicket, *, why: str, by: Actor | User) -> None:
    """Take a resolved `ticket` up again; what solved it last time stays in its notes.

    Raises:
        InvalidInput: `why` is blank.
        IllegalTransition: it is not resolved.
    """
    why = strip_text(why)
    if not why:
        raise InvalidInput("Say why the ticket is reopened.")
    previous_summary = SupportTicket.everything.select_for_update().get(pk=ticket.pk).resolution_summary
    set_status(ticket, TicketStatus.OPEN, by=by, resolved_at=None, resolution_summary="", satisfaction=None)
    append_note(ticket, f"Reopened: {why}\nResolved before with: {previous_summary}", internal=True, by=by)
    record(ticket, "reopened", timeline_owner=ticket.client, by=by, summary=f"Ticket {ticket} reopened: {why}")


@transaction.atomic
def set_priority(ticket: SupportTicket, priority: str, *, by: Actor | User) -> None:
    """Set the priority; what is promised and not kept yet is due anew, counted from when the ticket was opened.

    Raises:
        NotPermitted: `by` may not change tickets.
        InvalidInput: no such priority.
        IllegalTransition: the ticket is deleted, resolved, or of that priority already.
    """
    Actor.of(by).require_permission("support.change_supportticket", "set the priority of a ticket")
    if priority not in TicketPriority.values:
        raise InvalidInput(f"The priority must be one of: {', '.join(TicketPriority.values)}.")
    locked = SupportTicket.everything.select_for_update().get(pk=ticket.pk)
    if locked.is_deleted or locked.status == TicketStatus.RESOLVED:
        raise IllegalTransition(f"Ticket #{locked.number} is {'deleted' if locked.is_deleted else 'resolved'}.")
    if locked.priority == priority:
        raise IllegalTransition(
            f"Ticket #{locked.number} already has {locked.get_priority_display().lower()} priority."
        )
    first_response_due, resolution_due = compute_due_times(priority, locked.created_at)
    due_dates = {"resolve_due_at": resolution_due}
    if locked.first_responded_at is None:
        due_dates["first_response_due_at"] = first_response_due
    SupportTicket.everything.filter(pk=ticket.pk).update(priority=priority, **due_dates)
    ticket.refresh_from_db()
    summary_text = f"Ticket {ticket}: priority {locked.priority} → {priority}"
    record(
        ticket,
        "prioritised",
        timeline_owner=ticket.client,
        by=by,
        summary=summary_text,
        was=locked.priority,
        now=priority,
    )


@transaction.atomic
def add_ticket_note(ticket: SupportTicket, body: str, *, internal: bool, by: Actor | User) -> None:
    """Write on `ticket`; what is not internal counts as our first response.

    Raises:
        NotPermitted: `by` may not change tickets.
        InvalidInput: the note is empty or longer than 10,000 characters.
        IllegalTransition: the ticket is deleted.
    """
    Actor.of(by).require_permission("support.change_supportticket", "write on a ticket")
    body = strip_text(body)
    if not body:
        raise InvalidInput("Write something: a note must not be empty.")
    if len(body) > MAX_NOTE_LENGTH:
        raise InvalidInput(f"A note has at most {MAX_NOTE_LENGTH:,} characters; this one has {len(body):,}.")
    append_note(ticket, body, internal=internal, by=by)
    if not internal:
        record_first_response(ticket, timezone.now())
    record(
        ticket, "noted", timeline_owner=ticket.client, by=by, summary=f"Note on ticket #{ticket.number}: {body[:200]}"
    )


def strip_text(text: str) -> str:
    """`text` without blanks around it, and without the one character that PostgreSQL keeps in no text."""
    return text.replace("\x00", "").strip()


def append_note(ticket: SupportTicket, body: str, *, internal: bool, by: Actor | User) -> None:
    """Add to the ticket's notes under a lock, so that two writers lose nothing."""
    locked = SupportTicket.everything.select_for_update().get(pk=ticket.pk)
    if locked.is_deleted:
        raise IllegalTransition(f"Ticket #{locked.number} is deleted; restore it first.")
    entry = {"at": timezone.now().isoformat(), "by": str(Actor.of(by)), "body": body, "internal": internal}
    SupportTicket.everything.filter(pk=ticket.pk).update(notes=[*locked.notes, entry])
    ticket.refresh_from_db()


def record_first_response(ticket: SupportTicket, at: Any) -> None:
    """Remember our first response, once."""
    SupportTicket.everything.filter(pk=ticket.pk, first_responded_at=None).update(first_responded_at=at)
    ticket.refresh_from_db()


@transaction.atomic
def rate_ticket(ticket: SupportTicket, satisfaction: int, *, by: Actor | User) -> None:
    """Write down how content the customer was with a resolved `ticket`, 1 to 5.

    Raises:
        NotPermitted: `by` may not work on tickets.
        InvalidInput: not a number from 1 to 5.
        IllegalTransition: the ticket is not resolved.
    """
    Actor.of(by).require_permission("support.change_supportticket", "rate a ticket")
    if not 1 <= satisfaction <= 5:
        raise InvalidInput("Satisfaction is a number from 1 to 5.")
    resolved_tickets = SupportTicket.objects.filter(Q(pk=ticket.pk), status=TicketStatus.RESOLVED)
    if resolved_tickets.update(satisfaction=satisfaction) != 1:
        raise IllegalTransition(f"Ticket #{ticket.number} is not resolved yet.")
    ticket.refresh_from_db()
    record(
        ticket,
        "rated",
        timeline_owner=ticket.client,
        by=by,
        summary=f"Ticket {ticket}: satisfaction {satisfaction} of 5",
    )
