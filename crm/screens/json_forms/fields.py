"""JSON columns in a record's form: inputs by a JSON Schema, or name-value rows where there is no schema.

A schema may use objects, lists of objects, and every value that `inputs` draws. Keys that the schema does not name
keep their values.
"""

import json
import re
from collections.abc import Iterator
from typing import Any

from django import forms
from django.core.exceptions import ValidationError
from unfold.widgets import UnfoldAdminTextInputWidget

from crm.screens.json_forms.conversion import PLAIN_NUMBER
from crm.screens.json_forms.errors import ValuePath, find_errors, value_path_label
from crm.screens.json_forms.inputs import build_input
from crm.screens.json_forms.schema import (
    VERSION_KEY,
    Schema,
    is_object,
    is_object_list,
    json_value_text,
    ordered_properties,
    property_label,
)
from crm.text.cleaning import clean_form_text
from crm.text.tags import MAX_TAG_LENGTH, unique_tags

SPARE_ROW_COUNT = 2
MAX_LIST_ROWS = 100


def read_inputs(schema: Schema, data: Any, name: str) -> Any:
    """Return what a form sent for `schema` under `name`, still as text; of a list of objects every row, even empty."""
    if is_object(schema):
        return {key: read_inputs(inner, data, f"{name}.{key}") for key, inner in ordered_properties(schema).items()}
    if is_object_list(schema):
        row_numbers = [int(m[1]) for key in data if (m := re.match(re.escape(name) + r"\.([0-9]{1,3})\.", key))]
        rows = min(max(row_numbers, default=-1) + 1, MAX_LIST_ROWS)
        return [read_inputs(schema["items"], data, f"{name}.{index}") for index in range(rows)]
    sent = build_input(schema).widget.value_from_datadict(data, {}, name)
    return "" if sent is None else sent


def has_input(raw: Any) -> bool:
    """Whether `raw` holds any typed text."""
    if isinstance(raw, dict):
        return any(map(has_input, raw.values()))
    if isinstance(raw, list):
        return any(map(has_input, raw))
    return raw if isinstance(raw, bool) else bool(str(raw).strip())


def parse_inputs(schema: Schema, raw: Any) -> Any:
    """Return the `raw` texts as values of `schema`, without what is empty.

    Raises:
        ValidationError: an input of JSON holds something else.
    """
    if is_object(schema):
        values = {
            key: parse_inputs(inner, (raw or {}).get(key, "")) for key, inner in ordered_properties(schema).items()
        }
        return {key: value for key, value in values.items() if value not in (None, "", [], {})}
    if is_object_list(schema):
        return [parse_inputs(schema["items"], row) for row in raw or [] if has_input(row)]
    if isinstance(raw, bool):
        return raw
    text = clean_form_text(str(raw)).strip()
    return build_input(schema).parse(text) if text else empty_value(schema)


def merge_with_saved(schema: Schema, raw: Any, typed_value: Any, saved_value: Any) -> Any:
    """Return `typed_value` with the keys of `saved_value` that `schema` does not name; `raw` tells empty rows."""
    if is_object(schema):
        saved_value = saved_value if isinstance(saved_value, dict) else {}
        schema_properties = ordered_properties(schema)
        values = {
            key: value for key, value in saved_value.items() if key not in schema_properties and key != VERSION_KEY
        }
        for key, inner in schema_properties.items():
            value = merge_with_saved(
                inner, raw.get(key), typed_value.get(key, empty_value(inner)), saved_value.get(key)
            )
            if value not in (None, {}, []):
                values[key] = value
        return with_schema_version(schema, values, saved_value)
    if is_object_list(schema):
        rows = object_rows(saved_value)
        positions = [position for position, row in enumerate(raw) if has_input(row)]
        return [
            merge_with_saved(schema["items"], raw[position], row, rows[position] if position < len(rows) else None)
            for position, row in zip(positions, typed_value, strict=True)
        ]
    return typed_value


def empty_value(schema: Schema) -> Any:
    return {"object": {}, "array": []}.get(schema.get("type", ""))


def object_rows(value: Any) -> list[dict[str, Any]]:
    """Return the objects of a list; its other entries have no inputs."""
    return [row for row in value if isinstance(row, dict)] if isinstance(value, list) else []


def with_schema_version(schema: Schema, values: dict[str, Any], saved_value: dict[str, Any]) -> dict[str, Any]:
    """Return `values` with the version of the schema that they were written under."""
    version = schema.get(VERSION_KEY)
    if values == {key: value for key, value in saved_value.items() if key != VERSION_KEY}:
        version = saved_value.get(VERSION_KEY, version)
    return {**values, VERSION_KEY: version} if values and version is not None else values


