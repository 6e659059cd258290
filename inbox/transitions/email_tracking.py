"""Record that a recipient opened an email or viewed its proposal. Each is recorded once."""

from datetime import datetime, timedelta

from django.db import connection, transaction

from crm.models import ActorType
from crm.records.activity import Actor, record
from inbox.incoming.processing_queue import queue_changed_threads
from inbox.models import Message, Thread
from inbox.thread_state import timeline_owner_of

EXTERNAL_ACTOR = Actor(ActorType.EXTERNAL, name="The recipient")
# An earlier request comes from a mail gateway, not from a reader.
MIN_OPEN_DELAY = timedelta(seconds=10)


def record_email_opened(token: str, at: datetime) -> bool:
    """Record that the email with `token` was opened at `at`. Return False if that was recorded before."""
    return record_tracking_event(token, at, "opened_at", "opened", "Opened our email")


def record_proposal_viewed(token: str, at: datetime) -> bool:
    """Record that the proposal of the email with `token` was viewed at `at`. Return False if recorded before."""
    record_email_opened(token, at)
    return record_tracking_event(token, at, "viewed_at", "viewed", "Viewed our proposal")


def record_tracking_event(token: str, at: datetime, column: str, verb: str, label: str) -> bool:
    """Set `column` of the email once, and let the signals of its thread be read again.

    After the first time, a request neither locks nor queues anything.
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
