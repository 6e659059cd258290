"""Whose turn it is: closing words, email between ourselves, forms, senders without an address."""

from datetime import UTC, datetime, timedelta
from itertools import permutations

import pytest
from django.db import IntegrityError, transaction

from inbox.incoming.arrivals import Arrival
from inbox.incoming.participants import OwnerLookup
from inbox.incoming.transitions import receive_many
from inbox.models import Mailbox, Message, Nature, Thread, ThreadStatus
from inbox.thread_state import ContactRow, turn_after
from inbox.transitions import add_to_thread, change_thread_status
from tests.cast import make_client, make_contact, make_lead, make_thread
from tests.inbox.raw_emails import LEE, OURS, raw_email

NOON = datetime(2026, 3, 1, 12, tzinfo=UTC)


@pytest.fixture
def box(db) -> Mailbox:
    return Mailbox.objects.create(address=OURS)


def email(name: str, body: str, *, ours: bool = False, answers: str = "", day: int = 0, **headers) -> bytes:
    """Return an email between Lee and us."""
    by, to = (OURS, LEE) if ours else (LEE, OURS)
    raw = raw_email(name, by=by, to=to, answers=answers, day=day, **headers)
    return raw.replace(f"Body of {name}".encode(), body.encode())


def receive(box: Mailbox, *mails: bytes) -> Thread:
    """Receive `mails`, each by itself, and return their only thread."""
    for number, raw in enumerate(mails):
        receive_many(box, [Arrival(str(number), raw)])
    return Thread.objects.get()


def turn(thread: Thread) -> str:
    is_ours, is_theirs = thread in Thread.objects.needs_reply(), thread in Thread.objects.waiting_on_them()
    assert not (is_ours and is_theirs)
    return "ours" if is_ours else "theirs" if is_theirs else "no one's"


# Closing words


@pytest.mark.parametrize(
    ("words", "expected"),
    [
        ("in", "in"),
        ("out", "out"),
        ("in out", "out"),
        ("out IN", ""),
        ("in OUT", ""),
        ("in IN", "in"),
        ("out OUT", "out"),
        ("in OUT IN", ""),
        ("out IN OUT", ""),
        ("in OUT in", "in"),
        ("in IN OUT", ""),
        ("out IN out", "out"),
        ("IN", ""),
        ("", ""),
    ],
)
def test_closing_words_end_their_turn_and_begin_none(words, expected):
    # Words in capitals close: "in OUT" is their email and our thanks.
    sides = enumerate(words.split())
    rows = [ContactRow(NOON + timedelta(hours=hour), side.lower(), side.isupper()) for hour, side in sides]
    assert {turn_after(order) for order in permutations(rows)} == {expected}


@pytest.mark.parametrize(
    ("mails", "expected"),
    [
        ([("Here is the offer.", True), ("Thanks!", False)], "no one's"),
        ([("Here is the offer.", True), ("Thanks, but when does it end?", False)], "ours"),
        ([("Please send it.", False), ("Done", True)], "no one's"),
        ([("Please send it.", False), ("Done. Can you sign it?", True)], "theirs"),
        ([("Please send it.", False), ("Thanks", False)], "ours"),
        ([("When do you call?", True), ("Thanks", True)], "theirs"),
    ],
)
def test_turn_does_not_depend_on_order_of_arrival(box, mails, expected):
    make_lead(contact_email=LEE)
    raw = [
        email(str(number), body, ours=ours, answers=str(number - 1) if number else "", day=number)
        for number, (body, ours) in enumerate(mails)
    ]
    for order in (raw, raw[::-1]):
        Thread.everything.all().delete()
        thread = receive(box, *order)
        thread.lead.refresh_from_db()
        assert (turn(thread), thread.lead.awaiting_reply) == (expected, expected == "theirs")
        thread.lead.__class__.everything.update(last_contact_at=None, awaiting_reply=False)


def test_answer_that_arrives_late_lets_their_thanks_close(box):
    asked, answered = email("1", "Please send it."), email("2", "Here it is.", ours=True, answers="1", day=1)
    thread = receive(box, asked, email("3", "Thanks", answers="2", day=2), answered)
    assert (turn(thread), thread.message_count) == ("no one's", 3)


def test_thanks_that_answer_a_question_need_a_look(box):
    quoted = "Great, thanks\n\nOn Mon, 2 Mar 2026 at 10:00, Dana <dana@agency.example> wrote:\n> Shall we renew it?"
    thread = receive(box, email("1", "Shall we renew it?", ours=True), email("2", quoted, answers="1", day=1))
    assert turn(thread) == "ours"


