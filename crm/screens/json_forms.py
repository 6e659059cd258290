"""JSON columns as proper inputs: by a JSON Schema where there is one, as named values where there is none.

A schema may use objects, strings (with `enum`, `format: date`, `maxLength`, `pattern`), numbers, integers,
booleans, and lists of objects or of strings. Keys that the schema does not name are kept as they are.
"""

import json
import re
from collections.abc import Iterator
from math import isfinite
from typing import Any

from django import forms
from django.core.exceptions import ValidationError
from jsonschema import Draft202012Validator
from unfold.widgets import UnfoldAdminTextInputWidget

from crm.text.cleaning import clean_form_text

VERSION_KEY = "schema_version"
LONG_TEXT_LENGTH = 500
MAX_TAG_LENGTH = 60
SPARE_ROW_COUNT = 2
MAX_LIST_ROWS = 100
PLAIN_NUMBER = re.compile(r"-?(0|[1-9][0-9]{0,14})(\.[0-9]{1,10})?")
NUMBER_INPUT = re.compile(r"[-+]?(?=\.?[0-9])[0-9]{0,30}(\.[0-9]{0,30})?([eE][-+]?[0-9]{1,3})?")
BOOLEAN_INPUTS = {"true": True, "on": True, "false": False}
Schema = dict[str, Any]


def ordered_properties(schema: Schema) -> dict[str, Schema]:
    """The properties of `schema` in its `propertyOrder` (JSONB keeps none of its own)."""
    schema_properties, order = schema.get("properties", {}), schema.get("propertyOrder", [])
    return {
        key: schema_properties[key]
        for key in [*(k for k in order if k in schema_properties), *(k for k in schema_properties if k not in order)]
    }


def is_object_list(schema: Schema) -> bool:
    return schema.get("type") == "array" and schema["items"].get("type") == "object"


def read_inputs(schema: Schema, data: Any, name: str) -> Any:
    """What a form sent for `schema` under `name`, still as text; of a list of objects every row, empty or not."""
    if schema.get("type") == "object":
        return {key: read_inputs(inner, data, f"{name}.{key}") for key, inner in ordered_properties(schema).items()}
    if is_object_list(schema):
        row_numbers = [int(m[1]) for key in data if (m := re.match(re.escape(name) + r"\.([0-9]{1,3})\.", key))]
        rows = min(max(row_numbers, default=-1) + 1, MAX_LIST_ROWS)
        return [read_inputs(schema["items"], data, f"{name}.{index}") for index in range(rows)]
    return data.get(name, "")


def has_input(raw: Any) -> bool:
    """Whether anything at all was typed into `raw`."""
    if isinstance(raw, dict):
        return any(map(has_input, raw.values()))
    if isinstance(raw, list):
        return any(map(has_input, raw))
    return bool(str(raw).strip())


def parse_inputs(schema: Schema, raw: Any, path: str, errors: list[str]) -> Any:
    """`raw` texts as values of `schema`; what is empty is left out, what is wrong is said in `errors`."""
    kind = schema.get("type")
    if kind == "object":
        values = {
            key: parse_inputs(inner, (raw or {}).get(key, ""), inner.get("title", key), errors)
            for key, inner in ordered_properties(schema).items()
        }
        return {key: value for key, value in values.items() if value not in (None, "", [], {})}
    if is_object_list(schema):
        rows = [row for row in raw or [] if has_input(row)]
        return [parse_inputs(schema["items"], row, f"{path} {n}", errors) for n, row in enumerate(rows, start=1)]
    if kind == "array":
        texts = raw if isinstance(raw, list) else str(raw).split(",")
        return [part for text in texts if (part := clean_form_text(str(text)).strip())]
    return parse_scalar(kind, clean_form_text(str(raw)).strip(), path, errors)


def parse_scalar(kind: str | None, text: str, path: str, errors: list[str]) -> Any:
    if not text:
        return None
    if kind == "boolean":
        if text not in BOOLEAN_INPUTS:
            errors.append(f"{path}: “{text[:40]}” is neither yes nor no.")
        return BOOLEAN_INPUTS.get(text)
    if kind in {"number", "integer"}:
        whole = re.fullmatch(r"[-+]?[0-9]+", text)
        if not is_finite_number(text) or (kind == "integer" and not whole):
            errors.append(f"{path}: “{text[:40]}” is not a {'whole ' if kind == 'integer' else ''}number.")
            return None
        return int(text) if whole else float(text)
    return text


def is_finite_number(text: str) -> bool:
    return NUMBER_INPUT.fullmatch(text) is not None and isfinite(float(text))


def merge_with_saved(schema: Schema, raw: Any, typed_value: Any, saved_value: Any) -> Any:
    """`found` (typed from `raw`) together with what stood there `saved_value` under keys that `schema` does not name."""
    if schema.get("type") == "object":
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
    """The rows of a list of objects; anything else in it has no inputs."""
    return [row for row in value if isinstance(row, dict)] if isinstance(value, list) else []


def with_schema_version(schema: Schema, values: dict[str, Any], saved_value: dict[str, Any]) -> dict[str, Any]:
    """`values` with the version of the schema that they were written under."""
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

    def value_from_datadict(self, data: Any, files: Any, name: str) -> Any:
        return read_inputs(self.schema, data, name)

    def value_omitted_from_data(self, data: Any, files: Any, name: str) -> bool:
        return not any(key.startswith(f"{name}.") for key in data)

    def get_context(self, name: str, value: Any, attrs: dict[str, Any] | None) -> dict[str, Any]:
        value = json.loads(value) if isinstance(value, str) else value
        context = super().get_context(name, None, attrs)
        context["inputs"] = (
            [build_input(self.schema, value, name, "")]
            if self.schema.get("type") == "array"
            else list(build_inputs(self.schema, value or {}, name))
        )
        return context


