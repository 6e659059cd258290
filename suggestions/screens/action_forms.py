"""The action forms with which people decide about suggestions."""

from abc import abstractmethod
from typing import Any, ClassVar

from django import forms
from django.utils import timezone
from django.utils.html import format_html

from crm.exceptions import ActionRefused, IllegalTransition
from crm.models import User
from crm.records.local_time import format_moment
from crm.screens.action_forms import ActionForm
from crm.screens.record_forms import LaterForm
from crm.text.cleaning import ensure_full_stop
from suggestions import transitions
from suggestions.choices import LabelCache
from suggestions.kinds import KINDS
from suggestions.kinds.base import InvalidContent
from suggestions.models import OPEN_STATUSES, Level, RejectCode, Suggestion, SuggestionStatus
from suggestions.policy.findings import PolicyFinding, find_policy_findings
from suggestions.screens.attempts import can_undo, is_delivery_unconfirmed
from suggestions.screens.content_form import CONTENT_PREFIX, build_content_inputs, read_content
from suggestions.screens.presenters import has_kind_permission

MAX_DECISION_NOTE_LENGTH = 2_000
MAX_FINDING_CODE_LENGTH = 1_000


class ApprovedButFailed(IllegalTransition):
    """The suggestion was approved, but its execution failed."""


class DecisionForm(ActionForm):
    """A decision about one suggestion, or about each of many."""

    permission = transitions.DECIDE_PERMISSION
    report_each = True
    # Whether the user also needs the permission for what the suggestion does.
    needs_kind_permission: ClassVar[bool] = False
    # A note to read before the button is pressed.
    explanation: ClassVar[str] = ""

    @classmethod
    def is_available(cls, record: Suggestion, user: User) -> bool:
        return super().is_available(record, user) and (
            not cls.needs_kind_permission or has_kind_permission(record, user)
        )

    def perform(self, record: Suggestion, by: User) -> str:
        try:
            message = self.decide(record, by)
        except ActionRefused as error:
            if self.record is None:  # a bulk action: name the suggestion
                raise ActionRefused(f"{record}: {error}") from error
            raise
        return message if self.record is not None else f"{record}: {message}"

    @abstractmethod
    def decide(self, record: Suggestion, by: User) -> str:
        """Call the transition and return the confirmation."""


class FindingCodesField(forms.MultipleChoiceField):
    """Codes of ticked findings; the content decides which codes there are."""

    def valid_value(self, value: str) -> bool:
        return len(value) <= MAX_FINDING_CODE_LENGTH


class ContentDecisionForm(DecisionForm):
    """A decision about content that the user may edit first."""

    with_content = forms.CharField(required=False, initial="1", widget=forms.HiddenInput)

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        # No initial value comes from the address of the page, because anyone can write a link.
        kwargs.pop("initial", None)
        super().__init__(*args, **kwargs)
        # A list has loaded labels already.
        self.names = getattr(self.record, "names", None) or LabelCache(self.user)
        self.kind = KINDS.get(self.record.type) if self.record else None
        self.original_content: dict[str, Any] = {}
        self.content: dict[str, Any] | None = None
        if self.kind:
            self.original_content = transitions.content_to_decide(self.record)
            self.names.choices.update(self.kind.choices(self.record, self.user))
            inputs = build_content_inputs(self.kind.Payload, self.original_content, self.names)
            if self.is_bound or self.record.edited_content is not None:
                self.mark_differences(inputs)
            self.fields.update(inputs)

    def mark_differences(self, inputs: dict[str, forms.Field]) -> None:
        """Let the screen mark where `inputs`, which hold what a person typed, differ from what was proposed."""
        was = inputs
        if self.record.edited_content is not None:
            was = build_content_inputs(self.kind.Payload, self.record.suggested_content, self.names)
        for name, field in inputs.items():
            field.widget.attrs["data-was"] = was[name].initial if name in was else ""

    def content_fields(self) -> list[forms.BoundField]:
        """Return the inputs of the content alone."""
        return [self[name] for name in self.fields if name.startswith(CONTENT_PREFIX)]

    def typed_content(self) -> dict[str, Any]:
        """Return the content in the form, valid or not."""
        if not self.is_bound or self.kind is None or not self.cleaned_data.get("with_content"):
            return self.original_content
        return read_content(self.kind.Payload, self.fields, self.cleaned_data, self.original_content)

    def clean(self) -> dict[str, Any]:
        cleaned = super().clean()
        if self.kind is None or not cleaned.get("with_content") or self.errors:
            return cleaned
        self.content = read_content(self.kind.Payload, self.fields, cleaned, self.original_content)
        try:
            self.kind.parse_content(self.content)
        except InvalidContent as error:
            for name, errors in error.fields.items():
                self.add_error(CONTENT_PREFIX + name if CONTENT_PREFIX + name in self.fields else None, errors)
        return cleaned


