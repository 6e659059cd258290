"""The forms of schema requests: the request itself, and the actions on it."""

from typing import Any

from django import forms
from unfold.widgets import UnfoldAdminTextareaWidget

from crm.models import SchemaChange, SchemaChangeState, SchemaDecision, User
from crm.models.schema_change import MAX_REASON_LENGTH, TRANSITIONS
from crm.schema.promotion.transitions import DECIDE_PERMISSION, pause_change, resume_change, undo_change
from crm.schema.requests.transitions import decide_request, withdraw_request
from crm.screens.action_forms import ActionForm
from crm.screens.custom_fields.schema_requests import REQUEST_PERMISSION
from crm.screens.record_forms import RecordForm


class RequestForm(RecordForm):
    """Propose how a key should be stored."""

    class Meta:
        model = SchemaChange
        fields = ("table", "column", "key", "proposed", "why", "expected_use")
        widgets = {name: UnfoldAdminTextareaWidget(attrs={"rows": 4}) for name in ("why", "expected_use")}


class DecideRequest(ActionForm):
    """Decide a request; the requester reads the reason."""

    verb, label, permission, icon, primary = "decide", "Decide", DECIDE_PERMISSION, "gavel", True
    decision = forms.ChoiceField(choices=SchemaDecision.choices)
    reason = forms.CharField(widget=forms.Textarea(attrs={"rows": 4}), max_length=MAX_REASON_LENGTH)

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        if self.record is not None:
            self.initial.setdefault("decision", self.record.proposed)

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


class PauseChange(ActionForm):
    """Pause a promotion."""

    verb, label, permission, icon = "pause", "Pause", DECIDE_PERMISSION, "pause"

    @classmethod
    def is_applicable(cls, record: SchemaChange) -> bool:
        return SchemaChangeState.PAUSED in TRANSITIONS[SchemaChangeState(record.state)]

    def perform(self, record: SchemaChange, by: User) -> str:
        pause_change(record, by=by)
        return "Paused. What is copied stays copied; an index that was half built is built anew when you resume."


class ResumeChange(ActionForm):
    """Resume a promotion that is paused or has failed, or build an applied one again."""

    verb, label, permission, icon = "resume", "Resume", DECIDE_PERMISSION, "play_arrow"

    @classmethod
    def is_applicable(cls, record: SchemaChange) -> bool:
        is_waiting = record.state in {SchemaChangeState.PAUSED, SchemaChangeState.FAILED}
        return is_waiting or (record.state == SchemaChangeState.UNDOING and bool(record.error_message))

    def perform(self, record: SchemaChange, by: User) -> str:
        resume_change(record, by=by)
        return "Queued. A worker goes on with it."


class RepairChange(ActionForm):
    """Mend what someone removed or changed by hand; what is there stays."""

    verb, label, permission, icon = "repair", "Repair", DECIDE_PERMISSION, "build"

    @classmethod
    def is_applicable(cls, record: SchemaChange) -> bool:
        return record.state == SchemaChangeState.APPLIED

    def perform(self, record: SchemaChange, by: User) -> str:
        resume_change(record, by=by)
        return "Queued. A worker mends what is missing or differs."


class UndoChange(ActionForm):
    """Take a promotion back; the values stay in JSON."""

    verb, label, permission, icon, danger = "undo", "Undo", DECIDE_PERMISSION, "undo", True

    @classmethod
    def is_applicable(cls, record: SchemaChange) -> bool:
        is_undoable = SchemaChangeState.UNDOING in TRANSITIONS[SchemaChangeState(record.state)]
        return is_undoable and record.state != SchemaChangeState.UNDOING

    def perform(self, record: SchemaChange, by: User) -> str:
        undo_change(record, by=by)
        return "Undoing. The values stay as they are, and filters go on working."
