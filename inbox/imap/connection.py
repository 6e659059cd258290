"""Talking to an IMAP server: reading never marks a mail as read, and what goes wrong is a sentence.

imap-tools speaks; by itself it trusts every certificate, so it is always given a context that does not.
"""

import imaplib
import re
import socket
import ssl
from collections.abc import Iterator, Sequence
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from datetime import date, datetime

from django.views.decorators.debug import sensitive_variables
from imap_tools import MailBox, MailBoxStartTls, MailBoxUnencrypted
from imap_tools.errors import ImapToolsError, UnexpectedCommandStatusError
from imap_tools.mailbox import BaseMailBox

from crm.exceptions import ActionRefused
from crm.runtime.encryption import decrypt_secret
from inbox.imap.fetch_responses import FetchedEmail, parse_fetch_response
from inbox.incoming.parsing import MAX_EMAIL_BYTES
from inbox.models import Mailbox, Security

# Seconds that a server may be silent.
TIMEOUT_SECONDS = 30
# A server that announces more than this at once is not listened to.
MAX_LITERAL_BYTES = MAX_EMAIL_BYTES + 1_000_000
CONNECTION_ERRORS = (imaplib.IMAP4.error, ImapToolsError, OSError, UnicodeError)
# What taking apart the answer of a server raises that does not keep to the protocol.
PROTOCOL_ERRORS = (ValueError, IndexError, KeyError, TypeError, AttributeError)
FETCH_HEADERS = "(UID FLAGS RFC822.SIZE BODY.PEEK[HEADER.FIELDS (MESSAGE-ID FROM SUBJECT)])"
FETCH_WHOLE = "(UID FLAGS BODY.PEEK[])"
# RFC 5530: what a server says beside NO. The first kind passes by itself.
TEMPORARY_CODES = re.compile(rb"\[(UNAVAILABLE|LIMIT|INUSE|SERVERBUG|CONTACTADMIN)\b", re.IGNORECASE)
EXPIRED_CODE = re.compile(rb"\[EXPIRED\]", re.IGNORECASE)
PRIVACY_CODE = re.compile(rb"\[PRIVACYREQUIRED\]", re.IGNORECASE)


class ConnectionFailed(ActionRefused):
    """The mailbox could not be reached; it is tried again later."""


class LoginRefused(ConnectionFailed):
    """The server does not take the password: nothing is tried until a person enters another."""


class PasswordExpired(LoginRefused):
    """The server says that the password has run out."""


class FolderUnavailable(ActionRefused):
    """A folder that is not there, or cannot be read."""


class FetchRefused(ActionRefused):
    """The server has mails that it does not hand out."""


@dataclass(frozen=True)
class FolderStatus:
    """How a folder stands: the number that its numbering has, the next mail's number, and how many there are."""

    uidvalidity: int
    uidnext: int
    total: int


