"""The state changes of tickets."""

from datetime import datetime
from typing import Any

from django.db import transaction
from django.db.models import Q
from django.utils import timezone

from crm.exceptions import IllegalTransition, InvalidInput, errors_as_invalid_input
from crm.models import NotificationKind, User
from crm.records.activity import Actor, record
from crm.records.custom_fields.rights import require_new_field_rights
from crm.records.local_time import format_agency_moment
from crm.records.notifications.mentions import notify_mentioned
from crm.records.notifications.notify import notify, notify_assigned
from support.models import TICKET_TRANSITIONS, SupportTicket, TicketPriority, TicketStatus
from support.service_levels.due_times import due_columns
from support.service_levels.escalation import load_supervisors
from support.service_levels.levels import hold_service_levels

MAX_NOTE_LENGTH = 10_000
# What reopening a ticket replaces; the earlier times stay in its activity log.
PROMISE_FIELDS = ("first_response_due_at", "first_responded_at", "resolve_due_at", "resolved_at")


@transaction.atomic
def open_ticket(ticket: SupportTicket, *, by: Actor | User) -> None:
    """Save a new `ticket` with its number and its due times: those that it has, else those of its service level.

    Raises:
        NotPermitted: `by` may not add tickets, or fill one of their custom fields.
        InvalidInput: there is neither a subject nor a description, a field is invalid, or a constraint is violated.
    """
    actor = Actor.of(by)
    actor.require_permission("support.add_supportticket", "open a ticket")
    require_new_field_rights(ticket, by=by)
    if not (ticket.subject.strip() or ticket.issue_description.strip()):
        raise InvalidInput("Enter a subject or a description.")
    ticket.created_by = ticket.created_by or str(actor)
    with errors_as_invalid_input():
        ticket.opened_at = ticket.created_at
        ticket.full_clean()
        due = hold_service_levels().due_times(ticket)
        ticket.has_own_due_times = bool(ticket.first_response_due_at or ticket.resolve_due_at)
        ticket.first_response_due_at = ticket.first_response_due_at or due.first_response
        ticket.resolve_due_at = ticket.resolve_due_at or due.resolution
        ticket.save(force_insert=True)
    ticket.refresh_from_db()
    record(ticket, "opened", timeline_owner=ticket.customer, by=by, summary=f"Ticket “{ticket}” opened")
    notify_assigned(ticket, by=by)


