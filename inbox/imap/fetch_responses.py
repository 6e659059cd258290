"""What an IMAP server answers to FETCH, taken apart. Pure: no network.

The answer comes as imaplib gives it: a literal as a pair of what stood before it and its bytes, everything else as
bytes; of one mail there may be several pieces, and in between what nobody asked for.
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
    """What was told of one mail: its number, its size in bytes, whether it was read, and the part asked for."""

    uid: int
    size: int = 0
    is_seen: bool = False
    data: bytes = b""


def parse_fetch_response(response: Iterable[bytes | tuple[bytes, bytes] | None]) -> Iterator[FetchedEmail]:
    """The mails that `response` tells of, in its order; what names no number is left out."""
    for attributes, data in group_by_message(response):
        quoted = QUOTED_STRING.findall(attributes)
        # What a mail says of itself may stand there in quotes.
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
    """For each mail the words around its literal, and the literal (None where there is none)."""
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
