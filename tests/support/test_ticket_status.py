"""Tests of all status changes of a ticket, allowed and refused."""

import itertools
from datetime import UTC, datetime, timedelta

import pytest
from django.db import IntegrityError, transaction
from django.utils import timezone

from crm.exceptions import IllegalTransition, InvalidInput, NotPermitted
from crm.models import ActivityLog
from crm.records.activity import SYSTEM_ACTOR
from crm.records.transitions import purge, soft_delete
from support.models import TICKET_TRANSITIONS, SupportTicket, TicketStatus
from support.transitions import escalate, reopen, resolve, set_priority, start_work
from tests.cast import make_lead, make_ticket

pytestmark = pytest.mark.django_db
ACTIONS = {
    TicketStatus.OPEN: lambda ticket, by: reopen(ticket, why="It is back", by=by),
    TicketStatus.IN_PROGRESS: lambda ticket, by: start_work(ticket, by=by),
    TicketStatus.RESOLVED: lambda ticket, by: resolve(ticket, summary="Sent again", by=by),
    TicketStatus.ESCALATED: lambda ticket, by: escalate(ticket, why="Third time", by=by),
}
LEGAL = {(was, to) for was, following in TICKET_TRANSITIONS.items() for to in following}
PAIRS = sorted(itertools.product(TicketStatus.values, TicketStatus.values))


def ticket_in(status: str) -> SupportTicket:
    """Create a ticket in `status`, bypassing all rules except those of the database."""
    ticket = make_ticket()
    resolution = (
        {"resolution_summary": "Sent", "resolved_at": timezone.now()} if status == TicketStatus.RESOLVED else {}
    )
    SupportTicket.objects.filter(pk=ticket.pk).update(status=status, **resolution)
    ticket.refresh_from_db()
    return ticket


@pytest.mark.parametrize(("was", "to"), PAIRS)
def test_each_status_change_is_applied_or_refused(ann, was, to):
    ticket = ticket_in(was)
    if (was, to) in LEGAL:
        ACTIONS[to](ticket, ann)
        assert ticket.status == to
        line = ActivityLog.objects.for_target(ticket)[0]
        assert (line.actor, line.about_id) == (ann, ticket.client_id)
    else:
        sentence = f"Ticket #{ticket.number} is {TicketStatus(was).label.lower()} and cannot become "
        with pytest.raises(IllegalTransition, match=sentence + TicketStatus(to).label.lower()):
            ACTIONS[to](ticket, ann)
        ticket.refresh_from_db()
        assert ticket.status == was


@pytest.mark.parametrize("to", TicketStatus.values)
def test_deleted_ticket_cannot_change_status(ann, to):
    ticket = ticket_in(next(was for was, following in LEGAL if following == to))
    soft_delete(ticket, by=SYSTEM_ACTOR)
    with pytest.raises(IllegalTransition, match="is deleted"):
        ACTIONS[to](ticket, ann)


@pytest.mark.parametrize("to", TicketStatus.values)
def test_viewer_cannot_change_status(vera, to):
    ticket = ticket_in(next(was for was, following in LEGAL if following == to))
    with pytest.raises(NotPermitted, match="Vera may not change the status of a ticket"):
        ACTIONS[to](ticket, vera)


def test_starting_assigns_unassigned_ticket_only(ann, bob):
    ticket = make_ticket()
    start_work(ticket, by=ann)
    assert ticket.assigned_to == ann
    other = make_ticket(assigned_to=ann)
    start_work(other, by=bob)
    assert other.assigned_to == ann


@pytest.mark.parametrize("why", ["", "  \n "])
def test_escalating_and_reopening_need_a_reason(ann, why):
    with pytest.raises(InvalidInput, match="Enter a reason for escalating"):
        escalate(make_ticket(), why=why, by=ann)
    with pytest.raises(InvalidInput, match="Enter a reason for reopening"):
        reopen(ticket_in(TicketStatus.RESOLVED), why=why, by=ann)


@pytest.mark.parametrize("summary", ["", "  \n "])
def test_resolving_needs_a_summary(ann, summary):
    ticket = make_ticket()
    with pytest.raises(InvalidInput, match="Enter a resolution summary"):
        resolve(ticket, summary=summary, by=ann)
    ticket.refresh_from_db()
    assert ticket.status == TicketStatus.OPEN


@pytest.mark.parametrize("change", [{}, {"resolution_summary": "Sent"}, {"resolved_at": timezone.now()}])
def test_database_requires_summary_and_time_when_resolved(change):
    ticket = make_ticket()
    with pytest.raises(IntegrityError, match="resolved_says_how"), transaction.atomic():
        SupportTicket.objects.filter(pk=ticket.pk).update(status=TicketStatus.RESOLVED, **change)


def test_resolving_sets_first_response_if_missing(ann):
    ticket = make_ticket()
    resolve(ticket, summary=" Sent again ", by=ann)
    assert ticket.resolution_summary == "Sent again"
    assert ticket.first_responded_at == ticket.resolved_at is not None


def test_reopening_moves_resolution_to_notes(ann):
    ticket = ticket_in(TicketStatus.RESOLVED)
    SupportTicket.objects.filter(pk=ticket.pk).update(satisfaction=1, resolution_summary="Sent by fax")
    reopen(ticket, why="The fax is broken", by=ann)
    assert (ticket.resolution_summary, ticket.resolved_at, ticket.satisfaction) == ("", None, None)
    note = ticket.notes[-1]
    assert note["internal"] is True
    assert note["body"] == "Reopened: The fax is broken\nPrevious resolution: Sent by fax"


def test_reopened_ticket_gets_new_due_times_and_keeps_the_first_promise(ann):
    ticket = make_ticket(priority="high")
    opened = datetime(2026, 3, 2, 9, tzinfo=UTC)
    first = {"first_response_due_at": opened + timedelta(hours=4), "resolve_due_at": opened + timedelta(days=1)}
    SupportTicket.objects.filter(pk=ticket.pk).update(created_at=opened, **first)
    resolve(ticket, summary="Sent by fax", by=ann)
    resolved_at, now = ticket.resolved_at, timezone.now()
    reopen(ticket, why="The fax is broken", by=ann)
    assert ticket.first_responded_at is None
    assert ticket.first_response_due_at - now >= timedelta(hours=4)
    assert ticket.resolve_due_at - now >= timedelta(hours=8)
    entry = ActivityLog.objects.for_target(ticket).first()
    assert entry.verb == "reopened"
    assert {name: entry.metadata[name] for name in first} == {name: at.isoformat() for name, at in first.items()}
    assert entry.metadata["resolved_at"] == entry.metadata["first_responded_at"] == resolved_at.isoformat()
    assert f"Before: due {timezone.localtime(first['resolve_due_at']):%-d %b %Y, %H:%M}" in entry.summary


def test_lead_of_a_ticket_without_client_cannot_be_purged(ada):
    lead = make_lead()
    make_ticket(client=None, lead=lead)
    soft_delete(lead, by=ada)
    with pytest.raises(IllegalTransition, match=r"cannot be purged\. A ticket needs a client or a lead\."):
        purge(lead, by=ada)


def test_priority_of_a_reopened_ticket_counts_from_its_reopening(ann):
    ticket = ticket_in(TicketStatus.RESOLVED)
    SupportTicket.objects.filter(pk=ticket.pk).update(created_at=timezone.now() - timedelta(days=40))
    reopen(ticket, why="The fax is broken", by=ann)
    set_priority(ticket, "urgent", by=ann)
    assert timedelta(hours=7) < ticket.resolve_due_at - timezone.now() < timedelta(hours=9)
