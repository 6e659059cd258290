"""Killed again and again over what people wrote: no mail arrives twice, none is lost, and each says how it stands."""

import os
import random
import signal
import sys
import time
from collections import Counter
from contextlib import ExitStack
from datetime import timedelta

import pytest
from django.utils import timezone

from crm.models import ActivityLog
from inbox.models import EmailDelivery, Message, MessageState
from inbox.outgoing import send_queue
from tests.cast import make_lead, make_thread
from tests.crm.processes import wait_for_line
from tests.forking import forked
from tests.inbox.draft_fixtures import add_incoming_email, run_send_job, send_draft

pytestmark = [pytest.mark.django_db(transaction=True), pytest.mark.storm]
EMAILS, KILLS = 16, 4


def deliver() -> None:
    """Do what the jobs do, one email after another; ready long before it is let go."""
    EmailDelivery.objects.exists()
    print("ready")  # noqa: T201
    sys.stdin.readline()
    for pk in EmailDelivery.objects.filter(finished_at=None).order_by("?").values_list("pk", flat=True):
        send_queue.send_queued_email(pk)


def queue_emails(by) -> None:
    """Queue EMAILS emails that are due, so that none can be stopped; half of them were scheduled."""
    lead = make_lead(contact_email="lee@example.com", assigned_to=by)
    for number in range(EMAILS):
        thread = make_thread(lead=lead)
        add_incoming_email(thread)
        at = timezone.now() + timedelta(hours=1) if number % 2 else None
        send_draft(by, thread, body=f"Number {number}.", at=at)
    EmailDelivery.objects.update(run_after=timezone.now() - timedelta(seconds=1))


def wait_to_kill(drawn, smtp_sink, aimed) -> None:
    """Wait for a random moment; if `aimed`, until the server has taken an email but not confirmed it."""
    moment, taken = time.monotonic() + drawn.uniform(0.02, 0.6), len(smtp_sink.data)
    until = time.monotonic() + 10
    while time.monotonic() < until and (len(smtp_sink.data) == taken if aimed else time.monotonic() < moment):
        time.sleep(0.001)


def received_counts(smtp_sink) -> Counter[str]:
    return Counter(mail["Message-ID"] for mail in smtp_sink.emails)


def test_killed_senders_deliver_each_email_once_or_mark_it_uncertain(ann, smtp_sink, settings):
    queue_emails(ann)
    smtp_sink.fault, drawn, open_before = "slow", random.Random(), EMAILS
    with ExitStack() as stack:
        crew = [stack.enter_context(forked(deliver)) for _ in range(KILLS)]
        for number, process in enumerate(crew):
            wait_for_line(process, "ready")
            process.stdin.write("go\n")
            process.stdin.flush()
            wait_to_kill(drawn, smtp_sink, aimed=number % 2)
            os.killpg(process.pid, signal.SIGKILL)
            process.wait()
            still_open = EmailDelivery.objects.filter(finished_at=None).count()
            assert still_open <= open_before
            open_before = still_open
    assert open_before > 0  # the last was killed in the middle, too
    later = timezone.now() + send_queue.DEAD_WORKER_AFTER + send_queue.LOST_AFTER
    assert send_queue.requeue_due_deliveries(later) == open_before

    smtp_sink.fault = ""
    for message in Message.objects.filter(delivery__finished_at=None):
        send_queue.send_queued_email(message.pk)
    mails, taken = list(Message.objects.filter(direction="out")), received_counts(smtp_sink)
    told = Counter(ActivityLog.objects.filter(verb__in=["sent", "uncertain"]).values_list("metadata__message", "verb"))
    assert len(mails) == EMAILS and max(taken.values()) == 1
    unknown = [mail for mail in mails if mail.state == MessageState.UNCERTAIN]
    assert any(taken[mail.message_id] for mail in unknown) and len(unknown) <= KILLS
    for mail in mails:
        if mail in unknown:
            assert "delivery unconfirmed" in mail.error_message
        else:
            assert (mail.state, mail.error_message, taken[mail.message_id]) == (MessageState.SENT, "", 1)
        assert told[str(mail.pk), mail.state.lower()] == 1

    for mail in unknown:  # a person looks, and says
        has_it = bool(taken[mail.message_id])
        send_queue.resolve_uncertain(mail, was_delivered=has_it, by=ann)
        assert has_it or run_send_job(mail).state == MessageState.SENT
    assert set(received_counts(smtp_sink).values()) == {1} and len(received_counts(smtp_sink)) == EMAILS
    assert not EmailDelivery.objects.filter(finished_at=None).exists()
    assert set(Message.objects.filter(direction="out").values_list("state", flat=True)) == {MessageState.SENT}
