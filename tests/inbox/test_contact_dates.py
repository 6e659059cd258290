"""Contact dates are written in one place and never move backwards."""

from datetime import UTC, datetime, timedelta

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from crm.exceptions import InvalidInput
from crm.models import ActivityLog
from crm.records.activity import SYSTEM_ACTOR
from crm.records.transitions import add_note, soft_delete
from inbox.models import Direction, Message, MessageState, Thread, ThreadSource, ThreadStatus
from inbox.transitions import add_to_thread, change_thread_status, link
from leads.models import Lead
from tests.cast import make_lead, make_thread
from tests.examples import examples

pytestmark = pytest.mark.django_db
NOON = datetime(2026, 3, 1, 12, tzinfo=UTC)
message_strategy = st.tuples(st.sampled_from(Direction.values), st.integers(0, 6))


def make_message(thread: Thread, direction: str, hours: int = 0, **kw) -> Message:
    sent = MessageState.SENT if direction == Direction.OUT else MessageState.RECEIVED
    kw = {"state": sent, "body_text": "Hello", "sent_at": NOON + timedelta(hours=hours), **kw}
    return Message(thread=thread, direction=direction, **kw)


def contact_dates(thread: Thread) -> tuple:
    thread.refresh_from_db()
    lead = thread.lead and Lead.everything.get(pk=thread.lead_id)
    return (
        thread.last_message_at,
        thread.last_direction,
        thread.awaiting_reply,
        lead and lead.last_contact_at,
        lead and lead.awaiting_reply,
    )


@given(st.lists(message_strategy, min_size=1, max_size=6), st.randoms())
@settings(max_examples=examples(30), deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
def test_contact_dates_do_not_depend_on_arrival_order(db, messages, random):
    shuffled = random.sample(messages, len(messages))
    outcomes = []
    for order in (messages, shuffled):
        thread = make_thread(lead=make_lead())
        for direction, hours in order:
            add_to_thread(make_message(thread, direction, hours))
        outcomes.append(contact_dates(thread))
    newest = max(hours for _, hours in messages)
    theirs = (Direction.IN, newest) in messages
    expected = (NOON + timedelta(hours=newest), "in" if theirs else "out", not theirs)
    assert outcomes[0] == outcomes[1] == (*expected, expected[0], not theirs)


@given(st.lists(message_strategy, min_size=1, max_size=6))
@settings(max_examples=examples(20), deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
def test_contact_dates_never_move_backwards(db, messages):
    thread = make_thread(lead=make_lead())
    before = None
    for direction, hours in messages:
        add_to_thread(make_message(thread, direction, hours))
        at, _, _, contact, _ = contact_dates(thread)
        assert before is None or (at >= before and contact >= before)
        before = at


def test_our_message_awaits_reply_and_theirs_ends_it():
    thread = make_thread(lead=make_lead())
    add_to_thread(make_message(thread, "out", 1))
    assert contact_dates(thread)[1:] == ("out", True, NOON + timedelta(hours=1), True)
    add_to_thread(make_message(thread, "in", 2))
    assert contact_dates(thread)[1:] == ("in", False, NOON + timedelta(hours=2), False)


def test_older_imported_message_keeps_newer_dates():
    thread = make_thread(lead=make_lead())
    add_to_thread(make_message(thread, "in", 5))
    before = contact_dates(thread)
    add_to_thread(make_message(thread, "out", 1))
    assert contact_dates(thread) == before
    assert thread.message_count == 2


def test_duplicate_message_changes_nothing():
    thread = make_thread(lead=make_lead())
    first = add_to_thread(make_message(thread, "in", 1, message_id="<1@example.com>"))
    before = contact_dates(thread)
    again = add_to_thread(make_message(thread, "in", 9, message_id="<1@example.com>"))
    assert again.pk == first.pk
    assert contact_dates(thread) == before
    assert (thread.message_count, thread.messages.count()) == (1, 1)


def test_queued_message_is_not_a_contact():
    thread = make_thread(lead=make_lead())
    add_to_thread(make_message(thread, "out", 1, state=MessageState.QUEUED))
    assert contact_dates(thread) == (None, "", False, None, False)


@pytest.mark.parametrize("source", [ThreadSource.NOTE, ThreadSource.DOCUMENT])
def test_note_or_document_is_activity_but_not_contact(source):
    thread = make_thread(lead=make_lead(), source=source)
    add_to_thread(make_message(thread, "in", 1))
    assert contact_dates(thread) == (NOON + timedelta(hours=1), "", False, None, False)


def test_timeline_note_does_not_change_contact_date(ann):
    lead = make_lead()
    thread = make_thread(lead=lead)
    add_note(thread, "She prefers the phone.", by=ann)
    add_note(lead, "She prefers the phone.", by=ann)
    assert contact_dates(thread) == (None, "", False, None, False)
    lead.refresh_from_db()
    assert lead.last_activity_at is not None


def test_linking_only_moves_contact_date_forward(ann):
    lead, thread, older = make_lead(), make_thread(), make_thread()
    add_to_thread(make_message(thread, "in", 5))
    add_to_thread(make_message(older, "out", 1))
    link(thread, lead=lead, by=ann)
    link(older, lead=lead, by=ann)
    lead.refresh_from_db()
    assert (lead.last_contact_at, lead.awaiting_reply) == (NOON + timedelta(hours=5), False)


@pytest.mark.parametrize("status", [ThreadStatus.RESOLVED, ThreadStatus.ARCHIVED])
def test_new_inbound_message_reopens_closed_thread(ann, status):
    thread = make_thread(lead=make_lead())
    add_to_thread(make_message(thread, "in", 1))
    change_thread_status(thread, status, by=ann)
    add_to_thread(make_message(thread, "in", 0))
    thread.refresh_from_db()
    assert thread.status == status, "an old message says nothing new"
    add_to_thread(make_message(thread, "out", 2))
    thread.refresh_from_db()
    assert thread.status == status, "our own word asks for nothing"
    add_to_thread(make_message(thread, "in", 3))
    thread.refresh_from_db()
    assert thread.status == ThreadStatus.OPEN
    assert ActivityLog.objects.for_target(thread)[0].verb == "reopened"
    assert thread in Thread.objects.needs_reply()


def test_deleted_lead_still_gets_contact_dates():
    lead = make_lead()
    thread = make_thread(lead=lead)
    soft_delete(lead, by=SYSTEM_ACTOR)
    add_to_thread(make_message(thread, "in", 1))
    assert contact_dates(thread)[3] == NOON + timedelta(hours=1)


def test_malformed_message_is_refused():
    thread = make_thread()
    with pytest.raises(InvalidInput, match="From"):
        add_to_thread(make_message(thread, "in", from_email="x" * 255))
    with pytest.raises(InvalidInput, match="An incoming message must be Received"):
        add_to_thread(make_message(thread, "in", state=MessageState.SENT))
    thread.refresh_from_db()
    assert thread.message_count == 0
