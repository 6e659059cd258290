"""What became of something that was handed to the outside world."""

from dataclasses import dataclass, field
from enum import Enum
from typing import Any


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
