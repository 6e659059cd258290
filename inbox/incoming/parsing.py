"""Parse the raw bytes of an email. Pure: no database, no network.

An email may contain anything: each part ends as text, as a file or as an invitation, what cannot be decoded is marked
or kept as it is, and every size is limited. Only bytes that are not an email at all are refused.
"""

import email
import hashlib
import re
from collections.abc import Iterable
from dataclasses import dataclass, field, replace
from datetime import UTC, datetime, timedelta
from email.errors import MessageError
from email.utils import parsedate_to_datetime

from inscriptis import get_text
from inscriptis.model.config import ParserConfig

from crm.text.quotes import own_text
from inbox.incoming.mime.addresses import MAX_DISPLAY_NAME_LENGTH, parse_addresses, parse_nameless
from inbox.incoming.mime.headers import HeaderLines, first_header, read_headers, remove_unstorable, single_line
from inbox.incoming.mime.invitations import is_calendar, read_invitation
from inbox.incoming.mime.parts import EmailContent, EmailFile, join_texts, read_content
from inbox.incoming.mime.source import mend_source

MAX_EMAIL_BYTES = 30 * 1024 * 1024
MAX_TEXT_LENGTH, MAX_HTML_LENGTH = 500_000, 1_000_000
MAX_SUBJECT_LENGTH, MAX_IDENTIFIER_LENGTH, MAX_REFERENCES = 998, 998, 100
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
# Raised by the standard library for text with a wrong encoding declaration.
DECODING_ERRORS = (LookupError, UnicodeError, ValueError, AssertionError, AttributeError, TypeError, MessageError)
# How much of a text is read for the snippet, and of an email for the envelope line of an .mbox.
MAX_SNIPPET_SOURCE, MAX_SNIPPET_LENGTH, MAX_ENVELOPE_LENGTH = 4_000, 200, 300
MBOX_ENVELOPE_DATE = re.compile(rb"From \S+\s+([A-Z][a-z]{2} [A-Z][a-z]{2} +\d+ [\d:]+ \d{4})")
EARLIEST_DATE = datetime(1971, 1, 1, tzinfo=UTC)
# The clock of a sender may be fast by this much.
MAX_CLOCK_ERROR = timedelta(days=1)
# The hops of an email that are asked for its date, the last one first.
MAX_RECEIVED_HEADERS = 10


class NotAnEmail(Exception):
    """The bytes are not an email that can be stored; the text says why."""


@dataclass(frozen=True)
class ParsedEmail:
    """A parsed email. Identifiers keep their angle brackets, addresses are in lower case, `sent_at` may be unknown.

    `nameless` holds the recipients that have no address, such as "Team:;"; `notes` say what could not be read.
    """

    message_id: str
    in_reply_to: str = ""
    references: tuple[str, ...] = ()
    from_name: str = ""
    from_email: str = ""
    reply_to: str = ""
    to: tuple[str, ...] = ()
    cc: tuple[str, ...] = ()
    nameless: tuple[str, ...] = ()
    subject: str = ""
    sent_at: datetime | None = None
    text: str = ""
    html: str = ""
    # The beginning of its own text, without quotes.
    snippet: str = ""
    files: tuple[EmailFile, ...] = ()
    notes: tuple[str, ...] = ()
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
    message = email.message_from_bytes(mend_source(raw))
    head = read_headers(message)
    if not head:
        raise NotAnEmail("The file is not an email: it has no headers.")
    content = read_content(message)
    text, html = render_bodies(content)
    files = tuple(add_invitation(one) for one in (*content.files, *overlong_bodies(text, html)))
    text = text if text.strip() else first_comment(files)
    from_name, from_email = parse_sender(head)
    stored_text = text[:MAX_TEXT_LENGTH]
    return ParsedEmail(
        message_id=parse_identifier(head, "message-id") or synthetic_identifier(raw),
        in_reply_to=parse_identifier(head, "in-reply-to"),
        references=parse_references(head),
        from_name=from_name,
        from_email=from_email,
        reply_to=next((one for _, one in parse_addresses(head, "reply-to")), ""),
        to=tuple(one for _, one in parse_addresses(head, "to")),
        cc=tuple(one for _, one in parse_addresses(head, "cc")),
        nameless=(*parse_nameless(head, "to"), *parse_nameless(head, "cc")),
        subject=single_line(first_header(head, "subject"))[:MAX_SUBJECT_LENGTH],
        sent_at=parse_sent_at(head, raw),
        text=stored_text,
        html=html[:MAX_HTML_LENGTH],
        snippet=make_snippet(own_text(stored_text)) or describe_first_invitation(files),
        files=files,
        notes=tuple(content.notes),
        headers={name: single_line(first_header(head, name))[:500] for name in CLASSIFYING_HEADERS if name in head},
    )


