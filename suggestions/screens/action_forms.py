"""The forms through which people decide."""

from datetime import datetime, time, timedelta
from typing import Any, ClassVar

from django import forms
from django.utils import timezone

from crm.exceptions import IllegalMove, Refused
from crm.models import User
from crm.screens.action_forms import DeedForm
from suggestions import transitions
from suggestions.choices import Names
from suggestions.kinds import KINDS
from suggestions.kinds.base import BadContent
from suggestions.models import Level, RejectCode, Suggestion, SuggestionStatus
from suggestions.policy.findings import Finding, judge
from suggestions.screens.attempts import is_unknown, undoable
from suggestions.screens.content_form import PREFIX, content_from, inputs_of
from suggestions.screens.presenters import may_do

MORNING = time(9)
NOTE_LENGTH = 2_000
LONGEST_CODE = 1_000


class NotDone(IllegalMove):
    """It was approved, and what should have happened could not."""


class Decision(DeedForm):
    """A decision about one suggestion, or about each of many."""

    permission = transitions.DECIDE
    each = True
    # Whether it also needs the permission for what the suggestion does.
    as_kind: ClassVar[bool] = False
    # What somebody should know before the button is pressed.
    explains: ClassVar[str] = ""

    @classmethod
    def offered(cls, record: Suggestion, user: User) -> bool:
        return super().offered(record, user) and (not cls.as_kind or may_do(record, user))

    def perform(self, record: Suggestion, by: User) -> str:
        try:
            said = self.decide(record, by)
        except Refused as refusal:
            if self.record is None:  # one of many: say which
                raise Refused(f"{record}: {refusal}") from refusal
            raise
        return said if self.record is not None else f"{record}: {said}"

    def decide(self, record: Suggestion, by: User) -> str:
        raise NotImplementedError


class Ticks(forms.MultipleChoiceField):
    """Codes of findings that were ticked; which there can be follows from the content."""

    def valid_value(self, value: str) -> bool:
        return len(value) <= LONGEST_CODE


class Worked(Decision):
    """A decision about a content that can be worked on first."""

    with_content = forms.CharField(required=False, initial="1", widget=forms.HiddenInput)

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        # Nothing of what is decided about comes from the address of the page: anybody can write a link.
        kwargs.pop("initial", None)
        super().__init__(*args, **kwargs)
        # A list has read names already.
        self.names = getattr(self.record, "names", None) or Names()
        self.kind = KINDS.get(self.record.type) if self.record else None
        self.was: dict[str, Any] = {}
        self.content: dict[str, Any] | None = None
        if self.kind:
            self.was = transitions.proposed(self.record)
            inputs = inputs_of(self.kind.Payload, self.was, self.names)
            if self.is_bound:  # what was typed stands in it: the screen marks what differs from this
                for field in inputs.values():
                    field.widget.attrs["data-was"] = field.initial
            self.fields.update(inputs)

    def contents(self) -> list[forms.BoundField]:
        """The inputs of the content alone."""
        return [self[name] for name in self.fields if name.startswith(PREFIX)]

    def typed(self) -> dict[str, Any]:
        """The content as it stands in the form, valid or not."""
        if not self.is_bound or self.kind is None or not self.cleaned_data.get("with_content"):
            return self.was
        return content_from(self.kind.Payload, self.fields, self.cleaned_data, self.was)

    def clean(self) -> dict[str, Any]:
        cleaned = super().clean()
        if self.kind is None or not cleaned.get("with_content") or self.errors:
            return cleaned
        self.content = content_from(self.kind.Payload, self.fields, cleaned, self.was)
        try:
            self.kind.check(self.content)
        except BadContent as refusal:
            for name, said in refusal.fields.items():
                self.add_error(PREFIX + name if PREFIX + name in self.fields else None, said)
        return cleaned


