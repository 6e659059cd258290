"""Tests of the time of a ticket while it waits for the customer."""

from datetime import UTC, datetime, timedelta

import pytest
from django.db import IntegrityError, transaction
from django.utils import timezone

from crm.exceptions import IllegalTransition, InvalidInput, NotPermitted
from crm.models import ActivityLog
from inbox.models import Direction, Message, MessageState
from inbox.transitions import add_to_thread
from support.models import SupportTicket, TicketStatus
from support.service_levels.due_times import compute_outdated
from support.service_levels.levels import load_service_levels
from support.service_levels.transitions import end_wait, set_due_times, wait_for_customer
from support.service_levels.waiting import notice_messages
from support.transitions import reopen, resolve, undo_resolution
from tests.cast import make_client, make_thread, make_ticket, page_text

pytestmark = pytest.mark.django_db
MONDAY = datetime(2026, 11, 23, 9, tzinfo=UTC)


def ticket_opened(at: datetime, **kw) -> SupportTicket:
    """Create a ticket in a conversation that was opened at `at`."""
    client = kw.pop("client", None)
    ticket = make_ticket(created_at=at, **kw)
    thread = make_thread(client=client or ticket.client)
    SupportTicket.objects.filter(pk=ticket.pk).update(thread=thread)
    ticket.refresh_from_db()
    return ticket


def write(ticket: SupportTicket, direction: str, at: datetime, **kw) -> Message:
    state = MessageState.SENT if direction == Direction.OUT else MessageState.RECEIVED
    fields = {"state": state, "from_email": "lee@example.com", "body_text": "Which day suits you?", **kw}
    return add_to_thread(Message(thread=ticket.thread, direction=direction, sent_at=at, **fields))


def hours(count: float) -> timedelta:
    return timedelta(hours=count)


def test_sent_reply_is_the_first_response_and_begins_a_wait():
    ticket = ticket_opened(MONDAY)
    write(ticket, "in", MONDAY)
    write(ticket, "out", MONDAY + hours(1))
    write(ticket, "out", MONDAY + hours(2))
    assert notice_messages() == 2  # the response and the wait
    ticket.refresh_from_db()
    assert ticket.first_responded_at == ticket.waiting_since == MONDAY + hours(1)
    assert notice_messages() == 0
    assert ActivityLog.objects.for_target(ticket).get(verb="waiting").occurred_at == MONDAY + hours(1)


@pytest.mark.parametrize("state", ["QUEUED", "SENDING", "FAILED", "UNCERTAIN"])
def test_reply_that_has_not_left_begins_no_wait(state):
    ticket = ticket_opened(MONDAY)
    write(ticket, "in", MONDAY)
    write(ticket, "out", MONDAY + hours(1), state=state, error_message="No answer.")
    assert notice_messages() == 0


def test_automatic_reply_begins_and_ends_no_wait():
    ticket = ticket_opened(MONDAY)
    write(ticket, "out", MONDAY + hours(1), nature="AUTO_REPLY")
    assert notice_messages() == 0
    wait_since(ticket, MONDAY + hours(1))
    write(ticket, "in", MONDAY + hours(2), nature="AUTO_REPLY")
    assert notice_messages() == 0


def test_message_from_before_the_ticket_counts_for_nothing():
    ticket = ticket_opened(MONDAY)
    write(ticket, "out", MONDAY - hours(1))
    assert notice_messages() == 0


def test_answer_ends_the_wait_and_moves_the_due_time_by_it():
    ticket = ticket_opened(MONDAY, priority="high")
    assert ticket.resolve_due_at == MONDAY + hours(8)
    write(ticket, "out", MONDAY + hours(1))
    notice_messages()
    write(ticket, "in", MONDAY + hours(4))
    notice_messages()
    compute_outdated()
    ticket.refresh_from_db()
    assert ticket.waiting_since is None
    assert ticket.past_waits == [(MONDAY + hours(1), MONDAY + hours(4))]
    # Three working hours more, after the night.
    assert ticket.resolve_due_at == MONDAY + hours(24 + 3)
    assert ticket.first_response_due_at == MONDAY + hours(4)


def test_job_that_was_late_records_the_same_waits():
    ticket = ticket_opened(MONDAY, priority="high")
    for direction, after in (("out", 1), ("in", 2), ("out", 3)):
        write(ticket, direction, MONDAY + hours(after))
        if after == 1:
            notice_messages()
    notice_messages()
    ticket.refresh_from_db()
    assert ticket.past_waits == [(MONDAY + hours(1), MONDAY + hours(2))]
    assert ticket.waiting_since == MONDAY + hours(3)


def wait_since(ticket: SupportTicket, at: datetime) -> None:
    SupportTicket.objects.filter(pk=ticket.pk).update(waiting_since=at)
    ticket.refresh_from_db()


def test_wait_ended_by_hand_does_not_begin_again_with_the_same_message(ann):
    ticket = ticket_opened(MONDAY)
    write(ticket, "out", MONDAY + hours(1))
    notice_messages()
    end_wait(ticket, by=ann)
    assert notice_messages() == 0
    write(ticket, "out", timezone.now() + hours(1))
    assert notice_messages() == 1


