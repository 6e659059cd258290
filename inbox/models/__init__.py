"""What was said, on any channel, and where it came from."""

from inbox.models.mailbox import PRESETS, FolderMail, Mailbox, MailboxStatus, Provider, Security, SetAside, ThreadKey
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
    "PRESETS",
    "TRANSITIONS",
    "Direction",
    "FolderMail",
    "Mailbox",
    "MailboxStatus",
    "Message",
    "MessageState",
    "MessageWords",
    "Nature",
    "Provider",
    "Security",
    "Sentiment",
    "SetAside",
    "Thread",
    "ThreadKey",
    "ThreadQuerySet",
    "ThreadSource",
    "ThreadStatus",
]
