"""The messages on the timelines of leads and clients, joined in when they are read."""

from collections.abc import Iterable
from datetime import datetime
from typing import Any
from uuid import UUID

from django.urls import reverse

from crm.models import ActivityLog, ActorType, Client
from crm.records.timeline import Position, SourcePage, TimelineLine, rows_before
from crm.text.cleaning import shorten
from inbox.models import Direction, Message, Thread, ThreadSource
from inbox.thread_state import DELIVERED_STATES
from leads.models import Lead

# The log says of an email that it was sent, and of a call that it was logged: their own lines say that and more.
REPLACED_ENTRIES = frozenset({("inbox.thread", "sent"), ("inbox.thread", "logged")})
LINE_FIELDS = (
    "thread",
    "direction",
    "from_email",
    "from_name",
    "to_emails",
    "subject",
    "snippet",
    "summary",
    "sent_at",
)
MAX_RECIPIENTS_SHOWN, MAX_EXCERPT_LENGTH = 3, 200


def message_lines(user: Any, record: Lead | Client, before: Position | None, size: int) -> SourcePage:
    """Return the received and sent messages in the threads of `record` that `user` may see."""
    if not user.has_perm("inbox.view_thread"):
        return SourcePage([])
    link = {"lead" if isinstance(record, Lead) else "client": record.pk}
    threads = Thread.objects.visible_to(user).filter(**link)
    rows = Message.objects.filter(thread__in=threads, state__in=DELIVERED_STATES)
    rows = rows.select_related("thread", "delivery__ordered_by").only(
        *LINE_FIELDS, "thread__source", "thread__subject", "thread__mailbox", "delivery__ordered_by"
    )
    found, complete_to = rows_before(rows.order_by("-sent_at", "-id"), before, at="sent_at", size=size)
    loggers = load_loggers(found)
    lines = [line_of(message, loggers.get((message.thread_id, message.sent_at), "")) for message in found]
    return SourcePage(lines, complete_to, REPLACED_ENTRIES)


def load_loggers(messages: Iterable[Message]) -> dict[tuple[UUID, datetime], str]:
    """Return who logged the conversations among `messages`, by thread and time."""
    threads = {message.thread_id for message in messages if message.thread.mailbox_id is None}
    rows = ActivityLog.objects.filter(target_type="inbox.thread", target_id__in=threads, verb="logged")
    return {(row.target_id, row.occurred_at): row.actor_name for row in rows.select_related("actor")} if threads else {}


def line_of(message: Message, logged_by: str) -> TimelineLine:
    is_ours = message.direction == Direction.OUT
    return TimelineLine(
        position=Position(message.sent_at, message.pk),
        actor_type=ActorType.USER if is_ours else ActorType.EXTERNAL,
        actor_name=logged_by or sender_name(message),
        summary=describe_message(message),
        excerpt=shorten(message.summary, MAX_EXCERPT_LENGTH) or message.snippet,
        url=f"{reverse('admin:inbox_thread_change', args=[message.thread_id])}#m-{message.pk}",
    )


def sender_name(message: Message) -> str:
    """Return the colleague who sent it, or the name or address that the message gives."""
    delivery = getattr(message, "delivery", None)
    if delivery is not None and delivery.ordered_by is not None:
        return str(delivery.ordered_by)
    unnamed = "The agency" if message.direction == Direction.OUT else "Unknown sender"
    return message.from_name or message.from_email or unnamed


def describe_message(message: Message) -> str:
    """Return such as "Email received: A", "Email sent to lee@example.com: B" or "Outgoing call: C"."""
    source = message.thread.source
    label, title = ThreadSource(source).label, message.subject or message.thread.subject
    if source == ThreadSource.CALL:
        label = "Outgoing call" if message.direction == Direction.OUT else "Incoming call"
    elif message.direction == Direction.OUT:
        others = len(message.to_emails) - MAX_RECIPIENTS_SHOWN
        recipients = ", ".join(message.to_emails[:MAX_RECIPIENTS_SHOWN]) + (f" and {others} more" if others > 0 else "")
        label += f" sent to {recipients}" if recipients else " sent"
    elif source not in (ThreadSource.NOTE, ThreadSource.DOCUMENT):
        label += " received"
    return f"{label}: {title}" if title else label
