"""What an IMAP server answers to FETCH, taken apart. Pure: no network.

The answer comes as imaplib gives it: a literal as a pair of what stood before it and its bytes, everything else as
bytes; of one mail there may be several pieces, and in between what nobody asked for.
"""

import re
from collections.abc import Iterable, Iterator
from dataclasses import dataclass

BEGIN = re.compile(rb"^\d+ \(")
UID = re.compile(rb"\bUID (\d+)")
SIZE = re.compile(rb"\bRFC822\.SIZE (\d+)")
FLAGS = re.compile(rb"\bFLAGS \(([^)]*)\)")
QUOTED = re.compile(rb'"((?:[^"\\]|\\.)*)"')


@dataclass(frozen=True)
class Answer:
    """What was told of one mail: its number, its size in bytes, whether it was read, and the part asked for."""

    uid: int
    size: int = 0
    seen: bool = False
    data: bytes = b""


def answers(response: Iterable[bytes | tuple[bytes, bytes] | None]) -> Iterator[Answer]:
    """The mails that `response` tells of, in its order; what names no number is left out."""
    for words, data in grouped(response):
        quoted = QUOTED.findall(words)
        # What a mail says of itself may stand there in quotes.
        words = QUOTED.sub(b'""', words)
        uid, size, flags = UID.search(words), SIZE.search(words), FLAGS.search(words)
        if uid is None:
            continue
        if data is None:
            data = re.sub(rb"\\(.)", rb"\1", quoted[-1]) if quoted else b""
        seen = bool(flags) and b"\\seen" in flags[1].lower().split()
        yield Answer(int(uid[1]), int(size[1]) if size else 0, seen, data)


def grouped(response: Iterable[bytes | tuple[bytes, bytes] | None]) -> Iterator[tuple[bytes, bytes | None]]:
    """For each mail the words around its literal, and the literal (None where there is none)."""
    words: bytes | None = None
    data: bytes | None = None
    for piece in response:
        head = piece[0] if isinstance(piece, tuple) else piece
        if head is None:
            continue
        if BEGIN.match(head) and words is not None:
            yield words, data
            words = data = None
        words = head if words is None else words + b" " + head
        if isinstance(piece, tuple):
            data = piece[1]
    if words is not None:
        yield words, data
