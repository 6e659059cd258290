"""Edit a line's JSON Schema as a table with one row for each question. Pure: no database."""

import re
from typing import Any

from django.core.exceptions import ValidationError

from crm.screens.json_forms.schema import ordered_properties, without_keys

Schema = dict[str, Any]
QUESTION_KINDS: dict[str, Schema] = {
    "text": {"type": "string", "maxLength": 200},
    "long text": {"type": "string", "maxLength": 5000},
    "choice": {"type": "string"},
    "number": {"type": "number"},
    "whole number": {"type": "integer"},
    "yes or no": {"type": "boolean"},
    "date": {"type": "string", "format": "date"},
    "table": {"type": "array"},
}
QUESTION_TABLE_SCHEMA: Schema = {
    "type": "array",
    "items": {
        "type": "object",
        "propertyOrder": ["key", "title", "kind", "unit", "choices"],
        "properties": {
            "key": {"type": "string", "maxLength": 60, "title": "Key"},
            "title": {"type": "string", "maxLength": 100, "title": "Question"},
            "kind": {"type": "string", "enum": list(QUESTION_KINDS), "title": "Kind"},
            "unit": {"type": "string", "maxLength": 20, "title": "Unit of a number, such as $ or miles"},
            "choices": {
                "type": "string",
                "maxLength": 500,
                "title": "Choices, or columns of a table, separated by commas",
            },
        },
    },
}
NUMBER_KINDS = frozenset({"number", "whole number"})
QUESTION_KEY_PATTERN = re.compile(r"[a-z][a-z0-9_]*")


def question_kind(schema: Schema) -> str:
    if schema.get("enum"):
        return "choice"
    if schema.get("type") == "array":
        return "table"
    if schema.get("format") == "date":
        return "date"
    names = {"number": "number", "integer": "whole number", "boolean": "yes or no"}
    return names.get(schema.get("type", ""), "long text" if schema.get("maxLength", 0) > 500 else "text")


def questions_from_schema(schema: Schema) -> list[dict[str, str]]:
    """Return the questions of a form's `schema`."""
    return [
        {
            "key": key,
            "title": inner.get("title", key),
            "kind": question_kind(inner),
            "unit": inner.get("unit", ""),
            "choices": format_choices(inner),
        }
        for key, inner in ordered_properties(schema).items()
    ]


def format_choices(schema: Schema) -> str:
    if schema.get("type") == "array":
        return ", ".join(ordered_properties(schema.get("items", {})))
    return ", ".join(str(choice) for choice in schema.get("enum", []))


def schema_from_questions(rows: list[dict[str, str]], before: Schema) -> Schema:
    """Return a schema with the questions in `rows`; an unchanged question keeps its limits of `before`.

    Raises:
        ValidationError: a key is invalid or used twice, or a choice has no choices.
    """
    previous_questions, questions = ordered_properties(before), {}
    for number, row in enumerate(rows, start=1):
        key, kind = row.get("key", ""), row.get("kind", "text")
        if not QUESTION_KEY_PATTERN.fullmatch(key):
            raise ValidationError(
                f"Question {number}: the key “{key}” is invalid. Use lower-case letters, digits and underscores."
            )
        if key in questions:
            raise ValidationError(f"Question {number}: the key “{key}” is used twice.")
        old = previous_questions.get(key, {})
        is_unchanged = question_kind(old) == kind and format_choices(old) == row.get("choices", "")
        question = old if old and is_unchanged else new_question_schema(number, kind, row.get("choices", ""), old)
        unit = {"unit": row["unit"]} if row.get("unit") and kind in NUMBER_KINDS else {}
        questions[key] = {**without_keys(question, "unit"), **unit}
        questions[key]["title"] = row.get("title") or key.replace("_", " ").capitalize()
    return {**before, "type": "object", "properties": questions, "propertyOrder": list(questions)}


def new_question_schema(number: int, kind: str, choices: str, old: Schema) -> Schema:
    """Return the schema of one question; columns that the table already had keep their schema."""
    parts = [part.strip() for part in choices.split(",") if part.strip()]
    if kind not in {"choice", "table"}:
        return dict(QUESTION_KINDS[kind])
    if not parts:
        raise ValidationError(f"Question {number}: enter the {'choices' if kind == 'choice' else 'columns'}.")
    if kind == "choice":
        return {**QUESTION_KINDS["choice"], "enum": list(dict.fromkeys(parts))}
    before = ordered_properties(old.get("items", {})) if old.get("type") == "array" else {}
    columns = {
        part: before.get(part, {**QUESTION_KINDS["text"], "title": part.replace("_", " ").capitalize()})
        for part in parts
    }
    return {"type": "array", "items": {"type": "object", "properties": columns, "propertyOrder": parts}}
