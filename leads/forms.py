"""Forms of leads and lines: JSON columns as inputs."""

from typing import Any

from django import forms
from django.conf import settings
from unfold.widgets import UnfoldAdminURLInputWidget

from crm.screens.json_forms import VERSION, NamedValuesField, SchemaField, give_inputs, tags_input
from crm.screens.record_admin import RecordForm
from leads.line_schema_editor import ROWS, rows_of, schema_of
from leads.models import InsuranceType, Lead

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
NO_TRACKING = {"type": "boolean", "title": "Do not note when mails are opened"}
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


def with_tracking(channels: dict[str, Any]) -> dict[str, Any]:
    """`channels` with the choice of a lead that nothing is noted of what they do with our mails."""
    email = channels["properties"]["email"]
    asked = {**email, "properties": {**email["properties"], "no_tracking": NO_TRACKING}}
    return {**channels, "properties": {**channels["properties"], "email": asked}}


def versioned(line: InsuranceType) -> dict[str, Any]:
    """The form of `line`, with the version that data written by it will carry."""
    return {**line.form_schema, "title": line.name, VERSION: line.schema_version}


OWN_COLUMN = {"auto": "auto_data", "home": "home_data"}


class LeadForm(RecordForm):
    """A lead with the inputs of its lines."""

    company_website = forms.URLField(
        label="Website", required=False, max_length=200, assume_scheme="https", widget=UnfoldAdminURLInputWidget
    )

    class Meta:
        model = Lead
        fields = "__all__"

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        lines = {line.code: line for line in InsuranceType.objects.all()}
        channels = with_tracking(COMMUNICATIONS) if settings.PUBLIC_URL else COMMUNICATIONS
        own = {
            column: SchemaField(versioned(lines[code]), label=lines[code].name)
            for code, column in OWN_COLUMN.items()
            if code in lines
        }
        give_inputs(
            self,
            {
                **own,
                "line_data": self.other_lines(lines),
                "additional_insureds": SchemaField(INSUREDS, label="Additional insureds"),
                "communications": SchemaField(channels, label="Channels"),
                "custom_fields": NamedValuesField(required=False, label="Custom fields"),
                "tags": tags_input(),
            },
        )

    def other_lines(self, lines: dict[str, InsuranceType]) -> SchemaField:
        """The inputs of the lead's own line, and of every line it has data for."""
        wanted = [self.instance.insurance_type.code] if self.instance.insurance_type else []
        wanted += [code for code in self.instance.line_data if code not in wanted]
        shown = {code: versioned(lines[code]) for code in wanted if code in lines and code not in OWN_COLUMN}
        return SchemaField({"type": "object", "properties": shown}, label="Other lines")


class QuestionsField(SchemaField):
    """The form of a line as a table of questions."""

    def __init__(self, **kwargs: Any) -> None:
        super().__init__(ROWS, **kwargs)

    def prepare_value(self, value: Any) -> Any:
        return rows_of(value) if isinstance(value, dict) else value

    def clean(self, value: Any) -> dict[str, Any]:
        return schema_of(super().clean(value), self.kept or {})


class InsuranceTypeForm(forms.ModelForm):
    """A line; a changed form becomes its next version."""

    class Meta:
        model = InsuranceType
        fields = ("name", "code", "is_personal", "is_commercial", "description", "form_schema", "is_active")

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        give_inputs(self, {"form_schema": QuestionsField(label="What is asked")})
