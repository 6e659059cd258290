"""A message in a thread."""

from datetime import datetime, timedelta
from typing import Any

import pgtrigger
from django.contrib.postgres.fields import ArrayField
from django.contrib.postgres.indexes import GinIndex
from django.db import models
from django.db.models.functions import Lower

from crm.records.base import (
    LIVE,
    LiveManager,
    Record,
    RecordQuerySet,
    can_see_everyone,
    choices_check,
    json_field,
    json_type_check,
)
from crm.records.local_time import format_day
from crm.text.addresses import MAX_ADDRESS_LENGTH
from inbox.models.thread import VERBATIM_SOURCES, Direction, Thread


class Nature(models.TextChoices):
    """The kind of an email. Only an email from a person counts as contact."""

    PERSON = "PERSON", "From a person"
    AUTO_REPLY = "AUTO_REPLY", "Automatic email"
    INTERNAL = "INTERNAL", "Between ourselves"
    BOUNCE = "BOUNCE", "Bounce"
    LIST = "LIST", "Mailing list"
    SPAM = "SPAM", "Spam"


class MessageState(models.TextChoices):
    RECEIVED = "RECEIVED", "Received"
    QUEUED = "QUEUED", "Queued"
    SENDING = "SENDING", "Sending"
    SENT = "SENT", "Sent"
    FAILED = "FAILED", "Failed"
    UNCERTAIN = "UNCERTAIN", "Delivery unconfirmed"
    HELD = "HELD", "Held"


# The transitions of outgoing messages. Back to QUEUED if no server accepted the message, or on another attempt.
OUTGOING_TRANSITIONS = {
    MessageState.QUEUED: {
        MessageState.SENDING,
        MessageState.SENT,
        MessageState.FAILED,
        MessageState.UNCERTAIN,
        MessageState.HELD,
    },
    MessageState.SENDING: {MessageState.QUEUED, MessageState.SENT, MessageState.FAILED, MessageState.UNCERTAIN},
    MessageState.FAILED: {MessageState.QUEUED},
    MessageState.HELD: {MessageState.QUEUED},
    MessageState.UNCERTAIN: {MessageState.QUEUED, MessageState.SENT, MessageState.FAILED},
}

# True if the content of an outgoing message changes. Only its state, dates and tracking may change.
OUTGOING_CHANGED_SQL = """
    OLD.direction = 'out' AND (
        OLD.message_id, OLD.in_reply_to, OLD."from", OLD."to", OLD."cc", OLD.subject, OLD.body_text, OLD.body_html,
        OLD.attachments, OLD.from_name, OLD.reply_to
    ) IS DISTINCT FROM (
        NEW.message_id, NEW.in_reply_to, NEW."from", NEW."to", NEW."cc", NEW.subject, NEW.body_text, NEW.body_html,
        NEW.attachments, NEW.from_name, NEW.reply_to
    )
"""


# A model reads only messages that are newer than this.
MODEL_READING_WINDOW = timedelta(days=7)
# The key in `media` of what was sent with a web form beside the message.
FORM_ANSWERS_KEY = "form_answers"
# Not delivered, held back before it left, or delivery is unconfirmed: a person must check.
IS_NOT_SENT = models.Q(state__in=[MessageState.FAILED, MessageState.HELD, MessageState.UNCERTAIN])


class MessageQuerySet(RecordQuerySet):
    """Named sets of messages."""

    def visible_to(self, user: Any) -> "MessageQuerySet":
        """Return the messages of the threads that `user` may see."""
        return self if can_see_everyone(user) else self.filter(thread__in=Thread.everything.visible_to(user))

    def not_sent(self) -> "MessageQuerySet":
        """Return outgoing messages that failed, are held, or have their delivery unconfirmed, of any author."""

        return self.filter(IS_NOT_SENT)

    def with_token(self, token: str) -> "MessageQuerySet":
        """Return the sent email that outsiders reach under `token`."""
        return self.filter(token=token, state=MessageState.SENT, thread__deleted_at=None)

    def unread_by_model(self, now: datetime) -> "MessageQuerySet":
        """Return recent messages from outside that no model has read yet. Older ones are left unread."""
        theirs = self.filter(direction=Direction.IN, nature=Nature.PERSON, sent_at__gte=now - MODEL_READING_WINDOW)
        return theirs.filter(thread__source__in=VERBATIM_SOURCES, reading__isnull=True)


