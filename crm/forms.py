"""Forms of clients and contacts, with inputs for their JSON columns."""

from typing import Any

from django import forms

from crm.models import Client, Contact
from crm.screens.json_forms import NamedValuesField, SchemaField, make_tags_field, replace_fields
from crm.screens.record_admin import RecordForm

ADDRESS_TEXT_SCHEMA = {"type": "string", "maxLength": 200}
ADDRESS_SCHEMA = {
    "type": "object",
    "properties": {
        "street": {**ADDRESS_TEXT_SCHEMA, "title": "Street"},
        "city": {**ADDRESS_TEXT_SCHEMA, "title": "City"},
        "state": {**ADDRESS_TEXT_SCHEMA, "title": "State"},
        "zip": {**ADDRESS_TEXT_SCHEMA, "title": "ZIP"},
        "country": {**ADDRESS_TEXT_SCHEMA, "title": "Country"},
    },
}


def shared_fields() -> dict[str, forms.Field]:
    return {"custom_fields": NamedValuesField(required=False, label="Custom fields"), "tags": make_tags_field()}


class ClientForm(RecordForm):
    class Meta:
        model = Client
        fields = "__all__"

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        replace_fields(self, {"address": SchemaField(ADDRESS_SCHEMA, label="Address"), **shared_fields()})


class ContactForm(RecordForm):
    class Meta:
        model = Contact
        fields = "__all__"

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        replace_fields(self, shared_fields())
