"""The action forms of policies: each asks for what a transition needs, and calls it."""

from typing import Any

from django import forms
from django.urls import reverse
from django.utils.html import format_html

from crm.models import User
from crm.records import transitions as record_transitions
from crm.records.local_time import agency_today
from crm.records.notifications.mentions import explain_untold
from crm.screens.action_forms import ActionForm
from crm.screens.notifications.mention_offer import NoteForm
from crm.screens.record_forms import TypedDecimalField
from leads.models import CancellationReason, Policy, PolicyStatus
from leads.models.policy import TRANSITIONS
from leads.policies import transitions


def date_input() -> forms.DateInput:
    return forms.DateInput(attrs={"type": "date"}, format="%Y-%m-%d")


def premium_field(**kwargs: Any) -> TypedDecimalField:
    return TypedDecimalField(max_digits=12, decimal_places=2, min_value=0, help_text="For the whole term.", **kwargs)


class PolicyAction(ActionForm):
    """An action that moves a policy to `target`; its fields begin with what the policy has."""

    permission = "leads.change_policy"
    target: PolicyStatus

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        if self.record is not None:
            for name in self.fields:
                self.initial.setdefault(name, getattr(self.record, name, None))

    @classmethod
    def is_applicable(cls, record: Policy) -> bool:
        return cls.target in TRANSITIONS[record.status]


class BindPolicy(PolicyAction):
    """Mark a quote as bound."""

    verb, label, icon, target = "bind", "Bind", "handshake", PolicyStatus.BOUND
    primary = True

    carrier = forms.CharField(max_length=120)
    premium = premium_field()
    effective_on = forms.DateField(label="Effective", widget=date_input())
    expires_on = forms.DateField(label="Expires", widget=date_input())

    def perform(self, record: Policy, by: User) -> str:
        transitions.bind(record, by=by, **self.cleaned_data)
        return f"{record} is bound."


class ActivatePolicy(PolicyAction):
    """Mark a bound policy as active."""

    verb, label, icon, target = "activate", "Activate", "verified_user", PolicyStatus.ACTIVE
    primary = True

    number = forms.CharField(label="Policy number", max_length=60)

    @classmethod
    def is_applicable(cls, record: Policy) -> bool:
        return record.status == PolicyStatus.BOUND

    def perform(self, record: Policy, by: User) -> str:
        transitions.activate(record, number=self.cleaned_data["number"], by=by)
        return f"{record} is active."


class RenewPolicy(PolicyAction):
    """Add the policy of the next term."""

    verb, label, icon, target = "renew", "Renew", "autorenew", PolicyStatus.RENEWED

    premium = premium_field(label="Premium of the next term")

    def perform(self, record: Policy, by: User) -> str:
        renewal = transitions.renew(record, premium=self.cleaned_data["premium"], by=by)
        url = reverse("admin:leads_policy_change", args=[renewal.pk])
        return format_html('Renewed. <a href="{}">Open the quote for the next term</a>', url)


class ReactivatePolicy(PolicyAction):
    """Make a policy active again whose renewal was deleted."""

    verb, label, icon, target = "reactivate", "Make active again", "undo", PolicyStatus.ACTIVE

    @classmethod
    def is_applicable(cls, record: Policy) -> bool:
        return record.status == PolicyStatus.RENEWED and record.current_renewal() is None

    def perform(self, record: Policy, by: User) -> str:
        transitions.reactivate(record, by=by)
        return f"{record} is active again."


class OpenRenewalLead(ActionForm):
    """Add a lead for the renewal, in place of a follow-up."""

    verb, label, permission, icon = "renewal-lead", "Renew through a lead", "leads.add_lead", "person_add"

    @classmethod
    def is_applicable(cls, record: Policy) -> bool:
        return record.days_left is not None and record.renewal_lead_id is None

    def perform(self, record: Policy, by: User) -> str:
        lead = transitions.open_renewal_lead(record, by=by)
        return f"Lead {lead} added for the renewal."


class LapsePolicy(PolicyAction):
    """Mark an expired policy as lapsed."""

    verb, label, icon, target = "lapse", "Mark as lapsed", "event_busy", PolicyStatus.LAPSED

    @classmethod
    def is_applicable(cls, record: Policy) -> bool:
        return record.days_left is not None and record.days_left < 0

    def perform(self, record: Policy, by: User) -> str:
        transitions.lapse(record, by=by)
        return f"{record} is lapsed."


class CancelPolicy(PolicyAction):
    """Cancel a policy or a quote, with the reason."""

    verb, label, icon, target = "cancel", "Cancel policy", "block", PolicyStatus.CANCELLED
    danger = True

    reason = forms.ChoiceField(choices=[("", "—"), *CancellationReason.choices])
    cancelled_on = forms.DateField(label="Cancelled as of", widget=date_input())

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        self.initial["cancelled_on"] = agency_today()

    def perform(self, record: Policy, by: User) -> str:
        transitions.cancel(record, by=by, **self.cleaned_data)
        return f"{record} is cancelled."


class AddPolicyNote(NoteForm):
    """Add a note to the timeline of a policy."""

    permission = "leads.change_policy"

    def perform(self, record: Policy, by: User) -> str:
        untold = record_transitions.add_note(record, self.cleaned_data["body"], by=by)
        return "Note added." + explain_untold(untold, record)