class ImapSession:
    """A connection in which the mailbox has logged in."""

    def __init__(self, mailbox: Mailbox, box: BaseMailBox) -> None:
        self.server_address, self.box = mailbox.server_address, box

    def folders(self) -> dict[str, tuple[str, ...]]:
        """The folders that can be read, each with the flags the server gives it, in lower case."""
        with translate_errors(self.server_address):
            found = self.box.folder.list()
        flags = {one.name: tuple(flag.lower() for flag in one.flags) for one in found}
        return {
            name: folder_flags
            for name, folder_flags in flags.items()
            if "\\noselect" not in folder_flags and "\\nonexistent" not in folder_flags
        }

    def folder_status(self, folder: str) -> FolderStatus:
        """How `folder` stands, without opening it.

        Raises:
            FolderUnavailable: it is not there.
        """
        with translate_errors(self.server_address, folder):
            found = self.box.folder.status(folder, ["MESSAGES", "UIDNEXT", "UIDVALIDITY"])
        return FolderStatus(found.get("UIDVALIDITY", 0), found.get("UIDNEXT", 0), found.get("MESSAGES", 0))

    def open(self, folder: str) -> int:
        """Open `folder` only for reading; the number that its numbering has."""
        with translate_errors(self.server_address, folder):
            self.box.folder.set(folder, readonly=True)
            responses = self.box.client.untagged_responses.get("UIDVALIDITY") or [b"0"]
        return int(responses[-1])

    def search_uids(self, after: int = 0, since: date | None = None) -> list[int]:
        """The numbers above `after` of the mails in the open folder that came at `since` or later, ascending."""
        criteria = f"UID {after + 1}:*" + (f" SINCE {format_imap_date(since)}" if since else "")
        with translate_errors(self.server_address):
            found = self.box.uids(criteria, charset=None)
        # "5:*" names the last one, too, where there is none above 4.
        return sorted(uid for uid in map(int, found) if uid > after)

    def fetch_headers(self, uids: Sequence[int]) -> list[FetchedEmail]:
        """Size, whether it was read, and some header lines of each mail that is still there, ascending."""
        return self.fetch_parts(uids, FETCH_HEADERS)

    def fetch_emails(self, uids: Sequence[int]) -> list[FetchedEmail]:
        """All of each mail that is still there, ascending."""
        return self.fetch_parts(uids, FETCH_WHOLE)

    def fetch_parts(self, uids: Sequence[int], parts: str) -> list[FetchedEmail]:
        wanted = set(uids)
        with translate_errors(self.server_address):
            status, found = self.box.client.uid("FETCH", ",".join(map(str, uids)), parts)
            if status != "OK":
                raise FetchRefused(f"{self.server_address} does not hand it out.")
        unique = {answer.uid: answer for answer in parse_fetch_response(found) if answer.uid in wanted}
        return [unique[uid] for uid in sorted(unique)]

    def has_message(self, folder: str, message_id: str) -> bool:
        """Whether a mail with that Message-ID lies in `folder`."""
        self.open(folder)
        quoted = message_id.replace("\\", "\\\\").replace('"', '\\"')
        with translate_errors(self.server_address):
            return bool(self.box.uids(f'HEADER Message-ID "{quoted}"', charset=None))

    def append_message(self, folder: str, content: bytes, at: datetime) -> None:
        """Lay `content` into `folder`, as read, under the date `at`."""
        with translate_errors(self.server_address, folder):
            self.box.append(content, folder, dt=at, flag_set=["\\Seen"])


def format_imap_date(day: date) -> str:
    """As IMAP writes it, in English whatever the locale."""
    months = ("Jan", "Feb", "Mar", "Apr", "May", "Jun", "Jul", "Aug", "Sep", "Oct", "Nov", "Dec")
    return f"{day.day}-{months[day.month - 1]}-{day.year}"


@contextmanager
def open_session(mailbox: Mailbox) -> Iterator[ImapSession]:
    """A session with the server of `mailbox`.

    Raises:
        ConnectionFailed: it cannot be reached, or does not take the password (LoginRefused).
        SecretUnreadable: the password that is kept cannot be read.
    """
    box = connect_and_log_in(mailbox)
    try:
        yield ImapSession(mailbox, box)
    finally:
        close_connection(box)


@sensitive_variables()
def connect_and_log_in(mailbox: Mailbox) -> BaseMailBox:
    """A connection in which the mailbox has logged in."""
    password = decrypt_secret(mailbox.credentials, purpose=mailbox.purpose)
    box = open_connection(mailbox)
    try:
        log_in(box, mailbox, password)
    except ConnectionFailed:
        close_connection(box)
        raise
    return box


def close_connection(box: BaseMailBox) -> None:
    """End the connection politely if the server still listens."""
    with suppress(*CONNECTION_ERRORS):
        box.logout()
    with suppress(*CONNECTION_ERRORS):
        box.client.shutdown()


def open_connection(mailbox: Mailbox) -> BaseMailBox:
    """A connection in which nothing has been said yet, encrypted as the mailbox wants it."""
    host, port = mailbox.host, int(mailbox.server_address.rpartition(":")[2])
    ssl_context = ssl.create_default_context()
    try:
        if mailbox.security == Security.TLS:
            box = MailBox(host, port, timeout=TIMEOUT_SECONDS, ssl_context=ssl_context)
        elif mailbox.security == Security.STARTTLS:
            box = MailBoxStartTls(host, port, timeout=TIMEOUT_SECONDS, ssl_context=ssl_context)
        else:
            box = MailBoxUnencrypted(host, port, timeout=TIMEOUT_SECONDS)
    except (*CONNECTION_ERRORS, ValueError) as error:
        raise ConnectionFailed(describe_connection_error(error, mailbox)) from error
    limit_literal_size(box.client)
    return box


