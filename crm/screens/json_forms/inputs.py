"""The form input of one JSON value, made from its JSON Schema.

An input turns text into JSON and back. A validator does the checking: text that the input cannot read stays text.
"""

import json
from collections.abc import Callable, Mapping
from typing import Any

from django import forms
from django.core.exceptions import ValidationError

from crm.screens.json_forms.list_inputs import (
    ChoiceListInput,
    ChoiceListWidget,
    CommaListInput,
    DateTimeListInput,
    DateTimeListWidget,
    LineListInput,
)
from crm.screens.json_forms.reference_input import ReferenceInput
from crm.screens.json_forms.schema import (
    Schema,
    choice_label,
    is_choice_list,
    is_datetime_list,
    offered_choices,
    ordered_properties,
)
from crm.screens.json_forms.text_inputs import (
    NO_CHOICE_LABEL,
    Choices,
    DateInput,
    DateTimeInput,
    DecimalInput,
    NumberInput,
    OptionalTextInput,
    TextInput,
    VinInput,
    WholeNumberInput,
    YesNoInput,
    make_textarea,
    select_options,
)


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
    if "refersTo" in schema:
        return ReferenceInput
    if kind == "boolean":  # without a default there is a third answer: none
        return CheckboxInput if "default" in schema else YesNoInput
    return INPUTS_BY_FORMAT.get((kind, schema.get("format", ""))) or INPUTS_BY_TYPE.get(kind, TextInput)


def list_input_class(schema: Schema) -> type[forms.Field]:
    if is_datetime_list(schema):
        return DateTimeListInput
    if is_choice_list(schema):
        return ChoiceListInput
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
        choices = {str(value): choice_label(value, schema) for value in offered_choices(schema)}
    if choices is not None:
        blank = None if is_required else schema.get("blank", NO_CHOICE_LABEL)
        widget: forms.Widget = forms.Select(choices=select_options(choices, value, blank))
    else:
        widget = field_class.make_widget(schema, value, input_attrs(schema, is_required))
    if field_class is CommaListInput:
        help_text = help_text or "Separated by commas"
    field = field_class(widget=widget, label=label, help_text=help_text)
    field.wide = isinstance(widget, forms.Textarea | DateTimeListWidget | ChoiceListWidget)
    return field


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
