"""The form that a visitor fills in. It draws the public page, and checks what other websites and programs send."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

from django import forms
from django.core.exceptions import ValidationError

from crm.exceptions import InvalidInput
from crm.screens.json_forms.display import describe_value
from crm.screens.json_forms.errors import find_errors
from crm.screens.json_forms.fields import input_label
from crm.screens.json_forms.inputs import build_input
from crm.screens.json_forms.schema import Schema, ordered_properties, without_keys
from crm.text.addresses import clean_address
from crm.text.hidden_characters import strip_hidden_characters, visible_text
from crm.text.phones import PHONE_MAX_DIGITS, PHONE_MIN_DIGITS, phone_digits
from inbox.models import WebForm, WebFormField
from leads.importing.values.consent import YES_WORDS
from leads.lines.form_schemas import line_form_schema

NAME, CONSENT = "name", "consent"
# Bots fill in every field; people do not see this one.
TRAP_FIELD, KEY_FIELD = "leave_this_empty", "idempotency_key"
LINE_PREFIX = "line_"
# Browsers and form builders add these; they say nothing.
TECHNICAL_FIELDS = frozenset({TRAP_FIELD, KEY_FIELD, "_charset_", "csrfmiddlewaretoken", "submit"})
MAX_LENGTHS = {NAME: 200, "email": 254, "phone": 40, "company": 200, "message": 10_000}
MAX_ANSWER_LENGTH, MAX_FIELD_NAME_LENGTH = 1_000, 60
LABELS = {NAME: "Name", **{one.value: one.label for one in WebFormField}}
REQUIRED_SENTENCES = {
    NAME: "Enter your name.",
    "email": "Enter your email address.",
    "phone": "Enter your phone number.",
    "company": "Enter your company.",
    "message": "Enter a message.",
}
NO_ADDRESS_SENTENCE = "Enter your email address or your phone number, so that we can answer."
WIDGETS = {
    NAME: forms.TextInput({"autocomplete": "name"}),
    "email": forms.TextInput({"type": "email", "autocomplete": "email", "inputmode": "email", "spellcheck": "false"}),
    "phone": forms.TextInput({"type": "tel", "autocomplete": "tel"}),
    "company": forms.TextInput({"autocomplete": "organization"}),
    "message": forms.Textarea({"rows": 6}),
}


@dataclass(frozen=True)
class Submission:
    """What a visitor sent. `answers` are those to the questions of the form, `extras` what it did not ask for.

    `line_values` follow the schema of the line, `line_answers` are the same as label and text.
    """

    name: str
    email: str = ""
    phone: str = ""
    company: str = ""
    message: str = ""
    line_values: Mapping[str, Any] = field(default_factory=dict)
    line_answers: Mapping[str, str] = field(default_factory=dict)
    answers: Mapping[str, str] = field(default_factory=dict)
    extras: Mapping[str, str] = field(default_factory=dict)
    has_consented: bool = False


class YesCheckbox(forms.CheckboxInput):
    """A checkbox that is ticked by a yes only: Django's takes every word for one."""

    def value_from_datadict(self, data: Any, files: Any, name: str) -> bool:
        return str(data.get(name, "")).strip().casefold() in YES_WORDS


