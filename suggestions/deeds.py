"""The forms through which people decide."""

from datetime import datetime, time, timedelta
from typing import Any

from django import forms
from django.utils import timezone

from crm.deeds import DeedForm
from crm.models import User
from crm.refusals import IllegalMove, Refused
from suggestions import transitions
from suggestions.choices import Names
from suggestions.forms import PREFIX, content_from, inputs_of
from suggestions.kinds import KINDS
from suggestions.kinds.base import BadContent
from suggestions.models import RejectCode, Suggestion, SuggestionStatus

MORNING = time(9)
NOTE_LENGTH = 2_000


class NotDone(IllegalMove):
    """It was approved, and what should have happened could not."""


class Decision(DeedForm):
    """A decision about one suggestion, or about each of many."""

    permission = transitions.DECIDE

    def perform(self, record: Suggestion, by: User) -> str:
        try:
            return self.decide(record, by)
        except Refused as refusal:
            if self.record is None:  # one of many: say which
                raise type(refusal)(f"{record}: {refusal}") from refusal
            raise

    def decide(self, record: Suggestion, by: User) -> str:
        raise NotImplementedError


class Approve(Decision):
    """Letting it happen, as proposed or with changes."""

    verb, label, icon = "approve", "Approve", "check"
    primary = True

    with_content = forms.CharField(required=False, initial="1", widget=forms.HiddenInput)
    as_of = forms.DateTimeField(required=False, widget=forms.HiddenInput)
    note = forms.CharField(
        required=False, max_length=NOTE_LENGTH, widget=forms.Textarea(attrs={"rows": 2}), help_text="For the record."
    )

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        # A list has read names already.
        self.names = getattr(self.record, "names", None) or Names()
        self.kind = KINDS.get(self.record.type) if self.record else None
        self.was: dict[str, Any] = {}
        if self.kind:
            self.was = transitions.proposed(self.record)
            self.fields.update(inputs_of(self.kind.Payload, self.was, self.names))
        if self.record and self.record.status == SuggestionStatus.FAILED:
            self.label = "Try again"

    @classmethod
    def possible(cls, record: Suggestion) -> bool:
        open_still = not transitions.expired(record, timezone.now())
        return record.type in KINDS and record.status in transitions.DECIDABLE and open_still

    def contents(self) -> list[forms.BoundField]:
        """The inputs of the content alone."""
        return [self[name] for name in self.fields if name.startswith(PREFIX)]

    def clean(self) -> dict[str, Any]:
        cleaned = super().clean()
        self.content = None
        if self.kind is None or not cleaned.get("with_content") or self.errors:
            return cleaned
        self.content = content_from(self.kind.Payload, self.fields, cleaned, self.was)
        try:
            self.kind.check(self.content)
        except BadContent as refusal:
            for name, said in refusal.fields.items():
                self.add_error(PREFIX + name if PREFIX + name in self.fields else None, said)
        return cleaned

    def decide(self, record: Suggestion, by: User) -> str:
        asked = self.cleaned_data
        transitions.approve(record, by=by, content=self.content, note=asked["note"], as_of=asked["as_of"])
        if record.status == SuggestionStatus.FAILED:
            raise NotDone(f"It was approved, but could not be done: {record.error_message}")
        said = "Approved" if record.status == SuggestionStatus.APPROVED else "Approved with changes"
        kind = transitions.kind_of(record)
        return f"{said}. {kind.sentence(kind.check(record.approved_content), record)}"


class Reject(Decision):
    """Turning it down, with a reason."""

    verb, label, icon = "reject", "Reject", "close"
    danger = True

    code = forms.ChoiceField(
        required=False,
        label="Why?",
        choices=[choice for choice in RejectCode.choices if choice[0] != RejectCode.SUPERSEDED],
        initial=RejectCode.OTHER,
    )
    reason = forms.CharField(
        required=False,
        label="In your words",
        max_length=NOTE_LENGTH,
        widget=forms.Textarea(attrs={"rows": 3}),
        help_text="The next suggestion is better for it.",
    )

    def clean(self) -> dict[str, Any]:
        cleaned = super().clean()
        if not self.errors and not cleaned["reason"].strip() and cleaned["code"] in {"", RejectCode.OTHER}:
            self.add_error("reason", "Say why: the next suggestion is better for it.")
        return cleaned

    @classmethod
    def possible(cls, record: Suggestion) -> bool:
        return record.status in transitions.DECIDABLE

    def decide(self, record: Suggestion, by: User) -> str:
        asked = self.cleaned_data
        transitions.reject(record, reason=asked["reason"], code=asked["code"] or RejectCode.OTHER, by=by)
        return f"Rejected: {record}."


class Snooze(Decision):
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
        self.moments = moments(timezone.localtime())
        self.fields["until"].choices = [
            (name, f"{name} ({moment:%a %-d %b, %H:%M})") for name, moment in self.moments.items()
        ]
        self.initial.setdefault("until", "Tomorrow")

    @classmethod
    def possible(cls, record: Suggestion) -> bool:
        waits = record.status == SuggestionStatus.PENDING
        return waits and not transitions.expired(record, timezone.now())

    def decide(self, record: Suggestion, by: User) -> str:
        asked = self.cleaned_data
        transitions.snooze(record, asked["at"] or self.moments[asked["until"]], by=by)
        return f"Snoozed until {transitions.when(record.snoozed_until)}: {record}."


def moments(now: datetime) -> dict[str, datetime]:
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


class PutBack(Decision):
    """Letting a rejected one wait again."""

    verb, label, icon = "put-back", "Put back", "undo"
    primary = True

    @classmethod
    def possible(cls, record: Suggestion) -> bool:
        return record.status == SuggestionStatus.REJECTED

    def decide(self, record: Suggestion, by: User) -> str:
        transitions.put_back(record, by=by)
        return f"It waits for a decision again: {record}."
