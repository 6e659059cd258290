"""The state changes of threads, and the function that adds a message to a thread."""

from inbox.transitions.delete_files import delete_removed_files
from inbox.transitions.email_tracking import record_email_opened, record_proposal_viewed
from inbox.transitions.linking import link, require_visible, unlink
from inbox.transitions.log_conversation import ConversationDetails, log_conversation
from inbox.transitions.reparse_message import reparse_message
from inbox.transitions.snooze import snooze, wake
from inbox.transitions.split_join import join, split
from inbox.transitions.store_message import add_to_thread
from inbox.transitions.thread_status import assign, change_thread_status, lock_thread, mark_read

__all__ = [
    "ConversationDetails",
    "assign",
    "delete_removed_files",
    "join",
    "link",
    "lock_thread",
    "log_conversation",
    "mark_read",
    "change_thread_status",
    "record_email_opened",
    "reparse_message",
    "require_visible",
    "snooze",
    "split",
    "add_to_thread",
    "unlink",
    "wake",
    "record_proposal_viewed",
]
