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

from crm.exceptions import Refused
from crm.runtime.encryption import opened
from inbox.imap.fetch_responses import Answer, answers
from inbox.incoming.parsing import LARGEST
from inbox.models import Mailbox, Security

# Seconds that a server may be silent.
TIMEOUT = 30
# A server that announces more than this at once is not listened to.
LARGEST_LITERAL = LARGEST + 1_000_000
WRONG = (imaplib.IMAP4.error, ImapToolsError, OSError, UnicodeError)
# What taking apart the answer of a server raises that does not keep to the protocol.
NONSENSE = (ValueError, IndexError, KeyError, TypeError, AttributeError)
HEADERS = "(UID FLAGS RFC822.SIZE BODY.PEEK[HEADER.FIELDS (MESSAGE-ID FROM SUBJECT)])"
WHOLE = "(UID FLAGS BODY.PEEK[])"
# RFC 5530: what a server says beside NO. The first kind passes by itself.
PASSING = re.compile(rb"\[(UNAVAILABLE|LIMIT|INUSE|SERVERBUG|CONTACTADMIN)\b", re.IGNORECASE)
EXPIRED = re.compile(rb"\[EXPIRED\]", re.IGNORECASE)
PRIVACY = re.compile(rb"\[PRIVACYREQUIRED\]", re.IGNORECASE)


class NoConnection(Refused):
    """The mailbox could not be reached; it is tried again later."""


class LoginRefused(NoConnection):
    """The server does not take the password: nothing is tried until a person enters another."""


class PasswordExpired(LoginRefused):
    """The server says that the password has run out."""


class NoFolder(Refused):
    """A folder that is not there, or cannot be read."""


class NotHandedOut(Refused):
    """The server has mails that it does not hand out."""


@dataclass(frozen=True)
class Standing:
    """How a folder stands: the number that its numbering has, the next mail's number, and how many there are."""

    uidvalidity: int
    uidnext: int
    total: int


class Session:
    """A connection in which the mailbox has logged in."""

    def __init__(self, mailbox: Mailbox, box: BaseMailBox) -> None:
        self.place, self.box = mailbox.place, box

    def folders(self) -> dict[str, tuple[str, ...]]:
        """The folders that can be read, each with the flags the server gives it, in lower case."""
        with speaking(self.place):
            found = self.box.folder.list()
        flags = {one.name: tuple(flag.lower() for flag in one.flags) for one in found}
        return {name: said for name, said in flags.items() if "\\noselect" not in said and "\\nonexistent" not in said}

    def standing(self, folder: str) -> Standing:
        """How `folder` stands, without opening it.

        Raises:
            NoFolder: it is not there.
        """
        with speaking(self.place, folder):
            found = self.box.folder.status(folder, ["MESSAGES", "UIDNEXT", "UIDVALIDITY"])
        return Standing(found.get("UIDVALIDITY", 0), found.get("UIDNEXT", 0), found.get("MESSAGES", 0))

    def open(self, folder: str) -> int:
        """Open `folder` only for reading; the number that its numbering has."""
        with speaking(self.place, folder):
            self.box.folder.set(folder, readonly=True)
            told = self.box.client.untagged_responses.get("UIDVALIDITY") or [b"0"]
        return int(told[-1])

    def numbers(self, after: int = 0, since: date | None = None) -> list[int]:
        """The numbers above `after` of the mails in the open folder that came at `since` or later, ascending."""
        asked = f"UID {after + 1}:*" + (f" SINCE {imap_date(since)}" if since else "")
        with speaking(self.place):
            found = self.box.uids(asked, charset=None)
        # "5:*" names the last one, too, where there is none above 4.
        return sorted(uid for uid in map(int, found) if uid > after)

    def heads(self, uids: Sequence[int]) -> list[Answer]:
        """Size, whether it was read, and some header lines of each mail that is still there, ascending."""
        return self.fetched(uids, HEADERS)

    def wholes(self, uids: Sequence[int]) -> list[Answer]:
        """All of each mail that is still there, ascending."""
        return self.fetched(uids, WHOLE)

    def fetched(self, uids: Sequence[int], parts: str) -> list[Answer]:
        wanted = set(uids)
        with speaking(self.place):
            status, found = self.box.client.uid("FETCH", ",".join(map(str, uids)), parts)
            if status != "OK":
                raise NotHandedOut(f"{self.place} does not hand it out.")
        unique = {answer.uid: answer for answer in answers(found) if answer.uid in wanted}
        return [unique[uid] for uid in sorted(unique)]

    def holds(self, folder: str, message_id: str) -> bool:
        """Whether a mail with that Message-ID lies in `folder`."""
        self.open(folder)
        quoted = message_id.replace("\\", "\\\\").replace('"', '\\"')
        with speaking(self.place):
            return bool(self.box.uids(f'HEADER Message-ID "{quoted}"', charset=None))

    def put(self, folder: str, letter: bytes, at: datetime) -> None:
        """Lay `letter` into `folder`, as read, under the date `at`."""
        with speaking(self.place, folder):
            self.box.append(letter, folder, dt=at, flag_set=["\\Seen"])


def imap_date(day: date) -> str:
    """As IMAP writes it, in English whatever the locale."""
    months = ("Jan", "Feb", "Mar", "Apr", "May", "Jun", "Jul", "Aug", "Sep", "Oct", "Nov", "Dec")
    return f"{day.day}-{months[day.month - 1]}-{day.year}"


