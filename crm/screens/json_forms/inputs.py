"""The form input of one JSON value, made from its JSON Schema.

An input turns text into JSON and back. A validator does the checking: text that the input cannot read stays text.
"""

import json
import re
from collections.abc import Callable, Mapping
from datetime import datetime
from math import isfinite
from typing import Any

from django import forms
from django.core.exceptions import ValidationError
from django.utils import timezone
from django.utils.dateparse import parse_datetime
from django.utils.html import format_html, format_html_join

from crm.records.local_time import explain_missing_time, in_agency_zone
from crm.screens.json_forms.schema import (
    Schema,
    choice_label,
    is_datetime_list,
    json_value_text,
    ordered_properties,
)
from crm.text.cleaning import normalize_line_ends
from crm.text.numbers import parse_typed_number
from crm.text.vins import normalize_vin

LONG_TEXT_LENGTH = 500
MIN_ROWS, MAX_ROWS = 3, 20
MIN_DATETIMES, MAX_DATETIMES = 3, 10
NUMBER_INPUT = re.compile(r"[-+]?(?=\.?[0-9])[0-9]{0,30}(\.[0-9]{0,30})?([eE][-+]?[0-9]{1,3})?")
OFFSET_AT_END = re.compile(r"T.*[-+][0-9]{2}:[0-9]{2}$")
WHOLE_NUMBER_INPUT = re.compile(r"[-+]?[0-9]+")
BOOLEAN_INPUTS = {"true": True, "on": True, "false": False}
NO_CHOICE_LABEL = "—"
Choices = Mapping[str, str]


class TextInput(forms.CharField):
    """A text exactly as typed."""

    wide = False

    def __init__(self, **kwargs: Any) -> None:
        super().__init__(required=False, strip=False, **kwargs)

    def to_python(self, value: Any) -> Any:
        return self.parse(normalize_line_ends(str(value or "")))

    def parse(self, text: str) -> Any:
        """Return the JSON value that `text` stands for."""
        return text

    def to_input(self, value: Any) -> Any:
        """Return what the input shows for the JSON `value`."""
        return "" if value is None else json_value_text(value)

    def prepare_value(self, value: Any) -> Any:
        return value if isinstance(value, str) else self.to_input(value)

    def keep_if_unchanged(self, typed: Any, saved: Any) -> Any:
        """Return `saved` itself if the input still holds what it showed for it, else `typed`."""
        return saved if typed == self.to_python(self.to_input(saved)) else typed

    @classmethod
    def make_widget(cls, schema: Schema, value: Any, attrs: dict[str, Any]) -> forms.Widget:
        """Return the widget for `value` at first."""
        text = value if isinstance(value, str) else ""
        is_long = schema.get("widget") == "textarea" or schema.get("maxLength", 0) > LONG_TEXT_LENGTH or "\n" in text
        return make_textarea(text, attrs) if is_long else forms.TextInput(attrs)


def make_textarea(text: str, attrs: dict[str, Any]) -> forms.Textarea:
    """Return a text area with room for `text`."""
    return forms.Textarea({**attrs, "rows": min(max(MIN_ROWS, text.count("\n") + 2), MAX_ROWS)})


class OptionalTextInput(TextInput):
    """A date, a decimal or a key as text; null if empty."""

    def parse(self, text: str) -> Any:
        return text.strip() or None


class DateInput(OptionalTextInput):
    """A date."""

    @classmethod
    def make_widget(cls, schema: Schema, value: Any, attrs: dict[str, Any]) -> forms.Widget:
        return super().make_widget(schema, value, {**attrs, "type": "date"})


class VinInput(OptionalTextInput):
    """A vehicle identification number, in capitals and without spaces."""

    def parse(self, text: str) -> Any:
        return normalize_vin(text) or None


class DecimalInput(OptionalTextInput):
    """A decimal, kept as text so that no digit is lost."""

    def parse(self, text: str) -> Any:
        return plain_number_text(text.strip()) or None

    @classmethod
    def make_widget(cls, schema: Schema, value: Any, attrs: dict[str, Any]) -> forms.Widget:
        return super().make_widget(schema, value, {**attrs, "inputmode": "decimal"})


class NumberInput(DecimalInput):
    """A number."""

    is_whole = False

    def parse(self, text: str) -> Any:
        text = plain_number_text(text.strip())
        is_whole = WHOLE_NUMBER_INPUT.fullmatch(text)
        if not is_finite_number(text) or (self.is_whole and not is_whole):
            return text or None
        return int(text) if is_whole else float(text)


class WholeNumberInput(NumberInput):
    """A whole number."""

    is_whole = True


def plain_number_text(text: str) -> str:
    """Return `text` as JSON writes a number ("1200" for "$1,200"), or unchanged if it is none."""
    number = None if NUMBER_INPUT.fullmatch(text) else parse_typed_number(text)
    if number is None:
        return text
    return f"{number.to_integral_value() if number == number.to_integral_value() else number:f}"


