"""Forms of leads and lines: JSON columns as inputs."""

from typing import Any

from django import forms
from django.core.exceptions import ValidationError

from crm.jsonforms import NamedValuesField, SchemaField
from crm.screens import RecordForm
from leads.models import ContactLead, InsuranceType, Lead

TEXT = {"type": "string", "maxLength": 200}
CHANNEL = {
    "type": "object",
    "properties": {
        "consent": {"type": "boolean", "title": "Has agreed"},
        "opted_in_at": {**TEXT, "title": "Agreed at"},
        "do_not_contact": {"type": "boolean", "title": "Do not use"},
    },
}
COMMUNICATIONS = {
    "type": "object",
    "properties": {
        "preferred": {"type": "string", "enum": ["email", "phone", "sms", "mail"], "title": "Preferred"},
        "best_time": {**TEXT, "title": "Best time"},
        "language": {**TEXT, "title": "Language"},
        **{
            channel: {**CHANNEL, "title": title}
            for channel, title in (("email", "Email"), ("phone", "Phone"), ("sms", "SMS"))
        },
    },
}
INSUREDS = {
    "type": "array",
    "items": {
        "type": "object",
        "properties": {
            "name": {**TEXT, "title": "Name"},
            "relation": {**TEXT, "title": "Relation"},
            "born": {"type": "string", "format": "date", "title": "Born"},
        },
    },
}
OWN_COLUMN = {"auto": "auto_data", "home": "home_data"}


class LeadForm(RecordForm):
    """A lead with the inputs of its lines."""

    class Meta:
        model = Lead
        fields = "__all__"

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        lines = {line.code: line for line in InsuranceType.objects.all()}
        for code, column in OWN_COLUMN.items():
            if column in self.fields and code in lines:
                self.fields[column] = SchemaField(
                    lines[code].form_schema, lines[code].schema_version, label=lines[code].name
                )
        if "line_data" in self.fields:
            self.fields["line_data"] = self.other_lines(lines)
        for column, field in (
            ("additional_insureds", SchemaField(INSUREDS, label="Additional insureds")),
            ("communications", SchemaField(COMMUNICATIONS, label="Channels")),
            ("custom_fields", NamedValuesField(required=False, label="Custom fields")),
        ):
            if column in self.fields:
                self.fields[column] = field
        for name, field in self.fields.items():
            if isinstance(field, SchemaField | NamedValuesField):
                field.kept = getattr(self.instance, name)

    def other_lines(self, lines: dict[str, InsuranceType]) -> SchemaField:
        """The inputs of the lead's own line, and of every line it has data for."""
        wanted = [self.instance.insurance_type.code] if self.instance.insurance_type else []
        wanted += [code for code in self.instance.line_data if code not in wanted]
        shown = {
            code: {**lines[code].form_schema, "title": lines[code].name}
            for code in wanted
            if code in lines and code not in OWN_COLUMN
        }
        return SchemaField({"type": "object", "properties": shown}, label="Other lines")

    def clean_tags(self) -> list[str]:
        return clean_tags(self.cleaned_data["tags"])


def clean_tags(tags: list[str] | None) -> list[str]:
    """Tags without blanks around them and without repetition; an empty one is refused."""
    stripped = [tag.strip() for tag in tags or []]
    if "" in stripped:
        raise ValidationError("A tag must not be empty.")
    return list(dict.fromkeys(stripped))


class StakeholderForm(forms.ModelForm):
    class Meta:
        model = ContactLead
        fields = ("contact", "role", "is_primary")


class InsuranceTypeForm(forms.ModelForm):
    """A line; a changed form becomes its next version."""

    class Meta:
        model = InsuranceType
        fields = ("name", "code", "is_personal", "is_commercial", "description", "form_schema", "is_active")
