"""What a person has begun to write and not sent yet."""

from typing import Any

from django.db import models

from crm.records.base import LIVE, LiveManager, Record, RecordQuerySet, json_field, json_type_check


class DraftQuerySet(RecordQuerySet):
    """Named sets of drafts."""

    def visible_to(self, user: Any) -> "DraftQuerySet":
        """Their own: what somebody has not sent yet is nobody else's to read."""
        return self.filter(author=user)


class Draft(Record):
    """A mail in the making: an answer in a conversation, or the first mail of one that begins when it is sent.

    Everything is kept as it was typed. Once sent or discarded it is deleted softly, and knows as what it went out.
    """

    author = models.ForeignKey("crm.User", on_delete=models.CASCADE, related_name="drafts")
    thread = models.ForeignKey("inbox.Thread", null=True, blank=True, on_delete=models.SET_NULL, related_name="drafts")
    lead = models.ForeignKey("leads.Lead", null=True, blank=True, on_delete=models.SET_NULL, related_name="drafts")
    client = models.ForeignKey("crm.Client", null=True, blank=True, on_delete=models.SET_NULL, related_name="drafts")
    reply_to = models.ForeignKey("inbox.Message", null=True, blank=True, on_delete=models.SET_NULL, related_name="+")
    to = models.TextField(blank=True, default="", db_default="")
    cc = models.TextField(blank=True, default="", db_default="")
    subject = models.CharField(max_length=998, blank=True, default="", db_default="")
    body = models.TextField(blank=True, default="", db_default="")
    # Whether what it answers is repeated beneath it.
    quotes = models.BooleanField(default=False, db_default=False)
    attachments = json_field(list)
    # Counted up with each change, so that of two tabs one notices.
    version = models.PositiveIntegerField(default=0, db_default=0)
    message = models.ForeignKey("inbox.Message", null=True, blank=True, on_delete=models.SET_NULL, related_name="+")

    objects = LiveManager.from_queryset(DraftQuerySet)()
    everything = models.Manager.from_queryset(DraftQuerySet)()

    class Meta(Record.Meta):
        db_table = "drafts"
        # Whoever may send may write one; and nobody sees another's.
        default_permissions = ()
        constraints = [
            json_type_check("drafts", "attachments", "array"),
            models.CheckConstraint(
                name="drafts_one_place",
                condition=models.Q(thread=None) | models.Q(lead=None, client=None),
                violation_error_message="A draft in a conversation is for whoever the conversation is with.",
            ),
            models.UniqueConstraint(
                "author",
                "thread",
                condition=LIVE,
                name="drafts_once_in_thread",
                violation_error_message="You have begun an answer in this conversation already.",
            ),
        ]
        indexes = [
            models.Index(
                "author",
                models.F("updated_at").desc(),
                models.F("id").desc(),
                condition=LIVE,
                name="drafts_newest",
            )
        ]

    def __str__(self) -> str:
        return self.subject.strip() or "A mail without a subject"
