"""State changes of a ticket's time: waits for the customer, due times given by a person, the service levels."""

from datetime import UTC, datetime

from django.db import connection, transaction
from django.utils import timezone

from crm.exceptions import IllegalTransition, InvalidInput, errors_as_invalid_input
from crm.models import User
from crm.records.activity import Actor, record
from crm.records.local_time import format_agency_moment
from crm.runtime.job_queue import configure_job, enqueue
from support.models import CHANGE_LOCK, Holiday, ServiceLevel, SupportTicket, TicketStatus, WorkingDay
from support.service_levels.changes import (
    DAY_COLUMNS,
    LEVEL_COLUMNS,
    ServiceSettings,
    describe_changes,
    load_settings,
)
from support.service_levels.due_times import COMPUTE_TASK, due_columns
from support.service_levels.levels import hold_service_levels

CHANGE_TICKET, CHANGE_LEVELS = "support.change_supportticket", "support.change_servicelevel"


@transaction.atomic
def wait_for_customer(ticket: SupportTicket, *, by: Actor | User) -> None:
    """Let the time of `ticket` stand still until the customer answers.

    Raises:
        NotPermitted: `by` may not change tickets.
        IllegalTransition: the ticket is deleted, resolved, or waits already.
    """
    Actor.of(by).require_permission(CHANGE_TICKET, "let a ticket wait for the customer")
    locked = lock_unresolved(ticket)
    if locked.waiting_since is not None:
        raise IllegalTransition(f"Ticket #{locked.number} waits for the customer already.")
    SupportTicket.objects.filter(pk=ticket.pk).update(waiting_since=timezone.now())
    ticket.refresh_from_db()
    summary = f"Ticket “{ticket}” waits for the customer"
    record(ticket, "waiting", timeline_owner=ticket.customer, by=by, summary=summary)


@transaction.atomic
def end_wait(ticket: SupportTicket, *, by: Actor | User) -> None:
    """Record that the customer of `ticket` answered, and compute its due times again without the wait.

    Raises:
        NotPermitted: `by` may not change tickets.
        IllegalTransition: the ticket is deleted, resolved, or does not wait.
    """
    Actor.of(by).require_permission(CHANGE_TICKET, "end the wait of a ticket")
    levels = hold_service_levels()
    locked = lock_unresolved(ticket)
    if locked.waiting_since is None:
        raise IllegalTransition(f"Ticket #{locked.number} does not wait for the customer.")
    locked.waits = [*locked.waits, wait_entry(locked.waiting_since, timezone.now())]
    changes = {"waiting_since": None, "waits": locked.waits, **due_columns(locked, levels)}
    SupportTicket.objects.filter(pk=ticket.pk).update(**changes)
    ticket.refresh_from_db()
    summary = f"The customer answered ticket “{ticket}”"
    record(ticket, "answered", timeline_owner=ticket.customer, by=by, summary=summary)


def wait_entry(start: datetime, end: datetime) -> dict[str, str]:
    """Return a wait as the column `waits` holds it."""
    return {"from": start.astimezone(UTC).isoformat(), "to": max(start, end).astimezone(UTC).isoformat()}


@transaction.atomic
def set_due_times(
    ticket: SupportTicket, first_response: datetime | None, resolution: datetime | None, *, by: Actor | User
) -> None:
    """Give `ticket` due times of its own; without any, it follows its service level again.

    Raises:
        NotPermitted: `by` may not change tickets.
        IllegalTransition: the ticket is deleted or resolved.
        InvalidInput: only the first response has a time, or it is due after the resolution.
    """
    Actor.of(by).require_permission(CHANGE_TICKET, "set the due times of a ticket")
    if resolution is None and first_response is not None:
        raise InvalidInput("Enter when the resolution is due, too.")
    if first_response is not None and resolution is not None and first_response > resolution:
        raise InvalidInput("The first response must not be due after the resolution.")
    levels = hold_service_levels()
    locked = lock_unresolved(ticket)
    locked.has_own_due_times = resolution is not None
    changes = due_columns(locked, levels)
    if resolution is not None:
        changes = {"first_response_due_at": first_response, "resolve_due_at": resolution, "due_is_stale": False}
    SupportTicket.objects.filter(pk=ticket.pk).update(has_own_due_times=locked.has_own_due_times, **changes)
    ticket.refresh_from_db()
    due = f"due {format_agency_moment(ticket.resolve_due_at)}" if ticket.resolve_due_at else "without due time"
    origin = "set by hand" if ticket.has_own_due_times else "by its service level"
    summary = f"Ticket “{ticket}” {due}, {origin}"
    record(ticket, "due times set", timeline_owner=ticket.customer, by=by, summary=summary)


