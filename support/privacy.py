"""What tickets say about people."""

from crm.records.privacy.tables import UNFOLLOWED_KEYS


def register_ticket_keys() -> None:
    """Register the keys; called once at start."""
    # A ticket belongs to its client or lead, not to the people in its thread.
    UNFOLLOWED_KEYS.add("support.supportticket.thread")
