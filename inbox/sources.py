"""Mails out of files: .eml, .mbox, folders of them, and tar archives. Pure: no database."""

import mailbox
import tarfile
import tempfile
from collections.abc import Iterator
from pathlib import Path

from inbox.parsing import LARGEST

# What an archive may hold beside mails.
NO_MAILS = {"cmds", "readme", "license"}


def mails_in(path: Path) -> Iterator[tuple[str, bytes]]:
    """Every mail under `path`, each with what it is called there; one at a time, however many there are."""
    if path.is_dir():
        for entry in sorted(path.rglob("*")):
            if entry.is_file():
                yield from one_file(entry, str(entry.relative_to(path)))
    else:
        yield from one_file(path, path.name)


def one_file(path: Path, name: str) -> Iterator[tuple[str, bytes]]:
    if tarfile.is_tarfile(path):
        yield from archived(path, name)
    elif is_mbox(path):
        yield from boxed(path, name)
    elif path.name.casefold().split(".")[0] not in NO_MAILS:
        with path.open("rb") as file:
            # One byte more than is taken in: what is larger is seen to be.
            yield name, file.read(LARGEST + 1)


def archived(path: Path, name: str) -> Iterator[tuple[str, bytes]]:
    """The files of a tar archive, read where they lie: nothing is unpacked."""
    with tarfile.open(path) as archive:
        for member in archive:
            if not member.isfile() or Path(member.name).name.casefold().split(".")[0] in NO_MAILS:
                continue
            data = archive.extractfile(member).read(LARGEST + 1)
            if data[:5] == b"From " and b"\nFrom " in data:
                with tempfile.NamedTemporaryFile() as file:
                    file.write(data)
                    file.flush()
                    yield from boxed(Path(file.name), f"{name}/{member.name}")
            else:
                yield f"{name}/{member.name}", data


def is_mbox(path: Path) -> bool:
    with path.open("rb") as file:
        return file.read(5) == b"From " and path.suffix != ".eml"


def boxed(path: Path, name: str) -> Iterator[tuple[str, bytes]]:
    """The mails of an .mbox, in their order."""
    box = mailbox.mbox(path, create=False)
    try:
        for number, key in enumerate(box.iterkeys(), 1):
            yield f"{name}#{number}", box.get_bytes(key)
    finally:
        box.close()
