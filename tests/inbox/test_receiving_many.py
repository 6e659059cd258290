"""Taking in many mails at once ends as taking in each by itself, and one that is refused holds up no other."""

import random
from datetime import timedelta

import pytest
from django.db import OperationalError, connection, transaction
from django.test.utils import CaptureQueriesContext
from django.utils import timezone

from crm.models import ActivityLog
from crm.records.activity import SYSTEM
from crm.records.transitions import soft_delete
from inbox.incoming import transitions as receiving
from inbox.incoming.arrivals import Arrival, Read, read
from inbox.incoming.parsing import Mail
from inbox.incoming.transitions import Counted, receive, receive_many, receive_read, set_aside
from inbox.models import Direction, Message, MessageState, SetAside, Thread, ThreadKey, ThreadStatus
from inbox.transitions import link, move
from tests.cast import make_client, make_lead, make_thread
from tests.inbox.mails import LEE, OURS, raw, threads


def many(box, *mails) -> Counted:
    return receive_many(box, [Arrival(f"test#{number}", one) for number, one in enumerate(mails)])


def endless() -> str:
    """An identifier that no index can hold: long, and of letters that do not repeat."""
    drawn = random.Random(7)
    return "".join(chr(drawn.randint(0x4E00, 0x9FFF)) for _ in range(990))


def test_one_transaction_takes_in_new_known_and_unreadable_ones(box):
    receive(box, raw("a"), origin="first")
    assert many(box, raw("a"), raw("b", answers="a"), b"rubbish", raw("c", subject="Other"), raw("c")) == Counted(
        2, 2, 1
    )
    assert threads() == {frozenset(["<a@x.example>", "<b@x.example>"]), frozenset(["<c@x.example>"])}
    assert many(box, raw("a"), raw("b", answers="a"), b"rubbish", raw("c")) == Counted(0, 4, 0)


def test_a_hundred_cost_as_many_statements_as_ten(box):
    def cost(letters: str, number: int) -> int:
        mails = [raw(f"{letters}{n}", answers=f"{letters}{n // 2}", day=n % 20) for n in range(number)]
        with CaptureQueriesContext(
            connection,
        ) as asked:
            many(box, *mails)
        return len(asked)

    assert cost("a", 10) >= cost("b", 100)


@pytest.mark.parametrize(
    ("bad", "why"),
    [
        (Mail("<bad@x>", subject="x" * 2_000), "The database cannot keep this: value too long"),
        (Mail(f"<{endless()}>"), "too long for the database"),
        (Mail("<bad@x>", text="a\x00b"), "The database cannot keep this"),
    ],
)
def test_a_mail_that_the_database_refuses_is_set_aside_alone(box, bad, why):
    good = [read(Arrival(f"test#{number}", raw(number))) for number in range(9)]
    batch = [*good[:4], Read(Arrival("bad", b"its bytes"), bad), *good[4:]]
    assert receive_read(box, batch) == Counted(9, 0, 1)
    kept = SetAside.objects.get()
    assert (kept.origin, bytes(kept.raw)) == ("bad", b"its bytes")
    assert why in kept.reason


def test_a_mistake_in_the_program_costs_one_mail_and_no_other(box, monkeypatch):
    good = receiving.take_in_all

    def stumbling(mailbox, mails, ours):
        if any(mail.subject == "Trap" for mail, _ in mails):
            raise ZeroDivisionError
        return good(mailbox, mails, ours)

    monkeypatch.setattr(receiving, "take_in_all", stumbling)
    assert many(box, raw("a"), raw("b", subject="Trap"), raw("c")) == Counted(2, 0, 1)
    assert "ZeroDivisionError" in SetAside.objects.get().reason


def test_when_the_database_gives_up_nothing_is_set_aside_and_it_is_told(box, monkeypatch):
    def gone(*arguments):
        raise OperationalError("the connection is lost")

    monkeypatch.setattr(receiving, "take_in_all", gone)
    with pytest.raises(OperationalError):
        many(box, raw("a"))
    assert not SetAside.objects.exists()


def test_it_is_part_of_the_transaction_of_whoever_brings_them(box):
    class Later(Exception):
        pass

    with pytest.raises(Later), transaction.atomic():
        many(box, raw("a"), b"rubbish")
        raise Later
    assert (Message.objects.count(), SetAside.objects.count()) == (0, 0)


