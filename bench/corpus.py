"""Email for benchmarks: a given corpus, or a generated one, repeated to any size."""

import random
import re
from collections.abc import Iterator
from email.message import EmailMessage
from email.utils import format_datetime
from pathlib import Path

from django.conf import settings
from django.utils import timezone

from inbox.incoming.files import iter_emails

CORPUS_FOLDER = settings.BASE_DIR.parent / "shared" / "data" / "mail"
ARCHIVES = ("easy-ham-2.tar.gz", "spam-1.tar.gz")
GENERATED_EMAILS, GENERATED_PEOPLE = 1_900, 300
IDENTIFIER_HEADERS = re.compile(rb"(?im)^(?:message-id|in-reply-to|references):.*(?:\n[ \t].*)*")
GENERATED_WORDS = (
    "claim",
    "cover",
    "fire",
    "home",
    "letter",
    "offer",
    "paid",
    "policy",
    "question",
    "quote",
    "roof",
    "wait",
)


def corpus_paths(scratch: Path) -> list[Path]:
    """Return the paths of the corpus, generating one in `scratch` if none was given."""
    given_paths = [CORPUS_FOLDER / name for name in ARCHIVES]
    if all(path.exists() for path in given_paths):
        return given_paths
    generated = scratch / "made.mbox"
    if not generated.exists():
        generated.write_bytes(b"".join(map(mbox_entry, generate_emails())))
    return [generated]


def load_corpus(scratch: Path) -> list[bytes]:
    return [raw for path in corpus_paths(scratch) for _, raw in iter_emails(path)]


def generate_emails() -> Iterator[bytes]:
    """Generate emails between invented people: a third are replies, a fifth also have HTML."""
    rng, now, last = random.Random(7), timezone.now(), ""
    for number in range(GENERATED_EMAILS):
        message = EmailMessage()
        message["Message-ID"] = f"<{number}@made.example>"
        if last and rng.random() < 0.35:
            message["In-Reply-To"], message["References"] = last, last
        message["From"] = f"Person {number % GENERATED_PEOPLE} <person{number % GENERATED_PEOPLE}@example.com>"
        message["To"] = "office@agency.example"
        message["Subject"] = " ".join(rng.choices(GENERATED_WORDS, k=4))
        message["Date"] = format_datetime(now)
        lines = [" ".join(rng.choices(GENERATED_WORDS, k=10)) + "." for _ in range(rng.randint(3, 60))]
        message.set_content("\n".join(lines))
        if number % 5 == 0:
            message.add_alternative("".join(f"<p>{line}</p>" for line in lines), subtype="html")
        last = message["Message-ID"]
        yield message.as_bytes()


def write_mbox(target: Path, scratch: Path, count: int) -> None:
    """Write `count` emails to the mbox `target`, repeating the corpus with new identifiers."""
    emails = load_corpus(scratch)
    with target.open("wb") as file:
        for number in range(count):
            copy, place = divmod(number, len(emails))
            raw = emails[place]
            head, gap, body = raw.partition(b"\n\n")
            header = IDENTIFIER_HEADERS.sub(lambda match, mark=b"<%d." % copy: match[0].replace(b"<", mark), head)
            if b"message-id:" not in header.lower():
                header += b"\nMessage-ID: <%d.%d@made.example>" % (copy, place)
            file.write(mbox_entry(header + gap + body))


def mbox_entry(raw: bytes) -> bytes:
    """Return `raw` as an mbox entry."""
    if raw[:5] == b"From ":
        raw = raw.partition(b"\n")[2]
    return b"From made Thu Jan  1 00:00:00 2026\n" + raw.replace(b"\n\nFrom ", b"\n\n>From ") + b"\n\n"
