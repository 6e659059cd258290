"""Conversations on any channel: threads, messages, drafts and mailboxes."""

from inbox.models.draft import Draft, DraftQuerySet
from inbox.models.email_delivery import EmailDelivery, EmailOrigin
from inbox.models.email_signature import EmailSignature
from inbox.models.email_template import EmailTemplate, TemplateCategory
from inbox.models.mailbox import (
    PROVIDER_PRESETS,
    FolderMail,
    Mailbox,
    MailboxStatus,
    Provider,
    PurgedMail,
    Security,
    SetAside,
    ThreadKey,
)
from inbox.models.message import FORM_ANSWERS_KEY, OUTGOING_TRANSITIONS, Message, MessageState, Nature
from inbox.models.model_reading import Reading
from inbox.models.removed_file import RemovedFile
from inbox.models.search_words import MessageWords
from inbox.models.thread import (
    EMAIL_SOURCES,
    LAST_ACTIVITY,
    MAX_SNOOZE,
    MERGED_INTO_KEY,
    SNOOZE_END,
    THREAD_TRANSITIONS,
    VERBATIM_SOURCES,
    Direction,
    Sentiment,
    Thread,
    ThreadQuerySet,
    ThreadSource,
    ThreadStatus,
)
from inbox.models.web_form import (
    ANY_ORIGIN,
    RefusalReason,
    SubmissionOutcome,
    WebForm,
    WebFormField,
    WebFormRate,
    WebFormRefusal,
    WebFormSubmission,
)

__all__ = [
    "ANY_ORIGIN",
    "EMAIL_SOURCES",
    "FORM_ANSWERS_KEY",
    "VERBATIM_SOURCES",
    "LAST_ACTIVITY",
    "OUTGOING_TRANSITIONS",
    "MAX_SNOOZE",
    "MERGED_INTO_KEY",
    "PROVIDER_PRESETS",
    "SNOOZE_END",
    "THREAD_TRANSITIONS",
    "Direction",
    "Draft",
    "EmailDelivery",
    "EmailOrigin",
    "EmailSignature",
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
    "RemovedFile",
    "Security",
    "Sentiment",
    "SetAside",
    "Thread",
    "ThreadKey",
    "ThreadQuerySet",
    "ThreadSource",
    "ThreadStatus",
    "RefusalReason",
    "SubmissionOutcome",
    "WebForm",
    "WebFormField",
    "WebFormRate",
    "WebFormRefusal",
    "WebFormSubmission",
]
