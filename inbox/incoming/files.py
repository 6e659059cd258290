"""Read emails from .eml and .mbox files, folders and tar archives. Pure: no database."""

import re
import tarfile
from codecs import BOM_UTF8
from collections.abc import Iterator
from pathlib import Path
from typing import IO

from inbox.incoming.mime.source import ENVELOPE_START
from inbox.incoming.parsing import MAX_EMAIL_BYTES

# "From ", a sender and a date: a paragraph that merely begins with "From" does not match.
MBOX_ENVELOPE = re.compile(rb"From \S+(\s+\w{3},?\s+\w{3}\s+\d+\b.*)?\s*$")
HEADER_LINE = re.compile(rb"[A-Za-z][A-Za-z0-9-]*:")
# Files in an archive that are not emails.
NON_EMAIL_NAMES = {"cmds", "readme", "license"}


def iter_emails(path: Path) -> Iterator[tuple[str, bytes]]:
    """Yield every email under `path` with its name there, one at a time to keep memory use flat."""
    if path.is_dir():
        for entry in sorted(path.rglob("*")):
            if entry.is_file():
                yield from emails_in_file(entry, str(entry.relative_to(path)))
    else:
        yield from emails_in_file(path, path.name)


def emails_in_file(path: Path, name: str) -> Iterator[tuple[str, bytes]]:
    if tarfile.is_tarfile(path):
        yield from emails_in_archive(path, name)
    elif is_mbox(path):
        with path.open("rb") as file:
            yield from emails_in_mbox(file, name)
    elif path.name.casefold().split(".")[0] not in NON_EMAIL_NAMES:
        with path.open("rb") as file:
            # One byte above the limit is enough to see that a file is too large.
            yield name, file.read(MAX_EMAIL_BYTES + 1)


def emails_in_archive(path: Path, name: str) -> Iterator[tuple[str, bytes]]:
    """Yield the emails in a tar archive without unpacking it."""
    with tarfile.open(path) as archive:
        while (member := archive.next()) is not None:
            archive.members.clear()  # otherwise tarfile keeps every member in memory
            if not member.isfile() or Path(member.name).name.casefold().split(".")[0] in NON_EMAIL_NAMES:
                continue
            file = archive.extractfile(member)
            data = file.read(MAX_EMAIL_BYTES + 1)
            if data[:5] == b"From " and b"\nFrom " in data:
                file.seek(0)
                yield from emails_in_mbox(file, f"{name}/{member.name}")
            else:
                yield f"{name}/{member.name}", data


def is_mbox(path: Path) -> bool:
    with path.open("rb") as file:
        start = file.read(20).removeprefix(BOM_UTF8)
        return start.startswith(b"From ") and bool(ENVELOPE_START.match(start)) and path.suffix != ".eml"


def emails_in_mbox(file: IO[bytes], name: str) -> Iterator[tuple[str, bytes]]:
    """Yield the emails of an .mbox in order, each with its envelope line."""
    number, lines, size, blank = 0, [], 0, True
    line = file.readline(MAX_EMAIL_BYTES).removeprefix(BOM_UTF8)
    while line:
        following = file.readline(MAX_EMAIL_BYTES)
        if starts_email(line, following, is_after_blank=blank):
            if lines:
                number += 1
                yield f"{name}#{number}", b"".join(lines)
            lines, size = [], 0
        # Beyond the limit, the email is rejected anyway.
        if size <= MAX_EMAIL_BYTES:
            lines.append(line)
            size += len(line)
        blank, line = not line.strip(), following
    if lines:
        yield f"{name}#{number + 1}", b"".join(lines)


def starts_email(line: bytes, following: bytes, *, is_after_blank: bool) -> bool:
    """Return whether an email starts at `line`. Some programs write no blank line before it, but a header after it."""
    if not line.startswith(b"From "):
        return False
    match = MBOX_ENVELOPE.match(line)
    return bool(match) and (is_after_blank or bool(match[1] and HEADER_LINE.match(following)))