class SenderForm(forms.Form):
    """The fields of `web_form`, with a sentence for each that is missing or invalid."""

    def __init__(self, data: Mapping[str, str] | None = None, *, web_form: WebForm) -> None:
        super().__init__(data, auto_id="field_%s", label_suffix="")
        self.web_form = web_form
        self.line_schema = line_questions(web_form)
        for name in [NAME, *(name for name in WebFormField.values if name in web_form.shown_fields)]:
            self.fields[name] = standard_field(name, is_required=name in {NAME, *web_form.required_fields})
        for key, schema in ordered_properties(self.line_schema).items():
            self.fields[LINE_PREFIX + key] = build_input(schema, label=input_label(key, schema))
        for question in web_form.questions:
            self.fields[question] = answer_field(question)
        if web_form.consent_text:
            self.fields[CONSENT] = forms.BooleanField(
                required=False, label=web_form.consent_text, widget=YesCheckbox({"value": "yes"})
            )

    def standard_fields(self) -> list[forms.BoundField]:
        return [field for field in self if field.name in MAX_LENGTHS]

    def question_fields(self) -> list[forms.BoundField]:
        """Return the questions of the line and the further ones, all of them optional."""
        return [field for field in self if field.name not in MAX_LENGTHS and field.name != CONSENT]

    def needs_either_address(self) -> bool:
        """Return whether the visitor chooses between email and phone."""
        addresses = [self.fields.get(name) for name in (WebFormField.EMAIL, WebFormField.PHONE)]
        return all(addresses) and not any(field.required for field in addresses)

    def clean(self) -> dict[str, Any]:
        """Clean each text, then check the answers to the line's questions and that the sender can be answered."""
        cleaned = super().clean()
        for name, value in list(cleaned.items()):
            if isinstance(value, str):
                try:
                    cleaned[name] = clean_value(name, value, self.fields[name])
                except ValidationError as error:
                    self.add_error(name, error)
        self.check_line_values(cleaned)
        self.check_extras()
        addresses = [name for name in (WebFormField.EMAIL, WebFormField.PHONE) if name in self.fields]
        if not any(cleaned.get(name) or name in self.errors for name in addresses):
            sentence = NO_ADDRESS_SENTENCE if len(addresses) > 1 else REQUIRED_SENTENCES[addresses[0]]
            self.add_error(addresses[0], sentence)
        return cleaned

    def check_line_values(self, cleaned: dict[str, Any]) -> None:
        values = self.line_values(cleaned)
        for path, message in find_errors(self.line_schema, values, {}):
            name = LINE_PREFIX + str(path[0]) if path else None
            self.add_error(name if name in self.fields else None, message[:1].upper() + message[1:])

    def line_values(self, cleaned: Mapping[str, Any]) -> dict[str, Any]:
        """Return the answers to the line's questions by key, without empty ones."""
        found = {key: cleaned.get(LINE_PREFIX + key) for key in ordered_properties(self.line_schema)}
        return {key: value for key, value in found.items() if value not in (None, "")}

    def check_extras(self) -> None:
        """Refuse what is too long among the fields that the form does not ask for."""
        too_long = [name for name, value in self.extras().items() if len(value) > MAX_LENGTHS["message"]]
        for name in too_long:
            self.add_error(None, f"Shorten “{name}” to {MAX_LENGTHS['message']:,} characters.")

    def extras(self) -> dict[str, str]:
        """Return what was sent beyond the fields of the form, by label: nothing that a visitor writes is lost."""
        sent = {strip_hidden_characters(name)[:MAX_FIELD_NAME_LENGTH]: value for name, value in self.extra_fields()}
        return {label: value.strip() for label, value in sent.items() if label}

    def extra_fields(self) -> list[tuple[str, str]]:
        """Return the fields that were sent and that the form does not have, as they were sent."""
        known = self.fields.keys() | TECHNICAL_FIELDS
        return [(name, value) for name, value in self.data.items() if name not in known and value.strip()]

    def submission(self) -> Submission:
        """Return what was sent; the form is valid."""
        cleaned = self.cleaned_data
        line_values = self.line_values(cleaned)
        described = describe_value(line_values, self.line_schema).parts
        return Submission(
            **{name: cleaned.get(name, "") for name in MAX_LENGTHS},
            line_values=line_values,
            line_answers={label: node.text for label, node in described},
            answers={question: cleaned[question] for question in self.web_form.questions if cleaned.get(question)},
            extras=self.extras(),
            has_consented=bool(cleaned.get(CONSENT)),
        )


def line_questions(web_form: WebForm) -> Schema:
    """Return the questions of the line that the form asks, without lists."""
    if not web_form.shows_line_questions:
        return {}
    schema = line_form_schema(web_form.insurance_type)
    questions = {
        key: inner for key, inner in ordered_properties(schema).items() if inner.get("type") not in {"array", "object"}
    }
    # No question is required: a visitor may leave out what is not at hand.
    return {**without_keys(schema, "required"), "properties": questions, "propertyOrder": list(questions)}


def standard_field(name: str, *, is_required: bool) -> forms.CharField:
    """Return the field `name`, one of `MAX_LENGTHS`."""
    limit = MAX_LENGTHS[name]
    field_class = forms.EmailField if name == WebFormField.EMAIL else forms.CharField
    messages = {
        "required": REQUIRED_SENTENCES[name],
        "invalid": "Enter an email address, such as lee@example.com.",
        "max_length": f"Shorten this to {limit:,} characters; it has %(show_value)d.",
    }
    return field_class(
        label=LABELS[name], required=is_required, max_length=limit, widget=WIDGETS[name], error_messages=messages
    )


def answer_field(question: str) -> forms.CharField:
    messages = {"max_length": f"Shorten this to {MAX_ANSWER_LENGTH:,} characters; it has %(show_value)d."}
    return forms.CharField(label=question, required=False, max_length=MAX_ANSWER_LENGTH, error_messages=messages)


def clean_value(name: str, value: str, field: forms.Field) -> str:
    """Return a text as it is stored: a message keeps its lines, everything else is one line.

    Raises:
        ValidationError: nothing that a reader can see is left, or it is no email address or phone number.
    """
    is_long = isinstance(field.widget, forms.Textarea)
    cleaned = value.strip() if is_long and visible_text(value).strip() else strip_hidden_characters(value)
    if not cleaned and field.required:
        raise ValidationError(REQUIRED_SENTENCES[name])
    if name == WebFormField.EMAIL and cleaned:
        try:
            return clean_address(cleaned)
        except InvalidInput as error:
            raise ValidationError(str(error)) from error
    if name == WebFormField.PHONE and cleaned and not is_phone(cleaned):
        raise ValidationError(f"“{cleaned}” is not a phone number. Enter it with its area code.")
    return cleaned


def is_phone(text: str) -> bool:
    return PHONE_MIN_DIGITS <= len(phone_digits(text)) <= PHONE_MAX_DIGITS
