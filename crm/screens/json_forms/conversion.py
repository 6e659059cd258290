"""Whether a value fits its schema, and values turned into another kind without a loss. Pure: no database."""

import json
import re
from collections.abc import Iterator
from typing import Any

from crm.runtime.lazy_module import LazyModule
from crm.screens.json_forms.errors import format_checker
from crm.screens.json_forms.schema import Schema, is_object_list

# Only the check of records needs it, and every command would wait for its import.
jsonschema = LazyModule("jsonschema")
PLAIN_NUMBER = re.compile(r"-?(0|[1-9][0-9]{0,14})(\.[0-9]{1,10})?")
YES_NO = {"yes": True, "no": False}


class ValueCheck:
    """Tells whether values fit `schema`; it remembers the values that it has checked."""

    MAX_REMEMBERED, MAX_TEXT_LENGTH = 10_000, 60

    def __init__(self, schema: Schema) -> None:
        self.schema = schema
        self.validator = jsonschema.Draft202012Validator(schema, format_checker=format_checker())
        self.remembered: dict[tuple[type, Any], str] = {}

    def fits(self, value: Any) -> bool:
        return not self.reason(value)

    def reason(self, value: Any) -> str:
        """Return why `value` does not fit, in words without the value; empty if it fits."""
        is_short = isinstance(value, int | float | bool) or (
            isinstance(value, str) and len(value) <= self.MAX_TEXT_LENGTH
        )
        if not is_short:
            return self.find_reason(value)
        key = (type(value), value)
        if key not in self.remembered:
            if len(self.remembered) >= self.MAX_REMEMBERED:
                self.remembered.clear()
            self.remembered[key] = self.find_reason(value)
        return self.remembered[key]

    def find_reason(self, value: Any) -> str:
        error = next(self.validator.iter_errors(value), None)
        return "" if error is None else misfit_reason(error)


TYPE_NAMES = {
    "string": "not text",
    "integer": "not a whole number",
    "number": "not a number",
    "boolean": "neither yes nor no",
    "array": "not a list",
    "object": "not an object",
}
FORMAT_REASONS = {
    "date": "not a date",
    "date-time": "not a date and time",
    "email": "not an email address",
    "link": "not a web address",
    "phone": "not a phone number",
    "uuid": "not the key of a record",
}


def misfit_reason(error: Any) -> str:
    """Return the reason of a validator's error, the same for every value with the same error."""
    expected = error.validator_value
    reasons = {
        "type": lambda: TYPE_NAMES.get(str(expected), "of another type"),
        "enum": lambda: "not one of the choices",
        "minimum": lambda: f"less than {expected}",
        "maximum": lambda: f"more than {expected}",
        "maxLength": lambda: f"longer than {expected:,} characters",
        "required": lambda: "missing, though required",
        "pattern": lambda: "not of the right form",
        "format": lambda: FORMAT_REASONS.get(expected, f"not a {expected}"),
        "uniqueItems": lambda: "a choice is there twice",
    }
    return reasons.get(error.validator, lambda: f"against “{error.validator}”")()


def convert_value(value: Any, check: ValueCheck) -> Any:
    """Return `value` as one that fits; `value` itself if it fits already, or if a conversion would lose anything.

    Each conversion has a reverse: text "5" and the number 5, "yes" and true, a choice and a list of one choice.
    """
    return next((one for one in (value, *alternatives(value, check.schema)) if check.fits(one)), value)


def alternatives(value: Any, schema: Schema) -> Iterator[Any]:
    """Yield `value` in the other ways of writing it that the type of `schema` allows."""
    kind = schema.get("type")
    if isinstance(value, list):
        if len(value) == 1 and not isinstance(value[0], list):
            yield from (value[0], *alternatives(value[0], schema))
    elif kind == "array" and not is_object_list(schema):
        yield [value]
        yield from ([text] for text in [text_of(value)] if text is not None)
    elif kind == "string" or "enum" in schema:
        yield from filter(None, [text_of(value)])
    elif isinstance(value, str):
        if kind == "boolean" and value in YES_NO:
            yield YES_NO[value]
        elif kind in {"number", "integer"} and (number := number_of(value)) is not None:
            yield number


def text_of(value: Any) -> str | None:
    """Return the text from which a number or boolean can be read again; None for other values."""
    if isinstance(value, bool):
        return "yes" if value else "no"
    return json.dumps(value) if isinstance(value, int | float) and number_of(json.dumps(value)) is not None else None


def number_of(text: str) -> int | float | None:
    """Return the number that `text` writes exactly as JSON does; None if there is none."""
    if not PLAIN_NUMBER.fullmatch(text):
        return None
    number = json.loads(text)
    return number if json.dumps(number) == text else None
