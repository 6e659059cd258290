"""Parse the responses of an IMAP server to FETCH. Pure: no network.

imaplib returns a literal as a pair (the text before it, its bytes) and everything else as bytes. One email may span
several pieces, and unsolicited responses may stand in between.
"""

import re
from collections.abc import Iterable, Iterator
from dataclasses import dataclass

RESPONSE_START = re.compile(rb"^\d+ \(")
UID_PATTERN = re.compile(rb"\bUID (\d+)")
SIZE_PATTERN = re.compile(rb"\bRFC822\.SIZE (\d+)")
FLAGS_PATTERN = re.compile(rb"\bFLAGS \(([^)]*)\)")
QUOTED_STRING = re.compile(rb'"((?:[^"\\]|\\.)*)"')


@dataclass(frozen=True)
class FetchedEmail:
    """What the server returned for one email: UID, size in bytes, read flag, and the requested part."""

    uid: int
    size: int = 0
    is_seen: bool = False
    data: bytes = b""


def parse_fetch_response(response: Iterable[bytes | tuple[bytes, bytes] | None]) -> Iterator[FetchedEmail]:
    """Yield the emails in `response`, in order. Pieces without a UID are skipped."""
    for attributes, data in group_by_message(response):
        quoted = QUOTED_STRING.findall(attributes)
        # Text of the email may appear here as a quoted string; it must not be read as attributes.
        attributes = QUOTED_STRING.sub(b'""', attributes)
        uid, size, flags = (
            UID_PATTERN.search(attributes),
            SIZE_PATTERN.search(attributes),
            FLAGS_PATTERN.search(attributes),
        )
        if uid is None:
            continue
        if data is None:
            data = re.sub(rb"\\(.)", rb"\1", quoted[-1]) if quoted else b""
        seen = bool(flags) and b"\\seen" in flags[1].lower().split()
        yield FetchedEmail(int(uid[1]), int(size[1]) if size else 0, seen, data)


def group_by_message(response: Iterable[bytes | tuple[bytes, bytes] | None]) -> Iterator[tuple[bytes, bytes | None]]:
    """Yield, for each email, the text around its literal, and the literal (None if there is none)."""
    attributes: bytes | None = None
    data: bytes | None = None
    for piece in response:
        head = piece[0] if isinstance(piece, tuple) else piece
        if head is None:
            continue
        if RESPONSE_START.match(head) and attributes is not None:
            yield attributes, data
            attributes = data = None
        attributes = head if attributes is None else attributes + b" " + head
        if isinstance(piece, tuple):
            data = piece[1]
    if attributes is not None:
        yield attributes, data
