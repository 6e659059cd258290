"""Reads the parts of an email. Each ends as text, as a file or as an invitation. Pure: no database.

Only what the sender wrote is text: attached emails and named text files are files.
"""

import binascii
import re
from collections.abc import Iterable, Sequence
from contextlib import suppress
from dataclasses import dataclass, field
from email.errors import MessageError
from email.generator import BytesGenerator
from email.message import Message as MimeMessage
from io import BytesIO
from mimetypes import MimeTypes
from typing import Any

from django.utils.html import escape

from crm.text.charsets import decode_text
from inbox.incoming.mime.headers import NOT_BASE64, decode_encoded_words, raw_header, single_line
from inbox.incoming.mime.source import media_type, says_multipart, split_again

MAX_FILES, MAX_DEPTH, MAX_FILE_NAME_LENGTH, MAX_CONTENT_ID_LENGTH = 500, 40, 200, 300
CALENDAR_TYPES = {"text/calendar", "application/ics"}
# The names of parts without one; the others get "image" or "file" and the extension of their type.
USUAL_NAMES = {
    "text/calendar": "invite.ics",
    "application/ics": "invite.ics",
    "text/rfc822-headers": "headers.txt",
    "message/rfc822": "message.eml",
    "message/delivery-status": "delivery-status.txt",
    "message/disposition-notification": "notification.txt",
    "message/feedback-report": "feedback-report.txt",
    "application/pgp-signature": "signature.asc",
    "application/pgp-encrypted": "pgp-version.txt",
    "application/pkcs7-mime": "smime.p7m",
    "application/pkcs7-signature": "smime.p7s",
    "application/x-pkcs7-mime": "smime.p7m",
    "application/x-pkcs7-signature": "smime.p7s",
    "application/ms-tnef": "winmail.dat",
    "text/x-amp-html": "message.amp.html",
    "text/vcard": "contact.vcf",
    "text/x-vcard": "contact.vcf",
    "image/jpeg": "image.jpg",
    "text/plain": "file.txt",
}
# The table of Python alone, so that names do not depend on the machine.
TYPE_TABLE = MimeTypes()
CHARSET_PARAMETER = re.compile(r"charset\s*\*?\s*=\s*[\"']?\s*(?:[\w-]*'[\w-]*')?([\w.:+-]{1,60})", re.IGNORECASE)
NAME_PARAMETER = re.compile(r"(?:file)?name\s*=\s*(?:\"([^\"]{1,300})\"|([^\s;\"]{1,300}))", re.IGNORECASE)
UUENCODINGS = {"x-uuencode", "uuencode", "uue", "x-uue"}
TOKEN = re.compile(r"\s*([\w-]+)")
BASE64_LINE = re.compile(rb"[A-Za-z0-9+/]+={0,2}\s*")
HEADER_OF_PART = re.compile(r"(?im)^content-(?:type|transfer-encoding)\s*:")
READING_ERRORS = (LookupError, ValueError, AssertionError, AttributeError, TypeError, MessageError)
RAW_TEXT_NOTE = "The structure of this email is damaged. Its source text is shown."
HEADER_NOTE = "A header line of this email is damaged. The lines from there on are shown as text."
TOO_MANY_NOTE = f"This email has more than {MAX_FILES} files. The first {MAX_FILES} are listed."


@dataclass(frozen=True)
class EmailFile:
    """A file attached to an email. Mail programs display an `inline` file within the message.

    The formatted text shows an image at the place that names its `content_id`. `invitation` is what a calendar says.
    """

    name: str
    type: str
    data: bytes
    inline: bool = False
    content_id: str = ""
    invitation: dict[str, Any] | None = None


@dataclass(frozen=True)
class Passage:
    """A passage of the body, as plain text, as HTML, or as both."""

    plain: str = ""
    html: str = ""

    @property
    def as_html(self) -> str:
        return self.html or f"<pre>{escape(self.plain)}</pre>"


@dataclass
class EmailContent:
    """The content of an email: passages of text, files, and notes on what could not be read."""

    passages: list[Passage] = field(default_factory=list)
    files: list[EmailFile] = field(default_factory=list)
    notes: list[str] = field(default_factory=list)

    def add_note(self, note: str) -> None:
        if note not in self.notes:
            self.notes.append(note)


