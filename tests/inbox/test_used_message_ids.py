"""A different email under a Message-ID that is already in use is kept; a copy of one is not stored again."""

from datetime import UTC, datetime, timedelta

import pytest
from django.db import IntegrityError, transaction

from inbox.imap.sync import is_known
from inbox.incoming.arrivals import Arrival
from inbox.incoming.copies import MessageDate
from inbox.incoming.merging import merge_threads
from inbox.incoming.transitions import ReceiveCounts, receive, receive_many
from inbox.models import Mailbox, Message, Provider, Thread
from tests.inbox.raw_emails import LEE, OURS, raw_email

FOOTER = b"\r\n______\r\nlist footer\r\n"


def scan(page: int, *, by=LEE, day=0, subject="Scan") -> bytes:
    return raw_email("fixed", by=by, day=day, subject=subject) + f"Page {page}\r\n".encode()


def receive_all(box, *emails) -> ReceiveCounts:
    return receive_many(box, [Arrival(f"test#{number}", one) for number, one in enumerate(emails)])


@pytest.mark.parametrize("second", [scan(1, day=1), scan(2), scan(2, by="eve@example.com", subject="Other")])
def test_different_email_under_one_message_id_is_kept(box, second):
    assert receive_all(box, scan(1)) == ReceiveCounts(1, 0, 0)
    assert receive_all(box, second) == ReceiveCounts(1, 0, 0)
    assert receive_all(box, scan(1), second, second) == ReceiveCounts(0, 3, 0)
    assert [one.message_id for one in Message.objects.all()] == ["<fixed@x.example>"] * 2


def test_different_emails_in_one_batch_are_kept(box):
    assert receive_all(box, scan(1), scan(2), scan(3), scan(2)) == ReceiveCounts(3, 1, 0)


@pytest.mark.parametrize(
    "copy",
    [
        scan(1),
        scan(1) + FOOTER,
        scan(1, subject="[list] Scan"),
        scan(1, by="list@lists.example"),
        b"Received: from a by b; Mon, 02 Nov 2026 10:00:00 +0000\r\n" + scan(1),
    ],
)
def test_copy_is_known(box, copy):
    receive_all(box, scan(1))
    assert receive_all(box, copy) == ReceiveCounts(0, 1, 0)


def with_file(raw: bytes, data: bytes) -> bytes:
    """Return `raw` with its text as the first part and `data` as a file."""
    head, _, text = raw.partition(b"\r\n\r\n")
    head += b'\r\nContent-Type: multipart/mixed; boundary="b"\r\n'
    return (
        head + b"\r\n--b\r\n\r\n" + text + b"\r\n--b\r\nContent-Type: application/pdf\r\n\r\n" + data + b"\r\n--b--\r\n"
    )


@pytest.mark.parametrize("dated", [True, False])
def test_email_with_another_file_is_kept(box, dated):
    first = scan(1) if dated else undated("fixed")
    receive_all(box, with_file(first, b"page 1"))
    assert receive_all(box, with_file(first, b"page 2")) == ReceiveCounts(1, 0, 0)
    assert receive_all(box, with_file(first, b"page 1"), first) == ReceiveCounts(0, 2, 0), "A list may drop the file."


def test_strangers_under_one_message_id_have_threads_of_their_own(box):
    receive_all(box, scan(1, subject="Car"), scan(2, by="eve@example.com", subject="House"))
    assert sorted(thread.participant_emails for thread in Thread.objects.all()) == [["eve@example.com"], [LEE]]


def test_copy_in_another_mailbox_stands_in_the_same_thread_once(box):
    other = Mailbox.objects.create(address="two@agency.example", provider=Provider.IMPORT)
    receive_all(box, scan(1), scan(2))
    receive_all(other, scan(2), scan(1))
    threads = list(Thread.objects.order_by("created_at", "pk"))
    merge_threads([(threads[0], one) for one in threads[1:]], reason="a test")
    assert threads[0].messages.count() == 2


def test_database_refuses_the_same_variant_twice(box):
    receive_all(box, scan(1))
    row = Message.objects.get()
    row.pk = None
    with pytest.raises(IntegrityError, match="messages_id_once"), transaction.atomic():
        row.save(force_insert=True)


NOON = datetime(2026, 11, 2, 12, tzinfo=UTC)


@pytest.mark.parametrize(
    ("stored", "stored_at", "sent_at", "matches"),
    [
        (NOON, NOON + timedelta(days=9), NOON, True),
        (NOON + timedelta(microseconds=7), NOON + timedelta(days=9), NOON, True),
        (NOON, NOON + timedelta(days=9), NOON + timedelta(seconds=1), False),
        (None, NOON, NOON, True),
        (NOON, NOON, None, True),
        (NOON, NOON + timedelta(seconds=9), NOON + timedelta(hours=2), True),
        (NOON, NOON + timedelta(seconds=9), NOON + timedelta(days=2), False),
    ],
)
def test_dates_of_copies_match(stored, stored_at, sent_at, matches):
    assert MessageDate(stored, stored_at).matches(sent_at) is matches


def undated(name, **kw) -> bytes:
    lines = raw_email(name, **kw).split(b"\r\n")
    return b"\r\n".join(line for line in lines if not line.startswith(b"Date:"))


def test_undated_email_does_not_become_the_newest(box):
    receive_all(box, raw_email("a"), raw_email("b", answers="a", day=1))
    first, thread = Message.objects.get(message_id="<a@x.example>"), Thread.objects.get()
    answer = receive(box, undated("c", answers="a"), origin="c")
    assert (answer.sent_at, answer.media) == (first.sent_at, {"date_unknown": True})
    last_message_at = thread.last_message_at
    thread.refresh_from_db()
    assert thread.last_message_at == last_message_at
    alone = receive(box, undated("d", subject="Alone", to=OURS), origin="d")
    assert Thread.objects.get(pk=alone.thread_id).last_message_at < first.sent_at
    assert receive_all(box, undated("c", answers="a")) == ReceiveCounts(0, 1, 0)


@pytest.mark.parametrize(
    ("date", "known"),
    [("Mon, 02 Nov 2026 12:00:00 +0000", True), ("Mon, 02 Nov 2026 12:00:01 +0000", False), ("", False)],
)
def test_email_on_the_server_is_known_by_its_date(date, known):
    head = {"message-id": ["<fixed@x.example>"], "date": [date] if date else []}
    assert is_known(head, [MessageDate(NOON, NOON + timedelta(days=9))]) is known
