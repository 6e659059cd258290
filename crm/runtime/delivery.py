"""Outcomes of deliveries to outside systems."""

import logging
import time
from collections.abc import Callable
from dataclasses import dataclass, field
from datetime import timedelta
from enum import Enum
from typing import Any, TypeVar

from django.db import InterfaceError, OperationalError, connection

logger = logging.getLogger(__name__)

# How long to keep retrying to save an outcome while the database is down.
MAX_RETRY_TIME = timedelta(minutes=2)
# The waits before a delivery that may succeed later is tried again; after the last one it has failed.
RETRY_DELAYS = tuple(timedelta(minutes=minutes) for minutes in (1, 5, 15, 60, 240))
T = TypeVar("T")


class DeliveryOutcome(Enum):
    """How a delivery ended. Only the first value means delivered; only the second and third mean not delivered."""

    DELIVERED = "done"
    # Rejected for good; retrying unchanged cannot succeed.
    REJECTED = "refused"
    # Not accepted for now; may be retried automatically.
    RETRY_LATER = "later"
    # Connection lost: delivery unconfirmed.
    UNCONFIRMED = "unknown"
    # Another worker has it, or it was undone: nothing was sent, and there is nothing to record.
    SKIPPED = "left alone"


@dataclass(frozen=True)
class Delivery:
    """A delivery's result: `message` explains a failure to the user, `reference` is the other side's identifier."""

    outcome: DeliveryOutcome
    message: str = ""
    reference: str = ""
    result: dict[str, Any] = field(default_factory=dict)


def retry_while_database_down(write: Callable[[], T]) -> T:
    """Return the result of `write`, retried while the database is down, because its data exists nowhere else."""
    deadline = time.monotonic() + MAX_RETRY_TIME.total_seconds()
    delay = 0.2
    while True:
        try:
            return write()
        except (OperationalError, InterfaceError) as error:
            if connection.in_atomic_block or time.monotonic() > deadline:
                raise
            logger.warning("The database is down (%s). The result is saved as soon as it is back.", error)
            connection.close()
            time.sleep(delay)
            delay = min(delay * 2, 5)