class SchemaWidget(forms.Widget):
    """One input for each property of the schema."""

    template_name = "crm/schema_widget.html"

    def __init__(self, schema: Schema, attrs: dict[str, Any] | None = None) -> None:
        super().__init__(attrs)
        self.schema = schema
        # What is wrong with the inputs, each named by what follows the name of the widget.
        self.errors: list[tuple[str, str]] = []

    @property
    def media(self) -> forms.Media:
        """The files of the pickers, if there are any."""
        inputs = (build_input(inner) for inner in self.schema.get("properties", {}).values() if "refersTo" in inner)
        return sum((one.widget.media for one in inputs), forms.Media())

    def value_from_datadict(self, data: Any, files: Any, name: str) -> Any:
        return read_inputs(self.schema, data, name)

    def value_omitted_from_data(self, data: Any, files: Any, name: str) -> bool:
        return not any(key.startswith(f"{name}.") for key in data)

    def get_context(self, name: str, value: Any, attrs: dict[str, Any] | None) -> dict[str, Any]:
        value = json.loads(value) if isinstance(value, str) else value
        context = super().get_context(name, None, attrs)
        context["inputs"] = (
            [describe_input(self.schema, value, name, "")]
            if self.schema.get("type") == "array"
            else list(describe_properties(self.schema, value or {}, name))
        )
        attach_errors(context["inputs"], {f"{name}{suffix}": message for suffix, message in reversed(self.errors)})
        return context


def attach_errors(inputs: list[dict[str, Any]], errors: dict[str, str]) -> None:
    """Give each of the described `inputs` the error that has its name."""
    for one in inputs:
        one["error"] = errors.get(one["name"], "")
        attach_errors(one.get("inputs", []), errors)
        for row in one.get("rows", []):
            attach_errors(row, errors)


def input_suffix(schema: Schema, raw: Any, path: ValuePath) -> str:
    """Return the suffix of the name of the input for the value at `path`; empty rows are numbered, too."""
    suffix = ""
    for step in path:
        if is_object_list(schema) and isinstance(step, int):
            step = [number for number, row in enumerate(raw) if has_input(row)][step]
            schema, raw = schema["items"], raw[step]
        elif is_object(schema):
            schema, raw = ordered_properties(schema).get(str(step), {}), (raw or {}).get(step)
        else:
            break
        suffix += f".{step}"
    return suffix


def describe_properties(schema: Schema, value: Any, name: str, *, in_table: bool = False) -> Iterator[dict[str, Any]]:
    """Yield what the template needs to draw the input of each property of `schema`."""
    value, required = value if isinstance(value, dict) else {}, schema.get("required", [])
    for key, inner in ordered_properties(schema).items():
        described = describe_input(inner, value.get(key), f"{name}.{key}", input_label(key, inner), in_table=in_table)
        yield {**described, "is_required": key in required, "section": inner.get("section", "")}


def input_label(key: str, schema: Schema) -> str:
    """Return the label of a property, with its unit."""
    return property_label(key, schema) + (f" ({schema['unit']})" if schema.get("unit") else "")


def describe_input(schema: Schema, value: Any, name: str, label: str, *, in_table: bool = False) -> dict[str, Any]:
    """Return what the template needs to draw the input of `schema`; a table's head has the label `in_table`."""
    context = {"name": name, "label": label, "kind": "value"}
    if is_object(schema):
        return {**context, "kind": "object", "inputs": list(describe_properties(schema, value, name))}
    if is_object_list(schema):
        return {**context, "kind": "rows", **describe_rows(schema, value, name)}
    field = build_input(schema, value)
    text = field.to_input(value)
    attrs = {"id": f"id_{name}", **({"aria-label": label} if in_table else {})}
    attrs |= {"disabled": True} if schema.get("readonly") else {}
    return {
        **context,
        "value": text,
        "control": field.widget.render(name, text, attrs),
        "help_text": field.help_text,
        "is_wide": field.wide,
    }


def describe_rows(schema: Schema, value: Any, name: str) -> dict[str, Any]:
    """Return the table of a list of objects, with spare rows after the last row that has input."""
    spare_row_count, schema = schema.get("spareRows", SPARE_ROW_COUNT), schema["items"]
    filled_rows = object_rows(value)
    while filled_rows and not has_input(filled_rows[-1]):
        filled_rows.pop()
    rows = [*filled_rows, *({} for _ in range(spare_row_count))]
    return {
        "heads": [
            input_label(key, inner) + (" *" if key in schema.get("required", []) else "")
            for key, inner in ordered_properties(schema).items()
        ],
        "rows": [
            list(describe_properties(schema, row, f"{name}.{index}", in_table=True)) for index, row in enumerate(rows)
        ],
    }


class SchemaField(forms.Field):
    """JSON that follows `schema`; values carry the `schema_version` of a schema that has one."""

    saved_value: Any = None

    def __init__(self, schema: Schema, **kwargs: Any) -> None:
        self.schema = schema
        super().__init__(required=False, widget=SchemaWidget(schema), **kwargs)

    def clean(self, value: Any) -> Any:
        typed_value = parse_inputs(self.schema, value)
        # A required question asks for an answer once another is answered: what was never asked is not missing.
        errors = list(find_errors(self.schema, typed_value, self.saved_value)) if typed_value else []
        self.widget.errors = [(input_suffix(self.schema, value, path), message) for path, message in errors]
        if errors:
            raise ValidationError([f"{value_path_label(self.schema, path)}: {message}" for path, message in errors])
        return merge_with_saved(self.schema, value, typed_value, self.saved_value)

    def has_changed(self, initial: Any, data: Any) -> bool:
        return has_field_changed(self, initial, data)


