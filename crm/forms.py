"""The forms of clients, contacts and users, with inputs for their JSON columns."""

from typing import Any

from django import forms
from unfold.forms import UserChangeForm

from crm.models import Client, Contact, User
from crm.records.handover import describe_owned_records
from crm.screens.json_forms.fields import SchemaField, make_tags_field, replace_fields
from crm.screens.record_forms import RecordForm

SHORT_TEXT_SCHEMA = {"type": "string", "maxLength": 200}
ADDRESS_SCHEMA = {
    "type": "object",
    "properties": {
        "street": {**SHORT_TEXT_SCHEMA, "title": "Street"},
        "city": {**SHORT_TEXT_SCHEMA, "title": "City"},
        "state": {**SHORT_TEXT_SCHEMA, "title": "State"},
        "zip": {**SHORT_TEXT_SCHEMA, "title": "ZIP"},
        "country": {**SHORT_TEXT_SCHEMA, "title": "Country"},
    },
}
CHANNEL_SCHEMA = {
    "type": "object",
    "properties": {
        "consent": {"type": "boolean", "title": "Consent given"},
        "opted_in_at": {**SHORT_TEXT_SCHEMA, "title": "Consent given on"},
        "consent_words": {**SHORT_TEXT_SCHEMA, "title": "Words agreed to"},
        "do_not_contact": {"type": "boolean", "title": "Do not contact"},
    },
}
# The contact preferences of a lead or client; `crm.records.consent` says what they allow.
COMMUNICATIONS_SCHEMA = {
    "type": "object",
    "properties": {
        "preferred": {"type": "string", "enum": ["email", "phone", "sms", "mail"], "title": "Preferred"},
        "best_time": {**SHORT_TEXT_SCHEMA, "title": "Best time"},
        "language": {**SHORT_TEXT_SCHEMA, "title": "Language"},
        **{
            channel: {**CHANNEL_SCHEMA, "title": title}
            for channel, title in (("email", "Email"), ("phone", "Phone"), ("sms", "SMS"))
        },
    },
}


class ClientForm(RecordForm):
    class Meta:
        model = Client
        fields = "__all__"

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        fields = {
            "address": SchemaField(ADDRESS_SCHEMA, label="Address"),
            "communications": SchemaField(COMMUNICATIONS_SCHEMA, label="Channels"),
        }
        replace_fields(self, {**fields, "tags": make_tags_field()})


class ContactForm(RecordForm):
    class Meta:
        model = Contact
        fields = "__all__"

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        replace_fields(self, {"tags": make_tags_field()})


class StaffForm(UserChangeForm):
    """Edit a user. To deactivate an account, hand over its records or choose to keep them."""

    hand_over_to = forms.ModelChoiceField(
        User.objects.filter(is_active=True),
        required=False,
        label="Hand over to",
        empty_label="—",
        help_text="Takes over open leads, clients, tickets, tasks and the like when the account is deactivated.",
    )
    keep_records = forms.BooleanField(
        required=False, label="Keep records", help_text="Deactivate the account, and leave its records as they are."
    )

    def clean(self) -> dict[str, Any]:
        cleaned = super().clean()
        colleague, keeps = cleaned.get("hand_over_to"), cleaned.get("keep_records")
        is_leaving = "is_active" in self.changed_data and not cleaned.get("is_active")
        if colleague and (keeps or not is_leaving or colleague == self.instance):
            self.add_error("hand_over_to", "Choose another user, and only to deactivate this account.")
        owned = describe_owned_records(self.instance) if is_leaving and not (colleague or keeps) else ""
        if owned:
            self.add_error(
                "is_active",
                f"{self.instance} still owns {owned}. Choose a user under “Hand over to”, or tick “Keep records”.",
            )
        return cleaned