def test_a_mail_that_ties_many_conversations_makes_them_one(box):
    lead, project_client = make_lead(contact_email=LEE), make_client()
    many(box, raw("a", day=3, subject="Later"), raw("b", subject="First"), raw("c", by=OURS, to=LEE, day=5))
    later = Message.objects.get(message_id="<a@x.example>").thread
    link(later, client=project_client, by=SYSTEM)
    many(box, raw("d", refs=["c", "b", "a"], day=4))
    thread = Thread.objects.get()
    assert (thread.message_count, thread.subject, thread.lead, thread.client) == (4, "First", lead, project_client)
    assert (thread.last_direction, thread.awaiting_reply) == ("out", True)
    assert ThreadKey.objects.filter(thread=thread).count() == ThreadKey.objects.count()
    assert [one.verb for one in ActivityLog.objects.filter(verb="merged")] == ["merged", "merged"]


def test_an_open_conversation_is_not_lost_in_a_resolved_one(box):
    many(box, raw("a"), raw("b", subject="Other", day=1))
    first = Message.objects.get(message_id="<a@x.example>").thread
    move(first, ThreadStatus.RESOLVED, by=SYSTEM)
    many(box, raw("c", refs=["a", "b"], Auto_Submitted="auto-replied"))
    assert Thread.objects.get().status == ThreadStatus.OPEN


def test_their_new_mail_opens_what_was_resolved_and_an_old_one_does_not(box):
    many(box, raw("a", day=5))
    move(Thread.objects.get(), ThreadStatus.RESOLVED, by=SYSTEM)
    many(box, raw("b", answers="a", day=4), raw("c", answers="a", by=OURS, to=LEE, day=9))
    assert Thread.objects.get().status == ThreadStatus.RESOLVED
    many(box, raw("d", answers="a", day=11), raw("e", answers="a", by=OURS, to=LEE, day=12))
    assert Thread.objects.get().status == ThreadStatus.OPEN
    assert ActivityLog.objects.filter(verb="reopened").count() == 1


def test_the_lead_gets_the_date_of_what_was_said_before_it_was_known_whose_it_is(box):
    lead = make_lead(contact_email=LEE)
    many(box, raw("b", by="colleague@example.com", answers="a", day=6))
    many(box, raw("a"))
    lead.refresh_from_db()
    assert lead.last_contact_at == Message.objects.get(message_id="<b@x.example>").sent_at


def test_what_we_sent_from_here_is_answered_before_it_is_seen_in_the_folder_of_what_was_sent(box):
    thread = make_thread(lead=make_lead(contact_email=LEE))
    ours = Message.objects.create(
        thread=thread, direction=Direction.OUT, state=MessageState.SENT, message_id="<ours@x.example>",
        from_email=OURS, to_emails=[LEE], sent_at=timezone.now() - timedelta(days=29),
    )  # fmt: skip
    many(box, raw("answer", answers="ours", subject="Re: Offer", day=2))
    assert Message.objects.get(message_id="<answer@x.example>").thread == thread
    again = [raw("ours", by=OURS, to=LEE), raw("ours", by=OURS, to=LEE)]
    assert many(box, *again) == Counted(0, 2, 0)
    ours.refresh_from_db()
    assert (ours.mailbox, thread.messages.count()) == (box, 2)
    many(box, raw("more", refs=["ours"], day=3))
    assert thread.messages.count() == 3


def test_a_deleted_conversation_takes_nothing_in_and_its_answers_stay_together(box):
    many(box, raw("a"))
    old = Thread.objects.get()
    soft_delete(old, by=SYSTEM)
    many(box, raw("b", answers="a", day=1))
    many(box, raw("c", answers="a", day=2))
    assert many(box, raw("a")) == Counted(0, 1, 0)
    assert threads() == {frozenset(["<b@x.example>", "<c@x.example>"])}


def test_what_was_set_aside_and_dismissed_does_not_come_back(box):
    assert set_aside(box, b"rubbish", origin="box#1", reason="It is none.")
    soft_delete(SetAside.objects.get(), by=SYSTEM)
    assert not set_aside(box, b"rubbish", origin="box#1", reason="It is none.")
    assert not SetAside.objects.exists()
