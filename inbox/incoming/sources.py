"""Keep the sources of received emails: those of a batch in one file, each at its own place.

A file for each email would take longer than to parse the email. The file is an .mbox that any mail program opens.
"""

import hashlib
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Protocol
from uuid import uuid4

from django.conf import settings
from django.core.files.base import ContentFile
from django.core.files.storage import default_storage

from crm.exceptions import IllegalTransition

SOURCE_FOLDER = "source"
SEPARATOR, END = b"From - Thu Jan  1 00:00:00 1970\n", b"\n\n"


@dataclass(frozen=True)
class StoredSource:
    """Where the source of an email is stored; empty if it was not kept. `digest` is the SHA-256 of its bytes."""

    path: str = ""
    start: int = 0
    size: int = 0
    digest: str = ""


class HasSource(Protocol):
    """A message with the place of its source."""

    source_path: str
    source_start: int
    source_size: int
    source_digest: str


def store_sources(raws: Sequence[bytes]) -> list[StoredSource]:
    """Store the sources of received emails and return the place of each, if sources are kept."""
    if not settings.KEEP_EMAIL_SOURCE or not raws:
        return [StoredSource()] * len(raws)
    name = uuid4().hex
    content = b"".join(piece for raw in raws for piece in (SEPARATOR, raw, END))
    path = default_storage.save(f"{SOURCE_FOLDER}/{name[:2]}/{name}.mbox", ContentFile(content))
    found, start = [], len(SEPARATOR)
    for raw in raws:
        found.append(StoredSource(path, start, len(raw), digest_of(raw)))
        start += len(raw) + len(END) + len(SEPARATOR)
    return found


def digest_of(raw: bytes) -> str:
    return hashlib.sha256(raw).hexdigest()


def read_source(message: HasSource) -> bytes:
    """Return the source of `message`, a received email.

    Raises:
        IllegalTransition: the source was not kept, is missing, or has changed since it was stored.
    """
    if not message.source_digest:
        raise IllegalTransition("The original of this email was not kept.")
    try:
        with default_storage.open(message.source_path) as file:
            file.seek(message.source_start)
            data = file.read(message.source_size)
    except OSError:
        raise IllegalTransition("The original of this email is missing from the storage.") from None
    if digest_of(data) != message.source_digest:
        raise IllegalTransition("The original of this email has changed since it was stored.")
    return data


def erase_source(path: str, start: int, size: int) -> None:
    """Overwrite the source at this place of a file; the other emails in the file keep their places."""
    if default_storage.exists(path):
        with default_storage.open(path, "r+b") as file:
            file.seek(start)
            file.write(bytes(size))