@contextmanager
def logged_in(mailbox: Mailbox) -> Iterator[Session]:
    """A session with the server of `mailbox`.

    Raises:
        NoConnection: it cannot be reached, or does not take the password (LoginRefused).
        Unreadable: the password that is kept cannot be read.
    """
    box = begun(mailbox)
    try:
        yield Session(mailbox, box)
    finally:
        ended(box)


@sensitive_variables()
def begun(mailbox: Mailbox) -> BaseMailBox:
    """A connection in which the mailbox has logged in."""
    password = opened(mailbox.credentials, purpose=mailbox.purpose)
    box = reached(mailbox)
    try:
        log_in(box, mailbox, password)
    except NoConnection:
        ended(box)
        raise
    return box


def ended(box: BaseMailBox) -> None:
    """End the connection politely if the server still listens."""
    with suppress(*WRONG):
        box.logout()
    with suppress(*WRONG):
        box.client.shutdown()


def reached(mailbox: Mailbox) -> BaseMailBox:
    """A connection in which nothing has been said yet, encrypted as the mailbox wants it."""
    host, port = mailbox.host, int(mailbox.place.rpartition(":")[2])
    trusted = ssl.create_default_context()
    try:
        if mailbox.security == Security.TLS:
            box = MailBox(host, port, timeout=TIMEOUT, ssl_context=trusted)
        elif mailbox.security == Security.STARTTLS:
            box = MailBoxStartTls(host, port, timeout=TIMEOUT, ssl_context=trusted)
        else:
            box = MailBoxUnencrypted(host, port, timeout=TIMEOUT)
    except (*WRONG, ValueError) as error:
        raise NoConnection(why_not(error, mailbox)) from error
    bound(box.client)
    return box


def bound(client: imaplib.IMAP4) -> None:
    """Let `client` refuse more than any mail that is taken in may be, before it is read into memory."""
    read = client.read

    def read_some(size: int) -> bytes:
        if size > LARGEST_LITERAL:
            raise client.abort("more than can be taken in")
        return read(size)

    client.read = read_some


@sensitive_variables()
def log_in(box: BaseMailBox, mailbox: Mailbox, password: str) -> None:
    """Say login and password; what the server replies is never repeated, for it may repeat them."""
    plain = mailbox.login.isascii() and password.isascii()
    try:
        (box.login if plain else box.login_utf8)(mailbox.login, password, initial_folder=None)
    except imaplib.IMAP4.abort:
        raise NoConnection(f"{mailbox.place} broke the connection off at the login.") from None
    except (imaplib.IMAP4.error, UnexpectedCommandStatusError) as error:
        raise refused(mailbox, str(error).encode("utf-8", "replace")) from None
    except WRONG as error:
        raise NoConnection(why_not(error, mailbox)) from None


def refused(mailbox: Mailbox, reply: bytes) -> NoConnection:
    """Why the login was refused, as far as the code in `reply` tells."""
    if PASSING.search(reply):
        return NoConnection(f"{mailbox.place} takes no logins at the moment.")
    if EXPIRED.search(reply):
        return PasswordExpired(f"The password of {mailbox.login} has expired: enter the new one.")
    if PRIVACY.search(reply):
        return NoConnection(f"{mailbox.place} takes no password over a connection that is not encrypted.")
    hint = " Gmail wants an app password here." if mailbox.host.endswith("gmail.com") else ""
    return LoginRefused(f"{mailbox.place} refuses the login of {mailbox.login}: wrong login or password.{hint}")


def why_not(error: Exception, mailbox: Mailbox) -> str:
    """Why there is no connection, in a sentence."""
    host, place = mailbox.host, mailbox.place
    if isinstance(error, ssl.SSLCertVerificationError):
        why = error.verify_message.rstrip(".") or "it cannot be verified"
        return f"The certificate that {place} shows is not trusted for {host}: {why}."
    if isinstance(error, ssl.SSLError):
        return f"{place} does not speak TLS as expected: another port or STARTTLS may be the right choice."
    if isinstance(error, socket.gaierror | UnicodeError):
        return f"There is no server called {host}."
    if isinstance(error, TimeoutError):
        return f"{place} does not answer within {TIMEOUT} seconds."
    if isinstance(error, ConnectionRefusedError):
        return f"{place} takes no connections: look at server and port."
    if "TLS not supported" in str(error):
        return f"{place} does not offer STARTTLS."
    if isinstance(error, OSError) and not isinstance(error, ConnectionError):
        return f"{place} cannot be reached: {error.strerror or 'no answer'}."
    return f"{place} broke the connection off; it may be no IMAP server, or speak TLS from the start."


@contextmanager
def speaking(place: str, folder: str = "") -> Iterator[None]:
    """What goes wrong while a command is given, as a sentence.

    Raises:
        NoConnection: the connection is gone.
        NoFolder: the server refuses the command.
    """
    try:
        yield
    except (imaplib.IMAP4.abort, OSError) as error:
        silent = isinstance(error, TimeoutError)
        what = f"did not answer within {TIMEOUT} seconds" if silent else "broke the connection off"
        raise NoConnection(f"{place} {what}; it is gone on with later.") from error
    except (imaplib.IMAP4.error, ImapToolsError) as error:
        what = f"There is no folder “{folder}” that can be read" if folder else "A command was refused"
        raise NoFolder(f"{what} ({place}).") from error
    except NONSENSE as error:
        raise NoConnection(f"{place} answers what could not be understood.") from error
