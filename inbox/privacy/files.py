"""The files of messages and drafts, for the record of a person."""

from collections.abc import Iterable, Iterator
from typing import Any

from django.core.files.storage import default_storage

from crm.exceptions import ActionRefused
from inbox.incoming.sources import read_source
from inbox.models import Draft, Message

BLOCK_SIZE = 1 << 16
SOURCE_NAME = "original.eml"
# The name of a file with its blocks, or with the reason why it cannot be read.
NamedFile = tuple[str, Iterable[bytes] | str]


def message_files(message: Message) -> Iterator[NamedFile]:
    """Yield the attachments of `message`, and the email as it was received."""
    yield from stored_files(message.attachments)
    if message.source_digest:
        try:
            yield SOURCE_NAME, [read_source(message)]
        except ActionRefused as error:
            yield SOURCE_NAME, str(error)


def draft_files(draft: Draft) -> Iterator[NamedFile]:
    yield from stored_files(draft.attachments)


def stored_files(entries: list[dict[str, Any]]) -> Iterator[NamedFile]:
    for entry in entries:
        path = entry.get("stored", "")
        name = str(entry.get("name") or "file")
        if not path or not default_storage.exists(path):
            yield name, f"It is not stored here. {entry.get('url') or ''}".strip()
            continue
        yield name, file_blocks(path)


def file_blocks(path: str) -> Iterator[bytes]:
    with default_storage.open(path) as file:
        while block := file.read(BLOCK_SIZE):
            yield block
