"""JSON columns as proper inputs: by a JSON Schema where there is one, as named values where there is none.

A schema may use objects, strings (with `enum`, `format: date`, `maxLength`, `pattern`), numbers, integers,
booleans, and lists of objects or of strings. Keys that the schema does not name are kept as they are.
"""

import json
import re
from collections.abc import Iterator
from typing import Any

from django import forms
from django.core.exceptions import ValidationError
from jsonschema import Draft202012Validator
from unfold.widgets import UnfoldAdminTextInputWidget

VERSION = "schema_version"
LONG_TEXT = 500
LONGEST_TAG = 60
SPARE_ROWS = 2
MOST_ROWS = 100
NUMBER = re.compile(r"-?(0|[1-9][0-9]{0,14})(\.[0-9]{1,10})?")
Schema = dict[str, Any]


def properties(schema: Schema) -> dict[str, Schema]:
    """The properties of `schema` in its `propertyOrder` (JSONB keeps none of its own)."""
    found, order = schema.get("properties", {}), schema.get("propertyOrder", [])
    return {key: found[key] for key in [*(k for k in order if k in found), *(k for k in found if k not in order)]}


def read(schema: Schema, data: Any, name: str) -> Any:
    """What a form sent for `schema` under `name`, still as text."""
    kind = schema.get("type")
    if kind == "object":
        return {key: read(inner, data, f"{name}.{key}") for key, inner in properties(schema).items()}
    if kind == "array" and schema["items"].get("type") == "object":
        found = {int(m[1]) for key in data if (m := re.match(re.escape(name) + r"\.([0-9]{1,3})\.", key))}
        rows = [read(schema["items"], data, f"{name}.{index}") for index in sorted(found)[:MOST_ROWS]]
        return [row for row in rows if any(value not in ("", None, [], False) for value in row.values())]
    return data.get(name, "")


def typed(schema: Schema, raw: Any, path: str, errors: list[str]) -> Any:
    """`raw` texts as values of `schema`; what is empty is left out, what is wrong is said in `errors`."""
    kind = schema.get("type")
    if kind == "object":
        values = {
            key: typed(inner, (raw or {}).get(key, ""), inner.get("title", key), errors)
            for key, inner in properties(schema).items()
        }
        return {key: value for key, value in values.items() if value not in (None, "", [], {})}
    if kind == "array":
        if schema["items"].get("type") == "object":
            return [typed(schema["items"], row, f"{path} {n}", errors) for n, row in enumerate(raw or [], start=1)]
        texts = raw if isinstance(raw, list) else str(raw).split(",")
        return [part for text in texts if (part := str(text).strip())]
    return scalar(kind, str(raw).strip(), path, errors)


def scalar(kind: str | None, text: str, path: str, errors: list[str]) -> Any:
    if not text:
        return None
    if kind == "boolean":
        return text in {"true", "on", "True", "1"}
    if kind in {"number", "integer"}:
        try:
            return int(text) if kind == "integer" else float(text) if "." in text or "e" in text.lower() else int(text)
        except ValueError:
            errors.append(f"{path}: “{text[:40]}” is not a {'whole ' if kind == 'integer' else ''}number.")
            return None
    return text.replace("\x00", "")


class SchemaWidget(forms.Widget):
    """One input for each property of the schema."""

    template_name = "crm/schema_widget.html"

    def __init__(self, schema: Schema, attrs: dict[str, Any] | None = None) -> None:
        super().__init__(attrs)
        self.schema = schema

    def value_from_datadict(self, data: Any, files: Any, name: str) -> Any:
        return read(self.schema, data, name)

    def value_omitted_from_data(self, data: Any, files: Any, name: str) -> bool:
        return not any(key.startswith(f"{name}.") for key in data)

    def get_context(self, name: str, value: Any, attrs: dict[str, Any] | None) -> dict[str, Any]:
        value = json.loads(value) if isinstance(value, str) else value
        context = super().get_context(name, None, attrs)
        context["inputs"] = (
            [part(self.schema, value, name, "")]
            if self.schema.get("type") == "array"
            else list(parts(self.schema, value or {}, name))
        )
        return context


def parts(schema: Schema, value: Any, name: str) -> Iterator[dict[str, Any]]:
    value = value if isinstance(value, dict) else {}
    for key, inner in properties(schema).items():
        yield part(inner, value.get(key), f"{name}.{key}", inner.get("title") or key.replace("_", " ").capitalize())


def part(schema: Schema, value: Any, name: str, label: str) -> dict[str, Any]:
    """What the template needs to draw the input of `schema`."""
    kind = schema.get("type")
    shown = {
        "name": name,
        "label": label,
        "kind": kind,
        "value": "" if value is None else value,
        "schema": schema,
    }
    if kind == "object":
        shown["inputs"] = list(parts(schema, value, name))
    elif kind == "array" and schema["items"].get("type") == "object":
        rows = [row for row in value or [] if isinstance(row, dict)]
        shown["kind"] = "rows"
        shown["heads"] = [inner.get("title", key) for key, inner in properties(schema["items"]).items()]
        shown["rows"] = [
            list(parts(schema["items"], row, f"{name}.{index}"))
            for index, row in enumerate([*rows, *({} for _ in range(SPARE_ROWS))])
        ]
    elif kind == "array":
        shown["kind"] = "words"
        shown["value"] = ", ".join(str(item) for item in value or [])
    elif kind == "string" and schema.get("maxLength", 0) > LONG_TEXT:
        shown["kind"] = "long"
    return shown


