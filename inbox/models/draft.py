"""Drafts: emails that a person is writing and has not sent yet."""

from typing import Any

from django.db import models

from crm.records.base import LIVE, LiveManager, Record, RecordQuerySet, json_field, json_type_check


class DraftQuerySet(RecordQuerySet):
    """Named sets of drafts."""

    def visible_to(self, user: Any) -> "DraftQuerySet":
        """Return the drafts of `user`. A draft is private to its author."""
        return self.filter(author=user)


class Draft(Record):
    """An unsent email: a reply in a thread, or the first email of a thread that is created on sending.

    All fields are stored as typed. A sent or discarded draft is soft-deleted; a sent one links to its message.
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
    # Whether the message it replies to is quoted below the text.
    quotes = models.BooleanField(default=False, db_default=False)
    # Whether the signature of the author stands below the text.
    signs = models.BooleanField(default=True, db_default=True)
    attachments = json_field(list)
    # Incremented on every change, to detect edits from another browser tab.
    version = models.PositiveIntegerField(default=0, db_default=0)
    message = models.ForeignKey("inbox.Message", null=True, blank=True, on_delete=models.SET_NULL, related_name="+")

    objects = LiveManager.from_queryset(DraftQuerySet)()
    everything = models.Manager.from_queryset(DraftQuerySet)()

    class Meta(Record.Meta):
        db_table = "drafts"
        # Drafts need no permissions of their own: authors need the permission to send, and see only their own drafts.
        default_permissions = ()
        constraints = [
            json_type_check("drafts", "attachments", "array"),
            models.CheckConstraint(
                name="drafts_one_place",
                condition=models.Q(thread=None) | models.Q(lead=None, client=None),
                violation_error_message="A draft in a conversation cannot have a lead or client of its own.",
            ),
            models.UniqueConstraint(
                "author",
                "thread",
                condition=LIVE,
                name="drafts_once_in_thread",
                violation_error_message="You already have a draft in this conversation.",
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
        return self.subject.strip() or "Email without a subject"
