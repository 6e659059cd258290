"""The forms of a conversation: logging one that took place elsewhere, and editing one."""

from typing import Any

from django import forms
from django.utils import timezone
from unfold.widgets import (
    UnfoldAdminFileFieldWidget,
    UnfoldAdminIntegerFieldWidget,
    UnfoldAdminSelectWidget,
    UnfoldAdminTextareaWidget,
    UnfoldAdminTextInputWidget,
    UnfoldAdminURLInputWidget,
    UnfoldBooleanWidget,
)

from crm.screens.record_forms import LocalDateTimeField, RecordForm
from inbox.attachments import MAX_ATTACHMENT_BYTES
from inbox.models import Direction, Thread, ThreadSource
from inbox.transitions import ConversationDetails
from inbox.transitions.log_conversation import MAX_LOGGED_SUMMARY_LENGTH, MAX_TRANSCRIPT_LENGTH, MAX_URL_LENGTH

MINUTE_FORMAT = "%Y-%m-%dT%H:%M"


class ThreadForm(RecordForm):
    class Meta:
        model = Thread
        fields = ("subject", "sentiment")


class LogForm(forms.ModelForm):
    """Log a call, meeting, text message or the like that happened outside the program."""

    direction = forms.ChoiceField(
        choices=[(Direction.OUT, "We contacted them"), (Direction.IN, "They contacted us")],
        label="Direction",
        widget=UnfoldAdminSelectWidget,
    )
    at = LocalDateTimeField(label="When", input_formats=[MINUTE_FORMAT, "%Y-%m-%d %H:%M"])
    body = forms.CharField(
        label="Notes",
        required=False,
        max_length=100_000,
        widget=UnfoldAdminTextareaWidget(attrs={"rows": 8}),
        help_text="Optional if you add a summary, a transcript or a document.",
    )
    minutes = forms.IntegerField(
        required=False,
        min_value=0,
        max_value=24 * 60,
        label="Duration in minutes",
        widget=UnfoldAdminIntegerFieldWidget,
    )
    participants = forms.CharField(
        required=False,
        max_length=5_000,
        label="Participants",
        widget=UnfoldAdminTextInputWidget,
        help_text="Names or addresses, separated by commas.",
    )
    summary = forms.CharField(
        required=False, max_length=MAX_LOGGED_SUMMARY_LENGTH, widget=UnfoldAdminTextareaWidget(attrs={"rows": 3})
    )
    transcript = forms.CharField(
        required=False, max_length=MAX_TRANSCRIPT_LENGTH, widget=UnfoldAdminTextareaWidget(attrs={"rows": 4})
    )
    recording_url = forms.CharField(
        required=False,
        max_length=MAX_URL_LENGTH,
        label="Recording",
        widget=UnfoldAdminURLInputWidget,
        help_text="Link to the recording.",
    )
    document = forms.FileField(required=False, widget=UnfoldAdminFileFieldWidget, help_text="Up to 10 MB.")
    document_url = forms.CharField(
        required=False,
        max_length=MAX_URL_LENGTH,
        label="Document link",
        widget=UnfoldAdminURLInputWidget,
        help_text="Instead of uploading a file.",
    )
    resolved = forms.BooleanField(
        required=False,
        label="Mark as resolved",
        help_text="No reply is needed.",
        widget=UnfoldBooleanWidget,
    )

    class Meta:
        model = Thread
        fields = ("lead", "client", "source", "subject")

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        now = timezone.localtime().strftime(MINUTE_FORMAT)
        field = self.fields["at"]
        field.widget = UnfoldAdminTextInputWidget(attrs={"type": "datetime-local", "max": now})
        self.initial.setdefault("at", now)
        self.initial.setdefault("source", ThreadSource.CALL)
        self.fields["subject"].help_text = "The topic in a few words."

    def clean(self) -> dict[str, Any]:
        cleaned = super().clean()
        if not self.errors and bool(cleaned["lead"]) == bool(cleaned["client"]):
            raise forms.ValidationError("Choose either a lead or a client.")
        return cleaned

    def details(self) -> ConversationDetails:
        """Return the details besides the notes."""
        cleaned, file = self.cleaned_data, self.cleaned_data["document"]
        minutes = cleaned["minutes"]
        return ConversationDetails(
            summary=cleaned["summary"],
            transcript=cleaned["transcript"],
            recording_url=cleaned["recording_url"],
            duration=None if minutes is None else minutes * 60,
            participants=cleaned["participants"].split(","),
            # One byte above the limit is enough to see that the file is too large.
            documents=[(file.name, file.content_type or "", file.read(MAX_ATTACHMENT_BYTES + 1))] if file else [],
            document_url=cleaned["document_url"],
        )
