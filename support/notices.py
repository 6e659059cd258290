"""What members of staff are told about tickets."""

from crm.models import NotificationKind
from crm.records.notifications.tables import NotifiedTable, Words, register_table


def register_notifications() -> None:
    """Register the words of tickets; called once at start."""
    words = {
        NotificationKind.ASSIGNED: Words("Ticket assigned to you"),
        NotificationKind.MENTIONED: Words("You were mentioned on a ticket", "{count} mentions on a ticket"),
        NotificationKind.DUE: Words("Ticket due soon"),
        NotificationKind.ESCALATED: Words("Ticket escalated"),
    }
    register_table("support.supportticket", NotifiedTable("support_agent", words))
