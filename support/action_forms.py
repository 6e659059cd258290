"""The action forms of tickets."""

from typing import Any

from django import forms

from crm.models import User
from crm.records import transitions as record_transitions
from crm.records.local_time import format_moment
from crm.records.notifications.mentions import explain_untold
from crm.screens.action_forms import ActionForm
from crm.screens.notifications.mention_offer import NoteForm
from crm.screens.record_forms import LocalDateTimeField
from leads.action_forms import assignable_users
from support import transitions
from support.models import TICKET_TRANSITIONS, SupportTicket, TicketPriority, TicketStatus
from support.service_levels import transitions as time_transitions

RESOLVE_PERMISSION, CHANGE_PERMISSION, REASSIGN_PERMISSION = (
    "support.resolve_supportticket",
    "support.change_supportticket",
    "support.reassign_supportticket",
)


def moment_input() -> forms.DateTimeInput:
    return forms.DateTimeInput(attrs={"type": "datetime-local"}, format="%Y-%m-%dT%H:%M")


class TicketTransitionForm(ActionForm):
    """Base of the forms that change the status of a ticket."""

    permission = RESOLVE_PERMISSION
    target_status: TicketStatus

    @classmethod
    def is_applicable(cls, record: SupportTicket) -> bool:
        return cls.target_status in TICKET_TRANSITIONS[TicketStatus(record.status)]


class StartTicket(TicketTransitionForm):
    """Start work on a ticket."""

    verb, label, icon, target_status, primary = "start", "Start", "play_arrow", TicketStatus.IN_PROGRESS, True
    past_tense = "started"

    def perform(self, record: SupportTicket, by: User) -> str:
        transitions.start_work(record, by=by)
        return f"Ticket #{record.number} is in progress."


class ResolveTicket(TicketTransitionForm):
    """Resolve a ticket with a summary. The ticket page shows this form open."""

    verb, label, icon, target_status, primary = "resolve", "Resolve", "check", TicketStatus.RESOLVED, True

    summary = forms.CharField(
        label="Resolution",
        max_length=10_000,
        widget=forms.Textarea(attrs={"rows": 6, "data-resolution": ""}),
        help_text="Shown on similar tickets.",
    )

    def perform(self, record: SupportTicket, by: User) -> str:
        transitions.resolve(record, summary=self.cleaned_data["summary"], by=by)
        return f"Ticket #{record.number} resolved."


class EscalateTicket(TicketTransitionForm):
    """Escalate a ticket."""

    verb, label, icon, target_status = "escalate", "Escalate", "campaign", TicketStatus.ESCALATED
    past_tense = "escalated"

    why = forms.CharField(label="Reason", max_length=2_000, widget=forms.Textarea(attrs={"rows": 3}))

    def perform(self, record: SupportTicket, by: User) -> str:
        transitions.escalate(record, why=self.cleaned_data["why"], by=by)
        return f"Ticket #{record.number} escalated."


class ReopenTicket(TicketTransitionForm):
    """Reopen a resolved ticket."""

    verb, label, icon, target_status = "reopen", "Reopen", "undo", TicketStatus.OPEN

    why = forms.CharField(label="Reason", max_length=2_000, widget=forms.Textarea(attrs={"rows": 3}))

    def perform(self, record: SupportTicket, by: User) -> str:
        transitions.reopen(record, why=self.cleaned_data["why"], by=by)
        return f"Ticket #{record.number} reopened."


class NoteTicket(NoteForm):
    """Add a note to a ticket."""

    permission = CHANGE_PERMISSION
    internal = forms.BooleanField(
        required=False,
        initial=True,
        label="Internal",
        help_text="A note that is not internal counts as our first response.",
    )

    def perform(self, record: SupportTicket, by: User) -> str:
        body, internal = self.cleaned_data["body"], self.cleaned_data["internal"]
        untold = transitions.add_ticket_note(record, body, internal=internal, by=by)
        return f"Note added to ticket #{record.number}.{explain_untold(untold, record)}"


class TakeTicket(ActionForm):
    """Assign an unassigned ticket to the user."""

    verb, label, permission, icon = "take", "Assign to me", CHANGE_PERMISSION, "front_hand"
    past_tense = "assigned to you"

    @classmethod
    def is_applicable(cls, record: SupportTicket) -> bool:
        return record.assigned_to_id is None and record.status != TicketStatus.RESOLVED

    def perform(self, record: SupportTicket, by: User) -> str:
        record_transitions.assign(record, by, by=by)
        return f"Ticket #{record.number} assigned to you."


