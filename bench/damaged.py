"""Every file of a folder, and damaged copies of them, taken in: `python -m bench.damaged FOLDER [--copies N]`.

Nothing may break the program: each is taken in, is there already, or is set aside as what it is. 0 if that is so.
"""

import argparse
import logging
import random
import re
import sys
from collections import Counter
from collections.abc import Iterable, Iterator, Sequence
from pathlib import Path

from bench.corpus import FOLDER
from bench.databases import scratch
from bench.table import rendered
from inbox.incoming.arrivals import Arrival
from inbox.incoming.files import mails_in
from inbox.incoming.parallel_parsing import batched
from inbox.incoming.participants import our_addresses
from inbox.incoming.transitions import Counted, receive_many
from inbox.models import Mailbox, Message, Provider, SetAside

COPIES, SEED = 10_000, 7
NAME = re.compile(rb"^(message-id:\s*<)", re.IGNORECASE | re.MULTILINE)
# What confuses those who read mails: declarations that lie, ends that never come, letters that are none.
POISON = (
    *(
        b"\x00",
        b"\xff\xfe",
        b"\r",
        b"\n\n",
        b"<",
        b">",
        b"\xed\xa0\x80",
        b"=?utf-8?q?=FF=FE?=",
        b"=?x?b?!?=",
        b"=?utf-8?b?AA",
    ),
    b'Content-Type: multipart/mixed; boundary=""\n',
    b'Content-Type: text/plain; charset="utf-99"\n',
    b"Content-Type: message/rfc822\n",
    b"Content-Transfer-Encoding: base64\n",
    b"Date: \n",
    b"References: " + b"<a@b> " * 300 + b"\n",
    b"Message-ID: <" + "é".encode() * 800 + b">\n",
    b"To: " + b"a@b.example, " * 400 + b"\n",
    b"<div>" * 500,
    b"From \n",
)


def damaged(raw: bytes, drawn: random.Random) -> bytes:
    """`raw` with a few things cut out, repeated, turned over or put in."""
    for _ in range(drawn.randint(1, 4)):
        start = drawn.randrange(len(raw) + 1)
        end = min(len(raw), start + drawn.choice((1, 8, 200, 5_000)))
        piece = raw[start:end]
        piece = drawn.choice((b"", piece * 2, piece[::-1], drawn.randbytes(8), drawn.choice(POISON) + piece))
        # Where most is decided: in the header.
        head = drawn.random() < 0.3 and raw.find(b"\n") + 1
        raw = raw[:head] + drawn.choice(POISON) + raw[head:] if head else raw[:start] + piece + raw[end:]
    return raw


def copies(raws: Sequence[bytes], count: int) -> Iterator[bytes]:
    """`count` damaged mails, the same in every run."""
    drawn = random.Random(SEED)
    for number in range(count):
        # Else most would be known already, and never written.
        yield damaged(NAME.sub(rb"\g<1>%d." % number, raws[number % len(raws)], count=1), drawn)


class Complaints(logging.Handler):
    """What the program itself calls a mistake of its own."""

    def __init__(self) -> None:
        super().__init__(logging.ERROR)
        self.said: list[str] = []

    def emit(self, record: logging.LogRecord) -> None:
        self.said.append(self.format(record).splitlines()[-1])


def take_in(arrivals: Iterable[Arrival]) -> tuple[Counted, Counter[str], list[str]]:
    """What became of `arrivals`, why some were set aside, and what the program broke over."""
    box = Mailbox.objects.create(address="trial@agency.example", provider=Provider.IMPORT)
    complaints, counted, ours = Complaints(), Counted(), our_addresses()
    logger = logging.getLogger("inbox")
    logger.addHandler(complaints)
    try:
        for batch in batched(arrivals):
            counted += receive_many(box, batch, ours=ours)
    finally:
        logger.removeHandler(complaints)
    reasons = Counter(SetAside.objects.filter(mailbox=box).values_list("reason", flat=True))
    return counted, reasons, complaints.said


def main() -> int:
    parser = argparse.ArgumentParser(prog="python -m bench.damaged", description=__doc__)
    parser.add_argument("folder", nargs="?", type=Path, default=FOLDER)
    parser.add_argument("--copies", type=int, default=COPIES, help=f"How many damaged copies are tried ({COPIES}).")
    options = parser.parse_args()
    raws = [raw for _, raw in mails_in(options.folder)] if options.folder.is_dir() else []
    if not raws:
        parser.error(f"{options.folder} holds no files")
    every = (one for some in (raws, copies(raws, options.copies)) for one in some)
    with scratch():
        counted, reasons, broken = take_in(Arrival(str(number), raw) for number, raw in enumerate(every))
        kept = Message.objects.count()
    rows = [["files", f"{len(raws):,}"], ["damaged copies", f"{options.copies:,}"], ["taken in", f"{counted.taken:,}"]]
    rows += [["there already", f"{counted.there:,}"], ["set aside", f"{counted.aside:,}"], ["messages", f"{kept:,}"]]
    rows += [[f"  {reason[:60]}", f"{count:,}"] for reason, count in reasons.most_common(8)]
    rows += [["broke the program", f"{len(broken):,}"]]
    sys.stdout.write(rendered(["Taken in", ""], rows) + "".join(f"  {one}\n" for one in sorted(set(broken))))
    return int(bool(broken) or kept != counted.taken)


if __name__ == "__main__":
    sys.exit(main())
