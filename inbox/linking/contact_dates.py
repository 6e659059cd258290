"""What the merge of two leads needs of the inbox: contact dates from the threads of both."""

from crm.records.merging.rules import RULES
from inbox.models import Thread
from inbox.thread_state import update_contact_dates
from leads.models import Lead


def register_contact_dates() -> None:
    """Compute contact dates before anything that depends on them; called once at start."""
    RULES[Lead].refreshers.insert(0, refresh_contact_dates)


def refresh_contact_dates(leads: list[Lead]) -> None:
    """Move the contact dates of `leads` to the newest message of their threads, never backwards."""
    update_contact_dates(Thread.objects.filter(lead__in=leads))
