"""What can be done to a mailbox on a server, and what its connection turned out to be."""

from collections.abc import Iterable
from datetime import datetime, timedelta
from typing import Any

from django.db import transaction
from django.utils import timezone
from django.views.decorators.debug import sensitive_variables

from crm.exceptions import IllegalTransition, InvalidInput, errors_as_invalid_input
from crm.models import User
from crm.records.activity import SYSTEM_ACTOR, Actor, record
from crm.runtime.encryption import SecretUnreadable, decrypt_secret, encrypt_secret
from inbox.imap.connection import LoginRefused, PasswordExpired, open_session
from inbox.imap.folders import INBOX, find_sent_folder
from inbox.imap.jobs import defer_fetch
from inbox.models import PROVIDER_PRESETS, Mailbox, MailboxStatus, Provider

CHANGE_MAILBOX_PERMISSION = "inbox.change_mailbox"
# A little less than the minute in which the periodic job looks.
SYNC_INTERVAL = timedelta(seconds=50)
# Minutes until it is tried again, after one failure, two, and so on.
RETRY_BACKOFF_MINUTES = (1, 5, 15, 60)
MAX_PASSWORD_LENGTH = 500
SERVER_FIELDS = ("provider", "host", "port", "security", "username", "address")


def apply_provider_preset(provider: str | None, host: str, port: int | None, username: str) -> dict[str, Any]:
    """Server, port and login with what follows from the provider, where nothing is said; files have no server."""
    if provider == Provider.IMPORT:
        return {"host": "", "port": None, "username": ""}
    usual_host, usual_port = PROVIDER_PRESETS.get(provider, ("", None))
    host = host or usual_host
    return {"host": host, "port": port or (usual_port if host == usual_host else None), "username": username}


@transaction.atomic
@sensitive_variables()
def enter_password(mailbox: Mailbox, password: str, *, by: Actor | User) -> None:
    """Keep `password`, sealed for the server and login that `mailbox` has now, and fetch.

    Raises:
        NotPermitted: `by` may not change mailboxes.
        InvalidInput: it cannot be a password, or there are no keys to seal it with.
        IllegalTransition: the mailbox has no server.
    """
    Actor.of(by).require_permission(CHANGE_MAILBOX_PERMISSION, "change a mailbox")
    if not mailbox.is_fetched:
        raise IllegalTransition("A mailbox of files needs no password: its mail is brought in by import_mail.")
    if not password or len(password) > MAX_PASSWORD_LENGTH or not password.isprintable():
        raise InvalidInput("This cannot be a password.")
    token = encrypt_secret(password, purpose=mailbox.purpose)
    now = {"status": MailboxStatus.ACTIVE, "failures": 0, "last_error": "", "next_sync_at": timezone.now()}
    with errors_as_invalid_input():
        Mailbox.objects.filter(pk=mailbox.pk).update(credentials=token, **now)
    mailbox.refresh_from_db()
    record(mailbox, "connected", by=by, summary=f"Password for {mailbox.login} at {mailbox.server_address} entered")
    defer_fetch(mailbox.pk)


