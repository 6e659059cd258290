"""What tickets say about people."""

from crm.records.privacy.tables import UNFOLLOWED_KEYS, WITHOUT_PERSONS


def register_ticket_keys() -> None:
    """Register the keys and tables; called once at start."""
    # A ticket belongs to its client or lead, not to the people in its thread.
    UNFOLLOWED_KEYS.add("support.supportticket.thread")
    WITHOUT_PERSONS.update(
        {
            "support.servicelevel": "How soon tickets are answered and resolved.",
            "support.workingday": "Working hours of the agency.",
            "support.holiday": "Holidays of the agency.",
        }
    )
