"""What can be done to a conversation, and the one way a message comes in."""

from inbox.standing import CONTACT, SAID, advance, feel, subject_of
from inbox.transitions.cooling import warn_of_silence
from inbox.transitions.linking import link, reachable, unlink
from inbox.transitions.looking import opened, viewed
from inbox.transitions.moving import assign, lock, mark_read, move
from inbox.transitions.noticing import notice
from inbox.transitions.sensing import may_ask, put_off, sense
from inbox.transitions.splitting import join, split
from inbox.transitions.taking_in import take_in
from inbox.transitions.writing_down import Kept, log_conversation

__all__ = [
    "CONTACT",
    "SAID",
    "Kept",
    "advance",
    "assign",
    "feel",
    "join",
    "link",
    "lock",
    "log_conversation",
    "mark_read",
    "may_ask",
    "move",
    "notice",
    "opened",
    "put_off",
    "reachable",
    "sense",
    "split",
    "subject_of",
    "take_in",
    "unlink",
    "viewed",
    "warn_of_silence",
]
