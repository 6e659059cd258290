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
ALONE = fcntl.LOCK_EX


def take(path: Path, kind: int) -> int:
    """Wait for the lock and return the file descriptor that holds it."""
    while True:
        held = _opened(path)
        fcntl.flock(held, kind)
        if is_still(path, held):
            return held
        # The folder was removed while we waited: what we got is a lock on nothing.
        os.close(held)


def wait_alone(held: int) -> None:
    """Wait until nobody else holds the opened file, and hold it alone."""
    fcntl.flock(held, ALONE)


@contextmanager
def holding(path: Path, kind: int) -> Iterator[None]:
    """Hold the lock for the length of a block."""
    held = take(path, kind)
    try:
        yield
    finally:
        os.close(held)


def try_alone(path: Path) -> int | None:
    """Take the lock alone if it is to be had at once: the file descriptor that holds it, or None."""
    held = _opened(path)
    try:
        fcntl.flock(held, ALONE | fcntl.LOCK_NB)
    except BlockingIOError:
        os.close(held)
        return None
    return held


def is_free(path: Path) -> bool:
    """Whether nobody holds the lock alone at this moment."""
    probe = _opened(path)
    try:
        fcntl.flock(probe, SHARED | fcntl.LOCK_NB)
    except BlockingIOError:
        return False
    finally:
        os.close(probe)
    return True


def is_still(path: Path, held: int) -> bool:
    """Whether `held` is the file that stands at `path` now; a removed folder takes its locks with it."""
    try:
        return os.path.samestat(os.fstat(held), os.stat(path))
    except OSError:
        return False


def _opened(path: Path) -> int:
    # For reading, which is enough for flock and lets an ordinary user take what root has made.
    held = os.open(path, os.O_RDONLY | os.O_CREAT, 0o600)
    if os.geteuid() == 0:
        folder = os.stat(path.parent)
        os.fchown(held, folder.st_uid, folder.st_gid)
    return held