@transaction.atomic
def apply_mailbox_changes(mailbox: Mailbox, columns: Iterable[str]) -> None:
    """What follows from a change of `columns`.

    A password is of no use elsewhere, nor is one for files; and other mail may be wanted than before.
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
    """Fetch nothing more from `mailbox` and forget its password; its mail stays.

    Raises:
        NotPermitted: `by` may not change mailboxes.
        IllegalTransition: it is not connected.
    """
    Actor.of(by).require_permission(CHANGE_MAILBOX_PERMISSION, "disconnect a mailbox")
    rows = Mailbox.objects.filter(pk=mailbox.pk).exclude(status=MailboxStatus.REVOKED).exclude(credentials="")
    if rows.update(status=MailboxStatus.REVOKED, credentials="", next_sync_at=None, last_error="") != 1:
        raise IllegalTransition(f"{mailbox} is not connected.")
    mailbox.refresh_from_db()
    record(mailbox, "disconnected", by=by, summary=f"Disconnected {mailbox}; its password is forgotten")


def try_connection(mailbox: Mailbox, *, by: Actor | User) -> str:
    """Log in and look around; what was found, in a sentence. One that was shut out and is let in again is active.

    Raises:
        NotPermitted: `by` may not change mailboxes.
        ActionRefused: it does not work, and why.
    """
    Actor.of(by).require_permission(CHANGE_MAILBOX_PERMISSION, "test a mailbox")
    if not mailbox.credentials:
        raise IllegalTransition("There is no password to test with: enter one.")
    with open_session(mailbox) as session:
        sent = mailbox.sent_folder or find_sent_folder(session.folders())
        total = session.folder_status(INBOX).total
        if sent:
            session.folder_status(sent)
    reactivate_mailbox(mailbox)
    sent_note = (
        f"What was sent is in “{sent}”." if sent else "No folder of what was sent was found: name it, if there is."
    )
    return f"The connection works: {total:,} mails in the inbox. {sent_note}"


@transaction.atomic
def reactivate_mailbox(mailbox: Mailbox) -> None:
    """Fetch again from a mailbox that had been shut out."""
    refused_statuses = (MailboxStatus.PENDING_REAUTH, MailboxStatus.EXPIRED)
    active = {"status": MailboxStatus.ACTIVE, "failures": 0, "last_error": "", "next_sync_at": timezone.now()}
    if Mailbox.objects.filter(pk=mailbox.pk, status__in=refused_statuses).update(**active):
        mailbox.refresh_from_db()
        record(mailbox, "connected", by=SYSTEM_ACTOR, summary=f"{mailbox.server_address} lets {mailbox.login} in again")
        defer_fetch(mailbox.pk)


def fetch_now(mailbox: Mailbox, *, gaps: bool = False, by: Actor | User) -> None:
    """Queue a run without waiting for its turn.

    Raises:
        NotPermitted: `by` may not change mailboxes.
        IllegalTransition: it is not connected.
    """
    Actor.of(by).require_permission(CHANGE_MAILBOX_PERMISSION, "fetch mail")
    if not Mailbox.objects.connected().filter(pk=mailbox.pk).exists():
        raise IllegalTransition(f"{mailbox} is not connected.")
    defer_fetch(mailbox.pk, gaps=gaps)


# What a run came to


def mark_fetched(mailbox: Mailbox, *, warning: str = "", at: datetime | None = None) -> None:
    """The server was reached; `warning` is what lacked all the same."""
    now = at or timezone.now()
    rows = Mailbox.objects.filter(pk=mailbox.pk, status=MailboxStatus.ACTIVE)
    previous_failures = rows.values_list("failures", flat=True).first()
    rows.update(failures=0, last_error=warning, last_synced_at=now, next_sync_at=now + SYNC_INTERVAL)
    if previous_failures:
        record(mailbox, "reached", by=SYSTEM_ACTOR, summary=f"The mail of {mailbox} is fetched again")


@transaction.atomic
def mark_fetch_failed(mailbox: Mailbox, reason: str) -> None:
    """The mail could not be fetched; it is tried again, after ever longer pauses."""
    row = Mailbox.objects.select_for_update().filter(pk=mailbox.pk, status=MailboxStatus.ACTIVE).first()
    if row is None:
        return
    pause = timedelta(minutes=RETRY_BACKOFF_MINUTES[min(row.failures, len(RETRY_BACKOFF_MINUTES) - 1)])
    rows = Mailbox.objects.filter(pk=row.pk)
    rows.update(failures=row.failures + 1, last_error=reason, next_sync_at=timezone.now() + pause)
    if row.failures == 0:
        record(mailbox, "failed", by=SYSTEM_ACTOR, summary=f"The mail of {mailbox} could not be fetched: {reason}")


@transaction.atomic
def mark_login_refused(mailbox: Mailbox, exception: LoginRefused) -> None:
    """The server does not take the password: nothing is tried until a person enters another."""
    status = MailboxStatus.EXPIRED if isinstance(exception, PasswordExpired) else MailboxStatus.PENDING_REAUTH
    rows = Mailbox.objects.filter(pk=mailbox.pk, status=MailboxStatus.ACTIVE)
    if rows.update(status=status, last_error=str(exception), next_sync_at=None):
        mailbox.refresh_from_db()
        record(mailbox, "refused", by=SYSTEM_ACTOR, summary=str(exception))
