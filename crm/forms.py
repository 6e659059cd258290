"""Forms of clients and contacts: JSON columns as inputs."""

from typing import Any

from crm.jsonforms import NamedValuesField, SchemaField
from crm.models import Client, Contact
from crm.screens import RecordForm

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


class ClientForm(RecordForm):
    class Meta:
        model = Client
        fields = "__all__"

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        if "address" in self.fields:
            self.fields["address"] = SchemaField(ADDRESS, label="Address")
            self.fields["custom_fields"] = NamedValuesField(required=False, label="Custom fields")
            self.fields["address"].kept, self.fields["custom_fields"].kept = (
                self.instance.address,
                self.instance.custom_fields,
            )


class ContactForm(RecordForm):
    class Meta:
        model = Contact
        fields = "__all__"

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        if "custom_fields" in self.fields:
            self.fields["custom_fields"] = NamedValuesField(required=False, label="Custom fields")
            self.fields["custom_fields"].kept = self.instance.custom_fields
