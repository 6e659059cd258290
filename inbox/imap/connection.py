"""Sessions with an IMAP server. Fetching never marks an email as read, and every error is a readable sentence.

imap-tools trusts every certificate by default, so it is always given an SSL context that verifies them.
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

# Seconds that a server may stay silent.
TIMEOUT_SECONDS = 30
# A larger literal ends the connection before it is read into memory.
MAX_LITERAL_BYTES = MAX_EMAIL_BYTES + 1_000_000
CONNECTION_ERRORS = (imaplib.IMAP4.error, ImapToolsError, OSError, UnicodeError)
# Raised while parsing the response of a server that violates the protocol.
PROTOCOL_ERRORS = (ValueError, IndexError, KeyError, TypeError, AttributeError)
FETCH_HEADERS = "(UID FLAGS RFC822.SIZE BODY.PEEK[HEADER.FIELDS (MESSAGE-ID DATE FROM SUBJECT)])"
FETCH_WHOLE = "(UID FLAGS BODY.PEEK[])"
# Response codes beside NO (RFC 5530). The first group is temporary.
TEMPORARY_CODES = re.compile(rb"\[(UNAVAILABLE|LIMIT|INUSE|SERVERBUG|CONTACTADMIN)\b", re.IGNORECASE)
EXPIRED_CODE = re.compile(rb"\[EXPIRED\]", re.IGNORECASE)
PRIVACY_CODE = re.compile(rb"\[PRIVACYREQUIRED\]", re.IGNORECASE)


class ConnectionFailed(ActionRefused):
    """The mailbox could not be reached; the next run tries again."""


class LoginRefused(ConnectionFailed):
    """The server refuses the password; no run tries again until a person enters another one."""


class PasswordExpired(LoginRefused):
    """The server reports that the password has expired."""


class FolderUnavailable(ActionRefused):
    """The folder does not exist or cannot be read."""


class FetchRefused(ActionRefused):
    """The server refuses to return some emails."""


@dataclass(frozen=True)
class FolderStatus:
    """The status of a folder: its UIDVALIDITY, the UID of the next email, and the number of emails."""

    uidvalidity: int
    uidnext: int
    total: int


class ImapSession:
    """A logged-in connection of a mailbox."""

    def __init__(self, mailbox: Mailbox, box: BaseMailBox) -> None:
        self.server_address, self.box = mailbox.server_address, box

    def folders(self) -> dict[str, tuple[str, ...]]:
        """Return the readable folders, each with its flags in lower case."""
        with translate_errors(self.server_address):
            found = self.box.folder.list()
        flags = {one.name: tuple(flag.lower() for flag in one.flags) for one in found}
        return {
            name: folder_flags
            for name, folder_flags in flags.items()
            if "\\noselect" not in folder_flags and "\\nonexistent" not in folder_flags
        }

    def folder_status(self, folder: str) -> FolderStatus:
        """Return the status of `folder` without opening it.

        Raises:
            FolderUnavailable: the folder does not exist.
        """
        with translate_errors(self.server_address, folder):
            found = self.box.folder.status(folder, ["MESSAGES", "UIDNEXT", "UIDVALIDITY"])
        return FolderStatus(found.get("UIDVALIDITY", 0), found.get("UIDNEXT", 0), found.get("MESSAGES", 0))

    def open(self, folder: str) -> int:
        """Open `folder` read-only. Return its UIDVALIDITY."""
        with translate_errors(self.server_address, folder):
            self.box.folder.set(folder, readonly=True)
            responses = self.box.client.untagged_responses.get("UIDVALIDITY") or [b"0"]
        return int(responses[-1])

    def search_uids(self, after: int = 0, since: date | None = None) -> list[int]:
        """Return, ascending, the UIDs above `after` in the open folder of emails received on `since` or later."""
        criteria = f"UID {after + 1}:*" + (f" SINCE {format_imap_date(since)}" if since else "")
        with translate_errors(self.server_address):
            found = self.box.uids(criteria, charset=None)
        # "5:*" matches the last email even if its UID is below 5.
        return sorted(uid for uid in map(int, found) if uid > after)

    def fetch_headers(self, uids: Sequence[int]) -> list[FetchedEmail]:
        """Return size, read flag and some header lines of each email that still exists, by ascending UID."""
        return self.fetch_parts(uids, FETCH_HEADERS)

    def fetch_emails(self, uids: Sequence[int]) -> list[FetchedEmail]:
        """Return the full content of each email that still exists, by ascending UID."""
        return self.fetch_parts(uids, FETCH_WHOLE)

    def fetch_parts(self, uids: Sequence[int], parts: str) -> list[FetchedEmail]:
        wanted = set(uids)
        with translate_errors(self.server_address):
            status, found = self.box.client.uid("FETCH", ",".join(map(str, uids)), parts)
            if status != "OK":
                raise FetchRefused(f"{self.server_address} refuses to return the email.")
        unique = {answer.uid: answer for answer in parse_fetch_response(found) if answer.uid in wanted}
        return [unique[uid] for uid in sorted(unique)]

    def has_message(self, folder: str, message_id: str) -> bool:
        """Return whether `folder` contains an email with that Message-ID."""
        self.open(folder)
        quoted = message_id.replace("\\", "\\\\").replace('"', '\\"')
        with translate_errors(self.server_address):
            return bool(self.box.uids(f'HEADER Message-ID "{quoted}"', charset=None))

    def append_message(self, folder: str, content: bytes, at: datetime) -> None:
        """Append `content` to `folder`, marked as read and dated `at`."""
        with translate_errors(self.server_address, folder):
            self.box.append(content, folder, dt=at, flag_set=["\\Seen"])


def format_imap_date(day: date) -> str:
    """Return `day` in the IMAP format, in English regardless of the locale."""
    months = ("Jan", "Feb", "Mar", "Apr", "May", "Jun", "Jul", "Aug", "Sep", "Oct", "Nov", "Dec")
    return f"{day.day}-{months[day.month - 1]}-{day.year}"


@contextmanager
def open_session(mailbox: Mailbox) -> Iterator[ImapSession]:
    """Open a session with the server of `mailbox`.

    Raises:
        ConnectionFailed: the server cannot be reached, or refuses the password (`LoginRefused`).
        SecretUnreadable: the stored password cannot be decrypted.
    """
    box = connect_and_log_in(mailbox)
    try:
        yield ImapSession(mailbox, box)
    finally:
        close_connection(box)


@sensitive_variables()
def connect_and_log_in(mailbox: Mailbox) -> BaseMailBox:
    """Return a logged-in connection."""
    password = decrypt_secret(mailbox.credentials, purpose=mailbox.purpose)
    box = open_connection(mailbox)
    try:
        log_in(box, mailbox, password)
    except ConnectionFailed:
        close_connection(box)
        raise
    return box


def close_connection(box: BaseMailBox) -> None:
    """Log out if the server still responds, and close the connection."""
    with suppress(*CONNECTION_ERRORS):
        box.logout()
    with suppress(*CONNECTION_ERRORS):
        box.client.shutdown()


def open_connection(mailbox: Mailbox) -> BaseMailBox:
    """Return a connection that is not logged in yet, encrypted as the mailbox is configured."""
    host, port = mailbox.host, int(mailbox.server_address.rpartition(":")[2])
    try:
        if mailbox.security == Security.TLS:
            box = MailBox(host, port, timeout=TIMEOUT_SECONDS, ssl_context=ssl.create_default_context())
        elif mailbox.security == Security.STARTTLS:
            box = MailBoxStartTls(host, port, timeout=TIMEOUT_SECONDS, ssl_context=ssl.create_default_context())
        else:
            box = MailBoxUnencrypted(host, port, timeout=TIMEOUT_SECONDS)
    except (*CONNECTION_ERRORS, ValueError) as error:
        raise ConnectionFailed(describe_connection_error(error, mailbox)) from error
    limit_literal_size(box.client)
    return box


def limit_literal_size(client: imaplib.IMAP4) -> None:
    """Make `client` refuse literals above the size limit before they are read into memory."""
    read = client.read

    def read_some(size: int) -> bytes:
        if size > MAX_LITERAL_BYTES:
            raise client.abort(f"literal of {size} bytes exceeds the limit")
        return read(size)

    client.read = read_some


@sensitive_variables()
def log_in(box: BaseMailBox, mailbox: Mailbox, password: str) -> None:
    """Log in. The server's reply is never passed on, because it may contain the password."""
    is_ascii = mailbox.login.isascii() and password.isascii()
    try:
        (box.login if is_ascii else box.login_utf8)(mailbox.login, password, initial_folder=None)
    except imaplib.IMAP4.abort:
        raise ConnectionFailed(f"{mailbox.server_address} closed the connection during login.") from None
    except (imaplib.IMAP4.error, UnexpectedCommandStatusError) as error:
        raise describe_login_error(mailbox, str(error).encode("utf-8", "replace")) from None
    except CONNECTION_ERRORS as error:
        raise ConnectionFailed(describe_connection_error(error, mailbox)) from None


