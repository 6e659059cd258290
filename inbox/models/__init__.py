"""What was said, on any channel, and where it came from."""

from inbox.models.mailbox import Mailbox, MailboxStatus, Provider, SetAside, ThreadKey
from inbox.models.message import OUTGOING, Message, MessageState, Nature
from inbox.models.thread import (
    LAST_SAID,
    TRANSITIONS,
    Direction,
    Sentiment,
    Thread,
    ThreadQuerySet,
    ThreadSource,
    ThreadStatus,
)
from inbox.models.words import MessageWords

__all__ = [
    "LAST_SAID",
    "OUTGOING",
    "TRANSITIONS",
    "Direction",
    "Mailbox",
    "MailboxStatus",
    "Message",
    "MessageState",
    "MessageWords",
    "Nature",
    "Provider",
    "Sentiment",
    "SetAside",
    "Thread",
    "ThreadKey",
    "ThreadQuerySet",
    "ThreadSource",
    "ThreadStatus",
]
