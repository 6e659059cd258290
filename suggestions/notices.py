"""What approvers are told about suggestions."""

from crm.models import NotificationKind, User
from crm.records.notifications.tables import NotifiedTable, Words, register_table
from suggestions.models import Suggestion


def register_notifications() -> None:
    """Register the words of suggestions; called once at start."""
    words = {NotificationKind.FAILED: Words("Approved, but failed")}
    related = ("lead", "client")
    table = NotifiedTable("task_alt", words, name=suggestion_name, select_related=related)
    register_table("suggestions.suggestion", table)


def suggestion_name(suggestion: Suggestion, reader: User) -> str:
    """Return the type of `suggestion` and the person it is about, as far as `reader` may know."""
    customer = suggestion.lead or suggestion.client
    return f"{suggestion} · {customer.name_for(reader)}" if customer else str(suggestion)