def has_field_changed(field: forms.Field, initial: Any, data: Any) -> bool:
    """Whether `data` differs from `initial` in value; invalid data does."""
    try:
        return (initial or None) != (field.clean(data) or None)
    except ValidationError:
        return True


class NamedValuesWidget(forms.Widget):
    """A name and a value a row, with spare rows for new ones."""

    template_name = "crm/named_values_widget.html"

    def value_from_datadict(self, data: Any, files: Any, name: str) -> list[tuple[str, str]]:
        row_numbers = {int(m[1]) for key in data if (m := re.fullmatch(re.escape(name) + r"\.([0-9]{1,3})\.key", key))}
        pairs = [(data[f"{name}.{n}.key"], data.get(f"{name}.{n}.value", "")) for n in sorted(row_numbers)]
        pairs = [(clean_form_text(key).strip(), clean_form_text(value).strip()) for key, value in pairs]
        return [(key, value) for key, value in pairs if key or value]

    def value_omitted_from_data(self, data: Any, files: Any, name: str) -> bool:
        return f"{name}.0.key" not in data

    def get_context(self, name: str, value: Any, attrs: dict[str, Any] | None) -> dict[str, Any]:
        value = json.loads(value) if isinstance(value, str) else value
        pairs = list(value.items()) if isinstance(value, dict) else list(value or [])
        context = super().get_context(name, None, attrs)
        rows = [(key, json_value_text(inner)) for key, inner in pairs] + [("", "")] * SPARE_ROW_COUNT
        context["pairs"] = [{"key": key, "text": text, "long": "\n" in text} for key, text in rows]
        return context


class NamedValuesField(forms.Field):
    """A JSON object without a schema. Text that reads as a number, true or false becomes that."""

    widget = NamedValuesWidget
    saved_value: Any = None
    MAX_KEY_LENGTH, MAX_VALUE_LENGTH = 60, 5_000

    def clean(self, value: Any) -> dict[str, Any]:
        values: dict[str, Any] = {}
        for key, text in value or []:
            self.validate_pair(key, text, values)
            kept = self.is_unchanged(key, text)
            if kept or text:
                values[key] = self.saved_value[key] if kept else parse_text_value(text)
        return values

    def validate_pair(self, key: str, text: str, values: dict[str, Any]) -> None:
        """Refuse a name or value that cannot be stored."""
        if not key or (len(key) > self.MAX_KEY_LENGTH and key not in (self.saved_value or {})):
            raise ValidationError(
                f"A field's name has 1 to {self.MAX_KEY_LENGTH} characters: “{key[:60] or text[:40]}”."
            )
        if key in values:
            raise ValidationError(f"The name “{key}” is used twice.")
        if len(text) > self.MAX_VALUE_LENGTH and not self.is_unchanged(key, text):
            raise ValidationError(f"“{key}” is longer than {self.MAX_VALUE_LENGTH:,} characters.")

    def is_unchanged(self, key: str, text: str) -> bool:
        """Whether `text` is what the input of `key` showed at first."""
        return key in (self.saved_value or {}) and json_value_text(self.saved_value[key]).strip() == text

    def has_changed(self, initial: Any, data: Any) -> bool:
        return has_field_changed(self, initial, data)


def parse_text_value(text: str) -> Any:
    """Return `text` as a number or boolean if it reads as one, else as text."""
    if text in {"true", "false"}:
        return text == "true"
    if PLAIN_NUMBER.fullmatch(text):
        return float(text) if "." in text else int(text)
    return text


class TagsField(forms.CharField):
    """Tags in one line, separated by commas."""

    def prepare_value(self, value: Any) -> Any:
        return ", ".join(value) if isinstance(value, list | tuple) else value

    def clean(self, value: Any) -> list[str]:
        text = clean_form_text(str(value or "")).strip()
        tags = [tag.strip() for tag in text.split(",")] if text else []
        if "" in tags:
            raise ValidationError("A tag must not be empty: remove the extra comma.")
        if any(len(tag) > MAX_TAG_LENGTH for tag in tags):
            raise ValidationError(f"A tag has at most {MAX_TAG_LENGTH} characters.")
        return unique_tags(tags)

    def has_changed(self, initial: Any, data: Any) -> bool:
        return has_field_changed(self, initial, data)


def replace_fields(form: forms.ModelForm, fields: dict[str, forms.Field]) -> None:
    """Replace fields of `form` by `fields`, each with the saved value of the record."""
    for name, field in fields.items():
        if name not in form.fields:
            continue
        if isinstance(field, SchemaField | NamedValuesField):
            field.saved_value = getattr(form.instance, name)
        form.fields[name] = field


def make_tags_field() -> TagsField:
    return TagsField(
        required=False, label="Tags", help_text="Separated by commas.", widget=UnfoldAdminTextInputWidget()
    )
