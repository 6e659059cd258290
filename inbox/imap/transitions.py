"""What can be done to a mailbox on a server, and what its connection turned out to be."""

from collections.abc import Iterable
from datetime import datetime, timedelta
from typing import Any

from django.db import transaction
from django.utils import timezone
from django.views.decorators.debug import sensitive_variables

from crm.exceptions import BadInput, IllegalMove, refusing
from crm.models import User
from crm.records.activity import SYSTEM, Actor, record
from crm.runtime.encryption import Unreadable, opened, sealed
from inbox.imap.connection import LoginRefused, PasswordExpired, logged_in
from inbox.imap.folders import INBOX, sent_among
from inbox.imap.jobs import defer_fetch
from inbox.models import PRESETS, Mailbox, MailboxStatus, Provider

CHANGE = "inbox.change_mailbox"
# A little less than the minute in which the periodic job looks.
INTERVAL = timedelta(seconds=50)
# Minutes until it is tried again, after one failure, two, and so on.
BACKOFF = (1, 5, 15, 60)
LONGEST_PASSWORD = 500
SERVER = ("provider", "host", "port", "security", "username", "address")


def preset(provider: str | None, host: str, port: int | None, username: str) -> dict[str, Any]:
    """Server, port and login with what follows from the provider, where nothing is said; files have no server."""
    if provider == Provider.IMPORT:
        return {"host": "", "port": None, "username": ""}
    usual_host, usual_port = PRESETS.get(provider, ("", None))
    host = host or usual_host
    return {"host": host, "port": port or (usual_port if host == usual_host else None), "username": username}


@transaction.atomic
@sensitive_variables()
def enter_password(mailbox: Mailbox, password: str, *, by: Actor | User) -> None:
    """Keep `password`, sealed for the server and login that `mailbox` has now, and fetch.

    Raises:
        NotAllowed: `by` may not change mailboxes.
        BadInput: it cannot be a password, or there are no keys to seal it with.
        IllegalMove: the mailbox has no server.
    """
    Actor.of(by).require(CHANGE, "change a mailbox")
    if not mailbox.is_fetched:
        raise IllegalMove("A mailbox of files needs no password: its mail is brought in by import_mail.")
    if not password or len(password) > LONGEST_PASSWORD or not password.isprintable():
        raise BadInput("This cannot be a password.")
    token = sealed(password, purpose=mailbox.purpose)
    now = {"status": MailboxStatus.ACTIVE, "failures": 0, "last_error": "", "next_sync_at": timezone.now()}
    with refusing():
        Mailbox.objects.filter(pk=mailbox.pk).update(credentials=token, **now)
    mailbox.refresh_from_db()
    record(mailbox, "connected", by=by, summary=f"Password for {mailbox.login} at {mailbox.place} entered")
    defer_fetch(mailbox.pk)


@transaction.atomic
def settled(mailbox: Mailbox, columns: Iterable[str]) -> None:
    """What follows from a change of `columns`.

    A password is of no use elsewhere, nor is one for files; and other mail may be wanted than before.
    """
    columns = set(columns)
    if not mailbox.is_fetched:
        nothing = {"credentials": "", "next_sync_at": None, "failures": 0, "last_error": ""}
        Mailbox.objects.filter(pk=mailbox.pk).update(status=MailboxStatus.ACTIVE, **nothing)
        return
    if columns & set(SERVER) and mailbox.credentials:
        try:
            opened(mailbox.credentials, purpose=mailbox.purpose)
        except Unreadable as refusal:
            shut_out(mailbox, LoginRefused(str(refusal)))
    if columns & {"fetch_since", "folders", "sent_folder"} and mailbox.has_password:
        defer_fetch(mailbox.pk, gaps=True)


@transaction.atomic
def disconnect(mailbox: Mailbox, *, by: Actor | User) -> None:
    """Fetch nothing more from `mailbox` and forget its password; its mail stays.

    Raises:
        NotAllowed: `by` may not change mailboxes.
        IllegalMove: it is not connected.
    """
    Actor.of(by).require(CHANGE, "disconnect a mailbox")
    rows = Mailbox.objects.filter(pk=mailbox.pk).exclude(status=MailboxStatus.REVOKED).exclude(credentials="")
    if rows.update(status=MailboxStatus.REVOKED, credentials="", next_sync_at=None, last_error="") != 1:
        raise IllegalMove(f"{mailbox} is not connected.")
    mailbox.refresh_from_db()
    record(mailbox, "disconnected", by=by, summary=f"Disconnected {mailbox}; its password is forgotten")