class AssignTicket(ActionForm):
    """Change the assignee of a ticket."""

    verb, label, permission, icon = "assign", "Assign", REASSIGN_PERMISSION, "person_add"
    value = ("assignee", "assigned_to_id")

    assignee = forms.ModelChoiceField(User.objects.none(), required=False, empty_label="Unassigned")

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        self.fields["assignee"].queryset = assignable_users()

    @property
    def past_tense(self) -> str:
        assignee = self.cleaned_data["assignee"]
        return f"reassigned to {assignee}" if assignee else "unassigned"

    def perform(self, record: SupportTicket, by: User) -> str:
        assignee = self.cleaned_data["assignee"]
        record_transitions.assign(record, assignee, by=by)
        return f"Ticket #{record.number} {f'assigned to {assignee}' if assignee else 'is now unassigned'}."


class PrioritiseTicket(ActionForm):
    """Change the priority of a ticket, and with it the due times."""

    verb, label, permission, icon = "priority", "Set priority", CHANGE_PERMISSION, "low_priority"
    value = ("priority", "priority")

    priority = forms.ChoiceField(choices=TicketPriority.choices, help_text="The due times change with the priority.")

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        if self.record is not None:
            self.initial.setdefault("priority", self.record.priority)

    @property
    def past_tense(self) -> str:
        return f"set to {TicketPriority(self.cleaned_data['priority']).label.lower()} priority"

    @classmethod
    def is_applicable(cls, record: SupportTicket) -> bool:
        return record.status != TicketStatus.RESOLVED

    def perform(self, record: SupportTicket, by: User) -> str:
        transitions.set_priority(record, self.cleaned_data["priority"], by=by)
        return f"Ticket #{record.number} set to {record.get_priority_display().lower()} priority."


class WaitTicket(ActionForm):
    """Let the time of a ticket stand still until the customer answers."""

    verb, label, permission, icon = "wait", "Wait for the customer", CHANGE_PERMISSION, "hourglass_empty"

    @classmethod
    def is_applicable(cls, record: SupportTicket) -> bool:
        return record.waiting_since is None and record.status != TicketStatus.RESOLVED

    def perform(self, record: SupportTicket, by: User) -> str:
        time_transitions.wait_for_customer(record, by=by)
        return f"Ticket #{record.number} waits for the customer. Its time stands still."


class AnswerTicket(ActionForm):
    """Record that the customer answered, such as on the phone."""

    verb, label, permission, icon = "answered", "Customer answered", CHANGE_PERMISSION, "hourglass_bottom"

    @classmethod
    def is_applicable(cls, record: SupportTicket) -> bool:
        return record.waiting_since is not None and record.status != TicketStatus.RESOLVED

    def perform(self, record: SupportTicket, by: User) -> str:
        time_transitions.end_wait(record, by=by)
        due = f" It is due {format_moment(record.resolve_due_at)}." if record.resolve_due_at else ""
        return f"Ticket #{record.number} no longer waits for the customer.{due}"


class DueTicket(ActionForm):
    """Give a ticket due times of its own, in place of those of its service level."""

    verb, label, permission, icon = "due", "Set due times", CHANGE_PERMISSION, "event"

    first_response = LocalDateTimeField(label="First response due", required=False, widget=moment_input())
    resolution = LocalDateTimeField(
        label="Resolution due",
        required=False,
        widget=moment_input(),
        help_text="Leave both blank to follow the service level again.",
    )

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        if self.record is not None:
            self.initial.setdefault("first_response", self.record.first_response_due_at)
            self.initial.setdefault("resolution", self.record.resolve_due_at)

    @classmethod
    def is_applicable(cls, record: SupportTicket) -> bool:
        return record.status != TicketStatus.RESOLVED

    def perform(self, record: SupportTicket, by: User) -> str:
        given = self.cleaned_data
        time_transitions.set_due_times(record, given["first_response"], given["resolution"], by=by)
        due = f"is due {format_moment(record.resolve_due_at)}" if record.resolve_due_at else "has no due time"
        return f"Ticket #{record.number} {due}."


class RateTicket(ActionForm):
    """Record the satisfaction of the customer."""

    verb, label, permission, icon = "rate", "Rate", CHANGE_PERMISSION, "star"

    satisfaction = forms.TypedChoiceField(
        coerce=int,
        label="Customer satisfaction",
        choices=[
            (5, "5 – very satisfied"),
            (4, "4 – satisfied"),
            (3, "3 – neutral"),
            (2, "2 – dissatisfied"),
            (1, "1 – very dissatisfied"),
        ],
    )

    @classmethod
    def is_applicable(cls, record: SupportTicket) -> bool:
        return record.status == TicketStatus.RESOLVED

    def perform(self, record: SupportTicket, by: User) -> str:
        transitions.rate_ticket(record, self.cleaned_data["satisfaction"], by=by)
        return f"Satisfaction with ticket #{record.number}: {record.satisfaction} of 5."
