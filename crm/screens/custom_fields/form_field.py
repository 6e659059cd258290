"""The input of the column `custom_fields`: one input for each defined field, and name-value rows for other keys."""

import json
from collections.abc import Iterable, Mapping
from typing import Any

from django import forms
from django.core.exceptions import ValidationError
from django.utils.dateparse import parse_datetime

from crm.models import CustomField, CustomFieldKind, User
from crm.records.custom_fields.references import explain_reference, with_names_for_form
from crm.records.custom_fields.rights import explain_lock, locked_fields
from crm.records.custom_fields.schemas import Schema, table_schema
from crm.screens.custom_fields.conditions import utc_text
from crm.screens.json_forms.fields import (
    NamedValuesField,
    NamedValuesWidget,
    SchemaField,
    SchemaWidget,
    has_field_changed,
)

OTHER_SUFFIX = "~other"


class CustomFieldsWidget(forms.Widget):
    """The inputs of the defined fields, then the other values."""

    template_name = "crm/custom_fields_widget.html"

    def __init__(self, schema: Schema, required: Iterable[str] = (), attrs: dict[str, Any] | None = None) -> None:
        super().__init__(attrs)
        self.defined, self.others, self.required = SchemaWidget(schema), NamedValuesWidget(), frozenset(required)

    @property
    def media(self) -> forms.Media:
        return self.defined.media

    def value_from_datadict(self, data: Any, files: Any, name: str) -> tuple[Any, Any]:
        return (
            self.defined.value_from_datadict(data, files, name),
            self.others.value_from_datadict(data, files, name + OTHER_SUFFIX),
        )

    def value_omitted_from_data(self, data: Any, files: Any, name: str) -> bool:
        return self.defined.value_omitted_from_data(data, files, name) and self.others.value_omitted_from_data(
            data, files, name + OTHER_SUFFIX
        )

    def get_context(self, name: str, value: Any, attrs: dict[str, Any] | None) -> dict[str, Any]:
        defined, others = value if isinstance(value, tuple) else self.split(value)
        context = super().get_context(name, None, attrs)
        context["inputs"] = self.defined.get_context(name, defined, attrs)["inputs"]
        for one in context["inputs"]:
            one["is_required"] = one["name"].removeprefix(f"{name}.") in self.required
        context["others"] = self.others.get_context(name + OTHER_SUFFIX, others, attrs)
        return context

    def split(self, value: Any) -> tuple[dict[str, Any], dict[str, Any]]:
        """Return the values of the defined fields, and the others."""
        value = json.loads(value) if isinstance(value, str) else value or {}
        known = self.defined.schema["properties"]
        return (
            {key: one for key, one in value.items() if key in known},
            {key: one for key, one in value.items() if key not in known},
        )


