"""The forms of clients, contacts and users, with inputs for their JSON columns."""

from typing import Any

from crm.models import Client, Contact
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
