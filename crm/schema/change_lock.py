"""The lock of a job that changes the schema or converts values: two jobs never work on one change."""

from collections.abc import Iterator
from contextlib import contextmanager
from uuid import UUID

from django.db import connection

from crm.runtime.job_queue import job_lock


class ChangeLocked(Exception):
    """Another job works on the change, or is about to notice that it was stopped."""


@contextmanager
def change_lock(key: UUID) -> Iterator[None]:
    """Keep other jobs away from the change until the block ends, or the process.

    The lock belongs to a connection of its own, because a job may lose or close Django's.

    Raises:
        ChangeLocked: another job works on it; try again later.
    """
    own_connection = connection.copy()
    try:
        with job_lock(own_connection, "crm.schema", str(key)) as is_free:
            if not is_free:
                raise ChangeLocked
            yield
    finally:
        own_connection.close()
