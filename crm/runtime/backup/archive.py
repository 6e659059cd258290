"""The file of a backup: a tar archive with the dump, the stored files and, last, the manifest with their digest."""

import contextlib
import hashlib
import json
import os
import shutil
import tarfile
import tempfile
from collections.abc import Iterator
from dataclasses import asdict, dataclass
from io import BytesIO
from pathlib import Path
from typing import IO, Any

from crm.runtime.backup.exceptions import BackupDamaged, BackupError

FORMAT = 1
DUMP, MANIFEST, MANIFEST_DIGEST, FILES = "database.dump", "manifest.json", "manifest.sha256", "files/"
# How much of a member is read at once, and how long a manifest may be.
BLOCK_BYTES, MAX_MANIFEST_BYTES = 1024 * 1024, 16 * 1024 * 1024


@dataclass(frozen=True)
class Manifest:
    """What a backup holds. `digest` is the SHA-256 of the names, sizes and contents of all members before it."""

    format: int
    # ISO 8601, UTC.
    created_at: str
    # The major version of the server; `pg_restore` must be as new.
    server_version: int
    dump_version: int
    # Each as "app.name".
    migrations: list[str]
    # The number of rows by table.
    rows: dict[str, int]
    file_count: int
    file_bytes: int
    digest: str

    @property
    def row_count(self) -> int:
        return sum(self.rows.values())


class HashingReader:
    """A file that adds what is read from it to a digest."""

    def __init__(self, file: IO[bytes], digest: Any) -> None:
        self.file = file
        self.digest = digest

    def read(self, size: int) -> bytes:
        data = self.file.read(size)
        self.digest.update(data)
        return data


class ArchiveWriter:
    """Write the members of a backup in order, and count and hash them."""

    def __init__(self, archive: tarfile.TarFile) -> None:
        self.archive = archive
        self.digest = hashlib.sha256()
        self.file_count = self.file_bytes = 0

    def add(self, name: str, file: IO[bytes]) -> None:
        """Add an opened file as it is now; what is appended to it meanwhile is left out."""
        member = tarfile.TarInfo(name)
        status = os.fstat(file.fileno())
        member.size, member.mtime, member.mode = status.st_size, int(status.st_mtime), 0o600
        begin_member(self.digest, member)
        self.archive.addfile(member, HashingReader(file, self.digest))
        if name.startswith(FILES):
            self.file_count += 1
            self.file_bytes += member.size

    def finish(self, **values: Any) -> Manifest:
        """Add and return the manifest."""
        manifest = Manifest(
            format=FORMAT,
            file_count=self.file_count,
            file_bytes=self.file_bytes,
            digest=self.digest.hexdigest(),
            **values,
        )
        text = json.dumps(asdict(manifest), indent=1).encode()
        for name, content in ((MANIFEST, text), (MANIFEST_DIGEST, hashlib.sha256(text).hexdigest().encode())):
            member = tarfile.TarInfo(name)
            member.size, member.mode = len(content), 0o600
            self.archive.addfile(member, BytesIO(content))
        return manifest


def begin_member(digest: Any, member: tarfile.TarInfo) -> None:
    digest.update(f"{member.name}\0{member.size}\0".encode(errors="surrogateescape"))


@contextlib.contextmanager
def new_archive(path: Path) -> Iterator[tuple[ArchiveWriter, Path]]:
    """Yield a writer and an empty folder for what the archive is made from; the archive is at `path` once complete.

    Raises:
        BackupError: `path` exists, or cannot be written.
    """
    if path.exists():
        raise BackupError(f"{path} exists. Choose another name.")
    try:
        with tempfile.TemporaryDirectory(dir=path.parent, prefix=f".{path.name}.unfinished-") as folder:
            unfinished = Path(folder, "backup")
            descriptor = os.open(unfinished, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600)
            with os.fdopen(descriptor, "wb") as file:
                with tarfile.open(fileobj=file, mode="w") as archive:
                    yield ArchiveWriter(archive), Path(folder)
                file.flush()
                os.fsync(file.fileno())
            check_archive(unfinished)
            unfinished.rename(path)
    except OSError as error:
        raise BackupError(f"{path} cannot be written: {error.strerror or error}.") from error


def check_archive(path: Path) -> Manifest:
    """Read an archive from beginning to end; return its manifest.

    Raises:
        BackupDamaged: it is not what was written.
    """
    digest, contents = hashlib.sha256(), {}
    with opened_archive(path) as members:
        for member, file in members:
            if member.name in (MANIFEST, MANIFEST_DIGEST):
                contents[member.name] = file.read(MAX_MANIFEST_BYTES)
                continue
            begin_member(digest, member)
            while data := file.read(BLOCK_BYTES):
                digest.update(data)
    manifest = read_manifest(path, contents)
    if manifest.digest != digest.hexdigest():
        raise BackupDamaged(f"{path} is damaged: its contents are not those that were backed up.")
    return manifest


def read_manifest(path: Path, contents: dict[str, bytes]) -> Manifest:
    """Return the manifest among the contents of the last members."""
    text, text_digest = (contents.get(name, b"") for name in (MANIFEST, MANIFEST_DIGEST))
    if hashlib.sha256(text).hexdigest().encode() != text_digest:
        raise BackupDamaged(f"{path} is no backup of the CRM, or it is damaged or incomplete.")
    values = json.loads(text)
    if values["format"] != FORMAT:
        raise BackupError(f"{path} was written by a newer version of the CRM. Update the program first.")
    return Manifest(**values)


@contextlib.contextmanager
def opened_archive(path: Path) -> Iterator[Iterator[tuple[tarfile.TarInfo, IO[bytes]]]]:
    """Yield the members of an archive, each with its contents.

    Raises:
        BackupDamaged: it is no archive, is cut off, or has a member that no backup has.
        BackupError: it cannot be read.
    """
    try:
        with tarfile.open(path, mode="r:") as archive:
            yield ((check_member(path, member), archive.extractfile(member)) for member in archive)
    except tarfile.TarError as error:
        raise BackupDamaged(f"{path} is no backup of the CRM, or it is damaged: {error}.") from error
    except OSError as error:
        raise BackupError(f"{path} cannot be read: {error.strerror or error}.") from error


def check_member(path: Path, member: tarfile.TarInfo) -> tarfile.TarInfo:
    """Return `member` if it is a file that stays in the folder that it is unpacked to."""
    name = Path(member.name)
    if not member.isreg() or name.is_absolute() or ".." in name.parts or "\0" in member.name:
        raise BackupDamaged(f"{path} holds “{member.name}”, which no backup holds.")
    return member


def unpack(path: Path, folder: Path) -> None:
    """Write the members of a checked archive to `folder`."""
    with opened_archive(path) as members:
        for member, file in members:
            target = folder / member.name
            target.parent.mkdir(parents=True, exist_ok=True)
            with target.open("xb") as copy:
                shutil.copyfileobj(file, copy, BLOCK_BYTES)
