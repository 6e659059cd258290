"""A mail as bytes made into what we keep of it. Pure: no database, no network.

Anything may stand in a mail: what cannot be understood is left out or written as it stands, never guessed at, and
everything is bounded. Only bytes that are no mail at all are refused.
"""

import hashlib
import re
from dataclasses import dataclass, field
from datetime import UTC, datetime
from email.errors import MessageError
from email.header import decode_header, make_header
from email.utils import getaddresses, parsedate_to_datetime

from django.core.exceptions import ValidationError
from django.core.validators import validate_email
from imap_tools import MailMessage
from inscriptis import get_text
from inscriptis.model.config import ParserConfig

LARGEST = 30 * 1024 * 1024
LONGEST_TEXT, LONGEST_HTML = 500_000, 1_000_000
LONGEST_SUBJECT, LONGEST_IDENTIFIER, LONGEST_NAME, LONGEST_ADDRESS = 998, 998, 200, 254
MOST_REFERENCES, MOST_ADDRESSES, MOST_FILES = 100, 200, 100
# In bytes: what an index of the database can hold whatever it is made of.
LONGEST_KEY = 1_000
IDENTIFIER = re.compile(r"<[^<>\s]{1,996}>")
# What a mail program puts before the subject of an answer or of what it passes on, in many languages.
ANSWER = re.compile(
    r"^\s*((re|aw|sv|antw|vs|tr|rif|ynt|odp|res|fwd?|wg|vl|enc|doorst|pd|i)\s*(\[\d+\]|\(\d+\))?\s*:|\[[^\]]{1,40}\])\s*",
    re.IGNORECASE,
)
# inscriptis joins what stands above and below it.
LINE_ACROSS = re.compile(r"<hr\b[^<>]{0,500}>", re.IGNORECASE)
LINES = re.compile(r"[\r\n\t\x00-\x1f\x7f]+")
# What the standard library raises over text that lies about its own encoding.
UNREADABLE = (LookupError, UnicodeError, ValueError, AssertionError, AttributeError, TypeError, MessageError)
EARLIEST = datetime(1971, 1, 1, tzinfo=UTC)


class NoMail(Exception):
    """These bytes are no mail that can be taken in; the message says why."""


@dataclass(frozen=True)
class File:
    """A file that came with a mail."""

    name: str
    type: str
    data: bytes
    inline: bool = False


@dataclass(frozen=True)
class Mail:
    """A mail. Identifiers have their angle brackets, addresses are in lower case, `sent_at` may be unknown."""

    message_id: str
    in_reply_to: str = ""
    references: tuple[str, ...] = ()
    from_name: str = ""
    from_email: str = ""
    reply_to: str = ""
    to: tuple[str, ...] = ()
    cc: tuple[str, ...] = ()
    subject: str = ""
    sent_at: datetime | None = None
    text: str = ""
    html: str = ""
    files: tuple[File, ...] = ()
    # The header lines that tell what sort of mail it is, by their names in lower case.
    headers: dict[str, str] = field(default_factory=dict)

    @property
    def people(self) -> tuple[str, ...]:
        """Everybody who wrote it or got it."""
        return tuple(dict.fromkeys(one for one in (self.from_email, *self.to, *self.cc) if one))


TELLING = (
    "auto-submitted",
    "precedence",
    "list-id",
    "list-unsubscribe",
    "x-autoreply",
    "x-auto-response-suppress",
    "x-spam-flag",
    "x-spam-status",
    "x-failed-recipients",
    "return-path",
    "content-type",
)


def parse(raw: bytes) -> Mail:
    """`raw` as a mail.

    Raises:
        NoMail: it is empty, too large, or has no header at all.
    """
    if len(raw) > LARGEST:
        raise NoMail(f"It has {len(raw):,} bytes, and at most {LARGEST:,} are taken in.")
    message = MailMessage.from_bytes(without_envelope(raw))
    source = message.obj
    if not source.keys():
        raise NoMail("It has no header: these bytes are no mail.")
    text, html = bodies(message)
    senders = people(source, "from") or people(source, "sender")
    return Mail(
        message_id=identifier(source, "message-id") or synthetic(raw),
        in_reply_to=identifier(source, "in-reply-to"),
        references=references(source),
        from_name=senders[0][0] if senders else "",
        from_email=senders[0][1] if senders else "",
        reply_to=next((one for _, one in people(source, "reply-to")), ""),
        to=tuple(one for _, one in people(source, "to"))[:MOST_ADDRESSES],
        cc=tuple(one for _, one in people(source, "cc"))[:MOST_ADDRESSES],
        subject=line(header(source, "subject"))[:LONGEST_SUBJECT],
        sent_at=sent_at(source),
        text=text,
        html=html,
        files=files(message),
        headers={name: line(header(source, name))[:500] for name in TELLING if source.get(name) is not None},
    )


