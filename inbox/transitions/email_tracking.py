"""What somebody outside has done with a mail of ours: opened it, looked at its proposal. Each is noted once."""

from datetime import datetime, timedelta

from django.db import connection, transaction

from crm.models import ActorType
from crm.records.activity import Actor, record
from inbox.incoming.processing_queue import queue_changed_threads
from inbox.models import Message, Thread
from inbox.thread_state import timeline_owner_of

EXTERNAL_ACTOR = Actor(ActorType.EXTERNAL, name="The other side")
# Sooner it is a program on the way that looks, and no reader.
MIN_OPEN_DELAY = timedelta(seconds=10)


def record_email_opened(token: str, at: datetime) -> bool:
    """Note that the mail known by `token` was opened at `at`; whether that was news."""
    return record_tracking_event(token, at, "opened_at", "opened", "Opened our mail")


def record_proposal_viewed(token: str, at: datetime) -> bool:
    """Note that the proposal of the mail known by `token` was looked at; whether that was news."""
    record_email_opened(token, at)
    return record_tracking_event(token, at, "viewed_at", "viewed", "Looked at our proposal")


def record_tracking_event(token: str, at: datetime, column: str, verb: str, label: str) -> bool:
    """Set `column` of the mail once; its conversation is then read for signals like one with something new in it.

    However often it is asked, nothing is locked or queued after the first time.
    """
    messages = Message.objects.with_token(token)
    message = (
        messages.filter(**{f"{column}__isnull": True, "sent_at__lte": at - MIN_OPEN_DELAY})
        .only("thread", "subject")
        .first()
    )
    if message is None:
        return False
    with transaction.atomic():
        with connection.cursor() as cursor:
            cursor.execute("SET LOCAL lock_timeout = '1s'")
        thread = Thread.everything.select_for_update(no_key=True, of=("self",)).get(pk=message.thread_id)
        if Message.objects.filter(pk=message.pk, **{f"{column}__isnull": True}).update(**{column: at}) != 1:
            return False
        queue_changed_threads([thread], ())
        summary = f"{label} “{message.subject}”"
        record(message, verb, timeline_owner=timeline_owner_of(thread), by=EXTERNAL_ACTOR, summary=summary, at=at)
    return True
