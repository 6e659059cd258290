"""What can be done to a ticket."""

from typing import Any

from django.db import transaction
from django.db.models import Q
from django.db.models.expressions import DatabaseDefault
from django.utils import timezone

from crm.exceptions import BadInput, IllegalMove, refusing
from crm.models import User
from crm.records.activity import Actor, record
from support.due_times import due_times
from support.models import TRANSITIONS, SupportTicket, TicketPriority, TicketStatus

NOTE_LENGTH = 10_000


@transaction.atomic
def open_ticket(ticket: SupportTicket, *, by: Actor | User) -> None:
    """Save a new `ticket` with its number and the times by which it is due.

    Raises:
        NotAllowed: `by` may not add tickets.
        BadInput: a field refuses it.
    """
    actor = Actor.of(by)
    actor.require("support.add_supportticket", "open a ticket")
    # Left to the database, it is neither empty nor a text until it is saved.
    named = "" if isinstance(ticket.created_by, DatabaseDefault) else ticket.created_by
    ticket.created_by = named or str(actor)
    with refusing():
        ticket.full_clean()
        first, resolved = due_times(ticket.priority, ticket.created_at)
        ticket.first_response_due_at = ticket.first_response_due_at or first
        ticket.resolve_due_at = ticket.resolve_due_at or resolved
        ticket.save(force_insert=True)
    ticket.refresh_from_db()
    record(ticket, "opened", about=ticket.client, by=by, summary=f"Ticket {ticket} opened")


def move(ticket: SupportTicket, to: TicketStatus, *, by: Actor | User, **changes: Any) -> None:
    """Set the status by compare-and-set: of two people who move one ticket, the first wins.

    Raises:
        NotAllowed: `by` may not work on tickets.
        IllegalMove: not possible from where the ticket stands.
    """
    Actor.of(by).require("support.resolve_supportticket", "change the status of a ticket")
    allowed = [was for was, following in TRANSITIONS.items() if to in following]
    with refusing():
        moved = SupportTicket.objects.filter(pk=ticket.pk, status__in=allowed).update(status=to, **changes)
    stands = SupportTicket.everything.get(pk=ticket.pk)
    if moved != 1:
        state = "deleted" if stands.is_deleted else stands.get_status_display().lower()
        raise IllegalMove(f"Ticket #{stands.number} is {state} and cannot become {TicketStatus(to).label.lower()}.")
    ticket.refresh_from_db()


@transaction.atomic
def start(ticket: SupportTicket, *, by: Actor | User) -> None:
    """Take up work on `ticket`; it becomes the starter's if it was nobody's."""
    actor = Actor.of(by)
    move(ticket, TicketStatus.IN_PROGRESS, by=by)
    if ticket.assigned_to_id is None and actor.user is not None:
        SupportTicket.objects.filter(pk=ticket.pk, assigned_to=None).update(assigned_to=actor.user)
        ticket.refresh_from_db()
    record(ticket, "started", about=ticket.client, by=by, summary=f"Ticket {ticket} taken up")


@transaction.atomic
def escalate(ticket: SupportTicket, *, why: str, by: Actor | User) -> None:
    """Ask for help with `ticket`.

    Raises:
        BadInput: `why` is blank.
    """
    why = tidy(why)
    if not why:
        raise BadInput("Say why the ticket is escalated.")
    move(ticket, TicketStatus.ESCALATED, by=by, escalated_at=timezone.now())
    record(ticket, "escalated", about=ticket.client, by=by, summary=f"Ticket {ticket} escalated: {why}")


@transaction.atomic
def resolve(ticket: SupportTicket, *, summary: str, by: Actor | User) -> None:
    """Close `ticket` with what solved it.

    Raises:
        BadInput: `summary` is blank.
        IllegalMove: it is already resolved.
    """
    summary = tidy(summary)
    if not summary:
        raise BadInput("Say what solved it: a resolution summary is required.")
    now = timezone.now()
    move(ticket, TicketStatus.RESOLVED, by=by, resolution_summary=summary, resolved_at=now)
    responded(ticket, now)
    record(ticket, "resolved", about=ticket.client, by=by, summary=f"Ticket {ticket} resolved: {summary}")


@transaction.atomic
def reopen(ticket: SupportTicket, *, why: str, by: Actor | User) -> None:
    """Take a resolved `ticket` up again; what solved it last time stays in its notes.

    Raises:
        BadInput: `why` is blank.
        IllegalMove: it is not resolved.
    """
    why = tidy(why)
    if not why:
        raise BadInput("Say why the ticket is reopened.")
    said = SupportTicket.everything.select_for_update().get(pk=ticket.pk).resolution_summary
    move(ticket, TicketStatus.OPEN, by=by, resolved_at=None, resolution_summary="", satisfaction=None)
    append_note(ticket, f"Reopened: {why}\nResolved before with: {said}", internal=True, by=by)
    record(ticket, "reopened", about=ticket.client, by=by, summary=f"Ticket {ticket} reopened: {why}")


