"""What can be done to a conversation, and the one way a message comes in."""

from inbox.transitions.email_tracking import opened, viewed
from inbox.transitions.linking import link, reachable, unlink
from inbox.transitions.log_conversation import Kept, log_conversation
from inbox.transitions.split_join import join, split
from inbox.transitions.store_message import take_in
from inbox.transitions.thread_status import assign, lock, mark_read, move

__all__ = [
    "Kept",
    "assign",
    "join",
    "link",
    "lock",
    "log_conversation",
    "mark_read",
    "move",
    "opened",
    "reachable",
    "split",
    "take_in",
    "unlink",
    "viewed",
]
