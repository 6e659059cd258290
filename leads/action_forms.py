"""The action forms of leads and tasks: each asks for what a transition needs, and calls it."""

from typing import Any

from django import forms
from django.urls import reverse
from django.utils.html import format_html

from crm.models import User
from crm.records import transitions as record_transitions
from crm.records.notifications.mentions import explain_untold
from crm.screens.action_forms import ActionForm, ActionPlace
from crm.screens.custom_fields.bulk_edit import SetCustomField, set_field_action
from crm.screens.notifications.mention_offer import NoteForm
from crm.screens.tags import tag_actions
from leads import transitions
from leads.models import Lead, LeadStatus, LossReason, StageCategory, Task, TaskStatus, Tier


def assignable_users() -> Any:
    return User.objects.filter(is_active=True).order_by("first_name", "last_name", "username")


class ChangeLeadStage(ActionForm):
    """Move a lead to another stage."""

    verb, label, permission, icon = "stage", "Change stage", "leads.change_lead", "flag"
    place, value = ActionPlace.VALUE, ("stage", "status_id")

    @classmethod
    def is_applicable(cls, record: Lead) -> bool:
        # A converted lead stays won until the conversion is undone.
        return record.converted_at is None

    stage = forms.ModelChoiceField(LeadStatus.objects.all(), label="To stage", empty_label=None)
    loss_reason = forms.ChoiceField(
        choices=[("", "—"), *LossReason.choices], required=False, help_text="Required for a lost lead."
    )
    loss_notes = forms.CharField(required=False, widget=forms.Textarea(attrs={"rows": 2}), max_length=5_000)
    without_client = forms.BooleanField(required=False, label="Close as won without converting to a client")

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        # Read once, although a template goes through the choices several times. `list` alone would count them first.
        stage = self.fields["stage"]
        stage.choices = list(iter(stage.choices))
        self.initial.setdefault("stage", self.following_stage())

    @classmethod
    def saved_data(cls, record: Lead) -> dict[str, str]:
        """Return the stage, with what a closed one needs."""
        loss = {"loss_reason": record.loss_reason or "", "loss_notes": record.loss_notes}
        closed = {"without_client": "1"} if record.status.category == StageCategory.WON else {}
        return {**super().saved_data(record), **loss, **closed}

    def following_stage(self) -> str | None:
        """Return the key of the stage after that of the lead, None if there is none."""
        keys = [getattr(key, "value", key) for key, _ in self.fields["stage"].choices]
        current = self.record and self.record.status_id
        return keys[keys.index(current) + 1] if current in keys[:-1] else None

    def clean(self) -> dict[str, Any]:
        """Ask before a lead is closed as won without a client."""
        cleaned = super().clean()
        stage = cleaned.get("stage")
        if stage and stage.category == StageCategory.WON and not cleaned.get("without_client"):
            self.add_error("without_client", self.conversion_advice())
        return cleaned

    def conversion_advice(self) -> str:
        if self.record is None:
            return "Won leads are converted one by one. Select this box to close these leads without clients."
        url = reverse("admin:leads_lead_convert", args=[self.record.pk])
        advice = '<a href="{}">Convert the lead to a client</a>, or select this box to close it without one.'
        return format_html(advice, url)

    @property
    def past_tense(self) -> str:
        return f"moved to {self.cleaned_data['stage']}"

    def perform(self, record: Lead, by: User) -> str:
        data = self.cleaned_data
        transitions.change_status(
            record, data["stage"], by=by, loss_reason=data["loss_reason"], loss_notes=data["loss_notes"]
        )
        return f"{record} moved to {record.status}."


class AssignLeadToMe(ActionForm):
    """Assign an unassigned lead to the user."""

    verb, label, permission, icon = "take", "Assign to me", "leads.change_lead", "front_hand"
    past_tense = "assigned to you"

    @classmethod
    def is_applicable(cls, record: Lead) -> bool:
        return record.assigned_to_id is None

    def perform(self, record: Lead, by: User) -> str:
        record_transitions.assign(record, by, by=by)
        return f"{record} assigned to you."


