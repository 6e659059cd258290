"""Warn of due times that come near, and escalate tickets that missed theirs: each thing once, many at a time.

A batch is one transaction: its rows, its lines in the activity log and its notifications. A killed job leaves whole
batches behind. Of two jobs, each takes the rows that the other does not hold.
"""

from collections.abc import Callable, Iterable
from datetime import datetime
from typing import NamedTuple
from uuid import UUID

from django.db import connection, transaction

from crm.models import NotificationKind, User
from crm.records.base import can_see_everyone
from crm.records.notifications.notify import Notice, notify_owners
from crm.records.notifications.staff import load_with_permissions
from support.models import SupportTicket

MAX_AT_ONCE = 2_000
REASSIGN_PERMISSION = "support.reassign_supportticket"
# The conditions of the indexes `support_tickets_to_resolve` and `support_tickets_to_answer`.
COUNTED = "ticket.deleted_at IS NULL AND ticket.status <> 'Resolved' AND ticket.waiting_since IS NULL"
TO_RESOLVE = f"{COUNTED} AND (ticket.escalated_at IS NULL OR ticket.escalated_at < ticket.resolve_due_at)"
TO_ANSWER = (
    f"{COUNTED} AND ticket.first_responded_at IS NULL"
    " AND (ticket.escalated_at IS NULL OR ticket.escalated_at < ticket.first_response_due_at)"
)
LEVEL = """
    JOIN LATERAL (SELECT * FROM service_levels AS level
                   WHERE level.priority = ticket.priority AND lower(level.issue_type) IN (lower(ticket.issue_type), '')
                   ORDER BY level.issue_type = '' LIMIT 1) AS level ON true
"""
LATEST_WARNING = "%(now)s + (SELECT max(warn_minutes) FROM service_levels) * interval '1 minute'"
# An outdated due time is computed first.
WARN_SQL = f"""
    WITH near AS (
        SELECT ticket.id, next.due_at
          FROM support_tickets AS ticket {LEVEL}
         CROSS JOIN LATERAL (
               SELECT least(CASE WHEN ticket.first_responded_at IS NULL AND ticket.first_response_due_at > %(now)s
                                 THEN ticket.first_response_due_at END,
                            CASE WHEN ticket.resolve_due_at > %(now)s THEN ticket.resolve_due_at END) AS due_at) AS next
         WHERE ticket.id = ANY (ARRAY(
               SELECT ticket.id FROM support_tickets AS ticket
                WHERE {TO_RESOLVE} AND ticket.resolve_due_at > %(now)s AND ticket.resolve_due_at <= {LATEST_WARNING}
                UNION
               SELECT ticket.id FROM support_tickets AS ticket
                WHERE {TO_ANSWER} AND ticket.first_response_due_at > %(now)s
                  AND ticket.first_response_due_at <= {LATEST_WARNING}))
           AND {COUNTED} AND NOT ticket.due_is_stale AND level.warn_minutes > 0
           AND next.due_at <= %(now)s + level.warn_minutes * interval '1 minute'
           AND ticket.warned_for IS DISTINCT FROM next.due_at
         LIMIT %(limit)s
           FOR UPDATE OF ticket SKIP LOCKED
    )
    UPDATE support_tickets AS ticket SET warned_for = near.due_at, updated_at = statement_timestamp()
      FROM near WHERE ticket.id = near.id
    RETURNING ticket.id, ticket.owner_id, ticket.record_owner_id, ticket.restriction, near.due_at
"""
ESCALATE_SQL = f"""
    WITH late AS (
        SELECT ticket.id, ticket.status, user_of_level.id AS escalates_to,
               ticket.resolve_due_at <= %(now)s AS is_resolution_late,
               greatest(CASE WHEN ticket.resolve_due_at <= %(now)s THEN ticket.resolve_due_at END,
                        CASE WHEN ticket.first_responded_at IS NULL AND ticket.first_response_due_at <= %(now)s
                             THEN ticket.first_response_due_at END) AS due_at
          FROM support_tickets AS ticket {LEVEL}
          LEFT JOIN users AS user_of_level ON user_of_level.id = level.escalates_to_id AND user_of_level.is_active
         WHERE NOT ticket.due_is_stale
           AND ({TO_RESOLVE} AND ticket.resolve_due_at <= %(now)s
                OR {TO_ANSWER} AND ticket.first_response_due_at <= %(now)s)
         LIMIT %(limit)s
           FOR UPDATE OF ticket SKIP LOCKED
    ), escalated AS (
        UPDATE support_tickets AS ticket
           SET status = 'Escalated', escalated_at = %(now)s, updated_at = statement_timestamp(),
               assigned_to_id = CASE WHEN late.status = 'Escalated' THEN ticket.assigned_to_id
                                     ELSE coalesce(late.escalates_to, ticket.assigned_to_id) END
          FROM late WHERE ticket.id = late.id
        RETURNING ticket.id, ticket.number, ticket.subject, ticket.client_id, ticket.lead_id, ticket.owner_id,
                  ticket.record_owner_id, ticket.restriction, late.is_resolution_late, late.due_at,
                  late.status <> 'Escalated' AND ticket.assigned_to_id = late.escalates_to AS is_reassigned
    ), logged AS (
        INSERT INTO activity_logs (actor_type, verb, summary, target_type, target_id, about_type, about_id, metadata,
                                   occurred_at)
        SELECT 'system', 'escalated',
               'Ticket “#' || number || ' ' || subject || '” escalated: its '
               || CASE WHEN is_resolution_late THEN 'resolution' ELSE 'first response' END || ' is overdue'
               || CASE WHEN is_reassigned THEN '. Reassigned by its service level' ELSE '' END,
               'support.supportticket', id, CASE WHEN client_id IS NULL THEN 'leads.lead' ELSE 'crm.client' END,
               coalesce(client_id, lead_id), jsonb_build_object('name', 'The program', 'due_at', due_at), %(now)s
          FROM escalated
    )
    SELECT id, owner_id, record_owner_id, restriction, due_at FROM escalated
"""