def is_finite_number(text: str) -> bool:
    return NUMBER_INPUT.fullmatch(text) is not None and isfinite(float(text))


class YesNoInput(TextInput):
    """Yes, no, or not answered."""

    def parse(self, text: str) -> Any:
        return BOOLEAN_INPUTS.get(text.strip(), text.strip() or None)

    @classmethod
    def make_widget(cls, schema: Schema, value: Any, attrs: dict[str, Any]) -> forms.Widget:
        return forms.Select(choices=select_options({"true": "Yes", "false": "No"}, value))


class DateTimeInput(TextInput):
    """A date and time in the reader's time zone; one without a zone is meant in the agency's."""

    def parse(self, text: str) -> Any:
        try:
            moment = parse_datetime(text.strip())
        except ValueError:
            moment = None
        if moment is None:
            return text.strip() or None
        if timezone.is_aware(moment):
            return moment.isoformat()
        if missing := explain_missing_time(moment):
            raise ValidationError(missing)
        return timezone.make_aware(moment).isoformat()

    def to_input(self, value: Any) -> str:
        moment = parse_datetime(value) if isinstance(value, str) else value
        if not isinstance(moment, datetime):
            return super().to_input(value)
        local = timezone.localtime(in_agency_zone(moment))
        # The second of two equal hours at a time change needs its offset: without one it would become the first.
        return local.isoformat(timespec="minutes") if local.fold else local.strftime("%Y-%m-%dT%H:%M")

    def prepare_value(self, value: Any) -> Any:
        return self.to_input(value)

    @classmethod
    def make_widget(cls, schema: Schema, value: Any, attrs: dict[str, Any]) -> forms.Widget:
        return forms.TextInput({**attrs, "type": datetime_input_type(cls().to_input(value))})


def datetime_input_type(text: str) -> str:
    """Return the type of the input for `text`; the browser's own input cannot hold an offset."""
    return "text" if OFFSET_AT_END.search(text) else "datetime-local"


class DateTimeListWidget(forms.Widget):
    """An input for each date and time, and spare ones."""

    def __init__(self, attrs: dict[str, Any] | None = None, max_count: int = MAX_DATETIMES) -> None:
        self.max_count = max_count
        super().__init__(attrs)

    def value_from_datadict(self, data: Any, files: Any, name: str) -> str:
        return "\n".join(data.getlist(name) if hasattr(data, "getlist") else data.get(name, []))

    def render(self, name: str, value: Any, attrs: dict[str, Any] | None = None, renderer: Any = None) -> str:
        values = str(value or "").split()
        room = max(len(values), min(self.max_count, max(MIN_DATETIMES, len(values) + 1)))
        key = (attrs or {}).get("id", name)
        values += [""] * (room - len(values))
        inputs = (
            (datetime_input_type(text), name, f"{key}_{number}" if number else key, number + 1, text)
            for number, text in enumerate(values)
        )
        one = '<input type="{}" name="{}" id="{}" aria-label="Time {}" value="{}">'
        return format_html('<span class="moments">{}</span>', format_html_join("", one, inputs))


class LineListInput(TextInput):
    """A list, one entry a line."""

    def parse(self, text: str) -> Any:
        return [line.strip() for line in text.split("\n") if line.strip()]

    def to_input(self, value: Any) -> str:
        return "\n".join(map(str, value)) if isinstance(value, list) else super().to_input(value)

    @classmethod
    def make_widget(cls, schema: Schema, value: Any, attrs: dict[str, Any]) -> forms.Widget:
        return make_textarea("\n" * len(value) if isinstance(value, list) else "", attrs)


class DateTimeListInput(LineListInput):
    """Several dates and times in the agency's time zone."""

    def parse(self, text: str) -> Any:
        return [DateTimeInput().parse(line) for line in super().parse(text)]

    def to_input(self, value: Any) -> str:
        return super().to_input([DateTimeInput().to_input(one) for one in value] if isinstance(value, list) else value)

    @classmethod
    def make_widget(cls, schema: Schema, value: Any, attrs: dict[str, Any]) -> forms.Widget:
        return DateTimeListWidget(max_count=schema.get("maxItems", MAX_DATETIMES))


class CommaListInput(TextInput):
    """A list in one line, separated by commas."""

    def parse(self, text: str) -> Any:
        return [entry.strip() for entry in text.split(",") if entry.strip()]

    def to_input(self, value: Any) -> str:
        return ", ".join(map(str, value)) if isinstance(value, list) else super().to_input(value)