class SchemaField(forms.Field):
    """JSON that follows `schema`; objects carry the version they were written under."""

    def __init__(self, schema: Schema, version: int | None = None, **kwargs: Any) -> None:
        self.schema, self.version, self.kept = schema, version, None
        super().__init__(required=False, widget=SchemaWidget(schema), **kwargs)

    def clean(self, value: Any) -> Any:
        errors: list[str] = []
        found = typed(self.schema, value, str(self.label or ""), errors)
        checker = Draft202012Validator(self.schema, format_checker=Draft202012Validator.FORMAT_CHECKER)
        for error in checker.iter_errors(found):
            errors.append(f"{where(self.schema, error.absolute_path)}: {plain(error)}")
        if errors:
            raise ValidationError(errors)
        if isinstance(found, dict):
            unnamed = {k: v for k, v in (self.kept or {}).items() if k not in properties(self.schema) and k != VERSION}
            found = {**unnamed, **found}
            if found and self.version is not None:
                found[VERSION] = self.version
        return found

    def has_changed(self, initial: Any, data: Any) -> bool:
        return (initial or None) != (self.clean(data) or None)


def where(schema: Schema, path: Any) -> str:
    """The titles that lead to a value in `schema`."""
    labels = []
    for step in path:
        if isinstance(step, int):
            labels.append(str(step + 1))
            schema = schema.get("items", {})
        else:
            schema = properties(schema).get(step, {})
            labels.append(schema.get("title", str(step)))
    return " ".join(labels) or "The data"


def plain(error: Any) -> str:
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
        count = sum(1 for key in data if re.fullmatch(re.escape(name) + r"\.[0-9]{1,3}\.key", key))
        pairs = [(data.get(f"{name}.{n}.key", ""), data.get(f"{name}.{n}.value", "")) for n in range(count)]
        return [(key.strip(), value.strip()) for key, value in pairs if key.strip() or value.strip()]

    def value_omitted_from_data(self, data: Any, files: Any, name: str) -> bool:
        return f"{name}.0.key" not in data

    def get_context(self, name: str, value: Any, attrs: dict[str, Any] | None) -> dict[str, Any]:
        value = json.loads(value) if isinstance(value, str) else value
        pairs = list(value.items()) if isinstance(value, dict) else list(value or [])
        context = super().get_context(name, None, attrs)
        context["pairs"] = [(key, text_of(inner)) for key, inner in pairs] + [("", "")] * SPARE_ROWS
        return context


def text_of(value: Any) -> str:
    return value if isinstance(value, str) else json.dumps(value, ensure_ascii=False)


class NamedValuesField(forms.Field):
    """A JSON object without a schema. What reads as a number or as true or false becomes that."""

    widget = NamedValuesWidget
    kept: Any = None
    LONGEST_KEY, LONGEST_VALUE = 60, 5_000

    def clean(self, value: Any) -> dict[str, Any]:
        found: dict[str, Any] = {}
        for key, text in value or []:
            if not key or len(key) > self.LONGEST_KEY:
                raise ValidationError(
                    f"A field's name has 1 to {self.LONGEST_KEY} characters: “{key[:60] or text[:40]}”."
                )
            if key in found:
                raise ValidationError(f"The name “{key}” stands twice.")
            if len(text) > self.LONGEST_VALUE:
                raise ValidationError(f"“{key}” is longer than {self.LONGEST_VALUE:,} characters.")
            if text:
                found[key] = self.value_of(key, text.replace("\x00", ""))
        return found

    def value_of(self, key: str, text: str) -> Any:
        """`text` as it stood before if it is unchanged, else as what it reads like."""
        before = (self.kept or {}).get(key)
        if before is not None and text_of(before) == text:
            return before
        if text in {"true", "false"}:
            return text == "true"
        if NUMBER.fullmatch(text):
            return float(text) if "." in text else int(text)
        return text

    def has_changed(self, initial: Any, data: Any) -> bool:
        return (initial or {}) != self.clean(data)


class TagsField(forms.CharField):
    """Tags in one line, separated by commas."""

    def prepare_value(self, value: Any) -> Any:
        return ", ".join(value) if isinstance(value, list | tuple) else value

    def clean(self, value: Any) -> list[str]:
        text = str(value or "").strip()
        tags = [tag.strip() for tag in text.split(",")] if text else []
        if "" in tags:
            raise ValidationError("A tag must not be empty: there is nothing between two commas.")
        if any(len(tag) > LONGEST_TAG for tag in tags):
            raise ValidationError(f"A tag has at most {LONGEST_TAG} characters.")
        return list(dict.fromkeys(tag.replace("\x00", "") for tag in tags))

    def has_changed(self, initial: Any, data: Any) -> bool:
        return list(initial or []) != self.clean(data)


def give_inputs(form: forms.ModelForm, fields: dict[str, forms.Field]) -> None:
    """Put `fields` in place of the plain ones of `form`, each knowing what the record holds now."""
    for name, field in fields.items():
        if name not in form.fields:
            continue
        if isinstance(field, SchemaField | NamedValuesField):
            field.kept = getattr(form.instance, name)
        form.fields[name] = field


def tags_input() -> TagsField:
    return TagsField(
        required=False, label="Tags", help_text="Separated by commas.", widget=UnfoldAdminTextInputWidget()
    )
