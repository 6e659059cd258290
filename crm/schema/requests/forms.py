"""The forms of schema requests: the request itself, and the actions on it."""

from django import forms

from crm.models import SchemaChange, SchemaChangeState, SchemaDecision, User
from crm.models.schema_change import MAX_REASON_LENGTH
from crm.schema.requests.transitions import DECIDE_PERMISSION, REQUEST_PERMISSION, decide_request, withdraw_request
from crm.screens.action_forms import ActionForm
from crm.screens.record_forms import RecordForm


class RequestForm(RecordForm):
    """Propose how a key should be stored."""

    class Meta:
        model = SchemaChange
        fields = ("table", "column", "key", "proposed", "why", "expected_use")


class DecideRequest(ActionForm):
    """Decide a request; the requester reads the reason."""

    verb, label, permission, icon, primary = "decide", "Decide", DECIDE_PERMISSION, "gavel", True
    decision = forms.ChoiceField(choices=SchemaDecision.choices)
    reason = forms.CharField(widget=forms.Textarea(attrs={"rows": 4}), max_length=MAX_REASON_LENGTH)

    @classmethod
    def is_applicable(cls, record: SchemaChange) -> bool:
        return record.state == SchemaChangeState.OPEN

    def perform(self, record: SchemaChange, by: User) -> str:
        decide_request(record, decision=self.cleaned_data["decision"], reason=self.cleaned_data["reason"], by=by)
        return f"Decided: {record.get_decision_display()}."


class WithdrawRequest(ActionForm):
    """Withdraw one's own request, or a colleague's with the permission to decide."""

    verb, label, permission, icon = "withdraw", "Withdraw", REQUEST_PERMISSION, "undo"

    @classmethod
    def is_applicable(cls, record: SchemaChange) -> bool:
        return record.state == SchemaChangeState.OPEN

    @classmethod
    def is_available(cls, record: SchemaChange, user: User) -> bool:
        is_allowed = record.requested_by_id == user.pk or user.has_perm(DECIDE_PERMISSION)
        return is_allowed and super().is_available(record, user)

    def perform(self, record: SchemaChange, by: User) -> str:
        withdraw_request(record, by=by)
        return "Request withdrawn."
