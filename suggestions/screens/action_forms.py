"""The forms through which people decide."""

from datetime import datetime, time, timedelta
from typing import Any, ClassVar

from django import forms
from django.utils import timezone

from crm.exceptions import ActionRefused, IllegalTransition
from crm.models import User
from crm.screens.action_forms import ActionForm
from suggestions import transitions
from suggestions.choices import LabelCache
from suggestions.kinds import KINDS
from suggestions.kinds.base import InvalidContent
from suggestions.models import OPEN_STATUSES, Level, RejectCode, Suggestion, SuggestionStatus
from suggestions.policy.findings import PolicyFinding, find_policy_findings
from suggestions.screens.attempts import can_undo, is_delivery_unconfirmed
from suggestions.screens.content_form import CONTENT_PREFIX, build_content_inputs, read_content
from suggestions.screens.presenters import has_kind_permission

MORNING = time(9)
MAX_DECISION_NOTE_LENGTH = 2_000
MAX_FINDING_CODE_LENGTH = 1_000


class ApprovedButFailed(IllegalTransition):
    """It was approved, and what should have happened could not."""


class DecisionForm(ActionForm):
    """A decision about one suggestion, or about each of many."""

    permission = transitions.DECIDE_PERMISSION
    report_each = True
    # Whether it also needs the permission for what the suggestion does.
    needs_kind_permission: ClassVar[bool] = False
    # What somebody should know before the button is pressed.
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
            if self.record is None:  # one of many: say which
                raise ActionRefused(f"{record}: {error}") from error
            raise
        return message if self.record is not None else f"{record}: {message}"

    def decide(self, record: Suggestion, by: User) -> str:
        raise NotImplementedError


class FindingCodesField(forms.MultipleChoiceField):
    """Codes of findings that were ticked; which there can be follows from the content."""

    def valid_value(self, value: str) -> bool:
        return len(value) <= MAX_FINDING_CODE_LENGTH


