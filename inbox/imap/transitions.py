"""State changes of IMAP mailboxes: connecting, disconnecting, and the results of sync runs."""

from collections.abc import Iterable
from datetime import datetime, timedelta
from typing import Any

from django.db import transaction
from django.utils import timezone
from django.views.decorators.debug import sensitive_variables

from crm.exceptions import IllegalTransition, InvalidInput, errors_as_invalid_input
from crm.models import NotificationKind, User
from crm.records.activity import SYSTEM_ACTOR, Actor, record
from crm.records.notifications.notify import notify
from crm.runtime.encryption import SecretUnreadable, decrypt_secret, encrypt_secret
from inbox.imap.connection import LoginRefused, PasswordExpired, open_session
from inbox.imap.folders import INBOX, find_sent_folder
from inbox.imap.jobs import defer_fetch
from inbox.models import PROVIDER_PRESETS, Mailbox, MailboxStatus, Provider

CHANGE_MAILBOX_PERMISSION = "inbox.change_mailbox"
# Slightly less than the minute between two runs of the periodic job.
SYNC_INTERVAL = timedelta(seconds=50)
# Minutes to wait after the first failure, the second, and so on.
RETRY_BACKOFF_MINUTES = (1, 5, 15, 60)
MAX_PASSWORD_LENGTH = 500
# A server that does not answer once or twice is no reason to tell anyone.
TOLD_FAILURE = 3
SERVER_FIELDS = ("provider", "host", "port", "security", "username", "address")


def apply_provider_preset(provider: str | None, host: str, port: int | None, username: str) -> dict[str, Any]:
    """Return server, port and username, with blanks filled from the provider's preset. Files have no server."""
    if provider == Provider.IMPORT:
        return {"host": "", "port": None, "username": ""}
    usual_host, usual_port = PROVIDER_PRESETS.get(provider, ("", None))
    host = host or usual_host
    return {"host": host, "port": port or (usual_port if host == usual_host else None), "username": username}


@transaction.atomic
@sensitive_variables()
def enter_password(mailbox: Mailbox, password: str, *, by: Actor | User) -> None:
    """Store `password`, encrypted for the current server and login of `mailbox`, and start fetching.

    Raises:
        NotPermitted: `by` may not change mailboxes.
        InvalidInput: `password` is not valid, or no encryption key is set.
        IllegalTransition: the mailbox has no server.
    """
    Actor.of(by).require_permission(CHANGE_MAILBOX_PERMISSION, "change a mailbox")
    if not mailbox.is_fetched:
        raise IllegalTransition("A mailbox of imported files needs no password. Use import_mail to add its email.")
    if not password or len(password) > MAX_PASSWORD_LENGTH or not password.isprintable():
        raise InvalidInput(
            f"Enter a password of 1 to {MAX_PASSWORD_LENGTH} characters without line breaks or control characters."
        )
    token = encrypt_secret(password, purpose=mailbox.purpose)
    now = {"status": MailboxStatus.ACTIVE, "failures": 0, "last_error": "", "next_sync_at": timezone.now()}
    with errors_as_invalid_input():
        Mailbox.objects.filter(pk=mailbox.pk).update(credentials=token, **now)
    mailbox.refresh_from_db()
    record(mailbox, "connected", by=by, summary=f"Password for {mailbox.login} at {mailbox.server_address} entered")
    defer_fetch(mailbox.pk)


@transaction.atomic
def apply_mailbox_changes(mailbox: Mailbox, columns: Iterable[str]) -> None:
    """Apply the consequences of a change of `columns`.

    A password is valid only for the server it was entered for, and a mailbox of files has none. Other email may have
    to be fetched than before.
    """
    columns = set(columns)
    if not mailbox.is_fetched:
        cleared_fields = {"credentials": "", "next_sync_at": None, "failures": 0, "last_error": ""}
        Mailbox.objects.filter(pk=mailbox.pk).update(status=MailboxStatus.ACTIVE, **cleared_fields)
        return
    if columns & set(SERVER_FIELDS) and mailbox.credentials:
        try:
            decrypt_secret(mailbox.credentials, purpose=mailbox.purpose)
        except SecretUnreadable as exception:
            mark_login_refused(mailbox, LoginRefused(str(exception)))
    if columns & {"fetch_since", "folders", "sent_folder"} and mailbox.has_password:
        defer_fetch(mailbox.pk, gaps=True)


@transaction.atomic
def disconnect(mailbox: Mailbox, *, by: Actor | User) -> None:
    """Stop syncing `mailbox` and delete its password. Its email stays.

    Raises:
        NotPermitted: `by` may not change mailboxes.
        IllegalTransition: the mailbox is not connected.
    """
    Actor.of(by).require_permission(CHANGE_MAILBOX_PERMISSION, "disconnect a mailbox")
    rows = Mailbox.objects.filter(pk=mailbox.pk).exclude(status=MailboxStatus.REVOKED).exclude(credentials="")
    if rows.update(status=MailboxStatus.REVOKED, credentials="", next_sync_at=None, last_error="") != 1:
        raise IllegalTransition(f"{mailbox} is not connected.")
    mailbox.refresh_from_db()
    record(mailbox, "disconnected", by=by, summary=f"Disconnected {mailbox} and deleted its password")