@pytest.mark.parametrize("subject", ["A question", "Please renew my policy"])
def test_thanks_as_a_first_email_need_a_reply(box, subject):
    assert turn(receive(box, email("1", "Thanks", subject=subject))) == "ours"


def test_thanks_do_not_reopen_a_resolved_conversation(box, ann):
    thread = receive(box, email("1", "Please send it."), email("2", "Here it is.", ours=True, answers="1", day=1))
    change_thread_status(thread, ThreadStatus.RESOLVED, by=ann)
    thread = receive(box, email("3", "Perfect, thank you!", answers="2", day=2))
    assert thread.status == ThreadStatus.RESOLVED
    thread = receive(box, email("4", "Thanks, but it is the wrong one", answers="2", day=3))
    assert (thread.status, turn(thread)) == (ThreadStatus.OPEN, "ours")


def test_thanks_do_not_reopen_what_was_resolved_without_an_answer(box, ann):
    thread = receive(box, email("1", "Please send it."))
    change_thread_status(thread, ThreadStatus.RESOLVED, by=ann)
    assert receive(box, email("2", "Done, thanks!", answers="1", day=1)).status == ThreadStatus.RESOLVED


def test_closing_reply_of_ours_leaves_no_one_waiting(box):
    thread = receive(box, email("1", "Please send it."))
    first = thread.messages.get()
    sent = Message(thread=thread, direction="out", state="SENT", body_text="Done", sent_at=first.sent_at + timedelta(1))
    sent.in_reply_to, sent.to_emails = first.message_id, [LEE]
    add_to_thread(sent)
    thread.refresh_from_db()
    assert (turn(thread), thread.last_message_at) == ("no one's", sent.sent_at)


# Without an outside participant


def test_email_between_ourselves_is_no_ones_turn(box):
    thread = receive(box, raw_email("1", by=OURS, to=OURS))
    assert (turn(thread), thread.participant_emails, thread.messages.get().nature) == ("no one's", [], Nature.INTERNAL)


def test_away_notice_does_not_reopen_and_is_no_reply(box, ann):
    thread = receive(box, email("1", "Please send it."))
    change_thread_status(thread, ThreadStatus.RESOLVED, by=ann)
    thread = receive(box, email("2", "Jeg er tilbage.", answers="1", day=1, X_Autorespond="A question"))
    assert thread.status == ThreadStatus.RESOLVED


# Forms and empty addresses


def test_form_from_our_own_address_is_incoming_from_the_person(box):
    lead = make_lead(contact_email="dave@mail.example")
    thread = receive(box, raw_email("1", by=OURS, to=OURS, Reply_To="Dave <dave@mail.example>"))
    message = thread.messages.get()
    assert (message.direction, message.from_email, message.from_name) == ("in", "dave@mail.example", "Dave")
    assert (thread.lead, turn(thread)) == (lead, "ours")


def test_two_people_who_use_the_same_form_have_two_conversations(box):
    for number, person in enumerate(["dave@mail.example", "eve@mail.example"]):
        raw = raw_email(str(number), by="noreply@forms.example", to=OURS, Reply_To=person)
        receive_many(box, [Arrival(str(number), raw)])
    assert sorted(Thread.objects.values_list("participant_emails", flat=True)) == [
        ["dave@mail.example"],
        ["eve@mail.example"],
    ]


def test_unknown_senders_are_neither_joined_nor_linked(box):
    make_lead(contact_email="")
    make_client(email="")
    make_contact(email="")
    for number in range(3):
        raw = raw_email(str(number)).replace(f"From: {LEE}\r\n".encode(), b"")
        receive_many(box, [Arrival(str(number), raw)])
    threads = Thread.objects.all()
    assert [(one.lead, one.client, turn(one)) for one in threads] == [(None, None, "ours")] * 3


@pytest.mark.django_db
def test_empty_address_has_no_owner():
    make_lead(contact_email="")
    make_client(email="")
    assert OwnerLookup({""}).find_owner([""]) is None
    assert OwnerLookup({"", "a@x.example"}).owners_by_address == {}


@pytest.mark.django_db
@pytest.mark.parametrize("column", ["to_emails", "cc_emails"])
def test_database_refuses_empty_recipient(column):
    message = Message(thread=make_thread(), direction="in", sent_at=NOON, **{column: ["a@x.example", ""]})
    with pytest.raises(IntegrityError, match="messages_recipients_not_empty"), transaction.atomic():
        message.save()


@pytest.mark.django_db
def test_database_refuses_empty_participant():
    thread = make_thread()
    with pytest.raises(IntegrityError, match="threads_participants_not_empty"), transaction.atomic():
        Thread.objects.filter(pk=thread.pk).update(participant_emails=[""])
