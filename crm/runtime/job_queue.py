"""Queue jobs within the transaction that requests them."""

import logging

from django.db import transaction
from procrastinate.exceptions import AlreadyEnqueued
from procrastinate.jobs import JobDeferrer

logger = logging.getLogger(__name__)


def enqueue(task: JobDeferrer, **arguments: str | int | bool | list[str]) -> None:
    """Queue `task`, unless a job with the same queueing lock is already waiting."""
    try:
        with transaction.atomic():
            task.defer(**arguments)
    except AlreadyEnqueued:
        logger.debug("A job with this lock is already waiting: %s.", task.job.queueing_lock)