def try_connection(mailbox: Mailbox, *, by: Actor | User) -> str:
    """Log in and look around; what was found, in a sentence. One that was shut out and is let in again is active.

    Raises:
        NotAllowed: `by` may not change mailboxes.
        Refused: it does not work, and why.
    """
    Actor.of(by).require(CHANGE, "test a mailbox")
    if not mailbox.credentials:
        raise IllegalMove("There is no password to test with: enter one.")
    with logged_in(mailbox) as session:
        sent = mailbox.sent_folder or sent_among(session.folders())
        total = session.standing(INBOX).total
        if sent:
            session.standing(sent)
    let_in(mailbox)
    where = f"What was sent is in “{sent}”." if sent else "No folder of what was sent was found: name it, if there is."
    return f"The connection works: {total:,} mails in the inbox. {where}"


@transaction.atomic
def let_in(mailbox: Mailbox) -> None:
    """Fetch again from a mailbox that had been shut out."""
    out = (MailboxStatus.PENDING_REAUTH, MailboxStatus.EXPIRED)
    active = {"status": MailboxStatus.ACTIVE, "failures": 0, "last_error": "", "next_sync_at": timezone.now()}
    if Mailbox.objects.filter(pk=mailbox.pk, status__in=out).update(**active):
        mailbox.refresh_from_db()
        record(mailbox, "connected", by=SYSTEM, summary=f"{mailbox.place} lets {mailbox.login} in again")
        defer_fetch(mailbox.pk)


def fetch_now(mailbox: Mailbox, *, gaps: bool = False, by: Actor | User) -> None:
    """Queue a run without waiting for its turn.

    Raises:
        NotAllowed: `by` may not change mailboxes.
        IllegalMove: it is not connected.
    """
    Actor.of(by).require(CHANGE, "fetch mail")
    if not Mailbox.objects.connected().filter(pk=mailbox.pk).exists():
        raise IllegalMove(f"{mailbox} is not connected.")
    defer_fetch(mailbox.pk, gaps=gaps)


# What a run came to


def succeeded(mailbox: Mailbox, *, trouble: str = "", at: datetime | None = None) -> None:
    """The server was reached; `trouble` is what lacked all the same."""
    now = at or timezone.now()
    rows = Mailbox.objects.filter(pk=mailbox.pk, status=MailboxStatus.ACTIVE)
    was = rows.values_list("failures", flat=True).first()
    rows.update(failures=0, last_error=trouble, last_synced_at=now, next_sync_at=now + INTERVAL)
    if was:
        record(mailbox, "reached", by=SYSTEM, summary=f"The mail of {mailbox} is fetched again")


@transaction.atomic
def failed(mailbox: Mailbox, why: str) -> None:
    """The mail could not be fetched; it is tried again, after ever longer pauses."""
    row = Mailbox.objects.select_for_update().filter(pk=mailbox.pk, status=MailboxStatus.ACTIVE).first()
    if row is None:
        return
    pause = timedelta(minutes=BACKOFF[min(row.failures, len(BACKOFF) - 1)])
    rows = Mailbox.objects.filter(pk=row.pk)
    rows.update(failures=row.failures + 1, last_error=why, next_sync_at=timezone.now() + pause)
    if row.failures == 0:
        record(mailbox, "failed", by=SYSTEM, summary=f"The mail of {mailbox} could not be fetched: {why}")


@transaction.atomic
def shut_out(mailbox: Mailbox, refusal: LoginRefused) -> None:
    """The server does not take the password: nothing is tried until a person enters another."""
    status = MailboxStatus.EXPIRED if isinstance(refusal, PasswordExpired) else MailboxStatus.PENDING_REAUTH
    rows = Mailbox.objects.filter(pk=mailbox.pk, status=MailboxStatus.ACTIVE)
    if rows.update(status=status, last_error=str(refusal), next_sync_at=None):
        mailbox.refresh_from_db()
        record(mailbox, "refused", by=SYSTEM, summary=str(refusal))
