"""Mails out of files: .eml, .mbox, folders of them, and tar archives. Pure: no database."""

import re
import tarfile
from collections.abc import Iterator
from pathlib import Path
from typing import IO

from inbox.incoming.parsing import MAX_EMAIL_BYTES

# "From ", who, and when: a sentence that begins a paragraph with "From" is none.
MBOX_ENVELOPE = re.compile(rb"From \S+(\s+\w{3},?\s+\w{3}\s+\d+\b.*)?\s*$")
# What an archive may hold beside mails.
NON_EMAIL_NAMES = {"cmds", "readme", "license"}


def iter_emails(path: Path) -> Iterator[tuple[str, bytes]]:
    """Every mail under `path`, each with what it is called there; one at a time, however many there are."""
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
            # One byte more than is taken in: what is larger is seen to be.
            yield name, file.read(MAX_EMAIL_BYTES + 1)


def emails_in_archive(path: Path, name: str) -> Iterator[tuple[str, bytes]]:
    """The files of a tar archive, read where they lie: nothing is unpacked."""
    with tarfile.open(path) as archive:
        while (member := archive.next()) is not None:
            archive.members.clear()  # it would remember them all
            if not member.isfile() or Path(member.name).name.casefold().split(".")[0] in NON_EMAIL_NAMES:
                continue
            file = archive.extractfile(member)
            data = file.read(MAX_EMAIL_BYTES + 1)
            if data[:5] == b"From " and b"\n\nFrom " in data:
                file.seek(0)
                yield from emails_in_mbox(file, f"{name}/{member.name}")
            else:
                yield f"{name}/{member.name}", data


def is_mbox(path: Path) -> bool:
    with path.open("rb") as file:
        return file.read(5) == b"From " and path.suffix != ".eml"


def emails_in_mbox(file: IO[bytes], name: str) -> Iterator[tuple[str, bytes]]:
    """The mails of an .mbox, in their order, each with the line that stands before it."""
    number, lines, size, blank = 0, [], 0, True
    for line in iter(lambda: file.readline(MAX_EMAIL_BYTES), b""):
        if blank and MBOX_ENVELOPE.match(line):
            if lines:
                number += 1
                yield f"{name}#{number}", b"".join(lines)
            lines, size = [], 0
        # Of one that is too large it is enough to see that it is.
        if size <= MAX_EMAIL_BYTES:
            lines.append(line)
            size += len(line)
        blank = not line.strip()
    if lines:
        yield f"{name}#{number + 1}", b"".join(lines)
