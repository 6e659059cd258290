"""One thing that was said."""

from datetime import datetime, timedelta

import pgtrigger
from django.contrib.postgres.fields import ArrayField
from django.db import models
from django.db.models.functions import Lower

from crm.records.base import LIVE, LiveManager, Record, RecordQuerySet, choices_check, json_field, json_type_check
from inbox.models.thread import VERBATIM_SOURCES, Direction, Thread


class Nature(models.TextChoices):
    """What a mail is: only what a person wrote to a person is contact."""

    PERSON = "PERSON", "From a person"
    AUTO_REPLY = "AUTO_REPLY", "Automatic answer"
    BOUNCE = "BOUNCE", "Could not be delivered"
    LIST = "LIST", "Mailing list"
    SPAM = "SPAM", "Spam"


class MessageState(models.TextChoices):
    RECEIVED = "RECEIVED", "Received"
    QUEUED = "QUEUED", "Queued"
    SENDING = "SENDING", "Sending"
    SENT = "SENT", "Sent"
    FAILED = "FAILED", "Failed"
    UNCERTAIN = "UNCERTAIN", "Uncertain"


# Of what goes out. Back to QUEUED where it is proven that nobody took it, or where it is tried again.
OUTGOING_TRANSITIONS = {
    MessageState.QUEUED: {MessageState.SENDING, MessageState.SENT, MessageState.FAILED, MessageState.UNCERTAIN},
    MessageState.SENDING: {MessageState.QUEUED, MessageState.SENT, MessageState.FAILED, MessageState.UNCERTAIN},
    MessageState.FAILED: {MessageState.QUEUED},
    MessageState.UNCERTAIN: {MessageState.QUEUED, MessageState.SENT, MessageState.FAILED},
}

# Held against the row as it was written: only where it stands, when it went and what is known of it may move.
OUTGOING_CHANGED_SQL = """
    OLD.direction = 'out' AND (
        OLD.message_id, OLD.in_reply_to, OLD."from", OLD."to", OLD."cc", OLD.subject, OLD.body_text, OLD.body_html,
        OLD.attachments, OLD.from_name, OLD.reply_to
    ) IS DISTINCT FROM (
        NEW.message_id, NEW.in_reply_to, NEW."from", NEW."to", NEW."cc", NEW.subject, NEW.body_text, NEW.body_html,
        NEW.attachments, NEW.from_name, NEW.reply_to
    )
"""


# For so long a model is asked about what somebody wrote.
MODEL_READING_WINDOW = timedelta(days=7)
# Nobody has got it, or nobody can tell: somebody must look.
IS_NOT_SENT = models.Q(state__in=[MessageState.FAILED, MessageState.UNCERTAIN])


class MessageQuerySet(RecordQuerySet):
    """Named sets of messages."""

    def not_sent(self) -> "MessageQuerySet":
        """What was to go out and did not, or of which nobody knows whether it did; whoever wrote it."""
        return self.filter(IS_NOT_SENT)

    def with_token(self, token: str) -> "MessageQuerySet":
        """The mail that went out under `token`, which people outside know it by."""
        return self.filter(token=token, state=MessageState.SENT, thread__deleted_at=None)

    def unread_by_model(self, now: datetime) -> "MessageQuerySet":
        """What people outside wrote of late and no model has read yet; older news is no news, and left alone."""
        theirs = self.filter(direction=Direction.IN, nature=Nature.PERSON, sent_at__gte=now - MODEL_READING_WINDOW)
        return theirs.filter(thread__source__in=VERBATIM_SOURCES, reading__isnull=True)