def read_content(message: MimeMessage) -> EmailContent:
    """Return the content of `message`; each part that holds no others is in it once."""
    content = EmailContent()
    if any(type(one).__name__ == "MissingHeaderBodySeparatorDefect" for one in message.defects):
        content.add_note(HEADER_NOTE)
    content.passages = read_part(message, content, depth=0)
    return content


def read_part(part: MimeMessage, content: EmailContent, *, depth: int, is_related: bool = False) -> list[Passage]:
    """Return the text of `part` and add its files to `content`.

    `is_related` says that `part` belongs to a page, such as a frame or an image.
    """
    kind = media_type(part)
    if kind == "text/plain" and says_multipart(part):
        kind = "multipart/mixed"
    if not kind.startswith("multipart/"):
        return read_leaf(part, kind, content, is_file=is_related, is_whole=depth == 0)
    if depth >= MAX_DEPTH:
        add_file(part, kind, content)
        return []
    children = part.get_payload()
    if not isinstance(children, list):
        return read_damaged(part, content, depth)
    found = [
        read_part(one, content, depth=depth + 1, is_related=place > 0 and kind == "multipart/related")
        for place, one in enumerate(children)
    ]
    outside = [Passage(text) for text in (part.preamble, part.epilogue) if text and HEADER_OF_PART.search(text)]
    if outside:
        content.add_note(RAW_TEXT_NOTE)
    return [
        *(merge_alternatives(found) if kind == "multipart/alternative" else sum(found, [])),
        *(Passage(decode_text(one.plain.encode("utf-8", "surrogateescape"))) for one in outside),
    ]


def merge_alternatives(found: Sequence[Sequence[Passage]]) -> list[Passage]:
    """Return the versions of one text as one passage, as far as they are either plain or HTML."""
    plain = [join_texts(one.plain for one in some) for some in found if not any(one.html for one in some)]
    with_html = [some for some in found if any(one.html for one in some)]
    text = join_texts(dict.fromkeys(one for one in plain if one.strip()))
    if any(one.plain.strip() and one.html for some in with_html for one in some):  # alternatives within alternatives
        return [*([Passage(text)] if text else []), *sum(map(list, with_html), [])]
    html = "".join(dict.fromkeys("".join(one.as_html for one in some) for some in with_html))
    return [Passage(text, html)] if text or html else []


def join_texts(texts: Iterable[str]) -> str:
    """Return `texts` one below the other."""
    return "\n".join(one[:-1] if one.endswith("\n") else one for one in texts)


def read_damaged(part: MimeMessage, content: EmailContent, depth: int) -> list[Passage]:
    """Return the text of a multipart without recognisable parts: split by another boundary, or as it is."""
    body = decode_transfer(part, is_text=True)
    again = split_again(part, body)
    if again is not None:
        return read_part(again, content, depth=depth + 1)
    if not body.strip():
        return []
    content.add_note(RAW_TEXT_NOTE)
    return [Passage(decode_text(body))]


def read_leaf(part: MimeMessage, kind: str, content: EmailContent, *, is_file: bool, is_whole: bool) -> list[Passage]:
    """Return the text of a part without parts; if it is not text of the sender, add it to the files of `content`.

    `is_whole` says that the email is nothing but this part.
    """
    is_attached = disposition(part) == "attachment" or bool(not is_whole and file_name(part))
    is_text = kind in ("text/plain", "text/html") or (
        is_whole and kind.startswith("text/") and kind not in CALENDAR_TYPES and kind not in USUAL_NAMES
    )
    if is_file or is_attached or not is_text or isinstance(part.get_payload(), list):
        add_file(part, kind, content)
        return []
    found = CHARSET_PARAMETER.search(raw_header(part, "content-type"))
    text = decode_text(decode_transfer(part, is_text=True), found[1] if found else "", is_html=kind == "text/html")
    text = text.replace("\r\n", "\n").replace("\r", "\n")
    return [Passage(html=text) if kind == "text/html" else Passage(text)] if text else []


def add_file(part: MimeMessage, kind: str, content: EmailContent) -> None:
    """Add `part` to the files of `content`."""
    if len(content.files) >= MAX_FILES:
        content.add_note(TOO_MANY_NOTE)
        return
    content_id = single_line(raw_header(part, "content-id")).strip("<> ")[:MAX_CONTENT_ID_LENGTH]
    name = file_name(part) or usual_name(part, kind)
    is_inline = disposition(part) == "inline" or (bool(content_id) and disposition(part) != "attachment")
    content.files.append(
        EmailFile(name[:MAX_FILE_NAME_LENGTH], single_line(kind)[:100], read_bytes(part), is_inline, content_id)
    )


