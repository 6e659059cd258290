"""Import every file of a folder and damaged copies of them: `python -m bench.damaged_emails FOLDER [--copies N]`.

No file may cause an error: each is imported, is a duplicate, or is set aside. Exits with 0 if so.
"""

import argparse
import logging
import random
import re
import sys
from collections import Counter
from collections.abc import Iterable, Iterator, Sequence
from pathlib import Path

from bench.corpus import CORPUS_FOLDER
from bench.databases import scratch_database
from bench.table import render_table
from inbox.incoming.arrivals import Arrival
from inbox.incoming.files import iter_emails
from inbox.incoming.parallel_parsing import split_into_batches
from inbox.incoming.participants import our_addresses
from inbox.incoming.transitions import ReceiveCounts, receive_many
from inbox.models import Mailbox, Message, Provider, SetAside

DEFAULT_COPIES, SEED = 10_000, 7
MESSAGE_ID_START = re.compile(rb"^(message-id:\s*<)", re.IGNORECASE | re.MULTILINE)
# Input that confuses email parsers: wrong declarations, missing ends, invalid characters.
MALFORMED_SNIPPETS = (
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


def damage(raw: bytes, rng: random.Random) -> bytes:
    """Return `raw` with a few pieces removed, repeated, reversed or inserted."""
    for _ in range(rng.randint(1, 4)):
        start = rng.randrange(len(raw) + 1)
        end = min(len(raw), start + rng.choice((1, 8, 200, 5_000)))
        piece = raw[start:end]
        piece = rng.choice((b"", piece * 2, piece[::-1], rng.randbytes(8), rng.choice(MALFORMED_SNIPPETS) + piece))
        # Mostly in the header, which matters most.
        head = rng.random() < 0.3 and raw.find(b"\n") + 1
        raw = raw[:head] + rng.choice(MALFORMED_SNIPPETS) + raw[head:] if head else raw[:start] + piece + raw[end:]
    return raw


def damaged_copies(raws: Sequence[bytes], count: int) -> Iterator[bytes]:
    """Return `count` damaged emails, the same in every run."""
    rng = random.Random(SEED)
    for number in range(count):
        # Otherwise most would count as duplicates and not be stored.
        yield damage(MESSAGE_ID_START.sub(rb"\g<1>%d." % number, raws[number % len(raws)], count=1), rng)


class ErrorCollector(logging.Handler):
    """Collects the errors that the CRM logs as its own."""

    def __init__(self) -> None:
        super().__init__(logging.ERROR)
        self.errors: list[str] = []

    def emit(self, record: logging.LogRecord) -> None:
        self.errors.append(self.format(record).splitlines()[-1])


def import_arrivals(arrivals: Iterable[Arrival]) -> tuple[ReceiveCounts, Counter[str], list[str]]:
    """Return the import counts of `arrivals`, the reasons for setting some aside, and the errors."""
    mailbox = Mailbox.objects.create(address="trial@agency.example", provider=Provider.IMPORT)
    collector, counts, own_addresses = ErrorCollector(), ReceiveCounts(), our_addresses()
    logger = logging.getLogger("inbox")
    logger.addHandler(collector)
    try:
        for batch in split_into_batches(arrivals):
            counts += receive_many(mailbox, batch, own_addresses=own_addresses)
    finally:
        logger.removeHandler(collector)
    reasons = Counter(SetAside.objects.filter(mailbox=mailbox).values_list("reason", flat=True))
    return counts, reasons, collector.errors


def main() -> int:
    parser = argparse.ArgumentParser(prog="python -m bench.damaged_emails", description=__doc__)
    parser.add_argument("folder", nargs="?", type=Path, default=CORPUS_FOLDER)
    parser.add_argument(
        "--copies", type=int, default=DEFAULT_COPIES, help=f"Number of damaged copies (default: {DEFAULT_COPIES})."
    )
    options = parser.parse_args()
    raws = [raw for _, raw in iter_emails(options.folder)] if options.folder.is_dir() else []
    if not raws:
        parser.error(f"{options.folder} contains no files")
    every = (one for some in (raws, damaged_copies(raws, options.copies)) for one in some)
    with scratch_database():
        counts, reasons, errors = import_arrivals(Arrival(str(number), raw) for number, raw in enumerate(every))
        message_count = Message.objects.count()
    rows = [["files", f"{len(raws):,}"], ["damaged copies", f"{options.copies:,}"], ["taken in", f"{counts.taken:,}"]]
    rows += [
        ["there already", f"{counts.duplicates:,}"],
        ["set aside", f"{counts.aside:,}"],
        ["messages", f"{message_count:,}"],
    ]
    rows += [[f"  {reason[:60]}", f"{count:,}"] for reason, count in reasons.most_common(8)]
    rows += [["caused errors", f"{len(errors):,}"]]
    sys.stdout.write(render_table(["Taken in", ""], rows) + "".join(f"  {one}\n" for one in sorted(set(errors))))
    return int(bool(errors) or message_count != counts.taken)


if __name__ == "__main__":
    sys.exit(main())
