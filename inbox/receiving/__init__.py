"""Taking mail in: one way for all sources, the same whatever the order, and without effect the second time."""

from inbox.reading import Arrival
from inbox.receiving.deed import Counted, receive, receive_many, receive_read, set_aside, take_in_again
from inbox.receiving.merging import unite
from inbox.receiving.people import our_addresses

__all__ = [
    "Arrival",
    "Counted",
    "our_addresses",
    "receive",
    "receive_many",
    "receive_read",
    "set_aside",
    "take_in_again",
    "unite",
]
