"""Storing a batch gives the same result as storing each email alone, and a refused email does not block the others."""

import random
from datetime import timedelta

import pytest
from django.db import OperationalError, connection, transaction
from django.test.utils import CaptureQueriesContext
from django.utils import timezone

from crm.models import ActivityLog
from crm.records.activity import SYSTEM_ACTOR
from crm.records.transitions import soft_delete
from inbox.incoming import transitions as receiving
from inbox.incoming.arrivals import Arrival, ParsedArrival, parse_arrival
from inbox.incoming.parsing import ParsedEmail
from inbox.incoming.transitions import ReceiveCounts, receive, receive_many, receive_parsed, set_aside
from inbox.models import Direction, Message, MessageState, SetAside, Thread, ThreadKey, ThreadStatus
from inbox.transitions import change_thread_status, link
from tests.cast import make_client, make_lead, make_thread
from tests.inbox.raw_emails import LEE, OURS, message_ids_by_thread, raw_email


def receive_emails(box, *mails) -> ReceiveCounts:
    return receive_many(box, [Arrival(f"test#{number}", one) for number, one in enumerate(mails)])


def overlong_identifier() -> str:
    """Return an identifier too long for an index, of letters that do not compress."""
    drawn = random.Random(7)
    return "".join(chr(drawn.randint(0x4E00, 0x9FFF)) for _ in range(990))


def test_batch_handles_new_known_and_unreadable_emails(box):
    receive(box, raw_email("a"), origin="first")
    assert receive_emails(
        box, raw_email("a"), raw_email("b", answers="a"), b"rubbish", raw_email("c", subject="Other"), raw_email("c")
    ) == ReceiveCounts(2, 2, 1)
    assert message_ids_by_thread() == {frozenset(["<a@x.example>", "<b@x.example>"]), frozenset(["<c@x.example>"])}
    assert receive_emails(
        box, raw_email("a"), raw_email("b", answers="a"), b"rubbish", raw_email("c")
    ) == ReceiveCounts(0, 4, 0)


def test_batch_of_100_costs_as_many_queries_as_10(box):
    def cost(letters: str, number: int) -> int:
        mails = [raw_email(f"{letters}{n}", answers=f"{letters}{n // 2}", day=n % 20) for n in range(number)]
        with CaptureQueriesContext(
            connection,
        ) as asked:
            receive_emails(box, *mails)
        return len(asked)

    assert cost("a", 10) >= cost("b", 100)


@pytest.mark.parametrize(
    ("bad", "why"),
    [
        (ParsedEmail("<bad@x>", subject="x" * 2_000), "The database cannot store this value: value too long"),
        (ParsedEmail(f"<{overlong_identifier()}>"), "too long for the database"),
        (ParsedEmail("<bad@x>", text="a\x00b"), "The database cannot store this value: PostgreSQL text fields"),
    ],
)
def test_email_refused_by_database_is_set_aside_alone(box, bad, why):
    good = [parse_arrival(Arrival(f"test#{number}", raw_email(number))) for number in range(9)]
    batch = [*good[:4], ParsedArrival(Arrival("bad", b"its bytes"), bad), *good[4:]]
    assert receive_parsed(box, batch) == ReceiveCounts(9, 0, 1)
    kept = SetAside.objects.get()
    assert (kept.origin, bytes(kept.raw)) == ("bad", b"its bytes")
    assert why in kept.reason


def test_unexpected_error_sets_aside_one_email_only(box, monkeypatch):
    good = receiving.store_emails

    def stumbling(mailbox, mails, ours):
        if any(mail.subject == "Trap" for mail, _ in mails):
            raise ZeroDivisionError
        return good(mailbox, mails, ours)

    monkeypatch.setattr(receiving, "store_emails", stumbling)
    assert receive_emails(box, raw_email("a"), raw_email("b", subject="Trap"), raw_email("c")) == ReceiveCounts(2, 0, 1)
    assert "ZeroDivisionError" in SetAside.objects.get().reason


def test_database_outage_raises_and_sets_nothing_aside(box, monkeypatch):
    def gone(*arguments):
        raise OperationalError("the connection is lost")

    monkeypatch.setattr(receiving, "store_emails", gone)
    with pytest.raises(OperationalError):
        receive_emails(box, raw_email("a"))
    assert not SetAside.objects.exists()


def test_batch_joins_the_callers_transaction(box):
    class Later(Exception):
        pass

    with pytest.raises(Later), transaction.atomic():
        receive_emails(box, raw_email("a"), b"rubbish")
        raise Later
    assert (Message.objects.count(), SetAside.objects.count()) == (0, 0)


