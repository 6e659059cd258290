"""What we send is filed as sent: once, as it went out, and it is the same mail when it comes back."""

import email
import email.policy
from datetime import timedelta

import pytest
from django.db import connection
from django.utils import timezone

from crm.models import ActivityLog
from crm.runtime.delivery import Outcome
from inbox.imap import filing
from inbox.models import Direction, Mailbox, MailboxStatus, Message, MessageState, Thread
from inbox.outgoing import outbox
from inbox.outgoing.mime import letter
from tests import dovecot
from tests.cast import make_thread, make_user
from tests.inbox.boxes import ANN, BOB, connect, mail, run
from tests.proxy import cutting

pytestmark = [dovecot.needed, pytest.mark.django_db]
ID = "<ours.1@birchfield.example.com>"


@pytest.fixture
def ann(db):
    return make_user("ann", "agent")


def go():
    return None


def answer(thread, ann, **kw):
    """A mail of ours in `thread` that has gone out."""
    earlier = thread.messages.filter(direction=Direction.IN).first()
    asked = {"to": ["lee@example.com"], "subject": "Re: Hello", "text": "Here it is.", "message_id": ID, **kw}
    message = outbox.compose(thread, sender=ann, reply_to_message=earlier, by=ann, **asked)
    assert outbox.deliver(message, go).outcome == Outcome.DONE
    outbox.sent(message)
    return message


def waiting():
    """The filings that wait: when, and the how manieth attempt each is."""
    with connection.cursor() as cursor:
        cursor.execute(
            "SELECT scheduled_at, (args->>'attempt')::int FROM procrastinate_jobs WHERE task_name = 'inbox.file_sent'"
        )
        return cursor.fetchall()


def test_a_reply_lies_in_sent_as_it_was_sent_and_is_known_when_it_comes_back(server, post, ann):
    server.deliver(ANN, mail(1))
    box = run(connect(server))
    message = answer(Thread.objects.get(), ann)
    [(at, attempt)] = waiting()
    assert attempt == 1 and timezone.now() < at < timezone.now() + timedelta(minutes=1)
    filing.file(message.pk, 1)
    assert server.mails(ANN, "Sent") == post.data
    assert server.flags(ANN, "Sent") == ["S"]
    filed = email.message_from_bytes(server.mails(ANN, "Sent")[0], policy=email.policy.default)
    message.refresh_from_db()
    assert filed["Date"].datetime == message.sent_at.replace(microsecond=0)
    assert filed["References"] == "<1@example.com>"
    run(box)
    assert Message.objects.count() == 2
    message.refresh_from_db()
    assert (message.mailbox, message.state, message.thread.message_count) == (box, MessageState.SENT, 2)


def test_a_reply_arrives_in_the_other_mailbox_and_their_answer_here(server, post, ann):
    server.deliver(ANN, mail(1, sender=BOB))
    box = run(connect(server))
    answer(Thread.objects.get(), ann, to=[BOB])
    server.deliver(BOB, post.data[0])
    [theirs] = server.mails(BOB)
    arrived = email.message_from_bytes(theirs, policy=email.policy.default)
    assert (arrived["Message-ID"], arrived["In-Reply-To"]) == (ID, "<1@example.com>")
    more = {"In_Reply_To": ID, "References": f"<1@example.com> {ID}"}
    server.deliver(ANN, mail(2, "Re: Hello", BOB, **more))
    run(box)
    assert Thread.objects.get().messages.count() == 3


def test_it_is_filed_once_however_often_it_is_tried_and_where_the_server_did_it_itself(server, post, ann):
    server.deliver(ANN, mail(1))
    run(connect(server))
    message = answer(Thread.objects.get(), ann)
    server.deliver(ANN, b"Subject: filed by the server\r\nMessage-ID: " + ID.encode() + b"\r\n\r\nHi\r\n", "Sent")
    filing.file(message.pk, 1)
    filing.file(message.pk, 1)
    assert len(server.mails(ANN, "Sent")) == 1


def test_the_same_bytes_come_of_the_same_mail_each_time(post, ann):
    thread = make_thread()
    message = answer(thread, ann)
    again = letter(Message.objects.get(pk=message.pk))
    Message.objects.create(
        thread=thread, direction=Direction.IN, sent_at=timezone.now(), message_id="<later@example.com>"
    )
    assert [again] == post.data == [letter(Message.objects.get(pk=message.pk))]


def test_where_no_conversation_has_a_mailbox_the_senders_is_used_and_else_none(server, post, ann):
    message = answer(make_thread(), ann)
    assert waiting() == []
    filing.file(message.pk, 1)
    assert server.mails(ANN, "Sent") == []
    box = connect(server)
    other = answer(make_thread(), ann, message_id="<ours.2@birchfield.example.com>")
    assert len(waiting()) == 1
    filing.file(other.pk, 1)
    assert len(server.mails(ANN, "Sent")) == 1
    Mailbox.objects.filter(pk=box.pk).update(status=MailboxStatus.PENDING_REAUTH)
    assert filing.home_of(other) is None


def test_what_cannot_be_filed_is_tried_again_and_then_told_and_the_mail_stays_sent(server, post, ann):
    server.deliver(ANN, mail(1))
    with cutting(server.port) as proxy:
        box = run(connect(server, port=proxy.port))
        message = answer(Thread.objects.get(), ann)
        connection.cursor().execute("DELETE FROM procrastinate_jobs")
        proxy.after = 10
        for attempt in range(1, len(filing.PAUSES) + 2):
            filing.file(message.pk, attempt)
            told = ActivityLog.objects.filter(verb="not filed")
            if attempt <= len(filing.PAUSES):
                assert [row[1] for row in waiting()] == [attempt + 1]
                connection.cursor().execute("DELETE FROM procrastinate_jobs")
                assert not told.exists()
    assert waiting() == []
    assert told.get().about_id == box.pk
    message.refresh_from_db()
    assert message.state == MessageState.SENT
    assert message.error_message.startswith("It went out, but could not be filed in the folder of what was sent: ")


def test_a_refused_login_ends_the_filing_and_shuts_the_mailbox_out(server, post, ann):
    box = connect(server, password="wrong")
    message = answer(make_thread(), ann)
    filing.file(message.pk, 1)
    box.refresh_from_db()
    assert box.status == MailboxStatus.PENDING_REAUTH
