"""Queue jobs within the transaction that requests them, again after a failure or a crash, and keep them apart."""

import logging
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from typing import Any

from django.db import Error, transaction
from django.db.backends.base.base import BaseDatabaseWrapper
from procrastinate.contrib.django import app
from procrastinate.exceptions import AlreadyEnqueued, UniqueViolation
from procrastinate.jobs import Job, JobDeferrer, Status
from procrastinate.manager import JobManager

logger = logging.getLogger(__name__)

# A lock that a job keeps on a connection of its own, so that no second job does the same.
LOCK_SQL = "SELECT pg_try_advisory_lock(hashtext(%s), hashtext(%s))"
UNLOCK_SQL = "SELECT pg_advisory_unlock(hashtext(%s), hashtext(%s))"


def configure_job(name: str, **options: Any) -> JobDeferrer:
    """Return the job `name` to be queued, with its own locks and with `options` of procrastinate's `configure_task`.

    Jobs are defined when the first one is queued, because the modules that they need are many.

    Raises:
        TaskNotFound: there is no such job.
    """
    app.perform_import_paths()
    return app.configure_task(name, allow_unknown=False, **options)


def enqueue(task: JobDeferrer, **arguments: str | int | bool | list[str]) -> None:
    """Queue `task`, unless a job with the same queueing lock is already waiting."""
    try:
        with transaction.atomic():
            task.defer(**arguments)
    except AlreadyEnqueued:
        logger.debug("A job with this lock is already waiting: %s.", task.job.queueing_lock)


class WorkerJobManager(JobManager):
    """The jobs of a worker. A job to be retried gives way to a waiting one with the same queueing lock.

    The waiting job does the same work. The library refuses the retry, and would leave the first job running for ever:
    with its lock, the waiting one would never begin.
    """

    async def retry_job(self, job: Job, *arguments: Any, **options: Any) -> None:
        try:
            await super().retry_job(job, *arguments, **options)
        except UniqueViolation:
            logger.info("Not retried, because a job with the same work is waiting: %s.", job.call_string)
            await self.finish_job(job, status=Status.ABORTED, delete_job=False)


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