class AssignLead(ActionForm):
    """Change the owner of a lead."""

    verb, label, permission, icon = "assign", "Assign", "leads.reassign_lead", "person_add"
    place, value = ActionPlace.VALUE, ("owner", "assigned_to_id")

    owner = forms.ModelChoiceField(User.objects.none(), required=False, empty_label="Unassigned")

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        self.fields["owner"].queryset = assignable_users()

    @property
    def past_tense(self) -> str:
        owner = self.cleaned_data["owner"]
        return f"reassigned to {owner}" if owner else "unassigned"

    def perform(self, record: Lead, by: User) -> str:
        owner = self.cleaned_data["owner"]
        record_transitions.assign(record, owner, by=by)
        return f"{record} assigned to {owner}." if owner else f"{record} is now unassigned."


class SetTierOverride(ActionForm):
    """Set the tier of a lead by hand, or let the score decide again."""

    verb, label, permission, icon = "tier", "Set tier", "leads.change_lead", "local_fire_department"
    place, value = ActionPlace.MENU, ("tier", "tier_override")

    tier = forms.ChoiceField(
        choices=[*Tier.choices, ("", "Set by score")],
        required=False,
        help_text="Scoring does not change a tier that you set.",
    )

    @property
    def past_tense(self) -> str:
        tier = self.cleaned_data["tier"]
        return f"moved to the tier {Tier(tier).label}" if tier else "returned to the tier of their score"

    def perform(self, record: Lead, by: User) -> str:
        transitions.set_tier_override(record, self.cleaned_data["tier"] or None, by=by)
        return f"Tier of {record}: {record.get_priority_tier_display() or 'not scored'}."


class AddLeadNote(NoteForm):
    """Add a note to the timeline of a lead."""

    permission, key = "leads.change_lead", "n"

    def perform(self, record: Lead, by: User) -> str:
        untold = record_transitions.add_note(record, self.cleaned_data["body"], by=by)
        return "Note added." + explain_untold(untold, record)


class AddLeadTask(ActionForm):
    """Add a task to a lead."""

    verb, label, permission, icon = "task", "Add task", "leads.add_task", "add_task"
    key = "t"

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
        return f"Task “{task}” added."


class DeleteLead(ActionForm):
    """Delete a lead; it can be restored."""

    verb, label, permission, icon = "delete", "Delete", "leads.delete_lead", "delete"
    past_tense = "deleted"
    danger = True

    def perform(self, record: Lead, by: User) -> str:
        record_transitions.soft_delete(record, by=by)
        return f"{record} deleted."


AddLeadTag, RemoveLeadTag = tag_actions(Lead._meta.label_lower)


class SetLeadValue(SetCustomField):
    """Set or clear one custom field of leads, and update their signals as their form does."""

    def perform(self, record: Lead, by: User) -> str:
        outcome = super().perform(record, by)
        transitions.refresh_field_signals(record, by=by)
        return outcome


SetLeadField = set_field_action(Lead, SetLeadValue)


class ChangeTaskStatus(ActionForm):
    """Set the status of a task."""

    verb, label, permission, icon = "move", "Set status", "leads.change_task", "flag"
    primary, value = True, ("status", "status")

    status = forms.ChoiceField(choices=TaskStatus.choices)

    def perform(self, record: Task, by: User) -> str:
        transitions.change_task_status(record, self.cleaned_data["status"], by=by)
        return f"Status of “{record}”: {record.get_status_display().lower()}."


class CompleteTask(ActionForm):
    """Mark a task as done."""

    verb, label, permission, icon = "done", "Done", "leads.change_task", "check"

    @classmethod
    def is_applicable(cls, record: Task) -> bool:
        return record.status not in {TaskStatus.DONE, TaskStatus.ARCHIVED}

    def perform(self, record: Task, by: User) -> str:
        transitions.change_task_status(record, TaskStatus.DONE, by=by)
        return f"Task “{record}” marked as done."
