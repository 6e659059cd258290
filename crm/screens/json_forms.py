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

from crm.text.cleaning import as_sent

VERSION = "schema_version"
LONG_TEXT = 500
LONGEST_TAG = 60
SPARE_ROWS = 2
MOST_ROWS = 100
NUMBER = re.compile(r"-?(0|[1-9][0-9]{0,14})(\.[0-9]{1,10})?")
NUMERAL = re.compile(r"[-+]?(?=\.?[0-9])[0-9]{0,30}(\.[0-9]{0,30})?([eE][-+]?[0-9]{1,3})?")
TRUTHS = {"true": True, "on": True, "false": False}
Schema = dict[str, Any]


def properties(schema: Schema) -> dict[str, Schema]:
    """The properties of `schema` in its `propertyOrder` (JSONB keeps none of its own)."""
    found, order = schema.get("properties", {}), schema.get("propertyOrder", [])
    return {key: found[key] for key in [*(k for k in order if k in found), *(k for k in found if k not in order)]}


def holds_rows(schema: Schema) -> bool:
    return schema.get("type") == "array" and schema["items"].get("type") == "object"


def read(schema: Schema, data: Any, name: str) -> Any:
    """What a form sent for `schema` under `name`, still as text; of a list of objects every row, empty or not."""
    if schema.get("type") == "object":
        return {key: read(inner, data, f"{name}.{key}") for key, inner in properties(schema).items()}
    if holds_rows(schema):
        found = [int(m[1]) for key in data if (m := re.match(re.escape(name) + r"\.([0-9]{1,3})\.", key))]
        rows = min(max(found, default=-1) + 1, MOST_ROWS)
        return [read(schema["items"], data, f"{name}.{index}") for index in range(rows)]
    return data.get(name, "")


def filled(raw: Any) -> bool:
    """Whether anything at all was typed into `raw`."""
    if isinstance(raw, dict):
        return any(map(filled, raw.values()))
    if isinstance(raw, list):
        return any(map(filled, raw))
    return bool(str(raw).strip())


def typed(schema: Schema, raw: Any, path: str, errors: list[str]) -> Any:
    """`raw` texts as values of `schema`; what is empty is left out, what is wrong is said in `errors`."""
    kind = schema.get("type")
    if kind == "object":
        values = {
            key: typed(inner, (raw or {}).get(key, ""), inner.get("title", key), errors)
            for key, inner in properties(schema).items()
        }
        return {key: value for key, value in values.items() if value not in (None, "", [], {})}
    if holds_rows(schema):
        rows = [row for row in raw or [] if filled(row)]
        return [typed(schema["items"], row, f"{path} {n}", errors) for n, row in enumerate(rows, start=1)]
    if kind == "array":
        texts = raw if isinstance(raw, list) else str(raw).split(",")
        return [part for text in texts if (part := as_sent(str(text)).strip())]
    return scalar(kind, as_sent(str(raw)).strip(), path, errors)


def scalar(kind: str | None, text: str, path: str, errors: list[str]) -> Any:
    if not text:
        return None
    if kind == "boolean":
        if text not in TRUTHS:
            errors.append(f"{path}: “{text[:40]}” is neither yes nor no.")
        return TRUTHS.get(text)
    if kind in {"number", "integer"}:
        whole = re.fullmatch(r"[-+]?[0-9]+", text)
        if not is_number(text) or (kind == "integer" and not whole):
            errors.append(f"{path}: “{text[:40]}” is not a {'whole ' if kind == 'integer' else ''}number.")
            return None
        return int(text) if whole else float(text)
    return text


def is_number(text: str) -> bool:
    return NUMERAL.fullmatch(text) is not None and isfinite(float(text))


def merged(schema: Schema, raw: Any, found: Any, before: Any) -> Any:
    """`found` (typed from `raw`) together with what stood there `before` under keys that `schema` does not name."""
    if schema.get("type") == "object":
        before = before if isinstance(before, dict) else {}
        named = properties(schema)
        values = {key: value for key, value in before.items() if key not in named and key != VERSION}
        for key, inner in named.items():
            value = merged(inner, raw.get(key), found.get(key, empty(inner)), before.get(key))
            if value not in (None, {}, []):
                values[key] = value
        return versioned(schema, values, before)
    if holds_rows(schema):
        rows = rows_in(before)
        places = [place for place, row in enumerate(raw) if filled(row)]
        return [
            merged(schema["items"], raw[place], row, rows[place] if place < len(rows) else None)
            for place, row in zip(places, found, strict=True)
        ]
    return found


def empty(schema: Schema) -> Any:
    return {"object": {}, "array": []}.get(schema.get("type", ""))


def rows_in(value: Any) -> list[dict[str, Any]]:
    """The rows of a list of objects; anything else in it has no inputs."""
    return [row for row in value if isinstance(row, dict)] if isinstance(value, list) else []


