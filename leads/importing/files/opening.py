"""Open a file of any supported kind as a table. Its contents decide what it is, not its name."""

import hashlib
from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from crm.exceptions import IllegalTransition, InvalidInput
from leads.importing.files.reading import CsvFile, open_csv
from leads.importing.files.sheets import SheetFile, open_sheet_file
from leads.importing.files.tables import TableFile
from leads.importing.files.workbooks import OLE_SIGNATURE, is_workbook, refuse_ole_container

SIGNATURE_LENGTH = 8


def open_table(
    path: Path, *, encoding: str | None = None, delimiter: str = "", sheet: str = "", limit: int | None = None
) -> TableFile:
    """Detect how the file at `path` is read. What a person chose is not detected: encoding, delimiter, sheet.

    With a `limit`, the first so many bytes of a CSV file show its encoding.

    Raises:
        InvalidInput: the file cannot be read, is empty or no table, or a choice does not fit it.
    """
    try:
        with path.open("rb") as file:
            head = file.read(SIGNATURE_LENGTH)
        if head.startswith(OLE_SIGNATURE):
            refuse_ole_container(path)
    except OSError as error:
        raise InvalidInput(f"{path} cannot be read: {error.strerror}.") from error
    if not is_workbook(head):
        if sheet:
            raise InvalidInput(f"{path.name} is no workbook, so it has no sheet “{sheet}”.")
        return open_csv(path, encoding, delimiter, limit)
    if encoding or delimiter:
        raise InvalidInput(f"{path.name} is a workbook: it has no encoding and no separator to choose.")
    return open_sheet_file(path, sheet)


@contextmanager
def refuse_changed_file(path: Path) -> Iterator[None]:
    """Refuse the file at `path` if a program writes to it, replaces or deletes it during the block.

    Raises:
        IllegalTransition: it was changed.
        OSError: it does not exist at the beginning.
    """
    before = file_state(path)
    yield
    try:
        after = file_state(path)
    except FileNotFoundError:
        after = ()
    if after != before:
        raise IllegalTransition(f"{path.name} was changed while it was read, so nothing was imported.")


def file_state(path: Path) -> tuple[int, ...]:
    """Return what changes with the contents of a file: its inode, its size and the time of the last change."""
    state = path.stat()
    return (state.st_ino, state.st_size, state.st_mtime_ns)


def table_from_json(path: Path, reading: dict[str, Any]) -> TableFile:
    """Return the file at `path`, read as it was before."""
    return (SheetFile if "sheet" in reading else CsvFile).from_json(path, reading)


def file_hash(path: Path) -> str:
    with path.open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()


def hash_blocks(blocks: Iterable[bytes]) -> str:
    digest = hashlib.sha256()
    for block in blocks:
        digest.update(block)
    return digest.hexdigest()