def parse_sender(head: HeaderLines) -> tuple[str, str]:
    """Return the name and the address of the sender. Without an address, the name is all that the header holds."""
    senders = parse_addresses(head, "from") or parse_addresses(head, "sender")
    texts = parse_nameless(head, "from")
    name, address = senders[0] if senders else ("", "")
    return name or " ".join(texts)[:MAX_DISPLAY_NAME_LENGTH], address


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


def parse_sent_at(head: HeaderLines, raw: bytes) -> datetime | None:
    """Return the date the email gives, else its arrival time according to its Received headers or the .mbox.

    Return None if no source gives a plausible time.
    """
    now = datetime.now(UTC)
    candidates = head.get("date", [])[:1]
    candidates += [text.rpartition(";")[2] for text in head.get("received", [])[:MAX_RECEIVED_HEADERS]]
    candidates += head.get("delivery-date", [])[:1] + head.get("resent-date", [])[:1]
    envelope = MBOX_ENVELOPE_DATE.match(raw[:MAX_ENVELOPE_LENGTH])
    candidates += [envelope[1].decode("ascii", "replace")] if envelope else []
    ahead = None
    for text in candidates:
        moment = parse_date(text)
        if moment and moment <= now:
            return moment
        # A clock that is a little fast is still a better source than none.
        ahead = ahead or (moment if moment and moment <= now + MAX_CLOCK_ERROR else None)
    return ahead


def parse_date(text: str) -> datetime | None:
    """Return the date in `text`, or None if it holds none or an implausible one."""
    try:
        moment = parsedate_to_datetime(single_line(text))
        moment = moment.replace(tzinfo=UTC) if moment.tzinfo is None else moment.astimezone(UTC)
    except (TypeError, ValueError, IndexError, OverflowError):
        return None
    return moment if moment >= EARLIEST_DATE else None


def render_bodies(content: EmailContent) -> tuple[str, str]:
    """Return the whole text and the HTML of `content`. Where a passage is only HTML, its text is derived from it."""
    texts = (one.plain if one.plain.strip() else html_to_text(one.html[:MAX_HTML_LENGTH]) for one in content.passages)
    html = "".join(one.as_html for one in content.passages) if any(one.html for one in content.passages) else ""
    return remove_unstorable(join_texts(texts)), remove_unstorable(html)


def overlong_bodies(text: str, html: str) -> list[EmailFile]:
    """Return as files the versions of the body that are too long to be stored as text."""
    versions = (
        (text, MAX_TEXT_LENGTH, "message.txt", "text/plain"),
        (html, MAX_HTML_LENGTH, "message.html", "text/html"),
    )
    return [EmailFile(name, kind, one.encode()) for one, length, name, kind in versions if len(one) > length]


def add_invitation(file: EmailFile) -> EmailFile:
    """Return `file` with the invitation that it holds."""
    return replace(file, invitation=read_invitation(file.data)) if is_calendar(file) else file


def first_comment(files: Iterable[EmailFile]) -> str:
    """Return the comment with which the sender answers an invitation; empty without one."""
    return next((one.invitation["comment"] for one in files if one.invitation and one.invitation["comment"]), "")


def describe_first_invitation(files: Iterable[EmailFile]) -> str:
    """Return a line such as "Invitation: Roof inspection" for a list; empty without an invitation."""
    invitation = next((one.invitation for one in files if one.invitation), None)
    return (
        ": ".join(filter(None, (invitation["label"], invitation["summary"])))[:MAX_SNIPPET_LENGTH] if invitation else ""
    )


def html_to_text(html: str) -> str:
    """Return the visible text of `html`, without hidden text."""
    try:
        return get_text(HR_TAG.sub("<br>", html), ParserConfig(display_links=False))
    except (*DECODING_ERRORS, RecursionError):
        return re.sub(r"<[^>]{0,2000}>", " ", html)


def make_snippet(text: str) -> str:
    """Return the first words of `text`, for a list."""
    return " ".join(text[:MAX_SNIPPET_SOURCE].split())[:MAX_SNIPPET_LENGTH]


def normalize_subject(subject: str) -> str:
    """Return `subject` for comparison, without the prefixes of replies and forwards."""
    text = " ".join(subject.split())
    while (shorter := SUBJECT_PREFIX.sub("", text, count=1)) != text:
        text = shorter
    return text.removesuffix("(fwd)").strip().casefold()
