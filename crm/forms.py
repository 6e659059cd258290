"""Forms of clients and contacts: JSON columns as inputs."""

from typing import Any

from django import forms

from crm.models import Client, Contact
from crm.screens.json_forms import NamedValuesField, SchemaField, give_inputs, tags_input
from crm.screens.record_admin import RecordForm

TEXT = {"type": "string", "maxLength": 200}
ADDRESS = {
    "type": "object",
    "properties": {
        "street": {**TEXT, "title": "Street"},
        "city": {**TEXT, "title": "City"},
        "state": {**TEXT, "title": "State"},
        "zip": {**TEXT, "title": "ZIP"},
        "country": {**TEXT, "title": "Country"},
    },
}


def shared_inputs() -> dict[str, forms.Field]:
    return {"custom_fields": NamedValuesField(required=False, label="Custom fields"), "tags": tags_input()}


class ClientForm(RecordForm):
    class Meta:
        model = Client
        fields = "__all__"

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        give_inputs(self, {"address": SchemaField(ADDRESS, label="Address"), **shared_inputs()})


class ContactForm(RecordForm):
    class Meta:
        model = Contact
        fields = "__all__"

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        give_inputs(self, shared_inputs())