def try_connection(mailbox: Mailbox, *, by: Actor | User) -> str:
    """Log in and return a sentence about what was found. Reactivate the mailbox if its password works again.

    Raises:
        NotPermitted: `by` may not change mailboxes.
        ActionRefused: the connection failed; the text says why.
    """
    Actor.of(by).require_permission(CHANGE_MAILBOX_PERMISSION, "test a mailbox")
    if not mailbox.credentials:
        raise IllegalTransition(f"Enter a password for {mailbox} before testing the connection.")
    with open_session(mailbox) as session:
        sent = mailbox.sent_folder or find_sent_folder(session.folders())
        total = session.folder_status(INBOX).total
        if sent:
            session.folder_status(sent)
    reactivate_mailbox(mailbox)
    sent_note = f"Sent folder: “{sent}”." if sent else "No Sent folder was found; choose one in the mailbox settings."
    return f"The connection works: {total:,} email{'' if total == 1 else 's'} in the inbox. {sent_note}"


@transaction.atomic
def reactivate_mailbox(mailbox: Mailbox) -> None:
    """Resume fetching from a mailbox that the server had refused."""
    refused_statuses = (MailboxStatus.PENDING_REAUTH, MailboxStatus.EXPIRED)
    active = {"status": MailboxStatus.ACTIVE, "failures": 0, "last_error": "", "next_sync_at": timezone.now()}
    if Mailbox.objects.filter(pk=mailbox.pk, status__in=refused_statuses).update(**active):
        mailbox.refresh_from_db()
        summary = f"{mailbox.server_address} accepts the login of {mailbox.login} again"
        record(mailbox, "connected", by=SYSTEM_ACTOR, summary=summary)
        defer_fetch(mailbox.pk)


def fetch_now(mailbox: Mailbox, *, gaps: bool = False, by: Actor | User) -> None:
    """Queue a sync run now instead of at the next scheduled time.

    Raises:
        NotPermitted: `by` may not change mailboxes.
        IllegalTransition: the mailbox is not connected.
    """
    Actor.of(by).require_permission(CHANGE_MAILBOX_PERMISSION, "fetch mail")
    if not Mailbox.objects.connected().filter(pk=mailbox.pk).exists():
        raise IllegalTransition(f"{mailbox} is not connected.")
    defer_fetch(mailbox.pk, gaps=gaps)


# Results of a sync run


def mark_fetched(mailbox: Mailbox, *, warning: str = "", at: datetime | None = None) -> None:
    """Record a successful run. `warning` names the folders that had problems."""
    now = at or timezone.now()
    rows = Mailbox.objects.filter(pk=mailbox.pk, status=MailboxStatus.ACTIVE)
    previous_failures = rows.values_list("failures", flat=True).first()
    rows.update(failures=0, last_error=warning, last_synced_at=now, next_sync_at=now + SYNC_INTERVAL)
    if previous_failures:
        record(mailbox, "reached", by=SYSTEM_ACTOR, summary=f"Email of {mailbox} is being fetched again")


@transaction.atomic
def mark_fetch_failed(mailbox: Mailbox, reason: str) -> None:
    """Record a failed run and schedule the next attempt, with increasing delays."""
    row = Mailbox.objects.select_for_update().filter(pk=mailbox.pk, status=MailboxStatus.ACTIVE).first()
    if row is None:
        return
    pause = timedelta(minutes=RETRY_BACKOFF_MINUTES[min(row.failures, len(RETRY_BACKOFF_MINUTES) - 1)])
    rows = Mailbox.objects.filter(pk=row.pk)
    rows.update(failures=row.failures + 1, last_error=reason, next_sync_at=timezone.now() + pause)
    if row.failures == 0:
        record(mailbox, "failed", by=SYSTEM_ACTOR, summary=f"Email of {mailbox} could not be fetched: {reason}")
    if row.failures + 1 == TOLD_FAILURE:
        notify_failing(mailbox)


@transaction.atomic
def mark_login_refused(mailbox: Mailbox, exception: LoginRefused) -> None:
    """Record that the server refuses the password, and stop fetching until a person enters another one."""
    status = MailboxStatus.EXPIRED if isinstance(exception, PasswordExpired) else MailboxStatus.PENDING_REAUTH
    rows = Mailbox.objects.filter(pk=mailbox.pk, status=MailboxStatus.ACTIVE)
    if rows.update(status=status, last_error=str(exception), next_sync_at=None):
        mailbox.refresh_from_db()
        record(mailbox, "refused", by=SYSTEM_ACTOR, summary=str(exception))
        notify_failing(mailbox)


def notify_failing(mailbox: Mailbox) -> None:
    """Tell the owner of `mailbox` that its email is not fetched; of a shared one, those who may repair it."""
    keepers = User.objects.with_perm(CHANGE_MAILBOX_PERMISSION)
    notify(NotificationKind.FAILED, mailbox, [mailbox.owner] if mailbox.owner_id else keepers, by=SYSTEM_ACTOR)
