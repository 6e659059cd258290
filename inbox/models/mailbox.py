"""Mailboxes, the identifiers that connect their emails to threads, and the emails that were set aside."""

import re
from datetime import datetime, timedelta

from django.contrib.postgres.fields import ArrayField
from django.db import models
from django.db.models.functions import Lower
from django.utils import timezone

from crm.records.base import (
    LIVE,
    LiveManager,
    Record,
    RecordQuerySet,
    choices_check,
    json_field,
    json_type_check,
    range_check,
    with_row_audit,
)


class Provider(models.TextChoices):
    IMAP = "IMAP", "IMAP"
    GMAIL = "GMAIL", "Gmail"
    IMPORT = "IMPORT", "Files"


class MailboxStatus(models.TextChoices):
    """Whether email is fetched. Only an active mailbox is synced automatically."""

    ACTIVE = "ACTIVE", "Active"
    # The server reports that the password has expired.
    EXPIRED = "EXPIRED", "Password expired"
    # Disconnected by a person.
    REVOKED = "REVOKED", "Disconnected"
    PENDING_REAUTH = "PENDING_REAUTH", "Password refused"


class Security(models.TextChoices):
    """How the connection to an IMAP server is encrypted."""

    TLS = "TLS", "TLS (recommended)"
    STARTTLS = "STARTTLS", "STARTTLS"
    NONE = "NONE", "None (this machine only)"


FETCHED_PROVIDERS = (Provider.IMAP, Provider.GMAIL)
# The fixed host and port of a provider.
PROVIDER_PRESETS = {Provider.GMAIL: ("imap.gmail.com", 993)}
DEFAULT_PORTS = {Security.TLS: 993, Security.STARTTLS: 143, Security.NONE: 143}
# A mailbox that is due for longer than this is overdue: probably no worker is running.
OVERDUE_AFTER = timedelta(minutes=10)
LOOPBACK_HOSTS = ("localhost", "127.0.0.1", "::1")
# Fields that change every minute, and the password, which must not be copied.
UNAUDITED_FIELDS = ("credentials", "sync_state", "last_synced_at", "next_sync_at", "failures", "last_error")


class MailboxQuerySet(RecordQuerySet):
    """Named sets of mailboxes."""

    owner_path = "owner"

    def connected(self) -> "MailboxQuerySet":
        """Return the active mailboxes with a server and a password."""
        return self.filter(provider__in=FETCHED_PROVIDERS, status=MailboxStatus.ACTIVE).exclude(credentials="")

    def due(self, now: datetime) -> "MailboxQuerySet":
        """Return the mailboxes to sync at `now`."""
        return self.connected().filter(next_sync_at__lte=now)


@with_row_audit(exclude=UNAUDITED_FIELDS)
class Mailbox(Record):
    """A mailbox of the agency, or a collection of imported email files."""

    owner = models.ForeignKey("crm.User", null=True, blank=True, on_delete=models.SET_NULL, related_name="mailboxes")
    address = models.EmailField()
    provider = models.CharField(max_length=10, choices=Provider, default=Provider.IMPORT, db_default=Provider.IMPORT)
    status = models.CharField(
        max_length=14, choices=MailboxStatus, default=MailboxStatus.ACTIVE, db_default=MailboxStatus.ACTIVE
    )
    host = models.CharField("server", max_length=253, blank=True, default="", db_default="")
    port = models.PositiveIntegerField(null=True, blank=True)
    security = models.CharField(
        "encryption", max_length=8, choices=Security, default=Security.TLS, db_default=Security.TLS
    )
    username = models.CharField("login", max_length=254, blank=True, default="", db_default="")
    # Encrypted by crm.runtime.encryption; never shown, copied or logged.
    credentials = models.TextField(blank=True, default="", db_default="", editable=False)
    sent_folder = models.CharField("sent folder", max_length=200, blank=True, default="", db_default="")
    folders = ArrayField(
        models.CharField(max_length=200),
        verbose_name="additional folders",
        default=list,
        blank=True,
        db_default=models.Value([], ArrayField(models.CharField(max_length=200))),
    )
    fetch_since = models.DateField("sync email since", null=True, blank=True)
    # How far each folder has been synced (inbox/imap/folder_state.py).
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
            ("purge_mailbox", "Can purge a mailbox permanently"),
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
                violation_error_message="Enter the server to fetch email from.",
            ),
            models.CheckConstraint(
                name="mailboxes_open_on_loopback_only",
                condition=~models.Q(security=Security.NONE) | models.Q(host__in=["", *LOOPBACK_HOSTS]),
                violation_error_message="A connection without encryption is allowed only to a server on this machine.",
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
                violation_error_message="A mailbox with this address already exists.",
            ),
        ]

    def __str__(self) -> str:
        return self.address

    @property
    def is_fetched(self) -> bool:
        """Whether its email is fetched from a server, not imported from files."""
        return self.provider in FETCHED_PROVIDERS

    @property
    def has_password(self) -> bool:
        return bool(self.credentials)

    @property
    def is_due(self) -> bool:
        return self.next_sync_at is not None and self.next_sync_at <= timezone.now() + timedelta(minutes=1)

    @property
    def is_overdue(self) -> bool:
        """Whether its sync is long overdue, so probably no worker is running."""
        return self.next_sync_at is not None and self.next_sync_at < timezone.now() - OVERDUE_AFTER

    @property
    def health(self) -> tuple[str, str]:
        """A short status label, and the CSS class of its badge."""
        if not self.is_fetched:
            return "Files", ""
        if self.status != MailboxStatus.ACTIVE:
            return self.get_status_display(), "" if self.status == MailboxStatus.REVOKED else "b-red"
        if not self.has_password:
            return "No password", "b-amber"
        if self.failures:
            return "Unreachable", "b-amber"
        if self.is_overdue:
            return "Overdue", "b-amber"
        if self.last_error:
            return "Synced with warnings", "b-amber"
        return ("Synced", "b-green") if self.last_synced_at else ("Starting", "")

    @property
    def login(self) -> str:
        """The username on the server: the address, unless another one is set."""
        return self.username or self.address

    @property
    def server_address(self) -> str:
        """The address of its server, as `host:port`."""
        return f"{self.host}:{self.port or DEFAULT_PORTS[Security(self.security)]}"

    @property
    def purpose(self) -> str:
        """The encryption purpose of its password: valid only for this server, login and kind of connection."""
        return f"imap {self.security} {self.login}@{self.server_address}"


