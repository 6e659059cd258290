"""Parse the raw bytes of an email. Pure: no database, no network.

An email may contain anything: parts that cannot be decoded are left out or kept as they are, never guessed, and every
size is limited. Only bytes that are not an email at all are refused.
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
# In bytes: what a database index can hold even if the text does not compress.
MAX_INDEX_KEY_BYTES = 1_000
MESSAGE_ID_PATTERN = re.compile(r"<[^<>\s]{1,996}>")
# The prefixes of replies and forwarded emails, in many languages.
SUBJECT_PREFIX = re.compile(
    r"^\s*((re|aw|sv|antw|vs|tr|rif|ynt|odp|res|fwd?|wg|vl|enc|doorst|pd|i)\s*(\[\d+\]|\(\d+\))?\s*:|\[[^\]]{1,40}\])\s*",
    re.IGNORECASE,
)
# inscriptis joins the lines above and below a rule.
HR_TAG = re.compile(r"<hr\b[^<>]{0,500}>", re.IGNORECASE)
LINE_BREAKS = re.compile(r"[\r\n\t\x00-\x1f\x7f]+")
# Raised by the standard library for text with a wrong encoding declaration.
DECODING_ERRORS = (LookupError, UnicodeError, ValueError, AssertionError, AttributeError, TypeError, MessageError)
HeaderLines = dict[str, list[str]]
# How much of a text is read for the snippet, and of an email for the envelope line of an .mbox.
MAX_SNIPPET_SOURCE, MAX_SNIPPET_LENGTH, MAX_ENVELOPE_LENGTH = 4_000, 200, 300
MBOX_ENVELOPE_DATE = re.compile(rb"From \S+\s+([A-Z][a-z]{2} [A-Z][a-z]{2} +\d+ [\d:]+ \d{4})")
EARLIEST_DATE = datetime(1971, 1, 1, tzinfo=UTC)


class NotAnEmail(Exception):
    """The bytes are not an email that can be stored; the text says why."""


@dataclass(frozen=True)
class EmailFile:
    """A file attached to an email. Mail programs display an `inline` file within the message."""

    name: str
    type: str
    data: bytes
    inline: bool = False


@dataclass(frozen=True)
class ParsedEmail:
    """A parsed email. Identifiers keep their angle brackets, addresses are in lower case, `sent_at` may be unknown."""

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
    # The beginning of its own text, without quotes.
    snippet: str = ""
    files: tuple[EmailFile, ...] = ()
    # The headers used for classification, by name in lower case.
    headers: dict[str, str] = field(default_factory=dict)

    @property
    def participants(self) -> tuple[str, ...]:
        """Return the sender and all recipients."""
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
    """Parse `raw`.

    Raises:
        NotAnEmail: `raw` is empty, too large, or has no headers.
    """
    if len(raw) > MAX_EMAIL_BYTES:
        raise NotAnEmail(f"The email has {len(raw):,} bytes; the limit is {MAX_EMAIL_BYTES:,} bytes.")
    message = MailMessage.from_bytes(strip_envelope(raw))
    head = read_headers(message)
    if not head:
        raise NotAnEmail("The file is not an email: it has no headers.")
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
    """Return every header line undecoded, by name in lower case.

    Bytes beyond ASCII are decoded as UTF-8, or as Latin-1 if they are not valid UTF-8, so nothing is lost.
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
    """Return `raw` without the envelope line that an .mbox puts before each email."""
    if raw[:5] in (b"From ", b">From"):
        _, _, raw = raw.partition(b"\n")
    return raw


def first_header(head: HeaderLines, name: str) -> str:
    """Return the first header called `name`, decoded as far as possible."""
    return decode_encoded_words(head[name][0]) if name in head else ""


def decode_encoded_words(text: str) -> str:
    """Return `text` with its encoded words decoded, or unchanged if that fails."""
    if "=?" not in text:
        return text
    try:
        return str(make_header(decode_header(text)))
    except DECODING_ERRORS:
        return text


