"""The stored files (MEDIA_ROOT) of a backup: listed for it, and exchanged by a restore."""

import os
import shutil
import tempfile
from collections.abc import Iterator
from pathlib import Path

from crm.runtime.backup.archive import FILES, ArchiveWriter
from crm.runtime.backup.exceptions import BackupError

# Folders of a restore in the folder of the files, so that it also works where that is a volume of its own.
RESTORE_PREFIX = ".restore-"


def add_files(writer: ArchiveWriter, folder: Path) -> None:
    """Add every file below `folder` to an archive; what is deleted meanwhile is left out."""
    for path in files_below(folder):
        try:
            file = path.open("rb")
        except FileNotFoundError:
            continue
        except OSError as error:
            raise BackupError(f"{path} cannot be read: {error.strerror}.") from error
        with file:
            writer.add(FILES + path.relative_to(folder).as_posix(), file)


def files_below(folder: Path) -> Iterator[Path]:
    """Yield the regular files below `folder` in a stable order, without those of an interrupted restore."""
    for place, folders, names in os.walk(folder):
        folders[:] = sorted(name for name in folders if not name.startswith(RESTORE_PREFIX))
        for name in sorted(names):
            path = Path(place, name)
            if path.is_file() and not path.is_symlink():
                yield path


class FileExchange:
    """Restored files, prepared beside the present ones, and their exchange.

    Everything is moved inside one folder, so each move is a rename: quick, and possible on a full disk.
    """

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self.prepared = Path()
        self.moves: list[tuple[Path, Path]] = []

    def __enter__(self) -> "FileExchange":
        self.folder.mkdir(parents=True, exist_ok=True)
        for leftover in self.folder.glob(f"{RESTORE_PREFIX}*"):
            # Those from before a restore that was killed go with the present ones, if this restore succeeds.
            if not any((leftover / "before").glob("*")):
                shutil.rmtree(leftover)
        self.prepared = Path(tempfile.mkdtemp(dir=self.folder, prefix=RESTORE_PREFIX))
        (self.prepared / "before").mkdir()
        (self.prepared / FILES).mkdir()
        return self

    def __exit__(self, *error: object) -> None:
        if error[0] is not None:
            self.move_back()
        shutil.rmtree(self.prepared, ignore_errors=True)

    def exchange(self) -> None:
        """Put the present files aside and the restored ones in their place."""
        restored = self.prepared / FILES
        for path in sorted(self.folder.iterdir()):
            if path != self.prepared:
                self.move(path, self.prepared / "before" / path.name)
        for path in sorted(restored.iterdir()):
            self.move(path, self.folder / path.name)

    def move(self, path: Path, target: Path) -> None:
        path.rename(target)
        self.moves.append((path, target))

    def move_back(self) -> None:
        """Undo the exchange as far as it went."""
        while self.moves:
            path, target = self.moves.pop()
            target.rename(path)