def lock_unresolved(ticket: SupportTicket) -> SupportTicket:
    """Return the locked row of `ticket`.

    Raises:
        IllegalTransition: it is deleted or resolved.
    """
    locked = SupportTicket.everything.select_for_update().get(pk=ticket.pk)
    if locked.is_deleted or locked.status == TicketStatus.RESOLVED:
        raise IllegalTransition(f"Ticket #{locked.number} is {'deleted' if locked.is_deleted else 'resolved'}.")
    return locked


@transaction.atomic
def save_service_levels(changed: ServiceSettings, loaded_digest: str, *, by: Actor | User) -> list[str]:
    """Save the service levels, the week and the holidays, and queue the due times to be computed again.

    `loaded_digest` is that of the settings that the changes were made to. Return the changes, a line for each.

    Raises:
        NotPermitted: `by` may not change service levels.
        IllegalTransition: a colleague changed them meanwhile, or nothing differs.
        InvalidInput: a constraint refuses a value.
    """
    Actor.of(by).require_permission(CHANGE_LEVELS, "change the service levels")
    with connection.cursor() as cursor:
        cursor.execute("SELECT pg_advisory_xact_lock(%s)", [CHANGE_LOCK])
    stored = load_settings()
    if stored.digest != loaded_digest:
        raise IllegalTransition("The service levels were changed meanwhile. Open the page again to see them.")
    lines = describe_changes(stored, changed)
    if not lines:
        raise IllegalTransition("Nothing was changed.")
    with errors_as_invalid_input():
        store_levels(stored, changed)
        store_calendar(stored, changed)
    summary = "\n".join(["Service levels changed", *lines])
    record(changed.levels[0], "changed", by=by, summary=summary)
    enqueue(configure_job(COMPUTE_TASK, queueing_lock=COMPUTE_TASK))
    return lines


def store_levels(stored: ServiceSettings, changed: ServiceSettings) -> None:
    """Store the levels that differ; those that are missing are deleted first, so that others may take their place."""
    before = {level.pk: level for level in stored.levels}
    ServiceLevel.objects.filter(pk__in=before.keys() - {level.pk for level in changed.levels}).delete()
    for level in changed.levels:
        old = before.get(level.pk)
        if old is None or any(getattr(old, name) != getattr(level, name) for name in LEVEL_COLUMNS):
            level._state.adding = old is None
            level.full_clean()
            level.save(force_insert=old is None)


def store_calendar(stored: ServiceSettings, changed: ServiceSettings) -> None:
    """Store the week in one statement, since each is checked for a working hour, and the holidays that differ."""
    pairs = zip(stored.days, changed.days, strict=True)
    days = [new for old, new in pairs if any(getattr(old, name) != getattr(new, name) for name in DAY_COLUMNS)]
    if days:
        WorkingDay.objects.bulk_update(days, DAY_COLUMNS)
    other = [day for day, name in stored.holidays.items() if changed.holidays.get(day) != name]
    if other:
        Holiday.objects.filter(day__in=other).delete()
    added = [Holiday(day=day, name=name) for day, name in changed.holidays.items() if stored.holidays.get(day) != name]
    if added:
        Holiday.objects.bulk_create(added)
