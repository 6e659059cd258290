"""Where mail comes from, how its conversations hold together, and what could not be read."""

from typing import Any

from django.db import models
from django.db.models.functions import Lower

from crm.models.base import (
    LIVE,
    LiveManager,
    Record,
    RecordQuerySet,
    audited,
    one_of,
    owned_by_or_free,
    sees_everyone,
)


class Provider(models.TextChoices):
    IMAP = "IMAP", "IMAP"
    GMAIL = "GMAIL", "Gmail"
    IMPORT = "IMPORT", "Files"


class MailboxStatus(models.TextChoices):
    ACTIVE = "ACTIVE", "Active"
    EXPIRED = "EXPIRED", "Expired"
    REVOKED = "REVOKED", "Revoked"
    PENDING_REAUTH = "PENDING_REAUTH", "Log in again"


class MailboxQuerySet(RecordQuerySet):
    """Named sets of mailboxes."""

    def visible_to(self, user: Any) -> "MailboxQuerySet":
        return self if sees_everyone(user) else self.filter(owned_by_or_free(user, "owner"))


@audited()
class Mailbox(Record):
    """A mailbox of ours, or files of mail that were brought in."""

    owner = models.ForeignKey("crm.User", null=True, blank=True, on_delete=models.SET_NULL, related_name="mailboxes")
    address = models.EmailField()
    provider = models.CharField(max_length=10, choices=Provider, default=Provider.IMPORT)
    status = models.CharField(
        max_length=14, choices=MailboxStatus, default=MailboxStatus.ACTIVE, db_default=MailboxStatus.ACTIVE
    )

    objects = LiveManager.from_queryset(MailboxQuerySet)()
    everything = models.Manager.from_queryset(MailboxQuerySet)()

    class Meta(Record.Meta):
        db_table = "mailboxes"
        verbose_name_plural = "mailboxes"
        permissions = [
            ("restore_mailbox", "Can restore a deleted mailbox"),
            ("purge_mailbox", "Can purge a mailbox for ever"),
        ]
        constraints = [
            one_of("mailboxes", "provider", Provider),
            one_of("mailboxes", "status", MailboxStatus),
            models.UniqueConstraint(
                Lower("address"),
                condition=LIVE,
                name="mailboxes_address_once",
                violation_error_message="There is a mailbox of this address already.",
            ),
        ]

    def __str__(self) -> str:
        return self.address


class ThreadKey(models.Model):
    """An identifier that a mail has or refers to, and the conversation that it belongs to.

    Two mails of one mailbox are of one conversation if a chain of such identifiers leads from one to the other,
    even through a mail that never arrived. So the order in which they arrive does not matter.
    """

    mailbox = models.ForeignKey(
        Mailbox, null=True, blank=True, on_delete=models.CASCADE, related_name="keys", db_index=False
    )
    key = models.CharField(max_length=998)
    thread = models.ForeignKey("inbox.Thread", on_delete=models.CASCADE, related_name="keys")

    class Meta:
        db_table = "thread_keys"
        default_permissions = ()
        constraints = [
            models.UniqueConstraint(
                "mailbox",
                "key",
                nulls_distinct=False,
                name="thread_keys_once",
                violation_error_message="This identifier belongs to a conversation already.",
            )
        ]

    def __str__(self) -> str:
        return self.key


class SetAsideQuerySet(RecordQuerySet):
    """Named sets of mails set aside."""

    def visible_to(self, user: Any) -> "SetAsideQuerySet":
        return self if sees_everyone(user) else self.filter(owned_by_or_free(user, "mailbox__owner"))


class SetAside(Record):
    """A mail that could not be taken in, with its bytes and the reason, until somebody looks at it."""

    mailbox = models.ForeignKey(Mailbox, on_delete=models.CASCADE, related_name="set_aside", db_index=False)
    # Where it came from: a folder with the number of the message, or a file.
    origin = models.CharField(max_length=500)
    reason = models.TextField()
    size = models.PositiveIntegerField()
    # Empty where it is too large to be kept: then the mailbox itself has it still.
    raw = models.BinaryField(default=b"", editable=False)

    objects = LiveManager.from_queryset(SetAsideQuerySet)()
    everything = models.Manager.from_queryset(SetAsideQuerySet)()

    class Meta(Record.Meta):
        db_table = "set_aside_mails"
        verbose_name = "mail set aside"
        verbose_name_plural = "mails set aside"
        default_permissions = ("view", "change", "delete")
        permissions = [("restore_setaside", "Can bring back a dismissed mail")]
        constraints = [
            models.UniqueConstraint(
                "mailbox",
                "origin",
                condition=LIVE,
                name="set_aside_mails_once",
                violation_error_message="This mail has been set aside already.",
            )
        ]

    def __str__(self) -> str:
        return f"{self.origin}: {self.reason}"[:200]
