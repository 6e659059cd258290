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

from crm.text.quotes import own_text

MAX_EMAIL_BYTES = 30 * 1024 * 1024
MAX_TEXT_LENGTH, MAX_HTML_LENGTH = 500_000, 1_000_000
MAX_SUBJECT_LENGTH, MAX_IDENTIFIER_LENGTH, MAX_DISPLAY_NAME_LENGTH, MAX_ADDRESS_LENGTH = 998, 998, 200, 254
MAX_REFERENCES, MAX_ADDRESSES, MAX_FILES = 100, 200, 100
# In bytes: what an index of the database can hold whatever it is made of.
MAX_INDEX_KEY_BYTES = 1_000
MESSAGE_ID_PATTERN = re.compile(r"<[^<>\s]{1,996}>")
# What a mail program puts before the subject of an answer or of what it passes on, in many languages.
SUBJECT_PREFIX = re.compile(
    r"^\s*((re|aw|sv|antw|vs|tr|rif|ynt|odp|res|fwd?|wg|vl|enc|doorst|pd|i)\s*(\[\d+\]|\(\d+\))?\s*:|\[[^\]]{1,40}\])\s*",
    re.IGNORECASE,
)
# inscriptis joins what stands above and below it.
HR_TAG = re.compile(r"<hr\b[^<>]{0,500}>", re.IGNORECASE)
LINE_BREAKS = re.compile(r"[\r\n\t\x00-\x1f\x7f]+")
# What the standard library raises over text that lies about its own encoding.
DECODING_ERRORS = (LookupError, UnicodeError, ValueError, AssertionError, AttributeError, TypeError, MessageError)
HeaderLines = dict[str, list[str]]
# What is looked at of a text for its first words, and of a mail for the line that an .mbox puts before it.
MAX_SNIPPET_SOURCE, MAX_SNIPPET_LENGTH, MAX_ENVELOPE_LENGTH = 4_000, 200, 300
MBOX_ENVELOPE_DATE = re.compile(rb"From \S+\s+([A-Z][a-z]{2} [A-Z][a-z]{2} +\d+ [\d:]+ \d{4})")
EARLIEST_DATE = datetime(1971, 1, 1, tzinfo=UTC)


class NotAnEmail(Exception):
    """These bytes are no mail that can be taken in; the message says why."""


@dataclass(frozen=True)
class EmailFile:
    """A file that comes or goes along with a mail; `inline` is what mail programs show by themselves."""

    name: str
    type: str
    data: bytes
    inline: bool = False


@dataclass(frozen=True)
class ParsedEmail:
    """A mail. Identifiers have their angle brackets, addresses are in lower case, `parse_sent_at` may be unknown."""

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
    files: tuple[EmailFile, ...] = ()
    # The header lines that tell what sort of mail it is, by their names in lower case.
    headers: dict[str, str] = field(default_factory=dict)

    @property
    def participants(self) -> tuple[str, ...]:
        """Everybody who wrote it or got it."""
        return tuple(dict.fromkeys(one for one in (self.from_email, *self.to, *self.cc) if one))