def set_status(ticket: SupportTicket, to: TicketStatus, *, by: Actor | User, **changes: Any) -> None:
    """Set the status by compare-and-set: of two simultaneous changes, the first wins.

    Raises:
        NotPermitted: `by` may not work on tickets.
        IllegalTransition: the current status does not allow this change.
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
    """Start work on `ticket`; an unassigned ticket is assigned to the user."""
    actor = Actor.of(by)
    set_status(ticket, TicketStatus.IN_PROGRESS, by=by)
    if ticket.assigned_to_id is None and actor.user is not None:
        SupportTicket.objects.filter(pk=ticket.pk, assigned_to=None).update(assigned_to=actor.user)
        ticket.refresh_from_db()
    record(ticket, "started", timeline_owner=ticket.customer, by=by, summary=f"Ticket “{ticket}” started")


@transaction.atomic
def escalate(ticket: SupportTicket, *, why: str, by: Actor | User) -> None:
    """Escalate `ticket`, and tell those who work on it and those who may give it to someone else.

    Raises:
        InvalidInput: `why` is blank.
    """
    why = strip_text(why)
    if not why:
        raise InvalidInput("Enter a reason for escalating the ticket.")
    set_status(ticket, TicketStatus.ESCALATED, by=by, escalated_at=timezone.now())
    record(ticket, "escalated", timeline_owner=ticket.customer, by=by, summary=f"Ticket “{ticket}” escalated: {why}")
    readers = [ticket.owner, ticket.record_owner, *load_supervisors()]
    notify(NotificationKind.ESCALATED, ticket, readers, by=by)


@transaction.atomic
def resolve(ticket: SupportTicket, *, summary: str, by: Actor | User) -> None:
    """Resolve `ticket` with a summary of the resolution.

    Raises:
        InvalidInput: `summary` is blank.
        IllegalTransition: the ticket is already resolved.
    """
    summary = strip_text(summary)
    if not summary:
        raise InvalidInput("Enter a resolution summary before resolving the ticket.")
    now = timezone.now()
    set_status(ticket, TicketStatus.RESOLVED, by=by, resolution_summary=summary, resolved_at=now)
    record_first_response(ticket, now)
    record(ticket, "resolved", timeline_owner=ticket.customer, by=by, summary=f"Ticket “{ticket}” resolved: {summary}")


@transaction.atomic
def reopen(ticket: SupportTicket, *, why: str, by: Actor | User) -> None:
    """Reopen a resolved `ticket` with new due times.

    A note keeps the previous resolution, and the entry on its timeline what was promised first and when it was met.

    Raises:
        InvalidInput: `why` is blank.
        IllegalTransition: the ticket is not resolved.
    """
    why = strip_text(why)
    if not why:
        raise InvalidInput("Enter a reason for reopening the ticket.")
    levels, now = hold_service_levels(), timezone.now()
    locked = SupportTicket.everything.select_for_update().get(pk=ticket.pk)
    due = levels.due_times(SupportTicket(priority=locked.priority, issue_type=locked.issue_type, opened_at=now))
    set_status(
        ticket,
        TicketStatus.OPEN,
        by=by,
        resolved_at=None,
        resolution_summary="",
        satisfaction=None,
        first_responded_at=None,
        opened_at=now,
        waits=[],
        has_own_due_times=False,
        due_is_stale=False,
        first_response_due_at=due.first_response,
        resolve_due_at=due.resolution,
    )
    append_note(ticket, f"Reopened: {why}\nPrevious resolution: {locked.resolution_summary}", internal=True, by=by)
    record(
        ticket,
        "reopened",
        timeline_owner=ticket.customer,
        by=by,
        summary=f"Ticket “{ticket}” reopened: {why}\n{describe_promises(locked, due.resolution)}",
        **{name: at.isoformat() for name in PROMISE_FIELDS if (at := getattr(locked, name))},
    )


@transaction.atomic
def undo_resolution(ticket: SupportTicket, to: TicketStatus, *, by: Actor | User) -> None:
    """Take back the resolution of `ticket`, as if it had not been resolved: it is `to` again, with its due times.

    A first response that only the resolution was goes too, and a wait for the customer that it ended goes on.

    Raises:
        IllegalTransition: the ticket is not resolved.
    """
    locked = SupportTicket.everything.select_for_update().get(pk=ticket.pk)
    by_resolution = locked.first_responded_at is not None and locked.first_responded_at == locked.resolved_at
    set_status(
        ticket,
        TicketStatus.OPEN,
        by=by,
        resolved_at=None,
        resolution_summary="",
        satisfaction=None,
        first_responded_at=None if by_resolution else locked.first_responded_at,
        **resumed_wait(locked),
    )
    if to in (TicketStatus.IN_PROGRESS, TicketStatus.ESCALATED):
        set_status(ticket, to, by=by)
    note = f"Its resolution was undone.\nPrevious resolution: {locked.resolution_summary}"
    append_note(ticket, note, internal=True, by=by)
    summary = f"Resolution of ticket “{ticket}” undone"
    record(ticket, "resolution undone", timeline_owner=ticket.customer, by=by, summary=summary)


def resumed_wait(resolved: SupportTicket) -> dict[str, Any]:
    """Return the columns of a ticket if its resolution alone ended a wait for the customer."""
    if not resolved.waits or resolved.past_waits[-1][1] != resolved.resolved_at:
        return {}
    return {"waiting_since": resolved.past_waits[-1][0], "waits": resolved.waits[:-1]}


def describe_promises(before: SupportTicket, resolution_due: datetime | None) -> str:
    """Return the new due time, and the one that `before` had with the time of its resolution."""
    first_due = f"due {format_agency_moment(before.resolve_due_at)}" if before.resolve_due_at else "no due time"
    resolved = f", resolved {format_agency_moment(before.resolved_at)}" if before.resolved_at else ""
    now_due = f"Due {format_agency_moment(resolution_due)}" if resolution_due else "No due time"
    return f"{now_due}. Before: {first_due}{resolved}."


@transaction.atomic
def set_priority(ticket: SupportTicket, priority: str, *, by: Actor | User) -> None:
    """Set the priority, and compute the open due times again.

    Raises:
        NotPermitted: `by` may not change tickets.
        InvalidInput: there is no such priority.
        IllegalTransition: the ticket is deleted, resolved, or already has this priority.
    """
    Actor.of(by).require_permission("support.change_supportticket", "set the priority of a ticket")
    if priority not in TicketPriority.values:
        raise InvalidInput(f"The priority must be one of: {', '.join(TicketPriority.values)}.")
    levels = hold_service_levels()
    locked = SupportTicket.everything.select_for_update().get(pk=ticket.pk)
    if locked.is_deleted or locked.status == TicketStatus.RESOLVED:
        raise IllegalTransition(f"Ticket #{locked.number} is {'deleted' if locked.is_deleted else 'resolved'}.")
    if locked.priority == priority:
        raise IllegalTransition(
            f"Ticket #{locked.number} already has {locked.get_priority_display().lower()} priority."
        )
    was, locked.priority = locked.priority, priority
    SupportTicket.everything.filter(pk=ticket.pk).update(priority=priority, **due_columns(locked, levels))
    ticket.refresh_from_db()
    summary_text = f"Ticket “{ticket}”: priority {was} → {priority}"
    record(
        ticket,
        "prioritised",
        timeline_owner=ticket.customer,
        by=by,
        summary=summary_text,
        was=was,
        now=priority,
    )


@transaction.atomic
def add_ticket_note(ticket: SupportTicket, body: str, *, internal: bool, by: Actor | User) -> list[User]:
    """Add a note to `ticket`; a note that is not internal counts as our first response.

    Colleagues named in an internal note as @username are told. Return those who are not, because they may not open it.

    Raises:
        NotPermitted: `by` may not change tickets.
        InvalidInput: the note is blank or longer than 10,000 characters.
        IllegalTransition: the ticket is deleted.
    """
    Actor.of(by).require_permission("support.change_supportticket", "add a note to a ticket")
    body = strip_text(body)
    if not body:
        raise InvalidInput("Enter a note. It must not be empty.")
    if len(body) > MAX_NOTE_LENGTH:
        raise InvalidInput(f"A note can have at most {MAX_NOTE_LENGTH:,} characters; this one has {len(body):,}.")
    append_note(ticket, body, internal=internal, by=by)
    if not internal:
        record_first_response(ticket, timezone.now())
    record(
        ticket, "noted", timeline_owner=ticket.customer, by=by, summary=f"Note on ticket #{ticket.number}: {body[:200]}"
    )
    return notify_mentioned(ticket, body, by=by) if internal else []


def strip_text(text: str) -> str:
    """Return `text` without surrounding whitespace and without NUL characters, which PostgreSQL cannot store."""
    return text.replace("\x00", "").strip()


def append_note(ticket: SupportTicket, body: str, *, internal: bool, by: Actor | User) -> None:
    """Append a note under a lock, so that simultaneous notes are not lost."""
    locked = SupportTicket.everything.select_for_update().get(pk=ticket.pk)
    if locked.is_deleted:
        raise IllegalTransition(f"Ticket #{locked.number} is deleted; restore it first.")
    entry = {"at": timezone.now().isoformat(), "by": str(Actor.of(by)), "body": body, "internal": internal}
    SupportTicket.everything.filter(pk=ticket.pk).update(notes=[*locked.notes, entry])
    ticket.refresh_from_db()


def record_first_response(ticket: SupportTicket, at: Any) -> None:
    """Record the time of our first response, unless there was one before."""
    SupportTicket.everything.filter(pk=ticket.pk, first_responded_at=None).update(first_responded_at=at)
    ticket.refresh_from_db()


@transaction.atomic
def rate_ticket(ticket: SupportTicket, satisfaction: int, *, by: Actor | User) -> None:
    """Record the satisfaction of the customer with a resolved `ticket`, from 1 to 5.

    Raises:
        NotPermitted: `by` may not change tickets.
        InvalidInput: `satisfaction` is not from 1 to 5.
        IllegalTransition: the ticket is not resolved.
    """
    Actor.of(by).require_permission("support.change_supportticket", "rate a ticket")
    if not 1 <= satisfaction <= 5:
        raise InvalidInput(f"The satisfaction must be a number from 1 to 5, not {satisfaction}.")

    resolved_tickets = SupportTicket.objects.filter(Q(pk=ticket.pk), status=TicketStatus.RESOLVED)
    if resolved_tickets.update(satisfaction=satisfaction) != 1:
        raise IllegalTransition(f"Ticket #{ticket.number} is not resolved yet.")
    ticket.refresh_from_db()
    record(
        ticket,
        "rated",
        timeline_owner=ticket.customer,
        by=by,
        summary=f"Ticket “{ticket}”: satisfaction {satisfaction} of 5",
    )
