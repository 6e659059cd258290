"""What became of something that was handed to the outside world."""

import logging
import time
from collections.abc import Callable
from dataclasses import dataclass, field
from datetime import timedelta
from enum import Enum
from typing import Any, TypeVar

from django.db import InterfaceError, OperationalError, connection

logger = logging.getLogger(__name__)

# For how long what is already known is kept in hand while the database is away.
MAX_RETRY_TIME = timedelta(minutes=2)
# The waits before a delivery that may succeed later is tried again; after the last one it has failed.
RETRY_DELAYS = tuple(timedelta(minutes=minutes) for minutes in (1, 5, 15, 60, 240))
T = TypeVar("T")


class DeliveryOutcome(Enum):
    """How a delivery ended; only the first says that it happened, only the second and third that it did not."""

    DELIVERED = "done"
    # Proven not accepted, and it never will be as it is.
    REJECTED = "refused"
    # Proven not accepted: may be tried again by itself.
    RETRY_LATER = "later"
    # Cut off: nobody here can tell.
    UNCONFIRMED = "unknown"
    # Somebody else is at it, or it was taken back: nothing was done, and nothing is to be written down.
    SKIPPED = "left alone"


@dataclass(frozen=True)
class Delivery:
    """`message` is a sentence for people wherever it was not done; `reference` is what the other side calls it."""

    outcome: DeliveryOutcome
    message: str = ""
    reference: str = ""
    result: dict[str, Any] = field(default_factory=dict)


def retry_while_database_down(write: Callable[[], T]) -> T:
    """The outcome of `write`, tried again while the database is away: what it writes is known nowhere else."""
    deadline = time.monotonic() + MAX_RETRY_TIME.total_seconds()
    delay = 0.2
    while True:
        try:
            return write()
        except (OperationalError, InterfaceError) as error:
            if connection.in_atomic_block or time.monotonic() > deadline:
                raise
            logger.warning("The database is away (%s): what was done is written down as soon as it is back.", error)
            connection.close()
            time.sleep(delay)
            delay = min(delay * 2, 5)
