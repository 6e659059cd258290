"""Mends the source of an email so that its structure can be read. Pure: no database."""

import codecs
import email
import re
from collections.abc import Iterator
from email.message import Message as MimeMessage

from inbox.incoming.mime.headers import raw_header

# The envelope line that an .mbox puts before each email.
ENVELOPE_START = re.compile(rb">?From (?!\s*:)")
MAX_HEAD_LENGTH = 200_000
END_OF_HEAD = re.compile(rb"\r?\n\r?\n")
# "Subject : x": the standard library takes such a line for the beginning of the text.
SPACE_BEFORE_COLON = re.compile(rb"(?m)^([A-Za-z][A-Za-z0-9-]{1,60})[ \t]+:(?=[ \t\r\n])")
BOUNDARY_PARAMETER = re.compile(r"boundary\s*=\s*(?:\"([^\"]{1,200})\"|([^\s;\"]{1,200}))", re.IGNORECASE)
# A line that begins with two dashes and stands above the header of a part.
DELIMITER_ABOVE_HEADER = re.compile(
    rb"(?m)^--([^\r\n]{1,200}?)[ \t]*\r?\n(?=Content-[A-Za-z-]{2,40}[ \t]*:)", re.IGNORECASE
)
MEDIA_TYPE = re.compile(r"\s*([\w!#$&^.+-]+/[\w!#$&^.+-]+)")


def mend_source(raw: bytes) -> bytes:
    """Return `raw` without what programs put before the header, and with readable header names."""
    if raw.startswith((codecs.BOM_UTF16_LE, codecs.BOM_UTF16_BE)):
        raw = raw.decode("utf-16", "replace").encode()
    raw = raw.removeprefix(codecs.BOM_UTF8)
    if raw[:1] in b"\r\n \t":
        raw = raw.lstrip()
    raw = strip_envelope(raw)
    end = END_OF_HEAD.search(raw, 0, MAX_HEAD_LENGTH)
    head = raw[: end.start() if end else 0]
    return SPACE_BEFORE_COLON.sub(rb"\1:", head) + raw[len(head) :] if SPACE_BEFORE_COLON.search(head) else raw


def strip_envelope(raw: bytes) -> bytes:
    """Return `raw` without the envelope line that an .mbox puts before each email."""
    if ENVELOPE_START.match(raw):
        _, _, raw = raw.partition(b"\n")
    return raw


def media_type(part: MimeMessage) -> str:
    """Return the type of `part` in lower case, also where its header is malformed."""
    kind = part.get_content_type()
    if kind.replace("/", "", 1).isalnum():
        return kind
    found = MEDIA_TYPE.match(kind)
    return found[1] if found else "text/plain"


def says_multipart(part: MimeMessage) -> bool:
    """Return whether the header of `part` means several parts though it is malformed, such as "multipart-mixed"."""
    return raw_header(part, "content-type").lstrip().lower().startswith("multipart")


def split_again(part: MimeMessage, body: bytes) -> MimeMessage | None:
    """Return `part`, a multipart that the parser could not split, with its parts; None if no boundary fits.

    `body` is the content of `part`.
    """
    named = media_type(part)
    kind = named.encode("ascii", "ignore") if named.startswith("multipart/") else b"multipart/mixed"
    for boundary in possible_boundaries(part, body):
        if b'"' in boundary or b"--" + boundary not in body:
            continue
        head = b"Content-Type: " + kind + b'; boundary="' + boundary.replace(b"\\", b"\\\\") + b'"\n\n'
        found = email.message_from_bytes(head + body)
        if found.is_multipart():
            return found
    return None


def possible_boundaries(part: MimeMessage, body: bytes) -> Iterator[bytes]:
    """Yield the boundaries that the header of `part` may mean, then the one that `body` uses."""
    header = raw_header(part, "content-type")
    if found := BOUNDARY_PARAMETER.search(header):
        named = found[1] or found[2]
        for one in (named, re.sub(r"\r?\n", "", named), " ".join(named.split()), "".join(named.split())):
            yield one.strip().encode("utf-8", "surrogateescape")
    if found := DELIMITER_ABOVE_HEADER.search(body):
        yield found[1]
