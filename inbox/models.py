"""What was said, on any channel."""

from typing import Any

import pgtrigger
from django.contrib.postgres.fields import ArrayField
from django.contrib.postgres.indexes import GinIndex
from django.db import models
from django.db.models.functions import Coalesce, Lower

from crm.models.base import (
    LIVE,
    LiveManager,
    Record,
    RecordQuerySet,
    audited,
    json_field,
    json_is,
    one_of,
    owned_by_or_free,
    search_field,
    search_index,
    sees_everyone,
)


class ThreadSource(models.TextChoices):
    EMAIL = "EMAIL", "Email"
    CALL = "CALL", "Call"
    SMS = "SMS", "SMS"
    MEETING = "MEETING", "Meeting"
    CHAT = "CHAT", "Chat"
    FORM = "FORM", "Form"
    NOTE = "NOTE", "Note"
    DOCUMENT = "DOCUMENT", "Document"


class ThreadStatus(models.TextChoices):
    OPEN = "OPEN", "Open"
    RESOLVED = "RESOLVED", "Resolved"
    ARCHIVED = "ARCHIVED", "Archived"


TRANSITIONS = {
    ThreadStatus.OPEN: {ThreadStatus.RESOLVED, ThreadStatus.ARCHIVED},
    ThreadStatus.RESOLVED: {ThreadStatus.OPEN, ThreadStatus.ARCHIVED},
    ThreadStatus.ARCHIVED: {ThreadStatus.OPEN},
}


class Sentiment(models.TextChoices):
    POSITIVE = "positive"
    NEUTRAL = "neutral"
    NEGATIVE = "negative"
    URGENT = "urgent"


class Direction(models.TextChoices):
    IN = "in", "Received"
    OUT = "out", "Sent"


# When something was last said; in a conversation in which nothing was, when it began.
LAST_SAID = Coalesce("last_message_at", "created_at")


class ThreadQuerySet(RecordQuerySet):
    """Named sets of conversations."""

    def visible_to(self, user: Any) -> "ThreadQuerySet":
        if sees_everyone(user):
            return self
        return self.filter(owned_by_or_free(user, "owner"))

    def we_owe(self) -> "ThreadQuerySet":
        """Their last word is unanswered; the longest wait first."""
        return self.filter(status=ThreadStatus.OPEN, last_direction=Direction.IN).order_by(LAST_SAID, "id")

    def they_owe(self) -> "ThreadQuerySet":
        """Our last word is unanswered; the longest silence first."""
        return self.filter(status=ThreadStatus.OPEN, awaiting_reply=True).order_by(LAST_SAID, "id")


@audited(exclude=["last_message_at", "message_count", "awaiting_reply", "last_direction", "search_text", "owner"])
class Thread(Record):
    """A conversation."""

    source = models.CharField(max_length=10, choices=ThreadSource)
    subject = models.CharField(max_length=500, blank=True, default="", db_default="")
    status = models.CharField(
        max_length=10, choices=ThreadStatus, default=ThreadStatus.OPEN, db_default=ThreadStatus.OPEN
    )
    lead = models.ForeignKey("leads.Lead", null=True, blank=True, on_delete=models.SET_NULL, related_name="threads")
    client = models.ForeignKey("crm.Client", null=True, blank=True, on_delete=models.SET_NULL, related_name="threads")
    project = models.ForeignKey("crm.Project", null=True, blank=True, on_delete=models.SET_NULL, related_name="threads")
    # Kept by the database (leads/ownership.py).
    owner = models.ForeignKey(
        "crm.User", null=True, blank=True, editable=False, on_delete=models.SET_NULL, related_name="+"
    )
    participant_emails = ArrayField(
        models.EmailField(),
        default=list,
        blank=True,
        db_default=models.Value([], ArrayField(models.EmailField())),
    )
    last_message_at = models.DateTimeField(null=True, blank=True)
    last_direction = models.CharField(max_length=3, choices=Direction, blank=True, default="", db_default="")
    message_count = models.PositiveIntegerField(default=0, db_default=0)
    awaiting_reply = models.BooleanField(default=False, db_default=False)
    sentiment = models.CharField(max_length=10, choices=Sentiment, null=True, blank=True)
    metadata = json_field(dict)
    search_text = search_field("subject")

    objects = LiveManager.from_queryset(ThreadQuerySet)()
    everything = models.Manager.from_queryset(ThreadQuerySet)()

    class Meta(Record.Meta):
        db_table = "threads"
        verbose_name = "conversation"
        permissions = [
            ("restore_thread", "Can restore a deleted conversation"),
            ("purge_thread", "Can purge a conversation for ever"),
        ]
        constraints = [
            one_of("threads", "source", ThreadSource),
            one_of("threads", "status", ThreadStatus),
            one_of("threads", "sentiment", Sentiment, null=True),
            models.CheckConstraint(
                name="threads_last_direction_valid",
                condition=models.Q(last_direction__in=["", *Direction.values]),
                violation_error_message="The last direction is in, out or nothing.",
            ),
            json_is("threads", "metadata", "object"),
        ]
        indexes = [
            models.Index(
                LAST_SAID.desc(),
                models.F("id").desc(),
                condition=LIVE,
                name="threads_newest",
            ),
            models.Index(
                "status",
                LAST_SAID.desc(),
                models.F("id").desc(),
                condition=LIVE,
                name="threads_by_status",
            ),
            models.Index(
                LAST_SAID,
                "id",
                condition=LIVE & models.Q(status=ThreadStatus.OPEN, last_direction=Direction.IN),
                name="threads_we_owe",
            ),
            models.Index(
                LAST_SAID,
                "id",
                condition=LIVE & models.Q(status=ThreadStatus.OPEN, awaiting_reply=True),
                name="threads_they_owe",
            ),
            models.Index(
                LAST_SAID.desc(),
                models.F("id").desc(),
                condition=LIVE & models.Q(status=ThreadStatus.OPEN, lead__isnull=True, client__isnull=True),
                name="threads_unlinked",
            ),
            GinIndex("participant_emails", condition=LIVE, name="threads_participants"),
            search_index("threads"),
        ]

    def __str__(self) -> str:
        return self.subject or f"{self.get_source_display()} without a subject"


