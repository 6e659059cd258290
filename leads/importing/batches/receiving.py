"""Receive an uploaded file: write it where files are stored and compute its hash, in one pass.

Django's own handler writes to the folder for temporary files, often on another disk: a file of 2 GB would be written
twice and read once more before the page answers.
"""

import errno
import hashlib
from contextlib import suppress
from datetime import datetime
from pathlib import Path
from tempfile import NamedTemporaryFile
from typing import Any

from django.conf import settings
from django.core.files.uploadedfile import TemporaryUploadedFile, UploadedFile
from django.core.files.uploadhandler import FileUploadHandler, SkipFile
from django.http import HttpRequest

UPLOAD_FOLDER = "uploads"
CHUNK_SIZE = 1024 * 1024


class ReceivedFile(TemporaryUploadedFile):
    """A file in the folder of uploads, deleted when it is closed unless it was moved. `sha256` is its hash."""

    def __init__(self, name: str, content_type: str, charset: str | None, extra: dict[str, Any] | None) -> None:
        folder = upload_folder()
        folder.mkdir(parents=True, exist_ok=True)
        # The base class would choose the folder for temporary files.
        file = NamedTemporaryFile(dir=folder)  # noqa: SIM115 (closed with the request)
        UploadedFile.__init__(self, file, name, content_type, 0, charset, extra)
        self.digest = hashlib.sha256()

    @property
    def sha256(self) -> str:
        return self.digest.hexdigest()


class ReceivingHandler(FileUploadHandler):
    """Write each file of a request to a `ReceivedFile`. One that cannot be written is skipped, and `error` says why."""

    chunk_size = CHUNK_SIZE

    def __init__(self, request: HttpRequest) -> None:
        super().__init__(request)
        self.file: ReceivedFile | None = None
        self.error = ""

    def new_file(self, *args: Any, **kwargs: Any) -> None:
        super().new_file(*args, **kwargs)
        try:
            self.file = ReceivedFile(self.file_name, self.content_type, self.charset, self.content_type_extra)
        except OSError as error:
            self.skip(error)

    def receive_data_chunk(self, raw_data: bytes, start: int) -> None:
        try:
            self.file.write(raw_data)
        except OSError as error:
            self.skip(error)
        self.file.digest.update(raw_data)

    def file_complete(self, file_size: int) -> ReceivedFile | None:
        try:
            # Also writes what is left in the buffer.
            self.file.seek(0)
        except OSError as error:
            with suppress(SkipFile):
                self.skip(error)
            return None
        self.file.size = file_size
        return self.file

    def upload_interrupted(self) -> None:
        self.discard()

    def skip(self, error: OSError) -> None:
        """Delete what was written, and let the rest of the file pass.

        Raises:
            SkipFile: always.
        """
        self.discard()
        is_full = error.errno in (errno.ENOSPC, errno.EDQUOT)
        why = "the disk of the server is full" if is_full else f"the server cannot write it: {error.strerror}"
        self.error = f"{self.file_name} was not uploaded, because {why}. Nothing was kept."
        raise SkipFile

    def discard(self) -> None:
        if self.file is not None:
            # On a full disk, closing fails after deleting the file.
            with suppress(OSError):
                self.file.close()


def upload_folder() -> Path:
    return Path(settings.MEDIA_ROOT, UPLOAD_FOLDER)


def delete_abandoned_uploads(before: datetime) -> None:
    """Delete uploads that a killed server left behind before this moment."""
    for path in upload_folder().glob("*"):
        with suppress(FileNotFoundError):
            if path.stat().st_mtime < before.timestamp():
                path.unlink()
