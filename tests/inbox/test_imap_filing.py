"""Sent email is filed in the Sent folder once, unchanged, and recognised when it is synced back."""

import email
import email.policy
from datetime import timedelta

import pytest
from django.db import connection
from django.utils import timezone

from crm.models import ActivityLog
from crm.runtime.delivery import DeliveryOutcome
from inbox.imap import filing
from inbox.models import Direction, Mailbox, MailboxStatus, Message, MessageState, Thread
from inbox.outgoing import outbox
from inbox.outgoing.mime import build_email
from tests import dovecot
from tests.cast import make_thread, make_user
from tests.cutting_proxy import cutting_proxy
from tests.inbox.imap_mailboxes import ANN, BOB, connect, make_email, poll

pytestmark = [dovecot.requires_dovecot, pytest.mark.django_db]
ID = "<ours.1@birchfield.example.com>"


@pytest.fixture
def ann(db):
    return make_user("ann", "agent")


def proceed():
    return None


def send_reply(thread, ann, **kw):
    """Create a sent email in `thread`."""
    earlier = thread.messages.filter(direction=Direction.IN).first()
    asked = {"to": ["lee@example.com"], "subject": "Re: Hello", "text": "Here it is.", "message_id": ID, **kw}
    message = outbox.compose(thread, sender=ann, reply_to_message=earlier, by=ann, **asked)
    assert outbox.deliver(message, proceed).outcome == DeliveryOutcome.DELIVERED
    outbox.mark_email_sent(message)
    return message


def queued_filings():
    """Return the queued filing jobs: time and attempt number of each."""
    with connection.cursor() as cursor:
        cursor.execute(
            "SELECT scheduled_at, (args->>'attempt')::int FROM procrastinate_jobs WHERE task_name = 'inbox.file_sent'"
        )
        return cursor.fetchall()


def test_reply_is_filed_in_sent_folder_and_recognised_on_fetch(server, smtp_sink, ann):
    server.deliver(ANN, make_email(1))
    box = poll(connect(server))
    message = send_reply(Thread.objects.get(), ann)
    [(at, attempt)] = queued_filings()
    assert attempt == 1 and timezone.now() < at < timezone.now() + timedelta(minutes=1)
    filing.file_message(message.pk, 1)
    assert server.emails(ANN, "Sent") == smtp_sink.data
    assert server.flags(ANN, "Sent") == ["S"]
    filed = email.message_from_bytes(server.emails(ANN, "Sent")[0], policy=email.policy.default)
    message.refresh_from_db()
    assert filed["Date"].datetime == message.sent_at.replace(microsecond=0)
    assert filed["References"] == "<1@example.com>"
    poll(box)
    assert Message.objects.count() == 2
    message.refresh_from_db()
    assert (message.mailbox, message.state, message.thread.message_count) == (box, MessageState.SENT, 2)


def test_reply_and_its_answer_share_one_thread(server, smtp_sink, ann):
    server.deliver(ANN, make_email(1, sender=BOB))
    box = poll(connect(server))
    send_reply(Thread.objects.get(), ann, to=[BOB])
    server.deliver(BOB, smtp_sink.data[0])
    [theirs] = server.emails(BOB)
    arrived = email.message_from_bytes(theirs, policy=email.policy.default)
    assert (arrived["Message-ID"], arrived["In-Reply-To"]) == (ID, "<1@example.com>")
    more = {"In_Reply_To": ID, "References": f"<1@example.com> {ID}"}
    server.deliver(ANN, make_email(2, "Re: Hello", BOB, **more))
    poll(box)
    assert Thread.objects.get().messages.count() == 3


def test_reply_is_filed_only_once(server, smtp_sink, ann):
    server.deliver(ANN, make_email(1))
    poll(connect(server))
    message = send_reply(Thread.objects.get(), ann)
    server.deliver(ANN, b"Subject: filed by the server\r\nMessage-ID: " + ID.encode() + b"\r\n\r\nHi\r\n", "Sent")
    filing.file_message(message.pk, 1)
    filing.file_message(message.pk, 1)
    assert len(server.emails(ANN, "Sent")) == 1


def test_rendered_email_is_byte_identical_each_time(smtp_sink, ann):
    thread = make_thread()
    message = send_reply(thread, ann)
    again = build_email(Message.objects.get(pk=message.pk))
    Message.objects.create(
        thread=thread, direction=Direction.IN, sent_at=timezone.now(), message_id="<later@example.com>"
    )
    assert [again] == smtp_sink.data == [build_email(Message.objects.get(pk=message.pk))]


def test_filing_falls_back_to_senders_mailbox(server, smtp_sink, ann):
    message = send_reply(make_thread(), ann)
    assert queued_filings() == []
    filing.file_message(message.pk, 1)
    assert server.emails(ANN, "Sent") == []
    box = connect(server)
    other = send_reply(make_thread(), ann, message_id="<ours.2@birchfield.example.com>")
    assert len(queued_filings()) == 1
    filing.file_message(other.pk, 1)
    assert len(server.emails(ANN, "Sent")) == 1
    Mailbox.objects.filter(pk=box.pk).update(status=MailboxStatus.PENDING_REAUTH)
    assert filing.find_home_mailbox(other) is None


def test_failed_filing_is_retried_then_reported_and_email_stays_sent(server, smtp_sink, ann):
    server.deliver(ANN, make_email(1))
    with cutting_proxy(server.port) as proxy:
        box = poll(connect(server, port=proxy.port))
        message = send_reply(Thread.objects.get(), ann)
        connection.cursor().execute("DELETE FROM procrastinate_jobs")
        proxy.cut_after_bytes = 10
        for attempt in range(1, len(filing.FILING_RETRY_MINUTES) + 2):
            filing.file_message(message.pk, attempt)
            told = ActivityLog.objects.filter(verb="not filed")
            if attempt <= len(filing.FILING_RETRY_MINUTES):
                assert [row[1] for row in queued_filings()] == [attempt + 1]
                connection.cursor().execute("DELETE FROM procrastinate_jobs")
                assert not told.exists()
    assert queued_filings() == []
    assert told.get().about_id == box.pk
    message.refresh_from_db()
    assert message.state == MessageState.SENT
    assert message.error_message.startswith("The email was sent, but could not be filed in the Sent folder: ")


def test_rejected_login_stops_filing_and_requires_reauth(server, smtp_sink, ann):
    box = connect(server, password="wrong")
    message = send_reply(make_thread(), ann)
    filing.file_message(message.pk, 1)
    box.refresh_from_db()
    assert box.status == MailboxStatus.PENDING_REAUTH
