"""Where mail comes from, how its conversations hold together, and what could not be read."""

import re
from datetime import datetime, timedelta
from typing import Any

from django.contrib.postgres.fields import ArrayField
from django.db import models
from django.db.models.functions import Lower
from django.utils import timezone

from crm.records.base import (
    LIVE,
    LiveManager,
    Record,
    RecordQuerySet,
    can_see_everyone,
    choices_check,
    json_field,
    json_type_check,
    owned_by_or_unassigned,
    range_check,
    with_row_audit,
)


class Provider(models.TextChoices):
    IMAP = "IMAP", "IMAP"
    GMAIL = "GMAIL", "Gmail"
    IMPORT = "IMPORT", "Files"


class MailboxStatus(models.TextChoices):
    """Whether mail is fetched; only the first is tried by itself."""

    ACTIVE = "ACTIVE", "Active"
    # The server says that the password has run out.
    EXPIRED = "EXPIRED", "Password expired"
    # Disconnected by a person.
    REVOKED = "REVOKED", "Disconnected"
    PENDING_REAUTH = "PENDING_REAUTH", "Password refused"


class Security(models.TextChoices):
    """How the connection to an IMAP server is encrypted."""

    TLS = "TLS", "TLS from the start (usual)"
    STARTTLS = "STARTTLS", "STARTTLS"
    NONE = "NONE", "Not encrypted (only on this machine)"


FETCHED_PROVIDERS = (Provider.IMAP, Provider.GMAIL)
# Host and port of a provider that everybody reaches at the same place.
PROVIDER_PRESETS = {Provider.GMAIL: ("imap.gmail.com", 993)}
DEFAULT_PORTS = {Security.TLS: 993, Security.STARTTLS: 143, Security.NONE: 143}
# What was to be fetched so long ago is fetched by nobody.
OVERDUE_AFTER = timedelta(minutes=10)
LOOPBACK_HOSTS = ("localhost", "127.0.0.1", "::1")
# What changes each minute, and what no copy may be made of.
UNAUDITED_FIELDS = ("credentials", "sync_state", "last_synced_at", "next_sync_at", "failures", "last_error")


class MailboxQuerySet(RecordQuerySet):
    """Named sets of mailboxes."""

    def visible_to(self, user: Any) -> "MailboxQuerySet":
        return self if can_see_everyone(user) else self.filter(owned_by_or_unassigned(user, "owner"))

    def connected(self) -> "MailboxQuerySet":
        """Those whose mail is fetched from a server."""
        return self.filter(provider__in=FETCHED_PROVIDERS, status=MailboxStatus.ACTIVE).exclude(credentials="")

    def due(self, now: datetime) -> "MailboxQuerySet":
        """Those whose mail is to be fetched at `now`."""
        return self.connected().filter(next_sync_at__lte=now)


