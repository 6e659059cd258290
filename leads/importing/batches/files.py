"""The files of an import: the uploaded one, and those with the skipped rows and the cells that did not fit."""

from pathlib import Path, PurePosixPath
from typing import Any

from django.core.files.base import File
from django.core.files.storage import default_storage

from crm.exceptions import IllegalTransition
from leads.importing.files.reading import CsvFile
from leads.models import ImportBatch

IMPORT_FOLDER, RESULT_FOLDER = "imports", "result"
RESULT_FILES = {"errors": "skipped rows.csv", "doubts": "cells that did not fit.csv"}
# In bytes; most file systems allow 255.
MAX_STORED_NAME_LENGTH = 200


def store_file(batch: ImportBatch, content: File) -> str:
    """Store an uploaded file in a folder of its own, under its own name. Return its path in the storage.

    The storage moves or copies the file in blocks, so its size does not matter.
    """
    return default_storage.save(f"{IMPORT_FOLDER}/{batch.pk}/{stored_name(batch.file_name)}", content)


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


def open_stored_file(batch: ImportBatch) -> CsvFile:
    """Return the file of `batch`, read as it was detected or chosen."""
    return CsvFile.from_json(stored_path(batch), batch.reading)


def result_path(batch: ImportBatch, kind: str) -> Path:
    """Return the place of a result file: `errors` or `doubts`."""
    folder = stored_path(batch).parent / RESULT_FOLDER
    folder.mkdir(exist_ok=True)
    return folder / RESULT_FILES[kind]


def open_result(batch: ImportBatch, kind: str) -> Any:
    """Return the open result file of `kind`; None if there is none."""
    if not batch.file_path:
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
