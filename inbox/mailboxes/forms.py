"""The form of a mailbox. The password can be entered, but is never shown."""

from typing import Any

from django import forms
from unfold.widgets import UnfoldAdminCheckboxSelectMultipleWidget, UnfoldAdminPasswordWidget, UnfoldAdminSelectWidget

from crm.screens.record_forms import RecordForm
from inbox.imap.folders import INBOX, get_sent_folder
from inbox.imap.transitions import MAX_PASSWORD_LENGTH, apply_provider_preset
from inbox.models import Mailbox, Provider


class MailboxForm(RecordForm):
    password = forms.CharField(
        required=False,
        strip=False,
        max_length=MAX_PASSWORD_LENGTH,
        widget=UnfoldAdminPasswordWidget(attrs={"autocomplete": "new-password"}),
    )
    folders = forms.MultipleChoiceField(
        required=False,
        label="Additional folders",
        widget=UnfoldAdminCheckboxSelectMultipleWidget,
        help_text="Synced in addition to the inbox and the Sent folder.",
    )

    class Meta:
        model = Mailbox
        fields = (
            "address",
            "owner",
            "provider",
            "host",
            "port",
            "security",
            "username",
            "fetch_since",
            "sent_folder",
            "folders",
        )
        help_texts = {
            "provider": "Gmail needs an app password: Google account → Security → 2-Step Verification → App passwords.",
            "host": "For example imap.example.com. Filled in for Gmail.",
            "port": "Leave blank for 993, or 143 with STARTTLS.",
            "username": "Leave blank to use the address.",
            "fetch_since": "Leave blank to sync all email.",
            "sent_folder": "Leave blank to detect it automatically.",
        }

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        if self.instance._state.adding:
            self.initial.setdefault("provider", Provider.IMAP)
        is_stored = bool(self.instance.credentials)
        self.fields["password"].help_text = (
            "A password is stored. Leave blank to keep it." if is_stored else "No password is stored."
        )
        self.offer_folders(self.instance.sync_state.get("names", []))

    def offer_folders(self, names: list[str]) -> None:
        """Offer the folders of the server as choices, and those chosen before."""
        mailbox = self.instance
        if names and "sent_folder" in self.fields:
            sent_choices = dict.fromkeys([*([mailbox.sent_folder] if mailbox.sent_folder else []), *names])
            self.fields["sent_folder"].widget = UnfoldAdminSelectWidget(
                choices=[("", "Detect automatically"), *((name, name) for name in sent_choices)]
            )
        extra_folders = dict.fromkeys(
            [*mailbox.folders, *(name for name in names if name not in (INBOX, get_sent_folder(mailbox)))]
        )
        if "folders" in self.fields:
            self.fields["folders"].choices = [(name, name) for name in extra_folders]

    def clean(self) -> dict[str, Any]:
        """Fill in the preset of the provider."""
        cleaned = super().clean()
        typed = {name: cleaned.get(name) for name in ("provider", "host", "port", "username")}
        filled = apply_provider_preset(
            **{**typed, "host": (typed["host"] or "").strip().lower(), "username": typed["username"] or ""}
        )
        cleaned.update(filled)
        changed = [name for name, value in filled.items() if value != self.initial.get(name) and name in self.fields]
        self.changed_data = list(dict.fromkeys([*self.changed_data, *changed]))
        return cleaned

    def clean_sent_folder(self) -> str:
        folder = self.cleaned_data["sent_folder"]
        if not folder.isprintable():
            raise forms.ValidationError("Enter a folder name without line breaks or control characters.")
        return folder

    def _post_clean(self) -> None:
        previous_purpose = self.instance.purpose
        super()._post_clean()
        has_new_target = (
            self.instance.is_fetched and self.instance.credentials and self.instance.purpose != previous_purpose
        )
        if has_new_target and not self.cleaned_data.get("password") and "password" in self.fields:
            self.add_error("password", "Enter the password again: the stored one was for another server or login.")
