"""What the inbox tells members of staff: new messages in their conversations, mailboxes that fail, mentions."""

from collections import Counter
from collections.abc import Iterable
from datetime import timedelta

from django.utils import timezone

from crm.models import NotificationKind
from crm.records.notifications.notify import Notice, notify_owners
from crm.records.notifications.tables import NotifiedTable, Words, register_table
from inbox.models import Direction, Message, MessageState, Nature, Thread, ThreadStatus

# An older message comes with the import of a mailbox. It is no news.
MAX_MESSAGE_AGE = timedelta(days=3)


def register_notifications() -> None:
    """Register the words of conversations and mailboxes; called once at start."""
    thread_words = {
        NotificationKind.ASSIGNED: Words("Conversation assigned to you"),
        NotificationKind.MENTIONED: Words("You were mentioned in a conversation", "{count} mentions in a conversation"),
        NotificationKind.ANSWERED: Words("New message", "{count} new messages"),
    }
    register_table("inbox.thread", NotifiedTable("forum", thread_words))
    mailbox_words = {NotificationKind.FAILED: Words("Email cannot be fetched")}
    register_table("inbox.mailbox", NotifiedTable("mark_email_unread", mailbox_words))


def notify_answered(messages: Iterable[Message]) -> None:
    """Tell the owners of conversations that need their reply about new `messages` from outside, one line each."""
    counts = Counter(message.thread_id for message in messages if is_answer(message))
    if not counts:
        return
    threads = Thread.objects.filter(pk__in=counts, status=ThreadStatus.OPEN, last_direction=Direction.IN)
    owners = threads.filter(owner__isnull=False).values_list("owner", "pk")
    notices = [Notice(owner, thread, counts[thread]) for owner, thread in owners]
    notify_owners(NotificationKind.ANSWERED, Thread, notices)


def is_answer(message: Message) -> bool:
    """Return whether `message` has just come from a person outside; what a colleague logged has no sender."""
    is_from_outside = message.direction == Direction.IN and message.state == MessageState.RECEIVED
    is_recent = message.sent_at > timezone.now() - MAX_MESSAGE_AGE
    return is_from_outside and message.nature == Nature.PERSON and bool(message.from_email) and is_recent