class CustomFieldsField(forms.Field):
    """The values of `custom_fields`, for a row that has `saved_value`.

    Values of retired fields stay as they are. A reference that `editor` enters names a record that the editor may open;
    one that was there before stays, hidden or not. `locked_values` are those of the fields that the editor may not
    edit, whose inputs are disabled: they stay, whatever a browser sends.
    """

    def __init__(
        self,
        fields: Iterable[CustomField],
        retired_keys: Iterable[str],
        saved_value: Any,
        locked: Mapping[CustomField, Any],
        editor: User | None,
    ) -> None:
        fields, saved_value = list(fields), saved_value if isinstance(saved_value, dict) else {}
        schema = with_names_for_form(table_schema(fields, saved_value), editor, saved_value)
        retired = frozenset(retired_keys)
        self.editor, self.references = editor, [field for field in fields if field.refers_to]
        self.locked_values = {field.key: value for field, value in locked.items()}
        for field in locked:
            schema["properties"][field.key] |= {"readonly": True, "description": lock_help(field)}
        self.defined = SchemaField(schema)
        self.others = NamedValuesField(required=False)
        self.retired_values = {key: value for key, value in saved_value.items() if key in retired}
        self.required_labels = {
            field.key: field.label for field in fields if field.is_required and field.key not in self.locked_values
        }
        self.date_time_keys = [field.key for field in fields if field.kind == CustomFieldKind.DATE_TIME]
        widget = CustomFieldsWidget(schema, self.required_labels)
        self.defined.widget = widget.defined
        self.defined.saved_value, others = widget.split(saved_value)
        self.others.saved_value = {key: value for key, value in others.items() if key not in retired}
        super().__init__(required=False, label="Custom fields", widget=widget)

    def prepare_value(self, value: Any) -> Any:
        if isinstance(value, tuple):
            defined, others = value
            return {**defined, **self.locked_values}, others
        if not isinstance(value, dict):
            return value
        return {key: one for key, one in value.items() if key not in self.retired_values}

    def clean(self, value: Any) -> dict[str, Any]:
        defined_raw, others_raw = value or ({}, [])
        defined_raw = {key: raw for key, raw in defined_raw.items() if key not in self.locked_values}
        errors: list[str] = []
        values = self.clean_part(self.defined, defined_raw, errors)
        others = self.clean_part(self.others, others_raw, errors)
        errors += self.missing_values(values, defined_raw) if not errors else []
        errors += self.invalid_references(values) if not errors else []
        known = self.defined.schema["properties"].keys() | self.retired_values.keys()
        errors += [f"“{key}” is a custom field: it cannot be among the other values." for key in others if key in known]
        if errors:
            raise ValidationError(errors)
        for key in self.date_time_keys:
            if key in values:
                values[key] = in_utc(values[key])
        locked = {key: one for key, one in self.locked_values.items() if one is not None}
        return {**self.retired_values, **others, **values, **locked}

    def clean_part(self, field: forms.Field, raw: Any, errors: list[str]) -> dict[str, Any]:
        try:
            return field.clean(raw)
        except ValidationError as error:
            errors += error.messages
            return {}

    def missing_values(self, values: dict[str, Any], raw: Any) -> list[str]:
        """Return a sentence for each required field without a value, and mark its input."""
        missing = [key for key in self.required_labels if key not in values]
        self.defined.widget.errors += [(f".{key}", "Enter a value.") for key in missing]
        return [f"{self.required_labels[key]}: enter a value." for key in missing]

    def invalid_references(self, values: dict[str, Any]) -> list[str]:
        """Return a sentence for each reference that the editor may not enter, and mark its input."""
        errors = [
            (field, reason)
            for field in self.references
            if (reason := explain_reference(field, values.get(field.key), self.saved_value(field.key), self.editor))
        ]
        self.defined.widget.errors += [(f".{field.key}", reason) for field, reason in errors]
        return [f"{field}: {reason}" for field, reason in errors]

    def saved_value(self, key: str) -> Any:
        return (self.defined.saved_value or {}).get(key)

    def has_changed(self, initial: Any, data: Any) -> bool:
        return has_field_changed(self, initial, data)


def lock_help(field: CustomField) -> str:
    """Return the help text of an input that the user may not edit."""
    return f"{field.help_text} {explain_lock(field)}".strip()


def in_utc(text: str) -> str:
    """Return a date and time as it is stored; the form has checked it."""
    return utc_text(parse_datetime(text))


def custom_fields_field(row: Any, editor: User | None) -> CustomFieldsField:
    """Return the field for the custom fields of `row`, which `editor` fills in; a new row begins with the defaults."""
    definitions = list(CustomField.objects.filter(table=row._meta.label_lower).order_by("position", "label", "id"))
    active = [field for field in definitions if field.is_active]
    retired = [field.key for field in definitions if not field.is_active]
    defaults = {field.key: field.default_value for field in active if field.default_value is not None}
    begin = {**defaults, **row.custom_fields} if row._state.adding else row.custom_fields
    locked = {field: begin.get(field.key) for field in locked_fields(active, editor)}
    made = CustomFieldsField(active, retired, row.custom_fields, locked, editor)
    if row._state.adding:
        made.initial = defaults
    return made