class Message(Record):
    """One thing said: a mail, a call, a note."""

    thread = models.ForeignKey(Thread, on_delete=models.CASCADE, related_name="messages")
    mailbox = models.ForeignKey(
        "inbox.Mailbox", null=True, blank=True, on_delete=models.SET_NULL, related_name="messages"
    )
    direction = models.CharField(max_length=3, choices=Direction)
    state = models.CharField(
        max_length=10, choices=MessageState, default=MessageState.RECEIVED, db_default=MessageState.RECEIVED
    )
    message_id = models.CharField("Message-ID", max_length=998, blank=True, default="", db_default="")
    in_reply_to = models.CharField(max_length=998, blank=True, default="", db_default="")
    # The chain of identifiers that the mail itself names, the oldest first.
    references = ArrayField(
        models.CharField(max_length=998),
        default=list,
        blank=True,
        db_default=models.Value([], ArrayField(models.CharField(max_length=998))),
    )
    nature = models.CharField(max_length=10, choices=Nature, default=Nature.PERSON, db_default=Nature.PERSON)
    from_email = models.EmailField("from", blank=True, default="", db_default="", db_column="from")
    from_name = models.CharField(max_length=200, blank=True, default="", db_default="")
    reply_to = models.EmailField(blank=True, default="", db_default="", help_text="Where an answer goes, if elsewhere.")
    to_emails = ArrayField(
        models.EmailField(),
        default=list,
        blank=True,
        db_column="to",
        db_default=models.Value([], ArrayField(models.EmailField())),
    )
    cc_emails = ArrayField(
        models.EmailField(),
        default=list,
        blank=True,
        db_column="cc",
        db_default=models.Value([], ArrayField(models.EmailField())),
    )
    subject = models.CharField(max_length=998, blank=True, default="", db_default="")
    body_text = models.TextField(blank=True, default="", db_default="")
    body_html = models.TextField(blank=True, default="", db_default="")
    snippet = models.CharField(max_length=200, blank=True, default="", db_default="")
    sent_at = models.DateTimeField()
    is_read = models.BooleanField(default=False, db_default=False)
    # By what its picture and its proposal are known outside; empty where nothing is noted.
    token = models.CharField(max_length=22, blank=True, default="", db_default="", editable=False)
    opened_at = models.DateTimeField(null=True, blank=True)
    viewed_at = models.DateTimeField("proposal looked at", null=True, blank=True)
    attachments = json_field(list)
    media = json_field(dict)
    summary = models.TextField(blank=True, default="", db_default="")
    error_message = models.TextField(
        blank=True, default="", db_default="", help_text="Why it did not go out, or why nobody knows whether it did."
    )

    objects = LiveManager.from_queryset(MessageQuerySet)()
    everything = models.Manager.from_queryset(MessageQuerySet)()

    class Meta(Record.Meta):
        db_table = "messages"
        permissions = [("send_message", "Can send messages to people outside")]
        triggers = [
            # What goes out is what somebody let go out, to the letter.
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
                violation_error_message="What came in is received; what goes out has a sending state.",
            ),
            models.CheckConstraint(
                name="messages_failure_says_why",
                condition=~models.Q(state__in=["FAILED", "UNCERTAIN"]) | ~models.Q(error_message=""),
                violation_error_message="A message that did not go out says why.",
            ),
            json_type_check("messages", "attachments", "array"),
            json_type_check("messages", "media", "object"),
            models.UniqueConstraint(
                "thread",
                "message_id",
                condition=LIVE & ~models.Q(message_id=""),
                name="messages_id_once",
                violation_error_message="This message is already in the conversation.",
            ),
            models.UniqueConstraint(
                "mailbox",
                "message_id",
                condition=LIVE & models.Q(mailbox__isnull=False) & ~models.Q(message_id=""),
                name="messages_once_in_mailbox",
                violation_error_message="This message is in the mailbox already.",
            ),
        ]
        indexes = [
            models.Index(fields=["token"], condition=LIVE & ~models.Q(token=""), name="messages_by_token"),
            models.Index("thread", "sent_at", "id", condition=LIVE, name="messages_of_thread"),
            models.Index("message_id", condition=~models.Q(message_id=""), name="messages_by_message_id"),
            models.Index(Lower("from_email"), models.F("sent_at").desc(), condition=LIVE, name="messages_by_sender"),
            models.Index("thread", "state", condition=LIVE & IS_NOT_SENT, name="messages_not_sent"),
        ]

    @property
    def participants(self) -> tuple[str, ...]:
        """Everybody who wrote it or got it."""
        return tuple(dict.fromkeys(one for one in (self.from_email, *self.to_emails, *self.cc_emails) if one))

    def __str__(self) -> str:
        return self.subject or self.snippet or f"{self.get_direction_display()} {self.sent_at:%d %b %Y}"