@with_row_audit(exclude=UNAUDITED_FIELDS)
class Mailbox(Record):
    """A mailbox of ours, or files of mail that were brought in."""

    owner = models.ForeignKey("crm.User", null=True, blank=True, on_delete=models.SET_NULL, related_name="mailboxes")
    address = models.EmailField()
    provider = models.CharField(max_length=10, choices=Provider, default=Provider.IMPORT)
    status = models.CharField(
        max_length=14, choices=MailboxStatus, default=MailboxStatus.ACTIVE, db_default=MailboxStatus.ACTIVE
    )
    host = models.CharField("server", max_length=253, blank=True, default="", db_default="")
    port = models.PositiveIntegerField(null=True, blank=True)
    security = models.CharField(
        "encryption", max_length=8, choices=Security, default=Security.TLS, db_default=Security.TLS
    )
    username = models.CharField("login", max_length=254, blank=True, default="", db_default="")
    # Sealed by crm.runtime.encryption; never shown, copied or written down anywhere else.
    credentials = models.TextField(blank=True, default="", db_default="", editable=False)
    sent_folder = models.CharField("folder of what was sent", max_length=200, blank=True, default="", db_default="")
    folders = ArrayField(
        models.CharField(max_length=200),
        verbose_name="more folders",
        default=list,
        blank=True,
        db_default=models.Value([], ArrayField(models.CharField(max_length=200))),
    )
    fetch_since = models.DateField("mail since", null=True, blank=True)
    # How far each folder has been read (inbox/imap/state.py).
    sync_state = json_field(dict, editable=False)
    last_synced_at = models.DateTimeField(null=True, blank=True, editable=False)
    next_sync_at = models.DateTimeField(null=True, blank=True, editable=False)
    failures = models.PositiveIntegerField(default=0, db_default=0, editable=False)
    last_error = models.TextField(blank=True, default="", db_default="", editable=False)

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
            choices_check("mailboxes", "provider", Provider),
            choices_check("mailboxes", "status", MailboxStatus),
            choices_check("mailboxes", "security", Security),
            range_check("mailboxes", "port", 1, 65_535),
            json_type_check("mailboxes", "sync_state", "object"),
            models.CheckConstraint(
                name="mailboxes_server_named",
                condition=models.Q(provider=Provider.IMPORT) | ~models.Q(host=""),
                violation_error_message="Name the server that the mail is fetched from.",
            ),
            models.CheckConstraint(
                name="mailboxes_open_on_loopback_only",
                condition=~models.Q(security=Security.NONE) | models.Q(host__in=["", *LOOPBACK_HOSTS]),
                violation_error_message="Without encryption only a server on this machine can be used (localhost).",
            ),
            models.CheckConstraint(
                name="mailboxes_revoked_keeps_no_password",
                condition=~models.Q(status=MailboxStatus.REVOKED) | models.Q(credentials=""),
                violation_error_message="A mailbox that is disconnected keeps no password.",
            ),
            models.UniqueConstraint(
                Lower("address"),
                condition=LIVE,
                name="mailboxes_address_once",
                violation_error_message="There is a mailbox of this address already.",
            ),
        ]

    def __str__(self) -> str:
        return self.address

    @property
    def is_fetched(self) -> bool:
        """Whether its mail comes from a server, and not out of files."""
        return self.provider in FETCHED_PROVIDERS

    @property
    def has_password(self) -> bool:
        return bool(self.credentials)

    @property
    def is_due(self) -> bool:
        return self.next_sync_at is not None and self.next_sync_at <= timezone.now() + timedelta(minutes=1)

    @property
    def is_overdue(self) -> bool:
        """Whether it should have been fetched from long ago: no worker does it."""
        return self.next_sync_at is not None and self.next_sync_at < timezone.now() - OVERDUE_AFTER

    @property
    def health(self) -> tuple[str, str]:
        """How it stands, in a word or two, and the class of its badge."""
        if not self.is_fetched:
            return "Files", ""
        if self.status != MailboxStatus.ACTIVE:
            return self.get_status_display(), "" if self.status == MailboxStatus.REVOKED else "b-red"
        if not self.has_password:
            return "No password yet", "b-amber"
        if self.failures:
            return "Not reached", "b-amber"
        if self.is_overdue:
            return "Overdue", "b-amber"
        if self.last_error:
            return "Fetched, with trouble", "b-amber"
        return ("Fetched", "b-green") if self.last_synced_at else ("Starting", "")

    @property
    def login(self) -> str:
        """The name that the server knows it by."""
        return self.username or self.address

    @property
    def server_address(self) -> str:
        """Where its server listens, as `host:port`."""
        return f"{self.host}:{self.port or DEFAULT_PORTS[Security(self.security)]}"

    @property
    def purpose(self) -> str:
        """What its password may be used for: at this place, for this login, no less encrypted."""
        return f"imap {self.security} {self.login}@{self.server_address}"


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


class FolderMail(models.Model):
    """A mail on an IMAP server that has been looked at, by its number: what lies there beside these was passed over."""

    mailbox = models.ForeignKey(Mailbox, on_delete=models.CASCADE, related_name="folder_mails", db_index=False)
    folder = models.CharField(max_length=200)
    # The number that the numbering of the folder has; under another one the same numbers are other mails.
    uidvalidity = models.BigIntegerField()
    uid = models.BigIntegerField()

    class Meta:
        db_table = "folder_mails"
        default_permissions = ()
        constraints = [
            models.UniqueConstraint(
                "mailbox",
                "folder",
                "uidvalidity",
                "uid",
                name="folder_mails_once",
                violation_error_message="This mail has been looked at already.",
            )
        ]

    def __str__(self) -> str:
        return f"{self.folder} #{self.uid}"


class PurgedMail(models.Model):
    """A mail of a mailbox that was purged here, by its Message-ID (SHA-256 of it): it is not fetched again.

    Kept by the database as a message goes (the trigger `messages_remember_purged`), whatever made it go.
    """

    mailbox = models.ForeignKey(Mailbox, on_delete=models.CASCADE, related_name="+", db_index=False)
    digest = models.CharField(max_length=64)

    class Meta:
        db_table = "purged_mails"
        default_permissions = ()
        constraints = [
            models.UniqueConstraint(
                "mailbox",
                "digest",
                name="purged_mails_once",
                violation_error_message="This mail has been purged already.",
            )
        ]

    def __str__(self) -> str:
        return self.digest


# A folder, the number of the mail, and the numbering of the folder.
FOLDER_ORIGIN = re.compile(r"(.+) #(\d+) of \d+")


class SetAsideQuerySet(RecordQuerySet):
    """Named sets of mails set aside."""

    def visible_to(self, user: Any) -> "SetAsideQuerySet":
        return self if can_see_everyone(user) else self.filter(owned_by_or_unassigned(user, "mailbox__owner"))


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
        return f"{self.origin_label}: {self.reason}"[:200]

    @property
    def origin_label(self) -> str:
        """Where it came from, for people: under which numbering of its folder says nothing to them."""
        found = FOLDER_ORIGIN.fullmatch(self.origin)
        return f"{found[1]}, mail {found[2]}" if found else self.origin
