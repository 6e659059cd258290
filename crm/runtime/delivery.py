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
PATIENCE = timedelta(minutes=2)
T = TypeVar("T")


class Outcome(Enum):
    """How a delivery ended; only the first says that it happened, only the second and third that it did not."""

    DONE = "done"
    # Proven not accepted, and it never will be as it is.
    REFUSED = "refused"
    # Proven not accepted: may be tried again by itself.
    LATER = "later"
    # Cut off: nobody here can tell.
    UNKNOWN = "unknown"
    # Somebody else is at it, or it was taken back: nothing was done, and nothing is to be written down.
    LEFT_ALONE = "left alone"


@dataclass(frozen=True)
class Delivery:
    """`said` is a sentence for people wherever it was not done; `reference` is what the other side calls it."""

    outcome: Outcome
    said: str = ""
    reference: str = ""
    result: dict[str, Any] = field(default_factory=dict)


def insisting(write: Callable[[], T]) -> T:
    """The outcome of `write`, tried again while the database is away: what it writes is known nowhere else."""
    until = time.monotonic() + PATIENCE.total_seconds()
    pause = 0.2
    while True:
        try:
            return write()
        except (OperationalError, InterfaceError) as error:
            if connection.in_atomic_block or time.monotonic() > until:
                raise
            logger.warning("The database is away (%s): what was done is written down as soon as it is back.", error)
            connection.close()
            time.sleep(pause)
            pause = min(pause * 2, 5)