class ContentDecisionForm(DecisionForm):
    """A decision about a content that can be worked on first."""

    with_content = forms.CharField(required=False, initial="1", widget=forms.HiddenInput)

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        # Nothing of what is decided about comes from the address of the page: anybody can write a link.
        kwargs.pop("initial", None)
        super().__init__(*args, **kwargs)
        # A list has read names already.
        self.names = getattr(self.record, "names", None) or LabelCache()
        self.kind = KINDS.get(self.record.type) if self.record else None
        self.original_content: dict[str, Any] = {}
        self.content: dict[str, Any] | None = None
        if self.kind:
            self.original_content = transitions.content_to_decide(self.record)
            inputs = build_content_inputs(self.kind.Payload, self.original_content, self.names)
            if self.is_bound:  # what was typed stands in it: the screen marks what differs from this
                for field in inputs.values():
                    field.widget.attrs["data-was"] = field.initial
            self.fields.update(inputs)

    def content_fields(self) -> list[forms.BoundField]:
        """The inputs of the content alone."""
        return [self[name] for name in self.fields if name.startswith(CONTENT_PREFIX)]

    def typed_content(self) -> dict[str, Any]:
        """The content as it stands in the form, valid or not."""
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
    """Letting it happen, as proposed or with changes."""

    verb, label, icon = "approve", "Approve", "check"
    primary = needs_kind_permission = True

    as_of = forms.DateTimeField(required=False, widget=forms.HiddenInput)
    version = forms.IntegerField(required=False, widget=forms.HiddenInput)
    confirmed = FindingCodesField(required=False, widget=forms.MultipleHiddenInput)
    note = forms.CharField(
        required=False,
        max_length=MAX_DECISION_NOTE_LENGTH,
        widget=forms.Textarea(attrs={"rows": 2}),
        help_text="For the record.",
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
        """What is pointed out about the content as it stands in the form, each with whether it was ticked."""
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
            raise ApprovedButFailed(f"It was approved, but could not be done: {record.error_message}")
        message = "Approved" if record.status == SuggestionStatus.APPROVED else "Approved with changes"
        kind = transitions.get_kind(record)
        return f"{message}. {kind.sentence(kind.parse_content(record.approved_content), record)}"


class Submit(ContentDecisionForm):
    """Letting a draft wait for a decision, as it stands or worked on."""

    verb, label, icon = "submit", "Submit", "send"
    permission = transitions.PROPOSE_PERMISSION
    primary = True

    @classmethod
    def is_applicable(cls, record: Suggestion) -> bool:
        return record.type in KINDS and record.status == SuggestionStatus.DRAFT

    def decide(self, record: Suggestion, by: User) -> str:
        transitions.submit(record, self.content, by=by)
        return f"It waits for a decision now: {record}."


class Reject(DecisionForm):
    """Turning it down, with a reason."""

    verb, label, icon = "reject", "Reject", "close"
    danger = True

    version = forms.IntegerField(required=False, widget=forms.HiddenInput)
    code = forms.ChoiceField(
        required=False,
        label="Why?",
        choices=[choice for choice in RejectCode.choices if choice[0] != RejectCode.SUPERSEDED],
        initial=RejectCode.OTHER,
    )
    reason = forms.CharField(
        required=False,
        label="In your words",
        max_length=MAX_DECISION_NOTE_LENGTH,
        widget=forms.Textarea(attrs={"rows": 3}),
        help_text="The next suggestion is better for it.",
    )

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        if self.record and self.record.status == SuggestionStatus.DRAFT:
            self.label = "Discard"

    def clean(self) -> dict[str, Any]:
        cleaned = super().clean()
        if not self.errors and not cleaned["reason"].strip() and cleaned["code"] in {"", RejectCode.OTHER}:
            self.add_error("reason", "Say why: the next suggestion is better for it.")
        return cleaned

    def codes(self) -> list[tuple[str, str]]:
        """Reasons that say enough by themselves, each a button."""
        return [choice for choice in self.fields["code"].choices if choice[0] != RejectCode.OTHER]

    @classmethod
    def is_applicable(cls, record: Suggestion) -> bool:
        return record.status in OPEN_STATUSES and not is_delivery_unconfirmed(record)

    def decide(self, record: Suggestion, by: User) -> str:
        data = self.cleaned_data
        was_draft = record.status == SuggestionStatus.DRAFT
        code = data["code"] or RejectCode.OTHER
        transitions.reject(record, reason=data["reason"], code=code, version=data["version"], by=by)
        return f"{'Discarded' if was_draft else 'Rejected'}: {record}."


class Snooze(DecisionForm):
    """Looking at it later."""

    verb, label, icon = "snooze", "Snooze", "snooze"

    until = forms.ChoiceField(label="Show it again")
    at = forms.DateTimeField(
        required=False,
        label="or at",
        widget=forms.DateTimeInput(attrs={"type": "datetime-local"}),
        error_messages={"invalid": "Write a date and a time."},
    )

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        self.snooze_times = snooze_times(timezone.localtime())
        self.fields["until"].choices = [
            (name, f"{name} ({moment:%a %-d %b, %H:%M})") for name, moment in self.snooze_times.items()
        ]
        self.initial.setdefault("until", "Tomorrow")

    @classmethod
    def is_applicable(cls, record: Suggestion) -> bool:
        waits = record.status == SuggestionStatus.PENDING
        return waits and not transitions.is_expired(record, timezone.now())

    def decide(self, record: Suggestion, by: User) -> str:
        data = self.cleaned_data
        transitions.snooze(record, data["at"] or self.snooze_times[data["until"]], by=by)
        return f"Snoozed until {transitions.format_moment(record.snoozed_until)}: {record}."


def snooze_times(now: datetime) -> dict[str, datetime]:
    """When people want to see a thing again, by name; `now` is local time."""

    def morning(days: int) -> datetime:
        return timezone.make_aware(datetime.combine(now.date() + timedelta(days=days), MORNING))

    return {
        "In 3 hours": now + timedelta(hours=3),
        "Tomorrow": morning(1),
        "In 3 days": morning(3),
        "Next Monday": morning(7 - now.weekday()),
        "In 2 weeks": morning(14),
    }


class PutBack(DecisionForm):
    """Letting a rejected one wait again."""

    verb, label, icon = "put-back", "Put back", "undo"
    primary = True

    @classmethod
    def is_applicable(cls, record: Suggestion) -> bool:
        return record.status == SuggestionStatus.REJECTED

    def decide(self, record: Suggestion, by: User) -> str:
        transitions.restore_rejected(record, by=by)
        return f"It waits for a decision again: {record}."


class Undo(DecisionForm):
    """Taking an approval back: not carried out any more, or undone."""

    verb, label, icon = "undo", "Undo", "undo"
    needs_kind_permission = True

    @classmethod
    def is_applicable(cls, record: Suggestion) -> bool:
        return can_undo(record)

    def decide(self, record: Suggestion, by: User) -> str:
        transitions.undo(record, by=by)
        return f"Undone; it waits for a decision again: {record}."


class ReportOutcome(DecisionForm):
    """Saying what became of a deed of which nobody could tell."""

    needs_kind_permission = True
    happened: ClassVar[bool]

    @classmethod
    def is_applicable(cls, record: Suggestion) -> bool:
        return record.status == SuggestionStatus.FAILED and is_delivery_unconfirmed(record)


class ConfirmDelivered(ReportOutcome):
    """It has happened: written down as done, and never tried again."""

    verb, label, icon = "it-did-go-out", "It did go out", "mark_email_read"
    explanation = "Say so once you have seen it at the other end. It is written down as done and never sent again."

    def decide(self, record: Suggestion, by: User) -> str:
        transitions.settle_unknown_outcome(record, happened=True, by=by)
        return f"Written down as done: {record}."


class RetryUndelivered(ReportOutcome):
    """It has not happened: done again."""

    verb, label, icon = "it-did-not", "It did not: send it again", "forward_to_inbox"
    danger = True
    explanation = "It goes out once more, at once. If the first one did arrive after all, they get it twice."

    def decide(self, record: Suggestion, by: User) -> str:
        transitions.settle_unknown_outcome(record, happened=False, by=by)
        if record.status == SuggestionStatus.FAILED:
            raise ApprovedButFailed(f"It was tried again, but could not be done: {record.error_message}")
        return f"It is sent again: {record}."