def file_name(part: MimeMessage) -> str:
    """Return the name of `part`; empty if it has none."""
    headers = f"{raw_header(part, 'content-disposition')};{raw_header(part, 'content-type')}"
    if "name" not in headers.lower():
        return ""
    name = ""
    if headers.isascii():
        with suppress(*READING_ERRORS):
            name = part.get_filename() or ""
    if not name and (found := NAME_PARAMETER.search(headers)):
        name = found[1] or found[2]
    return single_line(decode_encoded_words(name))


def usual_name(part: MimeMessage, kind: str) -> str:
    """Return a name for a part of type `kind` without one: the subject of an attached email, else the type's."""
    payload = part.get_payload()
    if kind == "message/rfc822" and isinstance(payload, list) and payload:
        subject = single_line(decode_encoded_words(raw_header(payload[0], "subject")))
        return f"{subject[: MAX_FILE_NAME_LENGTH - 4]}.eml" if subject else USUAL_NAMES[kind]
    if kind in USUAL_NAMES:
        return USUAL_NAMES[kind]
    start = kind.partition("/")[0]
    extension = TYPE_TABLE.guess_extension(kind, strict=False) or ""
    return f"{start if start in ('image', 'audio', 'video') else 'file'}{extension}"


def disposition(part: MimeMessage) -> str:
    """Return "attachment", "inline" or another word of the header; empty without one."""
    found = TOKEN.match(raw_header(part, "content-disposition"))
    return found[1].lower() if found else ""


# The bytes of a part


def read_bytes(part: MimeMessage) -> bytes:
    """Return the bytes of a part that becomes a file."""
    payload = part.get_payload()
    if not isinstance(payload, list):
        return decode_transfer(part, is_text=False)
    try:
        target = BytesIO()
        BytesGenerator(target, mangle_from_=False, maxheaderlen=0).flatten(part)
        source = target.getvalue()
    except READING_ERRORS:
        source = "\n".join(["", "", *map(str, payload)]).encode("utf-8", "surrogateescape")
    data = source.partition(b"\n\n")[2]
    return decode_base64(data, is_text=True) if transfer_encoding(part) == "base64" else data


def transfer_encoding(part: MimeMessage) -> str:
    """Return the word of the Content-Transfer-Encoding header in lower case."""
    found = TOKEN.match(raw_header(part, "content-transfer-encoding"))
    return found[1].lower() if found else ""


def decode_transfer(part: MimeMessage, *, is_text: bool) -> bytes:
    """Return the content of `part` without its transfer encoding; what is not encoded so stays as it is."""
    encoding = transfer_encoding(part)
    if encoding in UUENCODINGS:
        return part.get_payload(decode=True) or b""
    # The standard library returns the bytes as they are only where no encoding is named.
    del part["content-transfer-encoding"]
    data = part.get_payload(decode=True) or b""
    if encoding == "quoted-printable":
        return binascii.a2b_qp(data)
    return decode_base64(data, is_text=is_text) if encoding == "base64" else data


def decode_base64(data: bytes, *, is_text: bool) -> bytes:
    """Return `data` decoded. In a text, lines that are not base64 stay, such as the footer of a mailing list."""
    footer = b""
    if is_text:
        lines = data.splitlines(keepends=True)
        end = next((n for n, line in enumerate(lines) if line.strip() and not BASE64_LINE.fullmatch(line)), None)
        if end is not None:
            data, footer = b"".join(lines[:end]), b"".join(lines[end:])
    if b"=" not in data.rstrip().rstrip(b"="):
        with suppress(binascii.Error):
            return binascii.a2b_base64(data) + footer
    return b"".join(map(decode_base64_run, re.split(rb"=+", data))) + footer


def decode_base64_run(data: bytes) -> bytes:
    """Return a run of base64 without its padding decoded, however it is damaged."""
    letters = NOT_BASE64.sub(b"", data)
    # A single letter at the end holds six bits, too few for a byte.
    letters = letters[: len(letters) - 1] if len(letters) % 4 == 1 else letters
    return binascii.a2b_base64(letters + b"=" * (-len(letters) % 4))