class NoticedTicket(NamedTuple):
    """What decides who is told about a ticket."""

    pk: UUID
    owner: UUID | None
    record_owner: UUID | None
    restriction: int
    due_at: datetime

    def is_visible_to(self, user: User) -> bool:
        row = SupportTicket(owner_id=self.owner, record_owner_id=self.record_owner, restriction=self.restriction)
        return row.is_visible_to(user)


def load_supervisors() -> list[User]:
    """Return the users who may give a ticket to someone else, with their permissions."""
    return load_with_permissions(User.objects.with_perm(REASSIGN_PERMISSION, include_superusers=False))


def warn_of_due_times(now: datetime) -> int:
    """Tell the owners of tickets that are due soon, each time once; return how many tickets there were.

    Where a ticket has no owner, those who may assign it are told.
    """
    return in_batches(warn_some, now)


def escalate_late(now: datetime) -> int:
    """Escalate the tickets that have missed their time, each due time once; return how many there were."""
    return in_batches(escalate_some, now)


def in_batches(do_some: Callable[[datetime, list[User]], int], now: datetime) -> int:
    supervisors, total = load_supervisors(), 0
    while count := do_some(now, supervisors):
        total += count
        if count < MAX_AT_ONCE:
            break
    return total


@transaction.atomic
def warn_some(now: datetime, supervisors: list[User]) -> int:
    tickets = run(WARN_SQL, now)
    notices = {Notice(ticket.owner, ticket.pk, due_at=ticket.due_at) for ticket in tickets if ticket.owner}
    unowned = [ticket for ticket in tickets if not ticket.owner]
    notices |= {Notice(user, ticket.pk, due_at=ticket.due_at) for user, ticket in readers_of(unowned, supervisors)}
    notify_owners(NotificationKind.DUE, SupportTicket, notices)
    return len(tickets)


@transaction.atomic
def escalate_some(now: datetime, supervisors: list[User]) -> int:
    tickets = run(ESCALATE_SQL, now)
    notices = {Notice(user, ticket.pk) for user, ticket in readers_of(tickets, supervisors)}
    owners = {Notice(user, one.pk) for one in tickets for user in (one.owner, one.record_owner) if user}
    notify_owners(NotificationKind.ESCALATED, SupportTicket, notices | owners)
    return len(tickets)


def run(statement: str, now: datetime) -> list[NoticedTicket]:
    with connection.cursor() as cursor:
        cursor.execute(statement, {"now": now, "limit": MAX_AT_ONCE})
        return [NoticedTicket(*row) for row in cursor.fetchall()]


def readers_of(tickets: Iterable[NoticedTicket], users: list[User]) -> Iterable[tuple[UUID, NoticedTicket]]:
    """Yield each user with each ticket that they may open."""
    see_all = {user.pk for user in users if can_see_everyone(user)}
    for ticket in tickets:
        for user in users:
            if user.pk in see_all or ticket.is_visible_to(user):
                yield user.pk, ticket
