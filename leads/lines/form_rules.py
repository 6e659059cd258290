"""Which JSON Schemas can be the form of a line. Pure: no database."""

import json
import re
from collections.abc import Iterator
from typing import Any

from crm.runtime.lazy_module import LazyModule
from crm.screens.json_forms.schema import VERSION_KEY
from crm.text.cleaning import shorten

# Only a changed form needs it, and every command would wait for its import.
jsonschema = LazyModule("jsonschema")

MAX_KEY_LENGTH, MAX_DEPTH, MAX_QUESTIONS, MAX_FORM_LENGTH = 60, 12, 300, 200_000
KEY_PATTERN = re.compile(r"[A-Za-z][A-Za-z0-9_]*")
# The version of the form in the answers stands under this key.
RESERVED_KEYS = frozenset({VERSION_KEY})
REFERENCES = ("$ref", "$dynamicRef", "$recursiveRef")
HINT_TYPES = {"section": str, "unit": str, "retired": bool, "labels": dict, "retiredChoices": list, "widget": str}


def key_problem(key: str) -> str:
    """Return why `key` cannot be the key of a question; empty if it can."""
    quoted = shorten(key, 40)
    if len(key) > MAX_KEY_LENGTH:
        return f"The key “{quoted}” has {len(key):,} characters; {MAX_KEY_LENGTH} are allowed."
    if not KEY_PATTERN.fullmatch(key):
        return (
            f"The key “{quoted}” is invalid. Use letters without accents, digits and underscores; begin with a letter."
        )
    return f"The key “{key}” is reserved for the program." if key in RESERVED_KEYS else ""


def form_problem(form: Any) -> str:
    """Return why `form` cannot be the form of a line; empty if it can."""
    if not isinstance(form, dict):
        return "The form must be a JSON object."
    if depth_of(form) > MAX_DEPTH:
        return f"The form is nested too deep: {MAX_DEPTH} levels are allowed."
    text = json.dumps(form, ensure_ascii=False)
    if len(text) > MAX_FORM_LENGTH:
        return f"The form has {len(text):,} characters; {MAX_FORM_LENGTH:,} are allowed."
    if "\\u0000" in text or re.search(r"\b(NaN|Infinity)\b", re.sub(r'"(\\.|[^"\\])*"', '""', text)):
        return "The form holds a null character or a number that JSON does not have."
    if any(reference in schema for schema in parts(form) for reference in REFERENCES):
        return "The form refers to another schema with $ref, perhaps to itself. Write its questions out instead."
    try:
        jsonschema.Draft202012Validator.check_schema(form)
    except jsonschema.SchemaError as error:
        return f"This is not a valid JSON Schema: {error.message[:200]}"
    return object_problem(form)


def depth_of(value: Any) -> int:
    """Return how deep `value` is nested, up to one level beyond the limit."""
    depth, level = 0, [value]
    while level and depth <= MAX_DEPTH:
        depth += 1
        level = [
            inner
            for one in level
            if isinstance(one, dict | list)
            for inner in (one.values() if isinstance(one, dict) else one)
            if isinstance(inner, dict | list)
        ]
    return depth


def parts(value: Any) -> Iterator[dict[str, Any]]:
    """Yield every object inside `value`."""
    if isinstance(value, dict):
        yield value
    for inner in value.values() if isinstance(value, dict) else value if isinstance(value, list) else ():
        yield from parts(inner)


def object_problem(schema: dict[str, Any], path: str = "") -> str:
    """Return what the inputs could not be made from in an object of questions."""
    if schema.get("type", "object") != "object":
        return f"{path or 'The form'}: the type must be “object”."
    properties, order = schema.get("properties", {}), schema.get("propertyOrder", [])
    if not isinstance(order, list) or not all(isinstance(key, str) for key in order):
        return f"{path or 'The form'}: “propertyOrder” must be a list of keys."
    if len(properties) > MAX_QUESTIONS:
        return f"{path or 'The form'} has {len(properties):,} questions; {MAX_QUESTIONS} are allowed."
    problems = (key_problem(key) or question_problem(inner, f"{path}{key}") for key, inner in properties.items())
    return next(filter(None, problems), "")


def is_answer(value: Any, schema: dict[str, Any]) -> bool:
    checker = jsonschema.Draft202012Validator.FORMAT_CHECKER
    return jsonschema.Draft202012Validator(schema, format_checker=checker).is_valid(value)


def question_problem(schema: Any, path: str) -> str:
    if not isinstance(schema, dict):
        return f"{path}: a question must be a JSON object."
    if not isinstance(schema.get("type", ""), str):
        return f"{path}: name one type, not several."
    for name, kind in HINT_TYPES.items():
        if name in schema and not isinstance(schema[name], kind):
            return f"{path}: “{name}” has the wrong type."
    if "default" in schema and not is_answer(schema["default"], schema):
        return f"{path}: the default does not answer the question."
    if "items" not in schema:
        return object_problem(schema, f"{path}.") if schema.get("type") == "object" else ""
    items = schema["items"]
    if not isinstance(items, dict):
        return f"{path}: “items” must be a JSON object."
    return object_problem(items, f"{path}.") if items.get("type") == "object" else question_problem(items, path)
