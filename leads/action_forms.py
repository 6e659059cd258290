"""The forms through which people do deeds to leads and tasks."""

from typing import Any

from django import forms

from crm.models import User
from crm.records import transitions as record_transitions
from crm.screens.action_forms import ActionForm
from leads import transitions
from leads.models import Lead, LeadStatus, LossReason, Task, TaskStatus, Tier


def assignable_users() -> Any:
    return User.objects.filter(is_active=True).order_by("first_name", "last_name", "username")


class ChangeLeadStage(ActionForm):
    """The move of a lead to another stage."""

    verb, label, permission, icon = "stage", "Change stage", "leads.change_lead", "flag"
    primary = True

    stage = forms.ModelChoiceField(LeadStatus.objects.all(), label="To stage", empty_label=None)
    loss_reason = forms.ChoiceField(
        choices=[("", "—"), *LossReason.choices], required=False, help_text="Needed when the lead is lost."
    )
    loss_notes = forms.CharField(required=False, widget=forms.Textarea(attrs={"rows": 2}), max_length=5_000)

    def perform(self, record: Lead, by: User) -> str:
        data = self.cleaned_data
        transitions.change_status(
            record, data["stage"], by=by, loss_reason=data["loss_reason"], loss_notes=data["loss_notes"]
        )
        return f"{record} is now in {record.status}."


class AssignLeadToMe(ActionForm):
    """Taking a lead of nobody."""

    verb, label, permission, icon = "take", "Take", "leads.change_lead", "front_hand"

    @classmethod
    def is_applicable(cls, record: Lead) -> bool:
        return record.assigned_to_id is None

    def perform(self, record: Lead, by: User) -> str:
        record_transitions.assign(record, by, by=by)
        return f"{record} is yours."


class AssignLead(ActionForm):
    """Giving a lead to somebody."""

    verb, label, permission, icon = "assign", "Assign", "leads.reassign_lead", "person_add"

    owner = forms.ModelChoiceField(User.objects.none(), required=False, empty_label="Unassigned")

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        self.fields["owner"].queryset = assignable_users()

    def perform(self, record: Lead, by: User) -> str:
        owner = self.cleaned_data["owner"]
        record_transitions.assign(record, owner, by=by)
        return f"{record} now belongs to {owner or 'nobody'}."


class SetTierOverride(ActionForm):
    """A person's own judgement of a lead."""

    verb, label, permission, icon = "tier", "Set tier", "leads.change_lead", "local_fire_department"

    tier = forms.ChoiceField(
        choices=[*Tier.choices, ("", "As the score says")],
        required=False,
        help_text="Scoring leaves it alone.",
    )

    def perform(self, record: Lead, by: User) -> str:
        transitions.set_tier_override(record, self.cleaned_data["tier"] or None, by=by)
        return f"{record} is {record.get_priority_tier_display() or 'without a tier'}."


class AddLeadNote(ActionForm):
    """A note on the timeline."""

    verb, label, permission, icon = "note", "Note", "leads.change_lead", "edit_note"

    body = forms.CharField(label="Note", widget=forms.Textarea(attrs={"rows": 4}), max_length=10_000)

    def perform(self, record: Lead, by: User) -> str:
        record_transitions.add_note(record, self.cleaned_data["body"], by=by)
        return "The note is on the timeline."


class AddLeadTask(ActionForm):
    """A task for a lead."""

    verb, label, permission, icon = "task", "Add task", "leads.add_task", "add_task"

    title = forms.CharField(max_length=200)
    due_on = forms.DateField(required=False, widget=forms.DateInput(attrs={"type": "date"}))
    assignee = forms.ModelChoiceField(User.objects.none(), required=False, empty_label="Unassigned")

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        self.fields["assignee"].queryset = assignable_users()
        self.initial.setdefault("assignee", self.user.pk)

    def perform(self, record: Lead, by: User) -> str:
        task = Task(lead=record, **self.cleaned_data)
        transitions.add_task(task, by=by)
        return f"The task “{task}” is on the list."


class DeleteLead(ActionForm):
    """Into the bin."""

    verb, label, permission, icon = "delete", "Delete", "leads.delete_lead", "delete"
    danger = True

    def perform(self, record: Lead, by: User) -> str:
        record_transitions.soft_delete(record, by=by)
        return f"{record} is deleted."


class AddLeadTag(ActionForm):
    """A tag on many leads at once."""

    verb, label, permission, icon = "tag", "Add a tag", "leads.change_lead", "sell"

    tag = forms.CharField(max_length=60)

    def perform(self, record: Lead, by: User) -> str:
        transitions.add_tag(record, self.cleaned_data["tag"], by=by)
        return f"{record} is tagged."


class ChangeTaskStatus(ActionForm):
    """Another status for a task."""

    verb, label, permission, icon = "move", "Set status", "leads.change_task", "flag"
    primary = True

    status = forms.ChoiceField(choices=TaskStatus.choices)

    def perform(self, record: Task, by: User) -> str:
        transitions.change_task_status(record, self.cleaned_data["status"], by=by)
        return f"“{record}” is {record.get_status_display().lower()}."


class CompleteTask(ActionForm):
    """Done."""

    verb, label, permission, icon = "done", "Done", "leads.change_task", "check"

    @classmethod
    def is_applicable(cls, record: Task) -> bool:
        return record.status not in {TaskStatus.DONE, TaskStatus.ARCHIVED}

    def perform(self, record: Task, by: User) -> str:
        transitions.change_task_status(record, TaskStatus.DONE, by=by)
        return f"“{record}” is done."