class Message(Record):
    """A message in a thread: an email, a call, a note."""

    thread = models.ForeignKey(Thread, on_delete=models.CASCADE, related_name="messages")
    mailbox = models.ForeignKey(
        "inbox.Mailbox", null=True, blank=True, on_delete=models.SET_NULL, related_name="messages"
    )
    direction = models.CharField(max_length=3, choices=Direction)
    state = models.CharField(
        max_length=10, choices=MessageState, default=MessageState.RECEIVED, db_default=MessageState.RECEIVED
    )
    message_id = models.CharField("Message-ID", max_length=998, blank=True, default="", db_default="")
    # Tells different messages apart that use one Message-ID; empty for the first of them.
    variant = models.CharField(max_length=64, blank=True, default="", db_default="", editable=False)
    # The place of the source of a received email in the storage, and its digest; empty if it was not kept.
    source_path = models.CharField(max_length=100, blank=True, default="", db_default="", editable=False)
    source_start = models.PositiveIntegerField(default=0, db_default=0, editable=False)
    source_size = models.PositiveIntegerField(default=0, db_default=0, editable=False)
    source_digest = models.CharField(max_length=64, blank=True, default="", db_default="", editable=False)
    in_reply_to = models.CharField(max_length=998, blank=True, default="", db_default="")
    # The References header of the email, oldest first.
    references = ArrayField(
        models.CharField(max_length=998),
        default=list,
        blank=True,
        db_default=models.Value([], ArrayField(models.CharField(max_length=998))),
    )
    nature = models.CharField(max_length=10, choices=Nature, default=Nature.PERSON, db_default=Nature.PERSON)
    # It only closes the conversation ("Thanks", "Done"): it asks for no reply.
    is_closing = models.BooleanField(default=False, db_default=False, editable=False)
    # Addresses are kept as the email gives them, valid or not; what is sent is checked by the outbox.
    from_email = models.CharField(
        "from", max_length=MAX_ADDRESS_LENGTH, blank=True, default="", db_default="", db_column="from"
    )
    from_name = models.CharField(max_length=200, blank=True, default="", db_default="")
    reply_to = models.CharField(
        max_length=MAX_ADDRESS_LENGTH,
        blank=True,
        default="",
        db_default="",
        help_text="The address for replies, if it differs from the sender.",
    )
    to_emails = ArrayField(
        models.CharField(max_length=MAX_ADDRESS_LENGTH),
        default=list,
        blank=True,
        db_column="to",
        db_default=models.Value([], ArrayField(models.CharField(max_length=MAX_ADDRESS_LENGTH))),
    )
    cc_emails = ArrayField(
        models.CharField(max_length=MAX_ADDRESS_LENGTH),
        default=list,
        blank=True,
        db_column="cc",
        db_default=models.Value([], ArrayField(models.CharField(max_length=MAX_ADDRESS_LENGTH))),
    )
    subject = models.CharField(max_length=998, blank=True, default="", db_default="")
    body_text = models.TextField(blank=True, default="", db_default="")
    body_html = models.TextField(blank=True, default="", db_default="")
    snippet = models.CharField(max_length=200, blank=True, default="", db_default="")
    sent_at = models.DateTimeField()
    is_read = models.BooleanField(default=False, db_default=False)
    # The public name of its tracking picture and its proposal page; empty if the email is not tracked.
    token = models.CharField(max_length=22, blank=True, default="", db_default="", editable=False)
    opened_at = models.DateTimeField(null=True, blank=True)
    viewed_at = models.DateTimeField("proposal viewed", null=True, blank=True)
    attachments = json_field(list)
    media = json_field(dict)
    summary = models.TextField(blank=True, default="", db_default="")
    error_message = models.TextField(
        blank=True,
        default="",
        db_default="",
        help_text="Why sending failed, why it is held, or why delivery is unconfirmed.",
    )

    objects = LiveManager.from_queryset(MessageQuerySet)()
    everything = models.Manager.from_queryset(MessageQuerySet)()

    class Meta(Record.Meta):
        db_table = "messages"
        permissions = [("send_message", "Can send messages to people outside the agency")]
        triggers = [
            # The content of an outgoing message stays exactly as it was approved.
            pgtrigger.Protect(
                name="outgoing_is_kept",
                operation=pgtrigger.Update,
                condition=pgtrigger.Condition(OUTGOING_CHANGED_SQL),
            )
        ]
        constraints = [
            choices_check("messages", "direction", Direction),
            choices_check("messages", "state", MessageState),
            choices_check("messages", "nature", Nature),
            models.CheckConstraint(
                name="messages_received_is_in",
                condition=models.Q(direction=Direction.IN, state=MessageState.RECEIVED)
                | (models.Q(direction=Direction.OUT) & ~models.Q(state=MessageState.RECEIVED)),
                violation_error_message="An incoming message must be Received; an outgoing one needs a sending state.",
            ),
            models.CheckConstraint(
                name="messages_failure_says_why",
                condition=~models.Q(state__in=["FAILED", "HELD", "UNCERTAIN"]) | ~models.Q(error_message=""),
                violation_error_message="A message that failed, is held or is unconfirmed needs an error message.",
            ),
            models.CheckConstraint(
                name="messages_recipients_not_empty",
                condition=~models.Q(to_emails__contains=[""]) & ~models.Q(cc_emails__contains=[""]),
                violation_error_message="A recipient has an empty address.",
            ),
            json_type_check("messages", "attachments", "array"),
            json_type_check("messages", "media", "object"),
            models.UniqueConstraint(
                "thread",
                "message_id",
                "variant",
                condition=LIVE & ~models.Q(message_id=""),
                name="messages_id_once",
                violation_error_message="This message is already in the conversation.",
            ),
            models.UniqueConstraint(
                "mailbox",
                "message_id",
                "variant",
                condition=LIVE & models.Q(mailbox__isnull=False) & ~models.Q(message_id=""),
                name="messages_once_in_mailbox",
                violation_error_message="This message is already in the mailbox.",
            ),
        ]
        indexes = [
            models.Index(fields=["token"], condition=LIVE & ~models.Q(token=""), name="messages_by_token"),
            models.Index("thread", "sent_at", "id", condition=LIVE, name="messages_of_thread"),
            models.Index("message_id", condition=~models.Q(message_id=""), name="messages_by_message_id"),
            models.Index(Lower("from_email"), models.F("sent_at").desc(), condition=LIVE, name="messages_by_sender"),
            models.Index("thread", "state", condition=LIVE & IS_NOT_SENT, name="messages_not_sent"),
            # Whether a file of a purged message is still in use.
            models.Index("source_path", condition=~models.Q(source_path=""), name="messages_by_source"),
            GinIndex(
                fields=["attachments"],
                opclasses=["jsonb_path_ops"],
                condition=~models.Q(attachments=[]),
                name="messages_by_attachment",
            ),
        ]

    @property
    def participants(self) -> tuple[str, ...]:
        """Return the sender and all recipients."""
        return tuple(dict.fromkeys(one for one in (self.from_email, *self.to_emails, *self.cc_emails) if one))

    def __str__(self) -> str:
        return self.subject or self.snippet or f"{self.get_direction_display()} {format_day(self.sent_at)}"
