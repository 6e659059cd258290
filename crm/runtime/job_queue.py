"""Queueing jobs as part of the transaction that orders them."""

import logging

from django.db import transaction
from procrastinate.exceptions import AlreadyEnqueued
from procrastinate.jobs import JobDeferrer

logger = logging.getLogger(__name__)


def enqueue(task: JobDeferrer, **arguments: str | int | bool | list[str]) -> None:
    """Queue `task`; one that waits already under the same queueing lock is enough."""
    try:
        with transaction.atomic():
            task.defer(**arguments)
    except AlreadyEnqueued:
        logger.debug("Such a job waits already: %s.", task.job.queueing_lock)