class ThreadKey(models.Model):
    """An identifier that an email has or refers to, and the thread that it belongs to.

    Two emails of one mailbox belong to one thread if a chain of identifiers connects them, even through an email that
    never arrived. So the order in which they arrive does not matter.
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
                violation_error_message="This identifier already belongs to a conversation.",
            )
        ]

    def __str__(self) -> str:
        return self.key


class FolderMail(models.Model):
    """An email on an IMAP server that has been processed, by its UID. The gap check fetches the others."""

    mailbox = models.ForeignKey(Mailbox, on_delete=models.CASCADE, related_name="folder_mails", db_index=False)
    folder = models.CharField(max_length=200)
    # A folder with a new `uidvalidity` has renumbered its emails.
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
                violation_error_message="This email has already been processed.",
            )
        ]

    def __str__(self) -> str:
        return f"{self.folder} #{self.uid}"


class PurgedMail(models.Model):
    """The SHA-256 digest of the Message-ID of a purged email, and its date, so that it is not fetched again.

    Written by the database trigger `messages_remember_purged` whenever a message row is deleted.
    """

    mailbox = models.ForeignKey(Mailbox, on_delete=models.CASCADE, related_name="+", db_index=False)
    digest = models.CharField(max_length=64)
    # Empty if the email had no date.
    sent_at = models.DateTimeField(null=True)
    stored_at = models.DateTimeField(null=True)

    class Meta:
        db_table = "purged_mails"
        default_permissions = ()
        constraints = [
            models.UniqueConstraint(
                "mailbox",
                "digest",
                "sent_at",
                name="purged_mails_once",
                violation_error_message="This email has already been purged.",
            )
        ]

    def __str__(self) -> str:
        return self.digest


# Folder name, UID and UIDVALIDITY.
FOLDER_ORIGIN = re.compile(r"(.+) #(\d+) of \d+")


class SetAsideQuerySet(RecordQuerySet):
    """Named sets of emails set aside."""

    owner_path = "mailbox__owner"


class SetAside(Record):
    """An email that could not be stored, with its raw bytes and the reason, kept for review."""

    mailbox = models.ForeignKey(Mailbox, on_delete=models.CASCADE, related_name="set_aside", db_index=False)
    # Where it came from: a folder and UID, or a file.
    origin = models.CharField(max_length=500)
    reason = models.TextField()
    size = models.PositiveIntegerField()
    # Empty if the email is too large to keep; the mailbox itself still has it.
    raw = models.BinaryField(default=b"", editable=False)

    objects = LiveManager.from_queryset(SetAsideQuerySet)()
    everything = models.Manager.from_queryset(SetAsideQuerySet)()

    class Meta(Record.Meta):
        db_table = "set_aside_mails"
        verbose_name = "email set aside"
        verbose_name_plural = "emails set aside"
        default_permissions = ("view", "change", "delete")
        permissions = [("restore_setaside", "Can restore a dismissed email")]
        constraints = [
            models.UniqueConstraint(
                "mailbox",
                "origin",
                condition=LIVE,
                name="set_aside_mails_once",
                violation_error_message="This email has already been set aside.",
            )
        ]

    def __str__(self) -> str:
        return f"{self.origin_label}: {self.reason}"[:200]

    @property
    def origin_label(self) -> str:
        """Where it came from, without the UIDVALIDITY, which means nothing to people."""
        found = FOLDER_ORIGIN.fullmatch(self.origin)
        return f"{found[1]}, email {found[2]}" if found else self.origin