CLASSIFYING_HEADERS = (
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


def parse_email(raw: bytes) -> ParsedEmail:
    """`raw` as a mail.

    Raises:
        NotAnEmail: it is empty, too large, or has no header at all.
    """
    if len(raw) > MAX_EMAIL_BYTES:
        raise NotAnEmail(f"It has {len(raw):,} bytes, and at most {MAX_EMAIL_BYTES:,} are taken in.")
    message = MailMessage.from_bytes(strip_envelope(raw))
    head = read_headers(message)
    if not head:
        raise NotAnEmail("It has no header: these bytes are no mail.")
    text, html = extract_bodies(message)
    senders = parse_addresses(head, "from") or parse_addresses(head, "sender")
    return ParsedEmail(
        message_id=parse_identifier(head, "message-id") or synthetic_identifier(raw),
        in_reply_to=parse_identifier(head, "in-reply-to"),
        references=parse_references(head),
        from_name=senders[0][0] if senders else "",
        from_email=senders[0][1] if senders else "",
        reply_to=next((one for _, one in parse_addresses(head, "reply-to")), ""),
        to=tuple(one for _, one in parse_addresses(head, "to"))[:MAX_ADDRESSES],
        cc=tuple(one for _, one in parse_addresses(head, "cc"))[:MAX_ADDRESSES],
        subject=single_line(first_header(head, "subject"))[:MAX_SUBJECT_LENGTH],
        sent_at=parse_sent_at(head, raw),
        text=text,
        html=html,
        snippet=make_snippet(own_text(text)),
        files=extract_files(message),
        headers={name: single_line(first_header(head, name))[:500] for name in CLASSIFYING_HEADERS if name in head},
    )


def read_headers(message: MailMessage) -> HeaderLines:
    """Every header line as it stands, by its name in lower case.

    Letters beyond ASCII are taken for UTF-8, and where they are none, one letter for each byte: nothing is lost.
    """
    head: HeaderLines = {}
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


def strip_envelope(raw: bytes) -> bytes:
    """`raw` without the line that an .mbox puts before each mail."""
    if raw[:5] in (b"From ", b">From"):
        _, _, raw = raw.partition(b"\n")
    return raw


def first_header(head: HeaderLines, name: str) -> str:
    """The first line of that name, decoded as far as it can be."""
    return decode_encoded_words(head[name][0]) if name in head else ""


def decode_encoded_words(text: str) -> str:
    """`text` with what is encoded in it made readable, or as it stands."""
    if "=?" not in text:
        return text
    try:
        return str(make_header(decode_header(text)))
    except DECODING_ERRORS:
        return text


def single_line(text: str) -> str:
    """`text` on one line, with nothing in it that cannot be written down."""
    return LINE_BREAKS.sub(" ", text if text.isascii() else remove_unstorable(text)).strip()


def parse_identifier(head: HeaderLines, name: str) -> str:
    """The identifier that a header line names; one without brackets gets them."""
    text = single_line(head[name][0]) if name in head else ""
    found = MESSAGE_ID_PATTERN.search(text)
    if found:
        return bounded_identifier(found[0])
    bare = text.split()[0].strip("<>") if text.split() else ""
    return bounded_identifier(f"<{bare[: MAX_IDENTIFIER_LENGTH - 2]}>") if "@" in bare else ""


def parse_references(head: HeaderLines) -> tuple[str, ...]:
    """The chain of identifiers, the oldest first; of one that is too long both ends, which tie it to the rest."""
    found = list(
        dict.fromkeys(
            map(bounded_identifier, MESSAGE_ID_PATTERN.findall(single_line(" ".join(head.get("references", [])))))
        )
    )
    if len(found) > MAX_REFERENCES:
        half = MAX_REFERENCES // 2
        found = found[:half] + found[-half:]
    return tuple(found)


def bounded_identifier(key: str) -> str:
    """`key`, or in place of one that is too long for an index its digest, which ties as well."""
    long = len(key) > MAX_INDEX_KEY_BYTES // 4 and len(key.encode()) > MAX_INDEX_KEY_BYTES
    return f"<{hashlib.sha256(key.encode()).hexdigest()}@long-message-id.invalid>" if long else key


def synthetic_identifier(raw: bytes) -> str:
    """An identifier for a mail that has none: the same bytes have the same."""
    return f"<{hashlib.sha256(raw).hexdigest()}@no-message-id.invalid>"


def parse_addresses(head: HeaderLines, name: str) -> list[tuple[str, str]]:
    """Names and addresses of a header line, in their order; what is no address is left out."""
    return [one for value in head.get(name, ()) for one in parse_address_list(value)]


@lru_cache(4_096)
def parse_address_list(value: str) -> tuple[tuple[str, str], ...]:
    """The names and addresses in `value`; who writes once writes again, so they are kept."""
    found = ((display_name, text.strip().lower()) for display_name, text in getaddresses([value]))
    return tuple(
        (single_line(decode_encoded_words(display_name))[:MAX_DISPLAY_NAME_LENGTH], text)
        for display_name, text in found
        if is_valid_address(text)
    )


@lru_cache(4_096)
def is_valid_address(text: str) -> bool:
    if not text.isascii() or len(text) > MAX_ADDRESS_LENGTH:
        return False
    try:
        validate_email(text)
    except ValidationError:
        return False
    return True


def parse_sent_at(head: HeaderLines, raw: bytes) -> datetime | None:
    """When it was written, as it says itself; else when it arrived, as the last to pass it on or the .mbox says.

    None where nobody says, or only what cannot be.
    """
    now = datetime.now(UTC)
    candidates = [*head.get("date", [])[:1]]
    candidates += [text.rpartition(";")[2] for text in head.get("received", [])[:1]]
    for text in candidates:
        if (moment := parse_date(text)) and moment <= now:
            return moment
    envelope = MBOX_ENVELOPE_DATE.match(raw[:MAX_ENVELOPE_LENGTH])
    return parse_date(envelope[1].decode("ascii", "replace")) if envelope else None


def parse_date(text: str) -> datetime | None:
    """The moment that `text` names; None where it names none, or one that cannot be."""
    try:
        moment = parsedate_to_datetime(single_line(text))
        moment = moment.replace(tzinfo=UTC) if moment.tzinfo is None else moment.astimezone(UTC)
    except (TypeError, ValueError, IndexError, OverflowError):
        return None
    return moment if moment >= EARLIEST_DATE else None


def extract_bodies(message: MailMessage) -> tuple[str, str]:
    """The text and the formatted version; a mail that is only formatted gets its text from that."""
    try:
        text, html = message.text or "", message.html or ""
    except DECODING_ERRORS:
        text, html = "", ""
    html = remove_unstorable(html)[:MAX_HTML_LENGTH]
    if not text.strip() and html.strip():
        text = html_to_text(html)
    return remove_unstorable(text.replace("\r\n", "\n").replace("\r", "\n"))[:MAX_TEXT_LENGTH], html


def html_to_text(html: str) -> str:
    """What a reader sees of `html`, hidden words left out."""
    try:
        return get_text(HR_TAG.sub("<br>", html), ParserConfig(display_links=False))
    except (*DECODING_ERRORS, RecursionError):
        return re.sub(r"<[^>]{0,2000}>", " ", html)


def remove_unstorable(text: str) -> str:
    """`text` as a database can keep it."""
    return text.replace("\x00", "").encode("utf-8", "replace").decode()


def extract_files(message: MailMessage) -> tuple[EmailFile, ...]:
    """What is attached, each with its bytes."""
    found = []
    try:
        for part in message.attachments[:MAX_FILES]:
            name = single_line(part.filename or "")[:MAX_DISPLAY_NAME_LENGTH] or "file"
            inline = (part.content_disposition or "") == "inline"
            found.append(EmailFile(name, single_line(part.content_type or "")[:100], part.payload or b"", inline))
    except DECODING_ERRORS:
        return tuple(found)
    return tuple(found)


def make_snippet(text: str) -> str:
    """The first words of `text`, for a list."""
    return " ".join(text[:MAX_SNIPPET_SOURCE].split())[:MAX_SNIPPET_LENGTH]


def normalize_subject(subject: str) -> str:
    """`subject` without what answering and passing on put before it, to be compared."""
    text = " ".join(subject.split())
    while (shorter := SUBJECT_PREFIX.sub("", text, count=1)) != text:
        text = shorter
    return text.removesuffix("(fwd)").strip().casefold()
