"""The form for opening a ticket and editing its texts."""

from typing import Any

from unfold.widgets import BASE_INPUT_CLASSES

from crm.screens.record_forms import RecordForm
from support.filters import DatalistInput, recent_issue_types
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
        fields = ("subject", "issue_type", "issue_description")

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        if "issue_type" in self.fields:
            field = self.fields["issue_type"]
            field.widget = DatalistInput(recent_issue_types, {"class": " ".join(BASE_INPUT_CLASSES), "maxlength": 80})
        for name, label in FIELD_LABELS.items():
            if name in self.fields:
                self.fields[name].label = label
