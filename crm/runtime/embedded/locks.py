"""File locks (flock): the kernel releases them when their holder dies for any reason.

File descriptors are closed on exec, so child programs do not hold the locks. A fork shares them: a lock is free
once the last forked process has closed it. That is why locks are released only by closing.
"""

import fcntl
import os
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

SHARED = fcntl.LOCK_SH
EXCLUSIVE = fcntl.LOCK_EX


def acquire(path: Path, kind: int) -> int:
    """Wait for the lock and return the file descriptor that holds it."""
    while True:
        descriptor = _open_lock_file(path)
        fcntl.flock(descriptor, kind)
        if is_same_file(path, descriptor):
            return descriptor
        # The folder was removed during the wait, so this lock is on a deleted file.
        os.close(descriptor)


def acquire_exclusive(descriptor: int) -> None:
    """Wait for the exclusive lock on the opened file and hold it."""
    fcntl.flock(descriptor, EXCLUSIVE)


@contextmanager
def hold_lock(path: Path, kind: int) -> Iterator[None]:
    """Hold the lock for the duration of a block."""
    descriptor = acquire(path, kind)
    try:
        yield
    finally:
        os.close(descriptor)


def try_acquire_exclusive(path: Path) -> int | None:
    """Take the exclusive lock without waiting; return its file descriptor, or None."""
    descriptor = _open_lock_file(path)
    try:
        fcntl.flock(descriptor, EXCLUSIVE | fcntl.LOCK_NB)
    except BlockingIOError:
        os.close(descriptor)
        return None
    return descriptor


def is_free(path: Path) -> bool:
    """Return whether the exclusive lock is free at this moment."""
    probe = _open_lock_file(path)
    try:
        fcntl.flock(probe, SHARED | fcntl.LOCK_NB)
    except BlockingIOError:
        return False
    finally:
        os.close(probe)
    return True


def is_same_file(path: Path, descriptor: int) -> bool:
    """Return whether `descriptor` is still the file at `path`; removing a folder removes its locks."""
    try:
        return os.path.samestat(os.fstat(descriptor), os.stat(path))
    except OSError:
        return False


def _open_lock_file(path: Path) -> int:
    # Open for reading: enough for flock, and it lets an ordinary user lock a file of root.
    descriptor = os.open(path, os.O_RDONLY | os.O_CREAT, 0o600)
    if os.geteuid() == 0:
        folder = os.stat(path.parent)
        os.fchown(descriptor, folder.st_uid, folder.st_gid)
    return descriptor