class Approve(ContentDecisionForm):
    """Approve a suggestion, as proposed or with changes."""

    verb, label, icon = "approve", "Approve", "check"
    primary = needs_kind_permission = True
    past_tense = "approved"

    as_of = forms.DateTimeField(required=False, widget=forms.HiddenInput)
    version = forms.IntegerField(required=False, widget=forms.HiddenInput)
    confirmed = FindingCodesField(required=False, widget=forms.MultipleHiddenInput)
    note = forms.CharField(
        required=False,
        max_length=MAX_DECISION_NOTE_LENGTH,
        widget=forms.Textarea(attrs={"rows": 2}),
        help_text="Optional.",
    )

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        if self.record and self.record.status == SuggestionStatus.FAILED:
            self.label = "Try again"
        elif self.kind and self.kind.is_outward and self.record.autonomy == Level.AUTO_DRAFT:
            self.label, self.icon = "Send", "send"

    @classmethod
    def is_applicable(cls, record: Suggestion) -> bool:
        open_still = not transitions.is_expired(record, timezone.now())
        decidable = record.type in KINDS and record.status in transitions.DECIDABLE_STATUSES
        return decidable and open_still and not is_delivery_unconfirmed(record)

    def findings(self) -> list[tuple[PolicyFinding, bool]]:
        """Return the policy findings on the content in the form, each with whether it is ticked."""
        if self.kind is None:
            return []
        try:
            payload = self.kind.parse_content(self.original_content if self.content is None else self.content)
            found = find_policy_findings(self.kind, payload, self.record)
        except ActionRefused:
            return []
        ticked = getattr(self, "cleaned_data", {}).get("confirmed", ())
        return [(finding, finding.code in ticked) for finding in found]

    def decide(self, record: Suggestion, by: User) -> str:
        data = self.cleaned_data
        transitions.approve(
            record,
            by=by,
            content=self.content,
            note=data["note"],
            as_of=data["as_of"],
            version=data["version"],
            confirmed=tuple(data["confirmed"]),
        )
        if record.status == SuggestionStatus.FAILED:
            raise ApprovedButFailed(f"Approved, but the execution failed: {record.error_message}")
        message = "Approved" if record.status == SuggestionStatus.APPROVED else "Approved with changes"
        kind = transitions.get_kind(record)
        message = f"{message}. {kind.sentence(kind.parse_content(record.approved_content), record)}"
        next_step = kind.next_step(record) if self.record is not None else None
        return format_html('{} <a href="{}">{}</a>', message, next_step.url, next_step.label) if next_step else message


class Submit(ContentDecisionForm):
    """Submit a draft for a decision, edited or not."""

    verb, label, icon = "submit", "Submit", "send"
    permission = transitions.PROPOSE_PERMISSION
    primary = True

    @classmethod
    def is_applicable(cls, record: Suggestion) -> bool:
        return record.type in KINDS and record.status == SuggestionStatus.DRAFT

    def decide(self, record: Suggestion, by: User) -> str:
        transitions.submit(record, self.content, by=by)
        return ensure_full_stop(f"Submitted for approval: {record}")