def describe_login_error(mailbox: Mailbox, reply: bytes) -> ConnectionFailed:
    """Return the exception for a refused login, based on the response code in `reply`."""
    if TEMPORARY_CODES.search(reply):
        return ConnectionFailed(f"{mailbox.server_address} does not accept logins at the moment.")
    if EXPIRED_CODE.search(reply):
        return PasswordExpired(f"The password of {mailbox.login} has expired. Enter the new one.")
    if PRIVACY_CODE.search(reply):
        return ConnectionFailed(f"{mailbox.server_address} does not accept passwords over an unencrypted connection.")
    hint = " Gmail requires an app password." if mailbox.host.endswith("gmail.com") else ""
    return LoginRefused(
        f"{mailbox.server_address} refused the login of {mailbox.login}: wrong username or password.{hint}"
    )


def describe_connection_error(error: Exception, mailbox: Mailbox) -> str:
    """Return a sentence that says why the connection failed."""
    host, server_address = mailbox.host, mailbox.server_address
    if isinstance(error, ssl.SSLCertVerificationError):
        reason = error.verify_message.rstrip(".") or "it cannot be verified"
        return f"The certificate of {server_address} is not trusted for {host}: {reason}."
    if isinstance(error, ssl.SSLError):
        return f"The TLS handshake with {server_address} failed. Try another port or STARTTLS."
    if isinstance(error, socket.gaierror | UnicodeError):
        return f"The server {host} was not found."
    if isinstance(error, TimeoutError):
        return f"{server_address} did not respond within {TIMEOUT_SECONDS} seconds."
    if isinstance(error, ConnectionRefusedError):
        return f"{server_address} refused the connection. Check the server and the port."
    if "TLS not supported" in str(error):
        return f"{server_address} does not support STARTTLS."
    if isinstance(error, OSError) and not isinstance(error, ConnectionError):
        return f"{server_address} cannot be reached: {error.strerror or 'no response'}."
    return f"{server_address} closed the connection. It may not be an IMAP server, or it may require TLS."


@contextmanager
def translate_errors(server_address: str, folder: str = "") -> Iterator[None]:
    """Turn the errors of a command into exceptions with a readable text.

    Raises:
        ConnectionFailed: the connection was lost.
        FolderUnavailable: the server refused the command.
    """
    try:
        yield
    except (imaplib.IMAP4.abort, OSError) as error:
        is_timeout = isinstance(error, TimeoutError)
        problem = f"did not respond within {TIMEOUT_SECONDS} seconds" if is_timeout else "closed the connection"
        raise ConnectionFailed(f"{server_address} {problem}. The next run continues from here.") from error
    except (imaplib.IMAP4.error, ImapToolsError) as error:
        problem = f"The folder “{folder}” does not exist or cannot be read" if folder else "A command was refused"
        raise FolderUnavailable(f"{problem} ({server_address}).") from error
    except PROTOCOL_ERRORS as error:
        raise ConnectionFailed(f"{server_address} sent a response that could not be parsed.") from error
