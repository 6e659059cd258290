"""A line's JSON Schema as a table that staff edit: one row a question. Pure: no database."""

import re
from typing import Any

from django.core.exceptions import ValidationError

from crm.screens.json_forms import properties

Schema = dict[str, Any]
KINDS: dict[str, Schema] = {
    "text": {"type": "string", "maxLength": 200},
    "long text": {"type": "string", "maxLength": 5000},
    "choice": {"type": "string"},
    "number": {"type": "number"},
    "whole number": {"type": "integer"},
    "yes or no": {"type": "boolean"},
    "date": {"type": "string", "format": "date"},
    "table": {"type": "array"},
}
ROWS: Schema = {
    "type": "array",
    "items": {
        "type": "object",
        "propertyOrder": ["key", "title", "kind", "choices"],
        "properties": {
            "key": {"type": "string", "maxLength": 60, "title": "Key"},
            "title": {"type": "string", "maxLength": 100, "title": "Question"},
            "kind": {"type": "string", "enum": list(KINDS), "title": "Kind"},
            "choices": {"type": "string", "maxLength": 500, "title": "Choices, or columns of a table; by commas"},
        },
    },
}
KEY = re.compile(r"[a-z][a-z0-9_]*")


def kind_of(schema: Schema) -> str:
    if schema.get("enum"):
        return "choice"
    if schema.get("type") == "array":
        return "table"
    if schema.get("format") == "date":
        return "date"
    names = {"number": "number", "integer": "whole number", "boolean": "yes or no"}
    return names.get(schema.get("type", ""), "long text" if schema.get("maxLength", 0) > 500 else "text")


def rows_of(schema: Schema) -> list[dict[str, str]]:
    """The questions of a form's `schema`."""
    return [
        {"key": key, "title": inner.get("title", key), "kind": kind_of(inner), "choices": listed(inner)}
        for key, inner in properties(schema).items()
    ]


def listed(schema: Schema) -> str:
    if schema.get("type") == "array":
        return ", ".join(properties(schema.get("items", {})))
    return ", ".join(str(choice) for choice in schema.get("enum", []))


def schema_of(rows: list[dict[str, str]], before: Schema) -> Schema:
    """The schema that asks the questions in `rows`; limits that a question had before stay.

    Raises:
        ValidationError: a key that is no key or stands twice, a choice without choices.
    """
    known, found = properties(before), {}
    for number, row in enumerate(rows, start=1):
        key, kind = row.get("key", ""), row.get("kind", "text")
        if not KEY.fullmatch(key):
            raise ValidationError(f"Question {number}: a key is small letters, digits and underscores, not “{key}”.")
        if key in found:
            raise ValidationError(f"Question {number}: the key “{key}” stands twice.")
        old = known.get(key, {})
        same = kind_of(old) == kind and listed(old) == row.get("choices", "")
        found[key] = {**(old if old and same else fresh(number, kind, row.get("choices", ""), old))}
        found[key]["title"] = row.get("title") or key.replace("_", " ").capitalize()
    return {**before, "type": "object", "properties": found, "propertyOrder": list(found)}


def fresh(number: int, kind: str, choices: str, old: Schema) -> Schema:
    """The schema of one question; columns that a table had before keep theirs."""
    parts = [part.strip() for part in choices.split(",") if part.strip()]
    if kind not in {"choice", "table"}:
        return dict(KINDS[kind])
    if not parts:
        raise ValidationError(f"Question {number}: a {kind} needs its {'choices' if kind == 'choice' else 'columns'}.")
    if kind == "choice":
        return {**KINDS["choice"], "enum": list(dict.fromkeys(parts))}
    before = properties(old.get("items", {})) if old.get("type") == "array" else {}
    columns = {
        part: before.get(part, {**KINDS["text"], "title": part.replace("_", " ").capitalize()}) for part in parts
    }
    return {"type": "array", "items": {"type": "object", "properties": columns, "propertyOrder": parts}}