def test_email_referring_to_many_threads_merges_them(box):
    lead, project_client = make_lead(contact_email=LEE), make_client()
    receive_emails(
        box,
        raw_email("a", day=3, subject="Later"),
        raw_email("b", subject="First"),
        raw_email("c", by=OURS, to=LEE, day=5),
    )
    later = Message.objects.get(message_id="<a@x.example>").thread
    link(later, client=project_client, by=SYSTEM_ACTOR)
    receive_emails(box, raw_email("d", refs=["c", "b", "a"], day=4))
    thread = Thread.objects.get()
    assert (thread.message_count, thread.subject, thread.lead, thread.client) == (4, "First", lead, project_client)
    assert (thread.last_direction, thread.awaiting_reply) == ("out", True)
    assert ThreadKey.objects.filter(thread=thread).count() == ThreadKey.objects.count()
    assert [one.verb for one in ActivityLog.objects.filter(verb="merged")] == ["merged", "merged"]


def test_merging_with_resolved_thread_stays_open(box):
    receive_emails(box, raw_email("a"), raw_email("b", subject="Other", day=1))
    first = Message.objects.get(message_id="<a@x.example>").thread
    change_thread_status(first, ThreadStatus.RESOLVED, by=SYSTEM_ACTOR)
    receive_emails(box, raw_email("c", refs=["a", "b"], Auto_Submitted="auto-replied"))
    assert Thread.objects.get().status == ThreadStatus.OPEN


def test_new_inbound_email_reopens_thread_and_old_one_does_not(box):
    receive_emails(box, raw_email("a", day=5))
    change_thread_status(Thread.objects.get(), ThreadStatus.RESOLVED, by=SYSTEM_ACTOR)
    receive_emails(box, raw_email("b", answers="a", day=4), raw_email("c", answers="a", by=OURS, to=LEE, day=9))
    assert Thread.objects.get().status == ThreadStatus.RESOLVED
    receive_emails(box, raw_email("d", answers="a", day=11), raw_email("e", answers="a", by=OURS, to=LEE, day=12))
    assert Thread.objects.get().status == ThreadStatus.OPEN
    assert ActivityLog.objects.filter(verb="reopened").count() == 1


def test_late_link_gives_lead_the_earlier_contact_date(box):
    lead = make_lead(contact_email=LEE)
    receive_emails(box, raw_email("b", by="colleague@example.com", answers="a", day=6))
    receive_emails(box, raw_email("a"))
    lead.refresh_from_db()
    assert lead.last_contact_at == Message.objects.get(message_id="<b@x.example>").sent_at


def test_reply_to_our_email_is_threaded_before_sent_copy_is_fetched(box):
    thread = make_thread(lead=make_lead(contact_email=LEE))
    ours = Message.objects.create(
        thread=thread, direction=Direction.OUT, state=MessageState.SENT, message_id="<ours@x.example>",
        from_email=OURS, to_emails=[LEE], sent_at=timezone.now() - timedelta(days=29),
    )  # fmt: skip
    receive_emails(box, raw_email("answer", answers="ours", subject="Re: Offer", day=2))
    assert Message.objects.get(message_id="<answer@x.example>").thread == thread
    again = [raw_email("ours", by=OURS, to=LEE), raw_email("ours", by=OURS, to=LEE)]
    assert receive_emails(box, *again) == ReceiveCounts(0, 2, 0)
    ours.refresh_from_db()
    assert (ours.mailbox, thread.messages.count()) == (box, 2)
    receive_emails(box, raw_email("more", refs=["ours"], day=3))
    assert thread.messages.count() == 3


def test_deleted_thread_receives_nothing_and_replies_stay_together(box):
    receive_emails(box, raw_email("a"))
    old = Thread.objects.get()
    soft_delete(old, by=SYSTEM_ACTOR)
    receive_emails(box, raw_email("b", answers="a", day=1))
    receive_emails(box, raw_email("c", answers="a", day=2))
    assert receive_emails(box, raw_email("a")) == ReceiveCounts(0, 1, 0)
    assert message_ids_by_thread() == {frozenset(["<b@x.example>", "<c@x.example>"])}


def test_dismissed_set_aside_email_does_not_return(box):
    assert set_aside(box, b"rubbish", origin="box#1", reason="It is none.")
    soft_delete(SetAside.objects.get(), by=SYSTEM_ACTOR)
    assert not set_aside(box, b"rubbish", origin="box#1", reason="It is none.")
    assert not SetAside.objects.exists()
