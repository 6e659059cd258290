"""Mails to measure with: the corpus that was given, or one that is made where there is none; as many as wanted."""

import random
import re
from collections.abc import Iterator
from email.message import EmailMessage
from email.utils import format_datetime
from pathlib import Path

from django.conf import settings
from django.utils import timezone

from inbox.incoming.files import mails_in

FOLDER = settings.BASE_DIR.parent / "shared" / "data" / "mail"
ARCHIVES = ("easy-ham-2.tar.gz", "spam-1.tar.gz")
MADE, PEOPLE = 1_900, 300
NAMING = re.compile(rb"(?im)^(?:message-id|in-reply-to|references):.*(?:\n[ \t].*)*")
WORDS = ("claim", "cover", "fire", "home", "letter", "offer", "paid", "policy", "question", "quote", "roof", "wait")


def paths(scratch: Path) -> list[Path]:
    """Where the corpus lies; one is made in `scratch` where none was given."""
    given = [FOLDER / name for name in ARCHIVES]
    if all(path.exists() for path in given):
        return given
    made = scratch / "made.mbox"
    if not made.exists():
        made.write_bytes(b"".join(map(enveloped, invented())))
    return [made]


def corpus(scratch: Path) -> list[bytes]:
    return [raw for path in paths(scratch) for _, raw in mails_in(path)]


def invented() -> Iterator[bytes]:
    """Mails between invented people, a third of them answers, a fifth formatted besides."""
    drawn, now, last = random.Random(7), timezone.now(), ""
    for number in range(MADE):
        mail = EmailMessage()
        mail["Message-ID"] = f"<{number}@made.example>"
        if last and drawn.random() < 0.35:
            mail["In-Reply-To"], mail["References"] = last, last
        mail["From"] = f"Person {number % PEOPLE} <person{number % PEOPLE}@example.com>"
        mail["To"] = "office@agency.example"
        mail["Subject"] = " ".join(drawn.choices(WORDS, k=4))
        mail["Date"] = format_datetime(now)
        lines = [" ".join(drawn.choices(WORDS, k=10)) + "." for _ in range(drawn.randint(3, 60))]
        mail.set_content("\n".join(lines))
        if number % 5 == 0:
            mail.add_alternative("".join(f"<p>{line}</p>" for line in lines), subtype="html")
        last = mail["Message-ID"]
        yield mail.as_bytes()


def write_many(target: Path, scratch: Path, count: int) -> None:
    """Write `count` mails to the .mbox `target`: the corpus over and over, each time under other identifiers."""
    mails = corpus(scratch)
    with target.open("wb") as file:
        for number in range(count):
            round, place = divmod(number, len(mails))
            raw = mails[place]
            head, gap, body = raw.partition(b"\n\n")
            named = NAMING.sub(lambda found, mark=b"<%d." % round: found[0].replace(b"<", mark), head)
            if b"message-id:" not in named.lower():
                named += b"\nMessage-ID: <%d.%d@made.example>" % (round, place)
            file.write(enveloped(named + gap + body))


def enveloped(raw: bytes) -> bytes:
    """`raw` as it stands in an .mbox."""
    if raw[:5] == b"From ":
        raw = raw.partition(b"\n")[2]
    return b"From made Thu Jan  1 00:00:00 2026\n" + raw.replace(b"\n\nFrom ", b"\n\n>From ") + b"\n\n"
