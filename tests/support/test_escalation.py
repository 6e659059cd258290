"""Tests of warnings and escalation: each due time once, by whichever job."""

import threading
from datetime import UTC, datetime, timedelta

import pytest
from django.db import connection, transaction

from crm.models import ActivityLog, Notification
from support.models import ServiceLevel, SupportTicket, TicketStatus
from support.service_levels import escalation
from support.service_levels.escalation import escalate_late, warn_of_due_times
from support.transitions import escalate, resolve, start_work
from tests.cast import make_lead, make_ticket

NOW = datetime(2026, 11, 24, 12, tzinfo=UTC)
ONE_HOUR = timedelta(hours=1)


def due_ticket(response_in: timedelta | None, resolution_in: timedelta | None, **kw) -> SupportTicket:
    """Create a ticket with its due times from NOW on."""
    ticket = make_ticket(**kw)
    times = {"first_response_due_at": response_in, "resolve_due_at": resolution_in}
    due = {name: None if span is None else NOW + span for name, span in times.items()}
    SupportTicket.objects.filter(pk=ticket.pk).update(**due)
    ticket.refresh_from_db()
    return ticket


def told(user, kind: str) -> list:
    rows = Notification.objects.filter(reader=user, kind=kind).order_by("target_id")
    return [(row.target_id, row.due_at) for row in rows]


@pytest.mark.django_db
def test_assignee_is_warned_once_of_each_due_time(ann):
    ticket = due_ticket(ONE_HOUR / 2, 5 * ONE_HOUR, assigned_to=ann)
    due_ticket(2 * ONE_HOUR, 3 * ONE_HOUR, assigned_to=ann)
    assert (warn_of_due_times(NOW), warn_of_due_times(NOW)) == (1, 0)
    assert told(ann, "due") == [(ticket.pk, ticket.first_response_due_at)]
    ticket.refresh_from_db()
    assert ticket.warned_for == ticket.first_response_due_at
    SupportTicket.objects.filter(pk=ticket.pk).update(first_responded_at=NOW)
    later = NOW + 4 * ONE_HOUR
    SupportTicket.objects.exclude(pk=ticket.pk).delete()
    assert (warn_of_due_times(later), warn_of_due_times(later)) == (1, 0)
    assert {due for _, due in told(ann, "due")} == {ticket.first_response_due_at, ticket.resolve_due_at}


@pytest.mark.django_db
def test_warning_comes_as_early_as_the_level_of_the_ticket_says(ann):
    general = ServiceLevel.objects.get(issue_type="", priority="normal")
    ServiceLevel.objects.create(
        issue_type="claim", priority="normal", first_response_minutes=60, resolution_minutes=60, warn_minutes=0
    )
    ServiceLevel.objects.filter(pk=general.pk).update(warn_minutes=180)
    early = due_ticket(None, 2 * ONE_HOUR, assigned_to=ann)
    due_ticket(None, 2 * ONE_HOUR, assigned_to=ann, issue_type="Claim")
    SupportTicket.objects.update(due_is_stale=False)
    assert warn_of_due_times(NOW) == 1
    assert told(ann, "due") == [(early.pk, early.resolve_due_at)]


@pytest.mark.django_db
def test_those_who_may_reassign_are_warned_of_a_ticket_without_owner(max, ann):
    ticket = due_ticket(None, ONE_HOUR / 2)
    warn_of_due_times(NOW)
    assert told(max, "due") == [(ticket.pk, ticket.resolve_due_at)]
    assert not told(ann, "due")


@pytest.mark.django_db
@pytest.mark.parametrize("missed", [(-ONE_HOUR, ONE_HOUR), (None, -ONE_HOUR)])
def test_late_ticket_is_escalated_once_and_told(ann, max, missed):
    ticket = due_ticket(*missed, assigned_to=ann)
    due_ticket(ONE_HOUR, 2 * ONE_HOUR)
    assert (escalate_late(NOW), escalate_late(NOW)) == (1, 0)
    ticket.refresh_from_db()
    assert (ticket.status, ticket.escalated_at, ticket.assigned_to) == (TicketStatus.ESCALATED, NOW, ann)
    assert told(ann, "escalated") == told(max, "escalated") == [(ticket.pk, None)]
    assert Notification.objects.get(reader=max).by_email
    line = ActivityLog.objects.for_target(ticket).get(verb="escalated")
    what = "resolution" if missed[1] < timedelta() else "first response"
    assert line.summary == f"Ticket “{ticket}” escalated: its {what} is overdue"
    assert (line.actor_type, line.about_id) == ("system", ticket.client_id)


@pytest.mark.django_db
def test_started_ticket_is_escalated_again_only_for_its_next_due_time(ann):
    ticket = due_ticket(-ONE_HOUR, 2 * ONE_HOUR, assigned_to=ann)
    escalate_late(NOW)
    start_work(ticket, by=ann)
    assert escalate_late(NOW + ONE_HOUR) == 0
    assert (escalate_late(NOW + 2 * ONE_HOUR), escalate_late(NOW + 3 * ONE_HOUR)) == (1, 0)