def versioned(schema: Schema, values: dict[str, Any], before: dict[str, Any]) -> dict[str, Any]:
    """`values` with the version of the schema that they were written under."""
    version = schema.get(VERSION)
    if values == {key: value for key, value in before.items() if key != VERSION}:
        version = before.get(VERSION, version)
    return {**values, VERSION: version} if values and version is not None else values


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
        "value": "" if value is None else text_of(value),
        "choices": [str(choice) for choice in schema.get("enum", [])],
        "schema": schema,
    }
    if kind == "object":
        shown["inputs"] = list(parts(schema, value, name))
    elif holds_rows(schema):
        shown["kind"] = "rows"
        shown["heads"] = [inner.get("title", key) for key, inner in properties(schema["items"]).items()]
        shown["rows"] = [
            list(parts(schema["items"], row, f"{name}.{index}"))
            for index, row in enumerate([*rows_in(value), *({} for _ in range(SPARE_ROWS))])
        ]
    elif kind == "array":
        shown["kind"] = "words"
        shown["value"] = value if isinstance(value, str) else ", ".join(str(item) for item in value or [])
    elif kind == "string" and (schema.get("maxLength", 0) > LONG_TEXT or "\n" in shown["value"]):
        shown["kind"] = "long"
    return shown


class SchemaField(forms.Field):
    """JSON that follows `schema`; what a schema with a `schema_version` describes carries that version."""

    kept: Any = None

    def __init__(self, schema: Schema, **kwargs: Any) -> None:
        self.schema = schema
        super().__init__(required=False, widget=SchemaWidget(schema), **kwargs)

    def clean(self, value: Any) -> Any:
        errors: list[str] = []
        found = typed(self.schema, value, str(self.label or ""), errors)
        checker = Draft202012Validator(self.schema, format_checker=Draft202012Validator.FORMAT_CHECKER)
        for error in checker.iter_errors(found):
            errors.append(f"{where(self.schema, error.absolute_path)}: {plain(error)}")
        if errors:
            raise ValidationError(errors)
        return merged(self.schema, value, found, self.kept)

    def has_changed(self, initial: Any, data: Any) -> bool:
        return differs(self, initial, data)


def differs(field: forms.Field, initial: Any, data: Any) -> bool:
    """Whether `data` means something else than `initial`; what cannot be read does."""
    try:
        return (initial or None) != (field.clean(data) or None)
    except ValidationError:
        return True


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
        found = {int(m[1]) for key in data if (m := re.fullmatch(re.escape(name) + r"\.([0-9]{1,3})\.key", key))}
        pairs = [(data[f"{name}.{n}.key"], data.get(f"{name}.{n}.value", "")) for n in sorted(found)]
        pairs = [(as_sent(key).strip(), as_sent(value).strip()) for key, value in pairs]
        return [(key, value) for key, value in pairs if key or value]

    def value_omitted_from_data(self, data: Any, files: Any, name: str) -> bool:
        return f"{name}.0.key" not in data

    def get_context(self, name: str, value: Any, attrs: dict[str, Any] | None) -> dict[str, Any]:
        value = json.loads(value) if isinstance(value, str) else value
        pairs = list(value.items()) if isinstance(value, dict) else list(value or [])
        context = super().get_context(name, None, attrs)
        shown = [(key, text_of(inner)) for key, inner in pairs] + [("", "")] * SPARE_ROWS
        context["pairs"] = [{"key": key, "text": text, "long": "\n" in text} for key, text in shown]
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
            self.check(key, text, found)
            kept = self.as_before(key, text)
            if kept or text:
                found[key] = self.kept[key] if kept else value_of(text)
        return found

    def check(self, key: str, text: str, found: dict[str, Any]) -> None:
        """Refuse a name or value that cannot be kept."""
        if not key or (len(key) > self.LONGEST_KEY and key not in (self.kept or {})):
            raise ValidationError(f"A field's name has 1 to {self.LONGEST_KEY} characters: “{key[:60] or text[:40]}”.")
        if key in found:
            raise ValidationError(f"The name “{key}” stands twice.")
        if len(text) > self.LONGEST_VALUE and not self.as_before(key, text):
            raise ValidationError(f"“{key}” is longer than {self.LONGEST_VALUE:,} characters.")

    def as_before(self, key: str, text: str) -> bool:
        """Whether `text` is how the value of `key` was shown."""
        return key in (self.kept or {}) and text_of(self.kept[key]).strip() == text

    def has_changed(self, initial: Any, data: Any) -> bool:
        return differs(self, initial, data)


def value_of(text: str) -> Any:
    """`text` as what it reads like: a number, true or false, or a text."""
    if text in {"true", "false"}:
        return text == "true"
    if NUMBER.fullmatch(text):
        return float(text) if "." in text else int(text)
    return text


class TagsField(forms.CharField):
    """Tags in one line, separated by commas."""

    def prepare_value(self, value: Any) -> Any:
        return ", ".join(value) if isinstance(value, list | tuple) else value

    def clean(self, value: Any) -> list[str]:
        text = as_sent(str(value or "")).strip()
        tags = [tag.strip() for tag in text.split(",")] if text else []
        if "" in tags:
            raise ValidationError("A tag must not be empty: there is nothing between two commas.")
        if any(len(tag) > LONGEST_TAG for tag in tags):
            raise ValidationError(f"A tag has at most {LONGEST_TAG} characters.")
        return list(dict.fromkeys(tags))

    def has_changed(self, initial: Any, data: Any) -> bool:
        return differs(self, initial, data)


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
