"""Contact dates have one owner, who never turns them back."""

from datetime import UTC, datetime, timedelta

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from crm.exceptions import BadInput
from crm.models import ActivityLog
from crm.records.activity import SYSTEM
from crm.records.transitions import note, soft_delete
from inbox.models import Direction, Message, MessageState, Thread, ThreadSource, ThreadStatus
from inbox.transitions import link, move, take_in
from leads.models import Lead
from tests.cast import make_lead, make_thread

pytestmark = pytest.mark.django_db
NOON = datetime(2026, 3, 1, 12, tzinfo=UTC)
said = st.tuples(st.sampled_from(Direction.values), st.integers(0, 6))


def message(thread: Thread, direction: str, hours: int = 0, **kw) -> Message:
    sent = MessageState.SENT if direction == Direction.OUT else MessageState.RECEIVED
    kw = {"state": sent, "body_text": "Hello", "sent_at": NOON + timedelta(hours=hours), **kw}
    return Message(thread=thread, direction=direction, **kw)


def dates(thread: Thread) -> tuple:
    thread.refresh_from_db()
    lead = thread.lead and Lead.everything.get(pk=thread.lead_id)
    return (
        thread.last_message_at,
        thread.last_direction,
        thread.awaiting_reply,
        lead and lead.last_contact_at,
        lead and lead.awaiting_reply,
    )


@given(st.lists(said, min_size=1, max_size=6), st.randoms())
@settings(max_examples=30, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
def test_the_dates_are_the_same_in_whatever_order_messages_arrive(db, messages, random):
    shuffled = random.sample(messages, len(messages))
    outcomes = []
    for order in (messages, shuffled):
        thread = make_thread(lead=make_lead())
        for direction, hours in order:
            take_in(message(thread, direction, hours))
        outcomes.append(dates(thread))
    newest = max(hours for _, hours in messages)
    theirs = (Direction.IN, newest) in messages
    expected = (NOON + timedelta(hours=newest), "in" if theirs else "out", not theirs)
    assert outcomes[0] == outcomes[1] == (*expected, expected[0], not theirs)


@given(st.lists(said, min_size=1, max_size=6))
@settings(max_examples=20, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
def test_no_date_ever_goes_backwards(db, messages):
    thread = make_thread(lead=make_lead())
    before = None
    for direction, hours in messages:
        take_in(message(thread, direction, hours))
        at, _, _, contact, _ = dates(thread)
        assert before is None or (at >= before and contact >= before)
        before = at


def test_what_we_write_awaits_an_answer_and_what_they_write_ends_the_wait():
    thread = make_thread(lead=make_lead())
    take_in(message(thread, "out", 1))
    assert dates(thread)[1:] == ("out", True, NOON + timedelta(hours=1), True)
    take_in(message(thread, "in", 2))
    assert dates(thread)[1:] == ("in", False, NOON + timedelta(hours=2), False)


def test_history_imported_later_changes_nothing_newer():
    thread = make_thread(lead=make_lead())
    take_in(message(thread, "in", 5))
    before = dates(thread)
    take_in(message(thread, "out", 1))
    assert dates(thread) == before
    assert thread.message_count == 2


def test_a_message_that_arrives_twice_changes_nothing():
    thread = make_thread(lead=make_lead())
    first = take_in(message(thread, "in", 1, message_id="<1@example.com>"))
    before = dates(thread)
    again = take_in(message(thread, "in", 9, message_id="<1@example.com>"))
    assert again.pk == first.pk
    assert dates(thread) == before
    assert (thread.message_count, thread.messages.count()) == (1, 1)


def test_a_message_that_is_only_queued_is_no_contact():
    thread = make_thread(lead=make_lead())
    take_in(message(thread, "out", 1, state=MessageState.QUEUED))
    assert dates(thread) == (None, "", False, None, False)


@pytest.mark.parametrize("source", [ThreadSource.NOTE, ThreadSource.DOCUMENT])
def test_a_note_or_a_filed_document_is_activity_and_no_contact(source):
    thread = make_thread(lead=make_lead(), source=source)
    take_in(message(thread, "in", 1))
    assert dates(thread) == (NOON + timedelta(hours=1), "", False, None, False)


def test_a_note_on_the_timeline_moves_no_contact_date(ann):
    lead = make_lead()
    thread = make_thread(lead=lead)
    note(thread, "She prefers the phone.", by=ann)
    note(lead, "She prefers the phone.", by=ann)
    assert dates(thread) == (None, "", False, None, False)
    lead.refresh_from_db()
    assert lead.last_activity_at is not None


def test_linking_brings_the_leads_contact_date_forward_and_never_back(ann):
    lead, thread, older = make_lead(), make_thread(), make_thread()
    take_in(message(thread, "in", 5))
    take_in(message(older, "out", 1))
    link(thread, lead=lead, by=ann)
    link(older, lead=lead, by=ann)
    lead.refresh_from_db()
    assert (lead.last_contact_at, lead.awaiting_reply) == (NOON + timedelta(hours=5), False)


@pytest.mark.parametrize("status", [ThreadStatus.RESOLVED, ThreadStatus.ARCHIVED])
def test_their_new_message_opens_a_settled_conversation_again(ann, status):
    thread = make_thread(lead=make_lead())
    take_in(message(thread, "in", 1))
    move(thread, status, by=ann)
    take_in(message(thread, "in", 0))
    thread.refresh_from_db()
    assert thread.status == status, "an old message says nothing new"
    take_in(message(thread, "out", 2))
    thread.refresh_from_db()
    assert thread.status == status, "our own word asks for nothing"
    take_in(message(thread, "in", 3))
    thread.refresh_from_db()
    assert thread.status == ThreadStatus.OPEN
    assert ActivityLog.objects.done_to(thread)[0].verb == "reopened"
    assert thread in Thread.objects.we_owe()


def test_a_deleted_lead_still_gets_its_dates():
    lead = make_lead()
    thread = make_thread(lead=lead)
    soft_delete(lead, by=SYSTEM)
    take_in(message(thread, "in", 1))
    assert dates(thread)[3] == NOON + timedelta(hours=1)


def test_a_malformed_message_is_refused_and_counts_nowhere():
    thread = make_thread()
    with pytest.raises(BadInput, match="From"):
        take_in(message(thread, "in", from_email="nobody"))
    with pytest.raises(BadInput, match="What came in is received"):
        take_in(message(thread, "in", state=MessageState.SENT))
    thread.refresh_from_db()
    assert thread.message_count == 0
