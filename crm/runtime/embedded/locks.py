"""File locks (flock): the kernel lets go of them when their holder dies, however it dies.

The file descriptors are closed on exec, so a program that we run does not hold our locks. A fork shares them:
a lock is free when the last of the forked processes has closed it, which is why nothing here ever unlocks but
by closing.
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
        # The folder was removed while we waited: what we got is a lock on nothing.
        os.close(descriptor)


def acquire_exclusive(descriptor: int) -> None:
    """Wait until nobody else holds the opened file, and hold it alone."""
    fcntl.flock(descriptor, EXCLUSIVE)


@contextmanager
def hold_lock(path: Path, kind: int) -> Iterator[None]:
    """Hold the lock for the length of a block."""
    descriptor = acquire(path, kind)
    try:
        yield
    finally:
        os.close(descriptor)


def try_acquire_exclusive(path: Path) -> int | None:
    """Take the lock alone if it is to be had at once: the file descriptor that holds it, or None."""
    descriptor = _open_lock_file(path)
    try:
        fcntl.flock(descriptor, EXCLUSIVE | fcntl.LOCK_NB)
    except BlockingIOError:
        os.close(descriptor)
        return None
    return descriptor


def is_free(path: Path) -> bool:
    """Whether nobody holds the lock alone at this moment."""
    probe = _open_lock_file(path)
    try:
        fcntl.flock(probe, SHARED | fcntl.LOCK_NB)
    except BlockingIOError:
        return False
    finally:
        os.close(probe)
    return True


def is_same_file(path: Path, descriptor: int) -> bool:
    """Whether `descriptor` is the file that stands at `path` now; a removed folder takes its locks with it."""
    try:
        return os.path.samestat(os.fstat(descriptor), os.stat(path))
    except OSError:
        return False


def _open_lock_file(path: Path) -> int:
    # For reading, which is enough for flock and lets an ordinary user take what root has made.
    descriptor = os.open(path, os.O_RDONLY | os.O_CREAT, 0o600)
    if os.geteuid() == 0:
        folder = os.stat(path.parent)
        os.fchown(descriptor, folder.st_uid, folder.st_gid)
    return descriptor
