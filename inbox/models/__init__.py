"""What was said, on any channel, and where it came from."""

from inbox.models.dispatch import MOST_PUT_OFF, Dispatch
from inbox.models.draft import Draft, DraftQuerySet
from inbox.models.email_template import EmailTemplate, TemplateCategory
from inbox.models.mailbox import (
    PRESETS,
    FolderMail,
    Mailbox,
    MailboxStatus,
    Provider,
    PurgedMail,
    Security,
    SetAside,
    ThreadKey,
)
from inbox.models.message import OUTGOING, Message, MessageState, Nature
from inbox.models.model_reading import Reading
from inbox.models.search_words import MessageWords
from inbox.models.thread import (
    IN_THEIR_WORDS,
    LAST_SAID,
    PART_OF,
    TRANSITIONS,
    Direction,
    Sentiment,
    Thread,
    ThreadQuerySet,
    ThreadSource,
    ThreadStatus,
)

__all__ = [
    "IN_THEIR_WORDS",
    "LAST_SAID",
    "MOST_PUT_OFF",
    "OUTGOING",
    "PART_OF",
    "PRESETS",
    "TRANSITIONS",
    "Direction",
    "Dispatch",
    "Draft",
    "EmailTemplate",
    "TemplateCategory",
    "DraftQuerySet",
    "FolderMail",
    "Mailbox",
    "MailboxStatus",
    "Message",
    "MessageState",
    "MessageWords",
    "Nature",
    "Provider",
    "PurgedMail",
    "Reading",
    "Security",
    "Sentiment",
    "SetAside",
    "Thread",
    "ThreadKey",
    "ThreadQuerySet",
    "ThreadSource",
    "ThreadStatus",
]