def test_waiting_by_hand_and_its_end_are_recorded_and_move_the_due_time(ann, vera):
    ticket = make_ticket(priority="urgent")
    with pytest.raises(NotPermitted):
        wait_for_customer(ticket, by=vera)
    wait_for_customer(ticket, by=ann)
    with pytest.raises(IllegalTransition, match="waits for the customer already"):
        wait_for_customer(ticket, by=ann)
    wait_since(ticket, ticket.waiting_since - hours(2))
    SupportTicket.objects.filter(pk=ticket.pk).update(opened_at=ticket.opened_at - hours(3))
    end_wait(ticket, by=ann)
    assert timedelta() <= ticket.resolve_due_at - (ticket.opened_at + hours(10)) < timedelta(minutes=1)
    assert not ticket.due_is_stale
    with pytest.raises(IllegalTransition, match="does not wait for the customer"):
        end_wait(ticket, by=ann)
    verbs = [line.verb for line in ActivityLog.objects.for_target(ticket)]
    assert verbs[:2] == ["answered", "waiting"]


def test_waiting_ticket_is_neither_late_nor_due():
    ticket = make_ticket(created_at=MONDAY, priority="urgent")
    now = MONDAY + timedelta(days=3)
    assert ticket.is_late(now)
    assert ticket.is_first_response_late(now)
    assert SupportTicket.objects.due(now).exists()
    wait_since(ticket, MONDAY + hours(1))
    assert not ticket.is_late(now)
    assert not ticket.is_first_response_late(now)
    assert not SupportTicket.objects.due(now).exists()


def test_resolution_ends_the_wait_and_its_undoing_goes_on_with_it(ann):
    ticket = make_ticket()
    wait_for_customer(ticket, by=ann)
    since = ticket.waiting_since
    resolve(ticket, summary="Sent", by=ann)
    assert ticket.waiting_since is None
    assert ticket.past_waits == [(since, ticket.resolved_at)]
    undo_resolution(ticket, TicketStatus.OPEN, by=ann)
    assert (ticket.waiting_since, ticket.waits) == (since, [])
    resolve(ticket, summary="Sent", by=ann)
    reopen(ticket, why="Again", by=ann)
    assert (ticket.waiting_since, ticket.waits) == (None, [])


def test_own_due_times_stay_until_they_are_cleared(ann):
    ticket = make_ticket()
    first, resolution = timezone.now() + hours(1), timezone.now() + hours(2)
    for wrong, sentence in (((first, None), "when the resolution is due"), ((resolution, first), "not be due after")):
        with pytest.raises(InvalidInput, match=sentence):
            set_due_times(ticket, *wrong, by=ann)
    set_due_times(ticket, first, resolution, by=ann)
    SupportTicket.objects.filter(pk=ticket.pk).update(priority="urgent", issue_type="Claim")
    compute_outdated()
    ticket.refresh_from_db()
    assert (ticket.first_response_due_at, ticket.resolve_due_at) == (first, resolution)
    set_due_times(ticket, None, None, by=ann)
    assert (ticket.first_response_due_at, ticket.resolve_due_at) == load_service_levels().due_times(ticket)


@pytest.mark.parametrize("change", [{"priority": "urgent"}, {"issue_type": "Claim"}])
def test_change_by_plain_sql_has_the_due_times_computed_again(change):
    ticket = make_ticket(priority="low")
    SupportTicket.objects.filter(pk=ticket.pk).update(**change)
    ticket.refresh_from_db()
    assert ticket.due_is_stale
    assert compute_outdated() == 1
    ticket.refresh_from_db()
    assert (ticket.resolve_due_at, ticket.due_is_stale) == (load_service_levels().due_times(ticket).resolution, False)


def test_ticket_of_another_program_gets_its_times():
    SupportTicket.objects.bulk_create([SupportTicket(client=make_client(), subject="x", created_at=MONDAY)])
    compute_outdated()
    ticket = SupportTicket.objects.get()
    assert (ticket.opened_at, ticket.resolve_due_at) == (MONDAY, MONDAY + timedelta(days=2, hours=8))


@pytest.mark.parametrize(
    "waits",
    [
        ["x"],
        [{}],
        [{"from": "2026-11-23", "to": "2026-11-24T09:00:00+00:00"}],
        [{"from": "2026-11-24T09:00:00+00:00", "to": "2026-11-23T09:00:00+00:00"}],
        [{"from": "2026-11-24T09:00:00-05:00", "to": "2026-11-24T09:00:00-05:00"}],
    ],
)
def test_database_refuses_malformed_waits(waits):
    ticket = make_ticket()
    with pytest.raises(IntegrityError, match="waits_well_formed"), transaction.atomic():
        SupportTicket.objects.filter(pk=ticket.pk).update(waits=waits)


def test_queue_and_page_say_since_when_a_ticket_waits_and_today_leaves_it_out(as_ann, ann):
    ticket = make_ticket(subject="Broken window", assigned_to=ann)
    make_ticket(subject="Not waiting", created_at=timezone.now() + timedelta(days=20), assigned_to=ann)
    wait_for_customer(ticket, by=ann)
    for url in ("/support/supportticket/", f"/support/supportticket/{ticket.pk}/change/"):
        assert "waiting for the customer since" in page_text(as_ann.get(url)), url
    assert "Broken window" not in page_text(as_ann.get("/"))
    queue = page_text(as_ann.get("/support/supportticket/"))
    assert queue.index("Not waiting") < queue.index("Broken window")
    waiting = page_text(as_ann.get("/support/supportticket/?waiting=true"))
    assert "Broken window" in waiting
    assert "Not waiting" not in waiting


def test_row_shows_a_warning_and_a_late_first_response(as_ann, ann):
    ticket = make_ticket(assigned_to=ann)
    soon = timezone.now() + timedelta(minutes=30)
    SupportTicket.objects.filter(pk=ticket.pk).update(
        resolve_due_at=soon, warned_for=soon, first_response_due_at=timezone.now() - hours(1)
    )
    queue = page_text(as_ann.get("/support/supportticket/"))
    assert "due soon" in queue
    assert "first response late" in queue