class Reject(DecisionForm):
    """Reject a suggestion, with a reason."""

    verb, label, icon = "reject", "Reject", "close"
    danger = True
    past_tense = "rejected"

    version = forms.IntegerField(required=False, widget=forms.HiddenInput)
    code = forms.ChoiceField(
        required=False,
        label="Reason",
        choices=[choice for choice in RejectCode.choices if choice[0] != RejectCode.SUPERSEDED],
        initial=RejectCode.OTHER,
    )
    reason = forms.CharField(
        required=False,
        label="Comment",
        max_length=MAX_DECISION_NOTE_LENGTH,
        widget=forms.Textarea(attrs={"rows": 3}),
        help_text="Your feedback improves future suggestions.",
    )

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        if self.record and self.record.status == SuggestionStatus.DRAFT:
            self.label = "Discard"

    def clean(self) -> dict[str, Any]:
        cleaned = super().clean()
        if not self.errors and not cleaned["reason"].strip() and cleaned["code"] in {"", RejectCode.OTHER}:
            self.add_error("reason", "Enter a comment. Your feedback improves future suggestions.")
        return cleaned

    def codes(self) -> list[tuple[str, str]]:
        """Return the reasons that need no comment; each is a button."""
        return [choice for choice in self.fields["code"].choices if choice[0] != RejectCode.OTHER]

    @classmethod
    def is_applicable(cls, record: Suggestion) -> bool:
        return record.status in OPEN_STATUSES and not is_delivery_unconfirmed(record)

    def decide(self, record: Suggestion, by: User) -> str:
        data = self.cleaned_data
        was_draft = record.status == SuggestionStatus.DRAFT
        code = data["code"] or RejectCode.OTHER
        transitions.reject(record, reason=data["reason"], code=code, version=data["version"], by=by)
        return ensure_full_stop(f"{'Discarded' if was_draft else 'Rejected'}: {record}")


class UseOriginal(DecisionForm):
    """Offer the proposed content again, in place of what a person had changed before an undo."""

    verb, label, icon = "use-original", "Use the original", "history"

    @classmethod
    def is_applicable(cls, record: Suggestion) -> bool:
        waits = record.status == SuggestionStatus.PENDING and not transitions.is_expired(record, timezone.now())
        return waits and record.edited_content is not None

    def decide(self, record: Suggestion, by: User) -> str:
        transitions.discard_changes(record, by=by)
        return ensure_full_stop(f"The original is back: {record}")


class Snooze(LaterForm, DecisionForm):
    """Hide a suggestion until a later time."""

    verb, label, icon = "snooze", "Snooze", "snooze"
    past_tense = "snoozed"

    @classmethod
    def is_applicable(cls, record: Suggestion) -> bool:
        waits = record.status == SuggestionStatus.PENDING
        return waits and not transitions.is_expired(record, timezone.now())

    def decide(self, record: Suggestion, by: User) -> str:
        transitions.snooze(record, self.chosen_time(), by=by)
        return ensure_full_stop(f"Snoozed until {format_moment(record.snoozed_until)}: {record}")


class PutBack(DecisionForm):
    """Return a rejected suggestion to the queue."""

    verb, label, icon = "put-back", "Return to queue", "undo"
    primary = True

    @classmethod
    def is_applicable(cls, record: Suggestion) -> bool:
        return record.status == SuggestionStatus.REJECTED

    def decide(self, record: Suggestion, by: User) -> str:
        transitions.restore_rejected(record, by=by)
        return ensure_full_stop(f"Back in the queue: {record}")


class Undo(DecisionForm):
    """Take an approval back: cancel the execution, or undo it."""

    verb, label, icon = "undo", "Undo", "undo"
    needs_kind_permission = True

    @classmethod
    def is_applicable(cls, record: Suggestion) -> bool:
        return can_undo(record)

    def decide(self, record: Suggestion, by: User) -> str:
        transitions.undo(record, by=by)
        return ensure_full_stop(f"Undone. Back in the queue: {record}")


class ReportOutcome(DecisionForm):
    """Report the outcome of an execution with unconfirmed delivery."""

    needs_kind_permission = True

    @classmethod
    def is_applicable(cls, record: Suggestion) -> bool:
        return record.status == SuggestionStatus.FAILED and is_delivery_unconfirmed(record)


class ConfirmDelivered(ReportOutcome):
    """Confirm the delivery, so that it is never retried."""

    verb, label, icon = "mark-delivered", "Mark as delivered", "mark_email_read"
    explanation = (
        "Confirm this once you have seen it at the recipient. It is recorded as delivered and never sent again."
    )

    def decide(self, record: Suggestion, by: User) -> str:
        transitions.settle_unknown_outcome(record, happened=True, by=by)
        return ensure_full_stop(f"Marked as delivered: {record}")


class RetryUndelivered(ReportOutcome):
    """Report that it was not delivered, and send it again."""

    verb, label, icon = "send-again", "Send again", "forward_to_inbox"
    danger = True
    explanation = "It is sent again at once. If the first one arrived after all, the recipient gets it twice."

    def decide(self, record: Suggestion, by: User) -> str:
        transitions.settle_unknown_outcome(record, happened=False, by=by)
        if record.status == SuggestionStatus.FAILED:
            raise ApprovedButFailed(f"The retry failed: {record.error_message}")
        return ensure_full_stop(f"Sent again: {record}")