class MessageState(models.TextChoices):
    RECEIVED = "RECEIVED", "Received"
    QUEUED = "QUEUED", "Queued"
    SENDING = "SENDING", "Sending"
    SENT = "SENT", "Sent"
    FAILED = "FAILED", "Failed"
    UNCERTAIN = "UNCERTAIN", "Uncertain"


# Of what goes out. Back to QUEUED where it is proven that nobody took it, or where it is tried again.
OUTGOING = {
    MessageState.QUEUED: {MessageState.SENDING, MessageState.SENT, MessageState.FAILED, MessageState.UNCERTAIN},
    MessageState.SENDING: {MessageState.QUEUED, MessageState.SENT, MessageState.FAILED, MessageState.UNCERTAIN},
    MessageState.FAILED: {MessageState.QUEUED},
    MessageState.UNCERTAIN: {MessageState.QUEUED, MessageState.SENT, MessageState.FAILED},
}

# Held against the row as it was written: only where it stands, when it went and what is known of it may move.
OUTGOING_CHANGED = """
    OLD.direction = 'out' AND (
        OLD.message_id, OLD.in_reply_to, OLD."from", OLD."to", OLD."cc", OLD.subject, OLD.body_text, OLD.body_html,
        OLD.attachments, OLD.from_name, OLD.reply_to
    ) IS DISTINCT FROM (
        NEW.message_id, NEW.in_reply_to, NEW."from", NEW."to", NEW."cc", NEW.subject, NEW.body_text, NEW.body_html,
        NEW.attachments, NEW.from_name, NEW.reply_to
    )
"""


class Message(Record):
    """One thing said: a mail, a call, a note."""

    thread = models.ForeignKey(Thread, on_delete=models.CASCADE, related_name="messages")
    direction = models.CharField(max_length=3, choices=Direction)
    state = models.CharField(
        max_length=10, choices=MessageState, default=MessageState.RECEIVED, db_default=MessageState.RECEIVED
    )
    message_id = models.CharField("Message-ID", max_length=998, blank=True, default="", db_default="")
    in_reply_to = models.CharField(max_length=998, blank=True, default="", db_default="")
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
    opened_at = models.DateTimeField(null=True, blank=True)
    attachments = json_field(list)
    media = json_field(dict)
    summary = models.TextField(blank=True, default="", db_default="")
    error_message = models.TextField(
        blank=True, default="", db_default="", help_text="Why it did not go out, or why nobody knows whether it did."
    )

    class Meta(Record.Meta):
        db_table = "messages"
        permissions = [("send_message", "Can send messages to people outside")]
        triggers = [
            # What goes out is what somebody let go out, to the letter.
            pgtrigger.Protect(
                name="outgoing_is_kept",
                operation=pgtrigger.Update,
                condition=pgtrigger.Condition(OUTGOING_CHANGED),
            )
        ]
        constraints = [
            one_of("messages", "direction", Direction),
            one_of("messages", "state", MessageState),
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
            json_is("messages", "attachments", "array"),
            json_is("messages", "media", "object"),
            models.UniqueConstraint(
                "thread",
                "message_id",
                condition=LIVE & ~models.Q(message_id=""),
                name="messages_id_once",
                violation_error_message="This message is already in the conversation.",
            ),
        ]
        indexes = [
            models.Index("thread", "sent_at", "id", condition=LIVE, name="messages_of_thread"),
            models.Index("message_id", condition=~models.Q(message_id=""), name="messages_by_message_id"),
            models.Index(Lower("from_email"), models.F("sent_at").desc(), condition=LIVE, name="messages_by_sender"),
        ]

    def __str__(self) -> str:
        return self.subject or self.snippet or f"{self.get_direction_display()} {self.sent_at:%d %b %Y}"