@transaction.atomic
def prioritise(ticket: SupportTicket, priority: str, *, by: Actor | User) -> None:
    """Set the priority; what is promised and not kept yet is due anew, counted from when the ticket was opened.

    Raises:
        NotAllowed: `by` may not change tickets.
        BadInput: no such priority.
        IllegalMove: the ticket is deleted, resolved, or of that priority already.
    """
    Actor.of(by).require("support.change_supportticket", "set the priority of a ticket")
    if priority not in TicketPriority.values:
        raise BadInput(f"The priority must be one of: {', '.join(TicketPriority.values)}.")
    locked = SupportTicket.everything.select_for_update().get(pk=ticket.pk)
    if locked.is_deleted or locked.status == TicketStatus.RESOLVED:
        raise IllegalMove(f"Ticket #{locked.number} is {'deleted' if locked.is_deleted else 'resolved'}.")
    if locked.priority == priority:
        raise IllegalMove(f"Ticket #{locked.number} already has {locked.get_priority_display().lower()} priority.")
    first, resolved = due_times(priority, locked.created_at)
    promises = {"resolve_due_at": resolved}
    if locked.first_responded_at is None:
        promises["first_response_due_at"] = first
    SupportTicket.everything.filter(pk=ticket.pk).update(priority=priority, **promises)
    ticket.refresh_from_db()
    said = f"Ticket {ticket}: priority {locked.priority} → {priority}"
    record(ticket, "prioritised", about=ticket.client, by=by, summary=said, was=locked.priority, now=priority)


@transaction.atomic
def note(ticket: SupportTicket, body: str, *, internal: bool, by: Actor | User) -> None:
    """Write on `ticket`; what is not internal counts as our first response.

    Raises:
        NotAllowed: `by` may not change tickets.
        BadInput: the note is empty or longer than 10,000 characters.
        IllegalMove: the ticket is deleted.
    """
    Actor.of(by).require("support.change_supportticket", "write on a ticket")
    body = tidy(body)
    if not body:
        raise BadInput("Write something: a note must not be empty.")
    if len(body) > NOTE_LENGTH:
        raise BadInput(f"A note has at most {NOTE_LENGTH:,} characters; this one has {len(body):,}.")
    append_note(ticket, body, internal=internal, by=by)
    if not internal:
        responded(ticket, timezone.now())
    record(ticket, "noted", about=ticket.client, by=by, summary=f"Note on ticket #{ticket.number}: {body[:200]}")


def tidy(text: str) -> str:
    """`text` without blanks around it, and without the one character that PostgreSQL keeps in no text."""
    return text.replace("\x00", "").strip()


def append_note(ticket: SupportTicket, body: str, *, internal: bool, by: Actor | User) -> None:
    """Add to the ticket's notes under a lock, so that two writers lose nothing."""
    locked = SupportTicket.everything.select_for_update().get(pk=ticket.pk)
    if locked.is_deleted:
        raise IllegalMove(f"Ticket #{locked.number} is deleted; restore it first.")
    line = {"at": timezone.now().isoformat(), "by": str(Actor.of(by)), "body": body, "internal": internal}
    SupportTicket.everything.filter(pk=ticket.pk).update(notes=[*locked.notes, line])
    ticket.refresh_from_db()


def responded(ticket: SupportTicket, at: Any) -> None:
    """Remember our first response, once."""
    SupportTicket.everything.filter(pk=ticket.pk, first_responded_at=None).update(first_responded_at=at)
    ticket.refresh_from_db()


@transaction.atomic
def rate(ticket: SupportTicket, satisfaction: int, *, by: Actor | User) -> None:
    """Write down how content the customer was with a resolved `ticket`, 1 to 5.

    Raises:
        NotAllowed: `by` may not work on tickets.
        BadInput: not a number from 1 to 5.
        IllegalMove: the ticket is not resolved.
    """
    Actor.of(by).require("support.change_supportticket", "rate a ticket")
    if not 1 <= satisfaction <= 5:
        raise BadInput("Satisfaction is a number from 1 to 5.")
    resolved = SupportTicket.objects.filter(Q(pk=ticket.pk), status=TicketStatus.RESOLVED)
    if resolved.update(satisfaction=satisfaction) != 1:
        raise IllegalMove(f"Ticket #{ticket.number} is not resolved yet.")
    ticket.refresh_from_db()
    record(
        ticket,
        "rated",
        about=ticket.client,
        by=by,
        summary=f"Ticket {ticket}: satisfaction {satisfaction} of 5",
    )
