"""A lock of the database that a job keeps on a connection of its own, so that no second job does the same."""

from collections.abc import Iterator
from contextlib import contextmanager, suppress

from django.db import Error
from django.db.backends.base.base import BaseDatabaseWrapper

LOCK_SQL = "SELECT pg_try_advisory_lock(hashtext(%s), hashtext(%s))"
UNLOCK_SQL = "SELECT pg_advisory_unlock(hashtext(%s), hashtext(%s))"


@contextmanager
def job_lock(own_connection: BaseDatabaseWrapper, work: str, key: str) -> Iterator[bool]:
    """Yield whether the lock of this `work` on `key` was free; keep it until the block or the connection ends.

    It is given back by a statement, because the server notices a closed connection some time later: until then the
    next job would find it taken.
    """
    with own_connection.cursor() as cursor:
        cursor.execute(LOCK_SQL, [work, key])
        is_held = cursor.fetchone()[0]
    try:
        yield is_held
    finally:
        if is_held:
            # A lost connection has given the lock back.
            with suppress(Error), own_connection.cursor() as cursor:
                cursor.execute(UNLOCK_SQL, [work, key])