def build_inputs(schema: Schema, value: Any, name: str) -> Iterator[dict[str, Any]]:
    value = value if isinstance(value, dict) else {}
    for key, inner in ordered_properties(schema).items():
        yield build_input(
            inner, value.get(key), f"{name}.{key}", inner.get("title") or key.replace("_", " ").capitalize()
        )


def build_input(schema: Schema, value: Any, name: str, label: str) -> dict[str, Any]:
    """What the template needs to draw the input of `schema`."""
    kind = schema.get("type")
    context = {
        "name": name,
        "label": label,
        "kind": kind,
        "value": "" if value is None else json_value_text(value),
        "choices": [str(choice) for choice in schema.get("enum", [])],
        "schema": schema,
    }
    if kind == "object":
        context["inputs"] = list(build_inputs(schema, value, name))
    elif is_object_list(schema):
        context["kind"] = "rows"
        context["heads"] = [inner.get("title", key) for key, inner in ordered_properties(schema["items"]).items()]
        context["rows"] = [
            list(build_inputs(schema["items"], row, f"{name}.{index}"))
            for index, row in enumerate([*object_rows(value), *({} for _ in range(SPARE_ROW_COUNT))])
        ]
    elif kind == "array":
        context["kind"] = "words"
        context["value"] = value if isinstance(value, str) else ", ".join(str(item) for item in value or [])
    elif kind == "string" and (schema.get("maxLength", 0) > LONG_TEXT_LENGTH or "\n" in context["value"]):
        context["kind"] = "long"
    return context


class SchemaField(forms.Field):
    """JSON that follows `schema`; what a schema with a `schema_version` describes carries that version."""

    saved_value: Any = None

    def __init__(self, schema: Schema, **kwargs: Any) -> None:
        self.schema = schema
        super().__init__(required=False, widget=SchemaWidget(schema), **kwargs)

    def clean(self, value: Any) -> Any:
        errors: list[str] = []
        typed_value = parse_inputs(self.schema, value, str(self.label or ""), errors)
        checker = Draft202012Validator(self.schema, format_checker=Draft202012Validator.FORMAT_CHECKER)
        for error in checker.iter_errors(typed_value):
            errors.append(f"{value_path_label(self.schema, error.absolute_path)}: {schema_error_message(error)}")
        if errors:
            raise ValidationError(errors)
        return merge_with_saved(self.schema, value, typed_value, self.saved_value)

    def has_changed(self, initial: Any, data: Any) -> bool:
        return has_field_changed(self, initial, data)


def has_field_changed(field: forms.Field, initial: Any, data: Any) -> bool:
    """Whether `data` means something else than `initial`; what cannot be read does."""
    try:
        return (initial or None) != (field.clean(data) or None)
    except ValidationError:
        return True


def value_path_label(schema: Schema, path: Any) -> str:
    """The titles that lead to a value in `schema`."""
    labels = []
    for step in path:
        if isinstance(step, int):
            labels.append(str(step + 1))
            schema = schema.get("items", {})
        else:
            schema = ordered_properties(schema).get(step, {})
            labels.append(schema.get("title", str(step)))
    return " ".join(labels) or "The data"


def schema_error_message(error: Any) -> str:
    """A validator's complaint as a person would say it."""
    sentences = {
        "enum": lambda: f"choose one of {', '.join(map(str, error.validator_value))}.",
        "minimum": lambda: f"at least {error.validator_value}.",
        "maximum": lambda: f"at most {error.validator_value}.",
        "maxLength": lambda: f"at most {error.validator_value:,} characters.",
        "pattern": lambda: f"“{str(error.instance)[:40]}” does not have the right form.",
        "format": lambda: f"“{str(error.instance)[:40]}” is not a {error.validator_value}.",
    }
    return sentences.get(error.validator, lambda: error.message[:200])()


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


def json_value_text(value: Any) -> str:
    return value if isinstance(value, str) else json.dumps(value, ensure_ascii=False)


class NamedValuesField(forms.Field):
    """A JSON object without a schema. What reads as a number or as true or false becomes that."""

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
        """Refuse a name or value that cannot be kept."""
        if not key or (len(key) > self.MAX_KEY_LENGTH and key not in (self.saved_value or {})):
            raise ValidationError(
                f"A field's name has 1 to {self.MAX_KEY_LENGTH} characters: “{key[:60] or text[:40]}”."
            )
        if key in values:
            raise ValidationError(f"The name “{key}” stands twice.")
        if len(text) > self.MAX_VALUE_LENGTH and not self.is_unchanged(key, text):
            raise ValidationError(f"“{key}” is longer than {self.MAX_VALUE_LENGTH:,} characters.")

    def is_unchanged(self, key: str, text: str) -> bool:
        """Whether `text` is how the value of `key` was shown."""
        return key in (self.saved_value or {}) and json_value_text(self.saved_value[key]).strip() == text

    def has_changed(self, initial: Any, data: Any) -> bool:
        return has_field_changed(self, initial, data)


def parse_text_value(text: str) -> Any:
    """`text` as what it reads like: a number, true or false, or a text."""
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
            raise ValidationError("A tag must not be empty: there is nothing between two commas.")
        if any(len(tag) > MAX_TAG_LENGTH for tag in tags):
            raise ValidationError(f"A tag has at most {MAX_TAG_LENGTH} characters.")
        return list(dict.fromkeys(tags))

    def has_changed(self, initial: Any, data: Any) -> bool:
        return has_field_changed(self, initial, data)


def replace_fields(form: forms.ModelForm, fields: dict[str, forms.Field]) -> None:
    """Put `fields` in place of the plain ones of `form`, each knowing what the record holds now."""
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
