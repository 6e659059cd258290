"""The forms through which people do deeds to tickets."""

from typing import Any

from django import forms

from crm.models import User
from crm.records import transitions as record_transitions
from crm.screens.action_forms import ActionForm
from leads.action_forms import assignable_users
from support import transitions
from support.models import TICKET_TRANSITIONS, SupportTicket, TicketPriority, TicketStatus

RESOLVE_PERMISSION, CHANGE_PERMISSION, REASSIGN_PERMISSION = (
    "support.resolve_supportticket",
    "support.change_supportticket",
    "support.reassign_supportticket",
)


class TicketTransitionForm(ActionForm):
    """One move of a ticket."""

    permission = RESOLVE_PERMISSION
    target_status: TicketStatus

    @classmethod
    def is_applicable(cls, record: SupportTicket) -> bool:
        return cls.target_status in TICKET_TRANSITIONS[TicketStatus(record.status)]


class StartTicket(TicketTransitionForm):
    verb, label, icon, target_status, primary = "start", "Start", "play_arrow", TicketStatus.IN_PROGRESS, True

    def perform(self, record: SupportTicket, by: User) -> str:
        transitions.start_work(record, by=by)
        return f"Ticket #{record.number} is in progress."


class ResolveTicket(TicketTransitionForm):
    """What solved it; stands open on the ticket's page."""

    verb, label, icon, target_status, primary = "resolve", "Resolve", "check", TicketStatus.RESOLVED, True

    summary = forms.CharField(
        label="What solved it",
        max_length=10_000,
        widget=forms.Textarea(attrs={"rows": 6, "data-resolution": ""}),
        help_text="Whoever has the same trouble next will read it.",
    )

    def perform(self, record: SupportTicket, by: User) -> str:
        transitions.resolve(record, summary=self.cleaned_data["summary"], by=by)
        return f"Ticket #{record.number} is resolved."


class EscalateTicket(TicketTransitionForm):
    """Asking for help."""

    verb, label, icon, target_status = "escalate", "Escalate", "campaign", TicketStatus.ESCALATED

    why = forms.CharField(max_length=2_000, widget=forms.Textarea(attrs={"rows": 3}))

    def perform(self, record: SupportTicket, by: User) -> str:
        transitions.escalate(record, why=self.cleaned_data["why"], by=by)
        return f"Ticket #{record.number} is escalated."


class ReopenTicket(TicketTransitionForm):
    """It was not solved after all."""

    verb, label, icon, target_status = "reopen", "Reopen", "undo", TicketStatus.OPEN

    why = forms.CharField(max_length=2_000, widget=forms.Textarea(attrs={"rows": 3}))

    def perform(self, record: SupportTicket, by: User) -> str:
        transitions.reopen(record, why=self.cleaned_data["why"], by=by)
        return f"Ticket #{record.number} is open again."


class NoteTicket(ActionForm):
    """A note on the ticket."""

    verb, label, permission, icon = "note", "Note", CHANGE_PERMISSION, "edit_note"

    body = forms.CharField(
        label="Note", max_length=transitions.MAX_NOTE_LENGTH, widget=forms.Textarea(attrs={"rows": 4})
    )
    internal = forms.BooleanField(
        required=False, initial=True, label="Internal", help_text="What is not internal counts as our first answer."
    )

    def perform(self, record: SupportTicket, by: User) -> str:
        transitions.add_ticket_note(record, self.cleaned_data["body"], internal=self.cleaned_data["internal"], by=by)
        return f"The note is on ticket #{record.number}."


class TakeTicket(ActionForm):
    """Taking a ticket of nobody."""

    verb, label, permission, icon = "take", "Take", CHANGE_PERMISSION, "front_hand"

    @classmethod
    def is_applicable(cls, record: SupportTicket) -> bool:
        return record.assigned_to_id is None and record.status != TicketStatus.RESOLVED

    def perform(self, record: SupportTicket, by: User) -> str:
        record_transitions.assign(record, by, by=by)
        return f"Ticket #{record.number} is yours."


class AssignTicket(ActionForm):
    """Giving a ticket to somebody."""

    verb, label, permission, icon = "assign", "Assign", "support.reassign_supportticket", "person_add"

    assignee = forms.ModelChoiceField(User.objects.none(), required=False, empty_label="Unassigned")

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        self.fields["assignee"].queryset = assignable_users()

    def perform(self, record: SupportTicket, by: User) -> str:
        assignee = self.cleaned_data["assignee"]
        record_transitions.assign(record, assignee, by=by)
        return f"Ticket #{record.number} now belongs to {assignee or 'nobody'}."


class PrioritiseTicket(ActionForm):
    """Another priority, and with it other promises."""

    verb, label, permission, icon = "priority", "Set priority", CHANGE_PERMISSION, "low_priority"

    priority = forms.ChoiceField(choices=TicketPriority.choices, help_text="It changes by when the ticket is due.")

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        if self.record is not None:
            self.initial.setdefault("priority", self.record.priority)

    @classmethod
    def is_applicable(cls, record: SupportTicket) -> bool:
        return record.status != TicketStatus.RESOLVED

    def perform(self, record: SupportTicket, by: User) -> str:
        transitions.set_priority(record, self.cleaned_data["priority"], by=by)
        return f"Ticket #{record.number} has {record.get_priority_display().lower()} priority."


class RateTicket(ActionForm):
    """How content the customer was."""

    verb, label, permission, icon = "rate", "Rate", CHANGE_PERMISSION, "star"

    satisfaction = forms.TypedChoiceField(
        coerce=int,
        label="The customer was",
        choices=[(5, "5, delighted"), (4, "4, content"), (3, "3, neither"), (2, "2, unhappy"), (1, "1, angry")],
    )

    @classmethod
    def is_applicable(cls, record: SupportTicket) -> bool:
        return record.status == TicketStatus.RESOLVED

    def perform(self, record: SupportTicket, by: User) -> str:
        transitions.rate_ticket(record, self.cleaned_data["satisfaction"], by=by)
        return f"Ticket #{record.number}: satisfaction {record.satisfaction} of 5."