def limit_literal_size(client: imaplib.IMAP4) -> None:
    """Let `client` refuse more than any mail that is taken in may be, before it is read into memory."""
    read = client.read

    def read_some(size: int) -> bytes:
        if size > MAX_LITERAL_BYTES:
            raise client.abort("more than can be taken in")
        return read(size)

    client.read = read_some


@sensitive_variables()
def log_in(box: BaseMailBox, mailbox: Mailbox, password: str) -> None:
    """Say login and password; what the server replies is never repeated, for it may repeat them."""
    is_ascii = mailbox.login.isascii() and password.isascii()
    try:
        (box.login if is_ascii else box.login_utf8)(mailbox.login, password, initial_folder=None)
    except imaplib.IMAP4.abort:
        raise ConnectionFailed(f"{mailbox.server_address} broke the connection off at the login.") from None
    except (imaplib.IMAP4.error, UnexpectedCommandStatusError) as error:
        raise describe_login_error(mailbox, str(error).encode("utf-8", "replace")) from None
    except CONNECTION_ERRORS as error:
        raise ConnectionFailed(describe_connection_error(error, mailbox)) from None


def describe_login_error(mailbox: Mailbox, reply: bytes) -> ConnectionFailed:
    """Why the login was refused, as far as the code in `reply` tells."""
    if TEMPORARY_CODES.search(reply):
        return ConnectionFailed(f"{mailbox.server_address} takes no logins at the moment.")
    if EXPIRED_CODE.search(reply):
        return PasswordExpired(f"The password of {mailbox.login} has expired: enter the new one.")
    if PRIVACY_CODE.search(reply):
        return ConnectionFailed(f"{mailbox.server_address} takes no password over a connection that is not encrypted.")
    hint = " Gmail wants an app password here." if mailbox.host.endswith("gmail.com") else ""
    return LoginRefused(
        f"{mailbox.server_address} refuses the login of {mailbox.login}: wrong login or password.{hint}"
    )


def describe_connection_error(error: Exception, mailbox: Mailbox) -> str:
    """Why there is no connection, in a sentence."""
    host, server_address = mailbox.host, mailbox.server_address
    if isinstance(error, ssl.SSLCertVerificationError):
        reason = error.verify_message.rstrip(".") or "it cannot be verified"
        return f"The certificate that {server_address} shows is not trusted for {host}: {reason}."
    if isinstance(error, ssl.SSLError):
        return f"{server_address} does not speak TLS as expected: another port or STARTTLS may be the right choice."
    if isinstance(error, socket.gaierror | UnicodeError):
        return f"There is no server called {host}."
    if isinstance(error, TimeoutError):
        return f"{server_address} does not answer within {TIMEOUT_SECONDS} seconds."
    if isinstance(error, ConnectionRefusedError):
        return f"{server_address} takes no connections: look at server and port."
    if "TLS not supported" in str(error):
        return f"{server_address} does not offer STARTTLS."
    if isinstance(error, OSError) and not isinstance(error, ConnectionError):
        return f"{server_address} cannot be reached: {error.strerror or 'no answer'}."
    return f"{server_address} broke the connection off; it may be no IMAP server, or speak TLS from the start."


@contextmanager
def translate_errors(server_address: str, folder: str = "") -> Iterator[None]:
    """What goes wrong while a command is given, as a sentence.

    Raises:
        ConnectionFailed: the connection is gone.
        FolderUnavailable: the server refuses the command.
    """
    try:
        yield
    except (imaplib.IMAP4.abort, OSError) as error:
        is_timeout = isinstance(error, TimeoutError)
        problem = f"did not answer within {TIMEOUT_SECONDS} seconds" if is_timeout else "broke the connection off"
        raise ConnectionFailed(f"{server_address} {problem}; it is gone on with later.") from error
    except (imaplib.IMAP4.error, ImapToolsError) as error:
        problem = f"There is no folder “{folder}” that can be read" if folder else "A command was refused"
        raise FolderUnavailable(f"{problem} ({server_address}).") from error
    except PROTOCOL_ERRORS as error:
        raise ConnectionFailed(f"{server_address} answers what could not be understood.") from error
