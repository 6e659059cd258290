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
from functools import lru_cache

from django.core.exceptions import ValidationError
from django.core.validators import validate_email
from imap_tools import MailMessage
from inscriptis import get_text
from inscriptis.model.config import ParserConfig

from crm.text.quotes import own_words

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
Head = dict[str, list[str]]
# What is looked at of a text for its first words, and of a mail for the line that an .mbox puts before it.
LONGEST_START, LONGEST_SNIPPET, LONGEST_ENVELOPE = 4_000, 200, 300
ENVELOPE = re.compile(rb"From \S+\s+([A-Z][a-z]{2} [A-Z][a-z]{2} +\d+ [\d:]+ \d{4})")
EARLIEST = datetime(1971, 1, 1, tzinfo=UTC)


class NoMail(Exception):
    """These bytes are no mail that can be taken in; the message says why."""


@dataclass(frozen=True)
class File:
    """A file that comes or goes along with a mail; `inline` is what mail programs show by themselves."""

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
    # The first of what it says itself.
    snippet: str = ""
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
    head = head_of(message)
    if not head:
        raise NoMail("It has no header: these bytes are no mail.")
    text, html = bodies(message)
    senders = people(head, "from") or people(head, "sender")
    return Mail(
        message_id=identifier(head, "message-id") or synthetic(raw),
        in_reply_to=identifier(head, "in-reply-to"),
        references=references(head),
        from_name=senders[0][0] if senders else "",
        from_email=senders[0][1] if senders else "",
        reply_to=next((one for _, one in people(head, "reply-to")), ""),
        to=tuple(one for _, one in people(head, "to"))[:MOST_ADDRESSES],
        cc=tuple(one for _, one in people(head, "cc"))[:MOST_ADDRESSES],
        subject=line(header(head, "subject"))[:LONGEST_SUBJECT],
        sent_at=sent_at(head, raw),
        text=text,
        html=html,
        snippet=snippet(own_words(text)),
        files=files(message),
        headers={name: line(header(head, name))[:500] for name in TELLING if name in head},
    )


def head_of(message: MailMessage) -> Head:
    """Every header line as it stands, by its name in lower case.

    Letters beyond ASCII are taken for UTF-8, and where they are none, one letter for each byte: nothing is lost.
    """
    head: Head = {}
    for name, value in message.obj.raw_items():
        text = str(value)
        if not text.isascii():
            data = text.encode("utf-8", "surrogateescape")
            try:
                text = data.decode()
            except UnicodeDecodeError:
                text = data.decode("latin-1")
        head.setdefault(name.lower(), []).append(text)
    return head


def without_envelope(raw: bytes) -> bytes:
    """`raw` without the line that an .mbox puts before each mail."""
    if raw[:5] in (b"From ", b">From"):
        _, _, raw = raw.partition(b"\n")
    return raw


def header(head: Head, name: str) -> str:
    """The first line of that name, decoded as far as it can be."""
    return decoded(head[name][0]) if name in head else ""


def decoded(text: str) -> str:
    """`text` with what is encoded in it made readable, or as it stands."""
    if "=?" not in text:
        return text
    try:
        return str(make_header(decode_header(text)))
    except UNREADABLE:
        return text


def line(text: str) -> str:
    """`text` on one line, with nothing in it that cannot be written down."""
    return LINES.sub(" ", text if text.isascii() else storable(text)).strip()


def identifier(head: Head, name: str) -> str:
    """The identifier that a header line names; one without brackets gets them."""
    text = line(head[name][0]) if name in head else ""
    found = IDENTIFIER.search(text)
    if found:
        return short(found[0])
    bare = text.split()[0].strip("<>") if text.split() else ""
    return short(f"<{bare[: LONGEST_IDENTIFIER - 2]}>") if "@" in bare else ""


def references(head: Head) -> tuple[str, ...]:
    """The chain of identifiers, the oldest first; of one that is too long both ends, which tie it to the rest."""
    found = list(dict.fromkeys(map(short, IDENTIFIER.findall(line(" ".join(head.get("references", [])))))))
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


def people(head: Head, name: str) -> list[tuple[str, str]]:
    """Names and addresses of a header line, in their order; what is no address is left out."""
    return [one for value in head.get(name, ()) for one in addressed(value)]


@lru_cache(4_096)
def addressed(value: str) -> tuple[tuple[str, str], ...]:
    """The names and addresses in `value`; who writes once writes again, so they are kept."""
    found = ((shown, text.strip().lower()) for shown, text in getaddresses([value]))
    return tuple((line(decoded(shown))[:LONGEST_NAME], text) for shown, text in found if is_address(text))


@lru_cache(4_096)
def is_address(text: str) -> bool:
    if not text.isascii() or len(text) > LONGEST_ADDRESS:
        return False
    try:
        validate_email(text)
    except ValidationError:
        return False
    return True


def sent_at(head: Head, raw: bytes) -> datetime | None:
    """When it was written, as it says itself; else when it arrived, as the last to pass it on or the .mbox says.

    None where nobody says, or only what cannot be.
    """
    now = datetime.now(UTC)
    told = [*head.get("date", [])[:1]]
    told += [text.rpartition(";")[2] for text in head.get("received", [])[:1]]
    for text in told:
        if (moment := date(text)) and moment <= now:
            return moment
    envelope = ENVELOPE.match(raw[:LONGEST_ENVELOPE])
    return date(envelope[1].decode("ascii", "replace")) if envelope else None


def date(text: str) -> datetime | None:
    """The moment that `text` names; None where it names none, or one that cannot be."""
    try:
        moment = parsedate_to_datetime(line(text))
        moment = moment.replace(tzinfo=UTC) if moment.tzinfo is None else moment.astimezone(UTC)
    except (TypeError, ValueError, IndexError, OverflowError):
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


def snippet(text: str) -> str:
    """The first words of `text`, for a list."""
    return " ".join(text[:LONGEST_START].split())[:LONGEST_SNIPPET]


def bare(subject: str) -> str:
    """`subject` without what answering and passing on put before it, to be compared."""
    text = " ".join(subject.split())
    while (shorter := ANSWER.sub("", text, count=1)) != text:
        text = shorter
    return text.removesuffix("(fwd)").strip().casefold()
