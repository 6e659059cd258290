"""The forms of a conversation: writing down what was said elsewhere, and correcting what the program noted."""

from typing import Any

from django import forms
from django.utils import timezone
from unfold.widgets import (
    UnfoldAdminSelectWidget,
    UnfoldAdminTextareaWidget,
    UnfoldAdminTextInputWidget,
    UnfoldBooleanWidget,
)

from crm.screens import RecordForm
from inbox.models import Direction, Thread, ThreadSource

MINUTE = "%Y-%m-%dT%H:%M"


class ThreadForm(RecordForm):
    class Meta:
        model = Thread
        fields = ("subject", "sentiment")


class LogForm(forms.ModelForm):
    """A call, meeting, text or the like that happened outside the program."""

    direction = forms.ChoiceField(
        choices=[(Direction.OUT, "We spoke to them"), (Direction.IN, "They spoke to us")],
        label="Who began",
        widget=UnfoldAdminSelectWidget,
    )
    at = forms.DateTimeField(label="When", input_formats=[MINUTE, "%Y-%m-%d %H:%M"])
    body = forms.CharField(
        label="What was said", max_length=100_000, widget=UnfoldAdminTextareaWidget(attrs={"rows": 8})
    )
    resolved = forms.BooleanField(
        required=False,
        label="Settled",
        help_text="Nobody owes an answer: it goes among the resolved ones.",
        widget=UnfoldBooleanWidget,
    )

    class Meta:
        model = Thread
        fields = ("lead", "client", "source", "subject")

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        now = timezone.localtime().strftime(MINUTE)
        field = self.fields["at"]
        field.widget = UnfoldAdminTextInputWidget(attrs={"type": "datetime-local", "max": now})
        self.initial.setdefault("at", now)
        self.initial.setdefault("source", ThreadSource.CALL)
        self.fields["subject"].help_text = "What it was about, in a few words."

    def clean(self) -> dict[str, Any]:
        cleaned = super().clean()
        if not self.errors and bool(cleaned["lead"]) == bool(cleaned["client"]):
            raise forms.ValidationError("Choose with whom it was: a lead or a client.")
        return cleaned
