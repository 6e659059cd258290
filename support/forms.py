"""The form for opening a ticket and editing its texts."""

from typing import Any

from crm.screens.record_forms import RecordForm
from support.models import SupportTicket

FIELD_LABELS = {
    "issue_type": "Issue type",
    "issue_description": "Description",
    "assigned_to": "Assignee",
    "thread": "Conversation",
}


class TicketForm(RecordForm):
    class Meta:
        model = SupportTicket
        fields = ("subject", "issue_type", "issue_description", "custom_fields")

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        for name, label in FIELD_LABELS.items():
            if name in self.fields:
                self.fields[name].label = label
