"""Killed again and again over what people wrote: no mail arrives twice, none is lost, and each says how it stands."""

import os
import random
import signal
import time
from collections import Counter
from contextlib import ExitStack
from datetime import timedelta

import pytest
from django.utils import timezone

from crm.models import ActivityLog
from inbox.models import Dispatch, Message, MessageState
from inbox.outgoing import send_queue
from tests.cast import make_lead, make_thread
from tests.crm.processes import line_with, running, url_of_test_database
from tests.inbox.writing import carried, received, sent_off

pytestmark = [pytest.mark.django_db(transaction=True), pytest.mark.storm]
MAILS, KILLS = 16, 4
# Does what the jobs do, one mail after another; it is ready long before it is let go.
DELIVER = """
import django, sys
django.setup()
from inbox import dispatching
from inbox.models import Dispatch
Dispatch.objects.exists()
print("ready", flush=True)
sys.stdin.readline()
for pk in Dispatch.objects.filter(finished_at=None).order_by("?").values_list("pk", flat=True):
    dispatching.carry_out(pk)
"""


def delivering(settings):
    """A process that will deliver what is due."""
    variables = {"EMAIL_URL": f"smtp://127.0.0.1:{settings.EMAIL_PORT}", "MAIL_FROM": settings.DEFAULT_FROM_EMAIL}
    variables |= {"DATABASE_URL": url_of_test_database(), "DJANGO_SETTINGS_MODULE": "crm.settings"}
    return running("-c", DELIVER, **variables)


def composed(by) -> None:
    """Mails of which nobody can take one back any more."""
    lead = make_lead(contact_email="lee@example.com", assigned_to=by)
    for number in range(MAILS):
        thread = make_thread(lead=lead)
        received(thread)
        sent_off(by, thread, body=f"Number {number}.")
    Dispatch.objects.update(run_after=timezone.now() - timedelta(seconds=1))


def wait_to_kill(drawn, post, aimed) -> None:
    """At any moment; or, `aimed`, when the server has taken a mail and has not said so yet."""
    moment, taken = time.monotonic() + drawn.uniform(0.02, 0.6), len(post.data)
    until = time.monotonic() + 10
    while time.monotonic() < until and (len(post.data) == taken if aimed else time.monotonic() < moment):
        time.sleep(0.001)


def arrived(post) -> Counter[str]:
    return Counter(mail["Message-ID"] for mail in post.mails)


def test_killed_at_any_moment_each_mail_arrives_once_or_nobody_says_that_it_did(ann, post, settings):
    composed(ann)
    post.fault, drawn, open_before = "slow", random.Random(), MAILS
    with ExitStack() as stack:
        crew = [stack.enter_context(delivering(settings)) for _ in range(KILLS)]
        for number, process in enumerate(crew):
            line_with(process, "ready")
            process.stdin.write("go\n")
            process.stdin.flush()
            wait_to_kill(drawn, post, aimed=number % 2)
            os.killpg(process.pid, signal.SIGKILL)
            process.wait()
            still_open = Dispatch.objects.filter(finished_at=None).count()
            assert still_open <= open_before
            open_before = still_open
    assert open_before > 0  # the last was killed in the middle, too
    later = timezone.now() + send_queue.CUT_OFF_AFTER + send_queue.LOST_AFTER
    assert send_queue.find_lost(later) == open_before

    post.fault = ""
    for message in Message.objects.filter(dispatch__finished_at=None):
        send_queue.carry_out(message.pk)
    mails, taken = list(Message.objects.filter(direction="out")), arrived(post)
    told = Counter(ActivityLog.objects.filter(verb__in=["sent", "uncertain"]).values_list("metadata__message", "verb"))
    assert len(mails) == MAILS and max(taken.values()) == 1
    unknown = [mail for mail in mails if mail.state == MessageState.UNCERTAIN]
    assert any(taken[mail.message_id] for mail in unknown) and len(unknown) <= KILLS
    for mail in mails:
        if mail in unknown:
            assert "nobody knows whether it arrived" in mail.error_message
        else:
            assert (mail.state, mail.error_message, taken[mail.message_id]) == (MessageState.SENT, "", 1)
        assert told[str(mail.pk), mail.state.lower()] == 1

    for mail in unknown:  # a person looks, and says
        has_it = bool(taken[mail.message_id])
        send_queue.settle(mail, arrived=has_it, by=ann)
        assert has_it or carried(mail).state == MessageState.SENT
    assert set(arrived(post).values()) == {1} and len(arrived(post)) == MAILS
    assert not Dispatch.objects.filter(finished_at=None).exists()
    assert set(Message.objects.filter(direction="out").values_list("state", flat=True)) == {MessageState.SENT}
