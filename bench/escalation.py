"""Escalating 100,000 late tickets, beside one statement that writes the same rows, and beside one bare UPDATE."""

import sys
import time
from collections.abc import Callable
from datetime import datetime

from django.contrib.auth.models import Group
from django.db import connection, transaction
from django.utils import timezone

from bench.databases import scratch_database
from bench.table import format_verdict, render_table
from crm.models import ActivityLog, Client, Notification, User
from support.models import SupportTicket
from support.service_levels.escalation import escalate_late, warn_of_due_times

TICKETS, OWNERS, MAX_RATIO = 100_000, 20, 2.0
FILL_SQL = """
    INSERT INTO support_tickets (client_id, number, subject, assigned_to_id, owner_id, issue_type, created_at,
                                 opened_at, first_response_due_at, first_responded_at, resolve_due_at)
    SELECT %(client)s, n, 'Trouble ' || n, owner, owner, 'Billing', at, at, at, at,
           %(now)s - interval '1 minute' * (1 + n %% 1000)
      FROM (SELECT n, %(now)s::timestamptz - interval '3 days' AS at, (%(owners)s::uuid[])[1 + n %% %(count)s] AS owner
              FROM generate_series(1, %(tickets)s) AS n ORDER BY md5(n::text)) AS drawn
"""
BARE_UPDATE_SQL = """
    UPDATE support_tickets SET status = 'Escalated', escalated_at = %(now)s, updated_at = statement_timestamp()
     WHERE resolve_due_at <= %(now)s AND status <> 'Resolved'
"""
SAME_ROWS_SQL = """
    WITH escalated AS (
        UPDATE support_tickets SET status = 'Escalated', escalated_at = %(now)s, updated_at = statement_timestamp()
         WHERE resolve_due_at <= %(now)s AND status <> 'Resolved'
        RETURNING id, number, subject, client_id, owner_id, resolve_due_at
    ), logged AS (
        INSERT INTO activity_logs (actor_type, verb, summary, target_type, target_id, about_type, about_id, metadata,
                                   occurred_at)
        SELECT 'system', 'escalated',
               'Ticket “#' || number || ' ' || subject || '” escalated: its resolution is overdue',
               'support.supportticket', id, 'crm.client', client_id,
               jsonb_build_object('name', 'The program', 'due_at', resolve_due_at), %(now)s
          FROM escalated
    )
    INSERT INTO notifications (reader_id, kind, target_type, target_id, by_email)
    SELECT reader, 'escalated', 'support.supportticket', id, true
      FROM escalated CROSS JOIN LATERAL unnest(owner_id || %(supervisors)s::uuid[]) AS reader
"""


def plans() -> None:
    """Do nothing; the query plan tests cover the job."""


def run(repeat: int) -> bool:
    """Print the table; return whether the target was met."""
    with scratch_database():
        supervisor = fill()
        with connection.cursor() as cursor:
            cursor.execute("VACUUM (ANALYZE) support_tickets")
        return measure([supervisor.pk])


def fill() -> User:
    """Create the tickets of a few agents. Return the manager, who may reassign them."""
    supervisor = User.objects.create_user("supervisor", is_staff=True)
    supervisor.groups.add(Group.objects.get(name="manager"))
    owners = [User.objects.create_user(f"owner-{number}", is_staff=True) for number in range(OWNERS)]
    for owner in owners:
        owner.groups.add(Group.objects.get(name="agent"))
    with transaction.atomic(), connection.cursor() as cursor:
        # What the triggers would write is given.
        cursor.execute("SET LOCAL session_replication_role = replica")
        keys = [owner.pk for owner in owners]
        counts = {"count": OWNERS, "tickets": TICKETS, "now": timezone.now()}
        cursor.execute(FILL_SQL, {"client": Client.objects.create(name="Client").pk, "owners": keys, **counts})
    return supervisor


def measure(supervisors: list) -> bool:
    """Time the three ways in turn, each from the same rows; the job runs last and stays."""
    now = timezone.now()
    bare = time_undone(lambda: execute(BARE_UPDATE_SQL, now, supervisors))
    same = time_undone(lambda: execute(SAME_ROWS_SQL, now, supervisors))
    started = time.monotonic()
    escalated = escalate_late(now)
    job = time.monotonic() - started
    started = time.monotonic()
    again = escalate_late(now) + warn_of_due_times(now)
    idle = time.monotonic() - started
    return report({"bare": bare, "same": same, "job": job, "idle": idle}, escalated, again)


def execute(statement: str, now: datetime, supervisors: list) -> None:
    with connection.cursor() as cursor:
        cursor.execute(statement, {"now": now, "supervisors": supervisors})


def time_undone(write: Callable[[], None]) -> float:
    """Return how long `write` takes, without keeping what it writes; the table is clean again afterwards."""
    started = time.monotonic()
    with transaction.atomic():
        write()
        seconds = time.monotonic() - started
        transaction.set_rollback(True)
    with connection.cursor() as cursor:
        cursor.execute("VACUUM support_tickets, activity_logs, notifications, support_tickets_history")
    return seconds


def report(seconds: dict[str, float], escalated: int, again: int) -> bool:
    ratio = seconds["job"] / seconds["same"]
    names = {
        "bare": "one bare UPDATE",
        "same": "one statement that writes the same rows",
        "job": f"the job, {escalated:,} tickets",
        "idle": "the job once more, nothing to do",
    }
    rows = [[name, f"{seconds[key]:.2f} s", f"{seconds[key] / seconds['same']:.2f} ×"] for key, name in names.items()]
    failures = {
        f"≤ {MAX_RATIO:g} ×": ratio > MAX_RATIO,
        "not all": SupportTicket.objects.filter(status="Escalated").count() != TICKETS,
        "not once": again or ActivityLog.objects.filter(verb="escalated").count() != TICKETS,
        "not told": Notification.objects.filter(kind="escalated").count() != 2 * TICKETS,
    }
    missed = [name for name, is_failed in failures.items() if is_failed]
    sys.stdout.write(f"\n{__doc__}\n\n{render_table(['', 'time', 'ratio'], rows)}{format_verdict(missed)}\n")
    return not missed
