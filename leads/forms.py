"""The forms of leads and lines, which show JSON columns as ordinary inputs."""

from collections.abc import Iterable, Mapping
from typing import Any

from django import forms
from django.conf import settings
from django.forms.utils import ErrorDict
from django.utils.html import format_html
from unfold.widgets import UnfoldAdminURLInputWidget

from crm.forms import COMMUNICATIONS_SCHEMA, SHORT_TEXT_SCHEMA
from crm.records.consent import NO_TRACKING
from crm.screens.json_forms.fields import SchemaField, make_tags_field, replace_fields
from crm.screens.json_forms.inputs import build_input
from crm.screens.json_forms.schema import without_keys
from crm.screens.record_forms import RecordForm
from leads.lines.form_schemas import line_form_schema, line_schema
from leads.lines.questions import default_answers
from leads.models import InsuranceType, Lead
from leads.models.insurance_type import COLUMN_BY_LINE

NO_TRACKING_SCHEMA = {"type": "boolean", "title": "Do not track email opens"}
ADDITIONAL_INSUREDS_SCHEMA = {
    "type": "array",
    "items": {
        "type": "object",
        "properties": {
            "name": {**SHORT_TEXT_SCHEMA, "title": "Name"},
            "relation": {**SHORT_TEXT_SCHEMA, "title": "Relation"},
            "born": {"type": "string", "format": "date", "title": "Date of birth"},
        },
    },
}


def add_tracking_choice(channels: dict[str, Any]) -> dict[str, Any]:
    """Return the schema `channels` with a checkbox that turns off email tracking for the lead."""
    email = channels["properties"]["email"]
    email_channel = {**email, "properties": {**email["properties"], NO_TRACKING: NO_TRACKING_SCHEMA}}
    return {**channels, "properties": {**channels["properties"], "email": email_channel}}


SHOW_LINE = "_show_line"
# The script of the form presses it as soon as a line is chosen.
SHOW_LINE_BUTTON = format_html(
    '<button class="btn slim" name="{}" value="1" formnovalidate>Show the fields of this line</button>', SHOW_LINE
)


def chosen_line(
    data: Mapping[str, Any], initial: Mapping[str, Any], lines: Iterable[InsuranceType]
) -> InsuranceType | None:
    """Return the line that is chosen in a form, sent or opened with a choice; None if there is none."""
    key = str(data.get("insurance_type") or initial.get("insurance_type") or "")
    return next((line for line in lines if str(line.pk) == key), None)


def prefill_defaults(form: forms.Form, column: str, line: InsuranceType, *, is_nested: bool = False) -> None:
    """Let the inputs of `line` begin with the defaults of its questions: on a new record, or as the line is chosen.

    `is_nested`: the answers stand in the `column` under the code of the line.
    """
    if form.is_bound:
        name = f"{column}.{line.code}." if is_nested else f"{column}."
        if not any(key.startswith(name) for key in form.data):
            form.data = with_default_inputs(form.data, name, line)
    elif form.instance._state.adding and (defaults := default_answers(line.form_schema)):
        form.initial[column] = {line.code: defaults} if is_nested else defaults


def with_default_inputs(data: Mapping[str, Any], name: str, line: InsuranceType) -> Mapping[str, Any]:
    """Return what a form sent together with the inputs of the defaults, as if they had been typed."""
    data, schemas = data.copy(), line.form_schema.get("properties", {})
    for key, default in default_answers(line.form_schema).items():
        text = build_input(without_keys(schemas[key], "default")).to_input(default)
        data.setlist(name + key, text.split("\n") if isinstance(default, list) else [text])
    return data


def lead_schemas() -> dict[str, dict[str, Any]]:
    """Return the schema of each JSON column of a lead that has one."""
    return schemas_of_lines(InsuranceType.objects.all())