def single_line(text: str) -> str:
    """Return `text` on one line, without characters that the database cannot store."""
    return LINE_BREAKS.sub(" ", text if text.isascii() else remove_unstorable(text)).strip()


def parse_identifier(head: HeaderLines, name: str) -> str:
    """Return the identifier in a header, with angle brackets added if they are missing."""
    text = single_line(head[name][0]) if name in head else ""
    found = MESSAGE_ID_PATTERN.search(text)
    if found:
        return bounded_identifier(found[0])
    bare = text.split()[0].strip("<>") if text.split() else ""
    return bounded_identifier(f"<{bare[: MAX_IDENTIFIER_LENGTH - 2]}>") if "@" in bare else ""


def parse_references(head: HeaderLines) -> tuple[str, ...]:
    """Return the References, oldest first. A list that is too long keeps both ends, which connect it to the rest."""
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
    """Return `key`, or its digest if `key` is too long for an index."""
    long = len(key) > MAX_INDEX_KEY_BYTES // 4 and len(key.encode()) > MAX_INDEX_KEY_BYTES
    return f"<{hashlib.sha256(key.encode()).hexdigest()}@long-message-id.invalid>" if long else key


def synthetic_identifier(raw: bytes) -> str:
    """Return an identifier for an email without one, derived from its bytes."""
    return f"<{hashlib.sha256(raw).hexdigest()}@no-message-id.invalid>"


def parse_addresses(head: HeaderLines, name: str) -> list[tuple[str, str]]:
    """Return the names and addresses in a header, in order. Invalid addresses are left out."""
    return [one for value in head.get(name, ()) for one in parse_address_list(value)]


@lru_cache(4_096)
def parse_address_list(value: str) -> tuple[tuple[str, str], ...]:
    """Return the names and addresses in `value`. Cached, because the same senders recur."""
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
    """Return the date the email gives, else its arrival time according to the last Received header or the .mbox.

    Return None if no source gives a plausible time.
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
    """Return the date in `text`, or None if it holds none or an implausible one."""
    try:
        moment = parsedate_to_datetime(single_line(text))
        moment = moment.replace(tzinfo=UTC) if moment.tzinfo is None else moment.astimezone(UTC)
    except (TypeError, ValueError, IndexError, OverflowError):
        return None
    return moment if moment >= EARLIEST_DATE else None


def extract_bodies(message: MailMessage) -> tuple[str, str]:
    """Return the plain text and the HTML. If there is only HTML, the text is derived from it."""
    try:
        text, html = message.text or "", message.html or ""
    except DECODING_ERRORS:
        text, html = "", ""
    html = remove_unstorable(html)[:MAX_HTML_LENGTH]
    if not text.strip() and html.strip():
        text = html_to_text(html)
    return remove_unstorable(text.replace("\r\n", "\n").replace("\r", "\n"))[:MAX_TEXT_LENGTH], html


def html_to_text(html: str) -> str:
    """Return the visible text of `html`, without hidden text."""
    try:
        return get_text(HR_TAG.sub("<br>", html), ParserConfig(display_links=False))
    except (*DECODING_ERRORS, RecursionError):
        return re.sub(r"<[^>]{0,2000}>", " ", html)


def remove_unstorable(text: str) -> str:
    """Return `text` without characters that the database cannot store."""
    return text.replace("\x00", "").encode("utf-8", "replace").decode()


def extract_files(message: MailMessage) -> tuple[EmailFile, ...]:
    """Return the attachments with their content."""
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
    """Return the first words of `text`, for a list."""
    return " ".join(text[:MAX_SNIPPET_SOURCE].split())[:MAX_SNIPPET_LENGTH]


def normalize_subject(subject: str) -> str:
    """Return `subject` for comparison, without the prefixes of replies and forwards."""
    text = " ".join(subject.split())
    while (shorter := SUBJECT_PREFIX.sub("", text, count=1)) != text:
        text = shorter
    return text.removesuffix("(fwd)").strip().casefold()
