"""The files of an import: the uploaded one, and those with the skipped rows and the cells that did not fit."""

import shutil
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path, PurePosixPath
from typing import Any
from uuid import uuid4

from django.core.files.base import File
from django.core.files.storage import default_storage

from crm.exceptions import IllegalTransition, InvalidInput
from leads.importing.files.opening import table_from_json
from leads.importing.files.tables import TableFile
from leads.models import ImportBatch

IMPORT_FOLDER, RESULT_FOLDER = "imports", "result"
RESULT_FILES = {
    "errors": "skipped rows.csv",
    "errors_xlsx": "skipped rows.xlsx",
    "doubts": "cells that did not fit.csv",
}
# In bytes; most file systems allow 255.
MAX_STORED_NAME_LENGTH = 200


def store_file(batch: ImportBatch, content: File) -> str:
    """Store an uploaded file in a folder of its own, under its own name. Return its path in the storage.

    The storage moves or copies the file in blocks, so its size does not matter.

    Raises:
        InvalidInput: the file cannot be written; nothing of it is left.
    """
    path = f"{IMPORT_FOLDER}/{uuid4()}/{stored_name(batch.file_name)}"
    try:
        return default_storage.save(path, content)
    except OSError as error:
        shutil.rmtree(Path(default_storage.path(path)).parent, ignore_errors=True)
        raise InvalidInput(f"{batch.file_name} cannot be stored: {error.strerror}. Nothing was kept.") from error


@contextmanager
def deleted_on_error(path: str) -> Iterator[None]:
    """Delete the stored file at `path` if the block raises an exception."""
    try:
        yield
    except BaseException:
        delete_stored_files(path)
        raise


def stored_name(name: str) -> str:
    """Return `name` without what has a meaning in paths, and short enough for a file system."""
    plain = "".join(char for char in PurePosixPath(name.replace("\\", "/")).name if char.isprintable())
    return plain.encode(errors="ignore")[-MAX_STORED_NAME_LENGTH:].decode(errors="ignore").strip(". ") or "file.csv"


def stored_path(batch: ImportBatch) -> Path:
    """Return where the file of `batch` is.

    Raises:
        IllegalTransition: it was deleted.
    """
    if not batch.file_path or not default_storage.exists(batch.file_path):
        raise IllegalTransition(f"The file {batch.file_name} is no longer stored. Upload it again.")
    return Path(default_storage.path(batch.file_path))


def open_stored_file(batch: ImportBatch) -> TableFile:
    """Return the file of `batch`, read as it was detected or chosen."""
    return table_from_json(stored_path(batch), batch.reading)


def result_path(batch: ImportBatch, kind: str) -> Path:
    """Return the place of a result file, one of `RESULT_FILES`."""
    folder = stored_path(batch).parent / RESULT_FOLDER
    folder.mkdir(exist_ok=True)
    return folder / RESULT_FILES[kind]


def open_result(batch: ImportBatch, kind: str) -> Any:
    """Return the open result file of `kind`; None if there is none, or if the import did not come to its end."""
    if not batch.file_path or batch.imported_at is None:
        return None
    path = str(PurePosixPath(batch.file_path).parent / RESULT_FOLDER / RESULT_FILES[kind])
    return default_storage.open(path) if default_storage.exists(path) else None


def delete_stored_files(path: str) -> None:
    """Delete the file at `path` and its results. To delete them again changes nothing."""
    folder = PurePosixPath(path).parent
    for name in RESULT_FILES.values():
        default_storage.delete(str(folder / RESULT_FOLDER / name))
    default_storage.delete(path)
    for empty in (folder / RESULT_FOLDER, folder):
        if default_storage.exists(str(empty)):
            default_storage.delete(str(empty))
