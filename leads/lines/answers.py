"""Whether an answer fits its question, and answers turned into another kind without a loss. Pure: no database."""

import json
import re
from collections.abc import Iterator
from typing import Any

from crm.runtime.lazy_module import LazyModule
from crm.screens.json_forms.errors import format_checker
from crm.screens.json_forms.schema import VERSION_KEY, Schema, is_object_list, ordered_properties

# Only the check of records needs it, and every command would wait for its import.
jsonschema = LazyModule("jsonschema")
PLAIN_NUMBER = re.compile(r"-?(0|[1-9][0-9]{0,14})(\.[0-9]{1,10})?")
YES_NO = {"yes": True, "no": False}


class AnswerCheck:
    """Tells whether answers fit the question `schema`; it remembers the answers that it has checked."""

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


def convert_answer(value: Any, check: AnswerCheck) -> Any:
    """Return `value` as an answer that fits; `value` itself if it fits already, or if a conversion would lose anything.

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


class FormCheck:
    """Checks and converts the answers to a whole form."""

    def __init__(self, form: Schema) -> None:
        self.questions = ordered_properties(form)
        self.groups = {
            key: FormCheck(inner["items"])
            for key, inner in self.questions.items()
            if is_object_list(inner) and inner["items"].get("properties")
        }
        self.checks = {
            key: AnswerCheck({"type": "array"} if key in self.groups else inner)
            for key, inner in self.questions.items()
        }
        self.required = [key for key in form.get("required", []) if not self.questions.get(key, {}).get("retired")]

    def misfits(self, answers: Any, prefix: str = "") -> Iterator[tuple[str, str]]:
        """Yield the key (`drivers.born` in a repeated group) and the reason of each answer that does not fit."""
        if not isinstance(answers, dict):
            yield prefix.rstrip("."), TYPE_NAMES["object"]
            return
        for key, value in answers.items():
            if key in self.checks and (reason := self.checks[key].reason(value)):
                yield f"{prefix}{key}", reason
            elif key in self.groups:
                for row in value:
                    yield from self.groups[key].misfits(row, f"{prefix}{key}.")
        if answers.keys() - {VERSION_KEY}:
            yield from ((f"{prefix}{key}", "missing, though required") for key in self.required if key not in answers)

    def unknown_keys(self, answers: Any, prefix: str = "") -> Iterator[str]:
        """Yield the keys of answers that have no question."""
        for key, value in answers.items() if isinstance(answers, dict) else ():
            if key in self.groups and isinstance(value, list):
                for row in value:
                    yield from self.groups[key].unknown_keys(row, f"{prefix}{key}.")
            elif key not in self.checks and key != VERSION_KEY:
                yield f"{prefix}{key}"

    def convert(self, answers: Any) -> Any:
        """Return `answers` with every answer converted that can be without a loss; what does not fit stays."""
        if not isinstance(answers, dict):
            return answers
        return {key: self.convert_one(key, value) for key, value in answers.items()}

    def convert_one(self, key: str, value: Any) -> Any:
        if key in self.groups:
            return [self.groups[key].convert(row) for row in value] if isinstance(value, list) else value
        return convert_answer(value, self.checks[key]) if key in self.checks else value