class JsonTextInput(TextInput):
    """Any value, as JSON."""

    def parse(self, text: str) -> Any:
        try:
            return json.loads(text) if text.strip() else None
        except (ValueError, RecursionError) as error:
            raise ValidationError("This must be JSON.") from error

    def to_input(self, value: Any) -> str:
        return "" if value is None else json.dumps(value, indent=2, ensure_ascii=False)

    def keep_if_unchanged(self, typed: Any, saved: Any) -> Any:
        return typed

    @classmethod
    def make_widget(cls, schema: Schema, value: Any, attrs: dict[str, Any]) -> forms.Widget:
        return make_textarea(json.dumps(value, indent=2, default=str), attrs)


class CheckboxInput(forms.BooleanField):
    """Yes or no."""

    wide = False

    def __init__(self, **kwargs: Any) -> None:
        super().__init__(required=False, **kwargs)

    def to_input(self, value: Any) -> Any:
        return value

    def keep_if_unchanged(self, typed: Any, saved: Any) -> Any:
        return typed

    @classmethod
    def make_widget(cls, schema: Schema, value: Any, attrs: dict[str, Any]) -> forms.Widget:
        return forms.CheckboxInput()


# From schema to input

INPUTS_BY_FORMAT = {
    ("string", "date"): DateInput,
    ("string", "date-time"): DateTimeInput,
    ("string", "uuid"): OptionalTextInput,
    ("string", "vin"): VinInput,
    ("number", "decimal"): DecimalInput,
}
INPUTS_BY_TYPE = {"number": NumberInput, "integer": WholeNumberInput, "object": JsonTextInput}


def input_class(schema: Schema) -> type[forms.Field]:
    """Return the input that fits the type of `schema`."""
    kind = schema.get("type", "")
    if schema.get("widget") == "json":
        return JsonTextInput
    if kind == "array":
        return list_input_class(schema)
    if kind == "boolean":  # without a default there is a third answer: none
        return CheckboxInput if "default" in schema else YesNoInput
    return INPUTS_BY_FORMAT.get((kind, schema.get("format", ""))) or INPUTS_BY_TYPE.get(kind, TextInput)


def list_input_class(schema: Schema) -> type[forms.Field]:
    if is_datetime_list(schema):
        return DateTimeListInput
    if schema.get("items", {}).get("type") in {"object", "array"}:
        return JsonTextInput
    return LineListInput if schema.get("widget") == "lines" else CommaListInput


def build_input(
    schema: Schema,
    value: Any = None,
    *,
    label: str = "",
    choices: Choices | None = None,
    is_required: bool = False,
) -> forms.Field:
    """Return the input for a value of `schema` that holds `value` at first.

    `choices` maps each value to its label; without them the schema's own `enum` is offered.
    """
    field_class = input_class(schema)
    help_text = schema.get("description", "")
    if choices is None and "enum" in schema:
        choices = {str(value): choice_label(value) for value in schema["enum"]}
    if choices is not None:
        blank = None if is_required else schema.get("blank", NO_CHOICE_LABEL)
        widget: forms.Widget = forms.Select(choices=select_options(choices, value, blank))
    else:
        widget = field_class.make_widget(schema, value, input_attrs(schema, is_required))
    if field_class is CommaListInput:
        help_text = help_text or "Separated by commas"
    field = field_class(widget=widget, label=label, help_text=help_text)
    field.wide = isinstance(widget, forms.Textarea | DateTimeListWidget)
    return field


def select_options(choices: Choices, value: Any, blank: str | None = NO_CHOICE_LABEL) -> list[tuple[str, str]]:
    """Return the options of a select: the empty one unless `blank` is None, and `value` even if it is not offered."""
    options = [] if blank is None else [("", blank)]
    text = "" if value is None else json_value_text(value)
    if text and text not in choices:
        options.append((text, f"{text} (no longer offered)"))
    return [*options, *choices.items()]


def input_attrs(schema: Schema, is_required: bool) -> dict[str, Any]:
    """Return the limits that the browser checks."""
    attrs: dict[str, Any] = {"autocomplete": "off"}
    if is_required and (schema.get("minLength") or schema.get("minItems")):
        attrs["required"] = True
    if "maxLength" in schema:
        attrs["maxlength"] = schema["maxLength"]
    return attrs


def build_inputs(
    schema: Schema,
    values: Mapping[str, Any],
    *,
    prefix: str = "",
    load_choices: Callable[[str], Choices] | None = None,
) -> dict[str, forms.Field]:
    """Return an input, named `prefix` and the key, for each property of `schema` that can be edited."""
    required = schema.get("required", [])
    inputs = {}
    for key, inner in ordered_properties(schema).items():
        if inner.get("readonly"):
            continue
        value, source = values.get(key, inner.get("default")), inner.get("choices")
        field = build_input(
            inner,
            value,
            label=inner.get("title", key),
            choices=load_choices(source) if source and load_choices else None,
            is_required=key in required,
        )
        field.initial = field.to_input(value)
        inputs[prefix + key] = field
    return inputs