@pytest.mark.django_db
def test_late_ticket_goes_to_the_colleague_of_its_level(ann, bob):
    ServiceLevel.objects.update(escalates_to=bob)
    SupportTicket.objects.update(due_is_stale=False)
    ticket = due_ticket(None, -ONE_HOUR, assigned_to=ann)
    escalated = due_ticket(None, -ONE_HOUR, assigned_to=ann)
    escalate(escalated, why="Third time", by=ann)
    SupportTicket.objects.filter(pk=escalated.pk).update(escalated_at=NOW - 2 * ONE_HOUR)
    escalate_late(NOW)
    ticket.refresh_from_db()
    escalated.refresh_from_db()
    assert (ticket.assigned_to, ticket.owner) == (bob, bob)
    assert escalated.assigned_to == ann
    assert (ticket.pk, None) in told(bob, "escalated")
    assert "Reassigned by its service level" in ActivityLog.objects.for_target(ticket).get(verb="escalated").summary


@pytest.mark.django_db
def test_colleague_who_left_gets_no_ticket(ann, bob):
    bob.is_active = False
    bob.save()
    ServiceLevel.objects.update(escalates_to=bob)
    ticket = due_ticket(None, -ONE_HOUR, assigned_to=ann)
    escalate_late(NOW)
    ticket.refresh_from_db()
    assert ticket.assigned_to == ann


@pytest.mark.django_db
@pytest.mark.parametrize(
    "columns",
    [{"waiting_since": NOW - 3 * ONE_HOUR}, {"due_is_stale": True}, {"deleted_at": NOW}],
    ids=["waiting", "outdated", "deleted"],
)
def test_ticket_without_a_running_due_time_is_left_alone(ann, columns):
    for due in (-ONE_HOUR, ONE_HOUR / 2):
        ticket = due_ticket(None, due, assigned_to=ann)
        SupportTicket.objects.filter(pk=ticket.pk).update(**columns)
    assert (warn_of_due_times(NOW), escalate_late(NOW)) == (0, 0)


@pytest.mark.django_db
def test_resolved_ticket_is_left_alone(ann):
    ticket = due_ticket(None, -ONE_HOUR, assigned_to=ann)
    resolve(ticket, summary="Sent", by=ann)
    assert escalate_late(NOW) == 0


@pytest.mark.django_db
def test_colleague_who_may_not_open_the_ticket_is_not_told(ann, bob, max):
    ticket = due_ticket(None, -ONE_HOUR, client=None, lead=make_lead(assigned_to=bob), assigned_to=ann)
    escalate_late(NOW)
    assert told(ann, "escalated") == told(bob, "escalated") == told(max, "escalated") == [(ticket.pk, None)]


@pytest.mark.django_db(transaction=True)
def test_two_jobs_at_once_escalate_each_ticket_once(ann, monkeypatch):
    monkeypatch.setattr(escalation, "MAX_AT_ONCE", 3)
    for _ in range(8):
        due_ticket(None, -ONE_HOUR, assigned_to=ann)
    barrier, counts = threading.Barrier(2), []

    def run() -> None:
        barrier.wait()
        counts.append(escalate_late(NOW))
        connection.close()

    threads = [threading.Thread(target=run) for _ in range(2)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    counts.append(escalate_late(NOW))
    assert sum(counts) == 8
    assert ActivityLog.objects.filter(verb="escalated").count() == 8
    assert Notification.objects.filter(reader=ann, kind="escalated").count() == 8


@pytest.mark.django_db(transaction=True)
def test_job_that_dies_leaves_whole_batches(ann, monkeypatch):
    monkeypatch.setattr(escalation, "MAX_AT_ONCE", 2)
    for _ in range(5):
        due_ticket(None, -ONE_HOUR, assigned_to=ann)
    store, calls = escalation.notify_owners, []

    def die_in_second_batch(*args) -> int:
        calls.append(args)
        if len(calls) == 2:
            raise ConnectionError
        return store(*args)

    monkeypatch.setattr(escalation, "notify_owners", die_in_second_batch)
    with pytest.raises(ConnectionError):
        escalate_late(NOW)
    assert SupportTicket.objects.filter(status="Escalated").count() == 2
    assert escalate_late(NOW) == 3
    assert Notification.objects.filter(reader=ann, kind="escalated").count() == 5


@pytest.mark.django_db
def test_many_late_tickets_take_as_many_statements_as_one(ann, django_assert_max_num_queries):
    for _ in range(12):
        due_ticket(None, -ONE_HOUR, assigned_to=ann)
    with transaction.atomic(), django_assert_max_num_queries(8):
        assert escalate_late(NOW) == 12