def without_envelope(raw: bytes) -> bytes:
    """`raw` without the line that an .mbox puts before each mail."""
    if raw[:5] in (b"From ", b">From"):
        _, _, raw = raw.partition(b"\n")
    return raw


def header(source: object, name: str) -> str:
    """The first line of that name, decoded as far as it can be."""
    value = source.get(name)
    if value is None:
        return ""
    return decoded(str(value))


def decoded(text: str) -> str:
    """`text` with what is encoded in it made readable, or as it stands."""
    try:
        return str(make_header(decode_header(text)))
    except UNREADABLE:
        return text


def line(text: str) -> str:
    """`text` on one line, with nothing in it that cannot be written down."""
    return LINES.sub(" ", text.encode("utf-8", "replace").decode()).strip()


def identifier(source: object, name: str) -> str:
    """The identifier that a header line names; one without brackets gets them."""
    text = line(str(source.get(name) or ""))
    found = IDENTIFIER.search(text)
    if found:
        return short(found[0])
    bare = text.split()[0].strip("<>") if text.split() else ""
    return short(f"<{bare[: LONGEST_IDENTIFIER - 2]}>") if "@" in bare else ""


def references(source: object) -> tuple[str, ...]:
    """The chain of identifiers, the oldest first; of one that is too long both ends, which tie it to the rest."""
    found = list(dict.fromkeys(map(short, IDENTIFIER.findall(line(str(source.get("references") or ""))))))
    if len(found) > MOST_REFERENCES:
        half = MOST_REFERENCES // 2
        found = found[:half] + found[-half:]
    return tuple(found)


def short(key: str) -> str:
    """`key`, or in place of one that is too long for an index its digest, which ties as well."""
    long = len(key) > LONGEST_KEY // 4 and len(key.encode()) > LONGEST_KEY
    return f"<{hashlib.sha256(key.encode()).hexdigest()}@long-message-id.invalid>" if long else key


def synthetic(raw: bytes) -> str:
    """An identifier for a mail that has none: the same bytes have the same."""
    return f"<{hashlib.sha256(raw).hexdigest()}@no-message-id.invalid>"


def people(source: object, name: str) -> list[tuple[str, str]]:
    """Names and addresses of a header line, in their order; what is no address is left out."""
    lines = [str(value) for value in source.get_all(name, [])]
    found = []
    for shown, text in getaddresses(lines):
        text = text.strip().lower()
        if is_address(text):
            found.append((line(decoded(shown))[:LONGEST_NAME], text))
    return found


def is_address(text: str) -> bool:
    if not text.isascii() or len(text) > LONGEST_ADDRESS:
        return False
    try:
        validate_email(text)
    except ValidationError:
        return False
    return True


def sent_at(source: object) -> datetime | None:
    """When it says it was written; None where it does not, or says what cannot be."""
    try:
        moment = parsedate_to_datetime(str(source.get("date") or ""))
    except (TypeError, ValueError, IndexError, OverflowError):
        return None
    try:
        moment = moment.replace(tzinfo=UTC) if moment.tzinfo is None else moment.astimezone(UTC)
    except (OverflowError, ValueError):
        return None
    return moment if moment >= EARLIEST else None


def bodies(message: MailMessage) -> tuple[str, str]:
    """The text and the formatted version; a mail that is only formatted gets its text from that."""
    try:
        text, html = message.text or "", message.html or ""
    except UNREADABLE:
        text, html = "", ""
    html = storable(html)[:LONGEST_HTML]
    if not text.strip() and html.strip():
        text = text_of(html)
    return storable(text.replace("\r\n", "\n").replace("\r", "\n"))[:LONGEST_TEXT], html


def text_of(html: str) -> str:
    """What a reader sees of `html`, hidden words left out."""
    try:
        return get_text(LINE_ACROSS.sub("<br>", html), ParserConfig(display_links=False))
    except (*UNREADABLE, RecursionError):
        return re.sub(r"<[^>]{0,2000}>", " ", html)


def storable(text: str) -> str:
    """`text` as a database can keep it."""
    return text.replace("\x00", "").encode("utf-8", "replace").decode()


def files(message: MailMessage) -> tuple[File, ...]:
    """What is attached, each with its bytes."""
    found = []
    try:
        for part in message.attachments[:MOST_FILES]:
            name = line(part.filename or "")[:LONGEST_NAME] or "file"
            inline = (part.content_disposition or "") == "inline"
            found.append(File(name, line(part.content_type or "")[:100], part.payload or b"", inline))
    except UNREADABLE:
        return tuple(found)
    return tuple(found)


def bare(subject: str) -> str:
    """`subject` without what answering and passing on put before it, to be compared."""
    text = " ".join(subject.split())
    while (shorter := ANSWER.sub("", text, count=1)) != text:
        text = shorter
    return text.removesuffix("(fwd)").strip().casefold()