def schemas_shown(lead: Lead) -> dict[str, dict[str, Any]]:
    """Return what `lead_schemas` does for the lines that `lead` has data of; its own line is loaded already."""
    own, codes = lead.insurance_type, {code for code, column in COLUMN_BY_LINE.items() if getattr(lead, column)}
    codes |= {*lead.line_data}
    if not codes or (own is not None and not own.is_deleted and codes <= {own.code}):
        return schemas_of_lines([own] if codes else [])
    return schemas_of_lines(InsuranceType.objects.filter(code__in=codes))


def schemas_of_lines(insurance_types: Iterable[InsuranceType]) -> dict[str, dict[str, Any]]:
    lines = {line.code: line_schema(line) for line in insurance_types}
    return {
        **{column: lines.get(code, {}) for code, column in COLUMN_BY_LINE.items()},
        "line_data": {"type": "object", "properties": lines},
        "additional_insureds": ADDITIONAL_INSUREDS_SCHEMA,
        "communications": add_tracking_choice(COMMUNICATIONS_SCHEMA),
    }


class LeadForm(RecordForm):
    """Edit a lead, with the fields of its lines."""

    company_website = forms.URLField(
        label="Website", required=False, max_length=200, assume_scheme="https", widget=UnfoldAdminURLInputWidget
    )

    class Meta:
        model = Lead
        fields = "__all__"

    class Media:
        js = ("leads/line_fields.js",)

    # Whether the form is shown again as it was filled in, because a line was chosen.
    is_unchecked = False

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        lines = {line.code: line for line in InsuranceType.objects.all()}
        if "insurance_type" in self.fields:
            self.fields["insurance_type"].help_text = SHOW_LINE_BUTTON
        channels = add_tracking_choice(COMMUNICATIONS_SCHEMA) if settings.PUBLIC_URL else COMMUNICATIONS_SCHEMA
        own_line_fields = {
            column: SchemaField(line_form_schema(lines[code]), label=lines[code].name)
            for code, column in COLUMN_BY_LINE.items()
            if code in lines
        }
        replace_fields(
            self,
            {
                **own_line_fields,
                "line_data": self.other_lines_field(lines),
                "additional_insureds": SchemaField(ADDITIONAL_INSUREDS_SCHEMA, label="Additional insureds"),
                "communications": SchemaField(channels, label="Channels"),
                "tags": make_tags_field(),
            },
        )
        self.begin_with_defaults(chosen_line(self.data, self.initial, lines.values()))

    def begin_with_defaults(self, line: InsuranceType | None) -> None:
        """Fill in the defaults of the chosen `line`, unless the lead has answers to it or the form is to be saved."""
        if line is None or (self.is_bound and not self.is_unchecked):
            return
        column = COLUMN_BY_LINE.get(line.code, "line_data")
        answers = getattr(self.instance, column)
        if not (answers.get(line.code) if column == "line_data" else answers):
            prefill_defaults(self, column, line, is_nested=column == "line_data")

    def other_lines_field(self, lines: dict[str, InsuranceType]) -> SchemaField:
        """Return a field with the inputs of the lead's line and of every other line that it has data for."""
        chosen = chosen_line(self.data, self.initial, lines.values()) or self.instance.insurance_type
        line_codes = [chosen.code] if chosen else []
        line_codes += [code for code in self.instance.line_data if code not in line_codes]
        schemas = {
            code: line_form_schema(lines[code]) for code in line_codes if code in lines and code not in COLUMN_BY_LINE
        }
        return SchemaField({"type": "object", "properties": schemas}, label="Other lines")


class UncheckedFormMixin:
    """For a form with a choice of the line: as it was filled in, to be shown again without being checked or saved."""

    is_unchecked = True

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        self.fields["insurance_type"].widget.attrs["autofocus"] = True

    def full_clean(self) -> None:
        self._errors, self.cleaned_data = ErrorDict(), {}

    def is_valid(self) -> bool:
        return False


class UncheckedLeadForm(UncheckedFormMixin, LeadForm):
    """The form as it was filled in, with the fields of the line that was chosen."""