class Approve(Worked):
    """Letting it happen, as proposed or with changes."""

    verb, label, icon = "approve", "Approve", "check"
    primary = as_kind = True

    as_of = forms.DateTimeField(required=False, widget=forms.HiddenInput)
    version = forms.IntegerField(required=False, widget=forms.HiddenInput)
    confirmed = Ticks(required=False, widget=forms.MultipleHiddenInput)
    note = forms.CharField(
        required=False, max_length=NOTE_LENGTH, widget=forms.Textarea(attrs={"rows": 2}), help_text="For the record."
    )

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        if self.record and self.record.status == SuggestionStatus.FAILED:
            self.label = "Try again"
        elif self.kind and self.kind.outward and self.record.autonomy == Level.AUTO_DRAFT:
            self.label, self.icon = "Send", "send"

    @classmethod
    def possible(cls, record: Suggestion) -> bool:
        open_still = not transitions.expired(record, timezone.now())
        decidable = record.type in KINDS and record.status in transitions.DECIDABLE
        return decidable and open_still and not is_unknown(record)

    def findings(self) -> list[tuple[Finding, bool]]:
        """What is pointed out about the content as it stands in the form, each with whether it was ticked."""
        if self.kind is None:
            return []
        try:
            payload = self.kind.check(self.was if self.content is None else self.content)
            found = judge(self.kind, payload, self.record)
        except Refused:
            return []
        ticked = getattr(self, "cleaned_data", {}).get("confirmed", ())
        return [(finding, finding.code in ticked) for finding in found]

    def decide(self, record: Suggestion, by: User) -> str:
        asked = self.cleaned_data
        transitions.approve(
            record,
            by=by,
            content=self.content,
            note=asked["note"],
            as_of=asked["as_of"],
            version=asked["version"],
            confirmed=tuple(asked["confirmed"]),
        )
        if record.status == SuggestionStatus.FAILED:
            raise NotDone(f"It was approved, but could not be done: {record.error_message}")
        said = "Approved" if record.status == SuggestionStatus.APPROVED else "Approved with changes"
        kind = transitions.kind_of(record)
        return f"{said}. {kind.sentence(kind.check(record.approved_content), record)}"


class Submit(Worked):
    """Letting a draft wait for a decision, as it stands or worked on."""

    verb, label, icon = "submit", "Submit", "send"
    permission = transitions.PROPOSE
    primary = True

    @classmethod
    def possible(cls, record: Suggestion) -> bool:
        return record.type in KINDS and record.status == SuggestionStatus.DRAFT

    def decide(self, record: Suggestion, by: User) -> str:
        transitions.submit(record, self.content, by=by)
        return f"It waits for a decision now: {record}."


class Reject(Decision):
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
        max_length=NOTE_LENGTH,
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
    def possible(cls, record: Suggestion) -> bool:
        return record.status in transitions.REJECTABLE and not is_unknown(record)

    def decide(self, record: Suggestion, by: User) -> str:
        asked = self.cleaned_data
        was_draft = record.status == SuggestionStatus.DRAFT
        code = asked["code"] or RejectCode.OTHER
        transitions.reject(record, reason=asked["reason"], code=code, version=asked["version"], by=by)
        return f"{'Discarded' if was_draft else 'Rejected'}: {record}."


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


class Undo(Decision):
    """Taking an approval back: not carried out any more, or undone."""

    verb, label, icon = "undo", "Undo", "undo"
    as_kind = True

    @classmethod
    def possible(cls, record: Suggestion) -> bool:
        return undoable(record)

    def decide(self, record: Suggestion, by: User) -> str:
        transitions.undo(record, by=by)
        return f"Undone; it waits for a decision again: {record}."


class Settle(Decision):
    """Saying what became of a deed of which nobody could tell."""

    as_kind = True
    happened: ClassVar[bool]

    @classmethod
    def possible(cls, record: Suggestion) -> bool:
        return record.status == SuggestionStatus.FAILED and is_unknown(record)


class ItDidGoOut(Settle):
    """It has happened: written down as done, and never tried again."""

    verb, label, icon = "it-did-go-out", "It did go out", "mark_email_read"
    explains = "Say so once you have seen it at the other end. It is written down as done and never sent again."

    def decide(self, record: Suggestion, by: User) -> str:
        transitions.settle(record, happened=True, by=by)
        return f"Written down as done: {record}."


class ItDidNot(Settle):
    """It has not happened: done again."""

    verb, label, icon = "it-did-not", "It did not: send it again", "forward_to_inbox"
    danger = True
    explains = "It goes out once more, at once. If the first one did arrive after all, they get it twice."

    def decide(self, record: Suggestion, by: User) -> str:
        transitions.settle(record, happened=False, by=by)
        if record.status == SuggestionStatus.FAILED:
            raise NotDone(f"It was tried again, but could not be done: {record.error_message}")
        return f"It is sent again: {record}."
