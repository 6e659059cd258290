"""The content of a suggestion as inputs and as readable values, from the JSON Schema of its payload."""

from collections.abc import Mapping
from contextlib import suppress
from datetime import date, datetime
from functools import cache
from typing import Any
from uuid import UUID

from django import forms

from crm.records.local_time import format_day, format_moment, in_agency_zone
from crm.screens.json_forms.inputs import build_inputs
from crm.screens.json_forms.schema import Schema, is_datetime_list, is_object_list, simplify_schema
from crm.screens.json_forms.text_inputs import TextInput
from suggestions.choices import LabelCache
from suggestions.kinds import Payload

CONTENT_PREFIX = "content."


@cache
def payload_schema(payload: type[Payload]) -> Schema:
    """Return the JSON Schema of `payload`, with the title of each field and lists that have one entry a line."""
    schema = simplify_schema(payload.model_json_schema())
    for name, field_schema in schema.get("properties", {}).items():
        field_schema["title"] = payload.model_fields[name].title or humanize_field_name(name)
        if field_schema.get("type") == "array" and not is_object_list(field_schema):
            field_schema.setdefault("widget", "lines")
    return schema


def payload_fields(payload: type[Payload]) -> dict[str, Schema]:
    """Return the JSON Schema of each field of `payload`, in the payload's order."""
    return payload_schema(payload).get("properties", {})


def humanize_field_name(name: str) -> str:
    """Return `name` as people write it: `dueOn` is `Due on`."""
    spaced = "".join(f" {c.lower()}" if c.isupper() else c for c in name)
    return spaced.replace("_", " ").strip().capitalize()


def content_label(payload: type[Payload] | None, name: str) -> str:
    """Return the label of the field `name`, which a `payload` of today may not have any more."""
    fields = payload_fields(payload) if payload else {}
    return fields[name]["title"] if name in fields else humanize_field_name(name)


def build_content_inputs(
    payload: type[Payload], content: Mapping[str, Any], names: LabelCache
) -> dict[str, forms.Field]:
    """Return an input, holding `content`, for every field of `payload` that can be edited."""
    inputs = build_inputs(payload_schema(payload), content, prefix=CONTENT_PREFIX, load_choices=names.load_choices)
    for field in inputs.values():
        field.wide = field.wide or (type(field) is TextInput and not isinstance(field.widget, forms.Select))
    return inputs


def read_content(
    payload: type[Payload],
    fields: Mapping[str, forms.Field],
    typed: Mapping[str, Any],
    saved: Mapping[str, Any],
) -> dict[str, Any]:
    """Return the content that was typed into `fields`; what is not edited, or was left alone, stays as `saved`."""
    content: dict[str, Any] = {}
    for name, schema in payload_fields(payload).items():
        key = CONTENT_PREFIX + name
        if key not in fields:
            if name in saved:
                content[name] = saved[name]
            continue
        value = typed.get(key)
        value = fields[key].keep_if_unchanged(value, saved[name]) if name in saved else value
        if value is not None or schema.get("nullable"):
            content[name] = value
    return content


def readable_fields(payload: type[Payload], content: Any, names: LabelCache) -> list[tuple[str, Any]]:
    """Return label and value of each field of `content`: in the payload's order, then those it does not name."""
    if not isinstance(content, dict):
        return [("Content", content)]
    fields = payload_fields(payload)
    labelled = [
        (schema["title"], readable_value(schema, content[name], names))
        for name, schema in fields.items()
        if name in content
    ]
    return labelled + [(humanize_field_name(name), value) for name, value in content.items() if name not in fields]


def readonly_fields(payload: type[Payload], content: Any, names: LabelCache) -> list[tuple[str, Any]]:
    """Return label and value of each field of `content` that people read and do not edit, if it holds something."""
    if not isinstance(content, dict):
        return []
    labelled = [
        (schema["title"], readable_value(schema, content.get(name), names))
        for name, schema in payload_fields(payload).items()
        if schema.get("readonly")
    ]
    return [(label, value) for label, value in labelled if value not in (None, "")]


def readable_value(schema: Schema, value: Any, names: LabelCache) -> Any:
    """Return the value of a field as people write it."""
    if is_datetime_list(schema) and isinstance(value, list):
        return [format_datetime(one) for one in value]
    if not isinstance(value, str):
        return value
    if value == "":
        return schema.get("blank", "")
    with suppress(ValueError):
        if kind := schema.get("record"):
            return names.record_label(kind, UUID(value))
        if schema.get("format") == "date":
            return format_day(date.fromisoformat(value))
        if schema.get("format") == "date-time":
            return format_datetime(value)
    return names.label(schema["choices"], value) if "choices" in schema else value


def format_datetime(value: Any) -> Any:
    """Return a date and time as people write it; anything else as it is."""
    try:
        moment = datetime.fromisoformat(value)
    except (TypeError, ValueError):
        return value
    return format_moment(in_agency_zone(moment))
