"""Find the errors in the values of a JSON schema, each with its path."""

from collections.abc import Callable, Iterator
from functools import cache
from typing import Any

from django.utils.dateparse import parse_datetime

from crm.exceptions import InvalidInput
from crm.records.custom_fields.references import stored_record_key
from crm.runtime.lazy_module import LazyModule
from crm.screens.json_forms.schema import Schema, is_object, is_object_list, ordered_properties
from crm.text.addresses import clean_address
from crm.text.links import is_web_link
from crm.text.phones import phone_digits
from crm.text.vins import vin_error

# Only a form that was sent needs it, and every command would wait for its import.
jsonschema = LazyModule("jsonschema")
MAX_QUOTED_LENGTH = 40
MIN_PHONE_DIGITS, MAX_PHONE_DIGITS = 5, 20
# The keys and row numbers from the root to a value.
ValuePath = tuple[str | int, ...]


def find_errors(schema: Schema, value: Any, saved_value: Any) -> Iterator[tuple[ValuePath, str]]:
    """Yield the path and the message of each error of `value`; a VIN that was saved before is not checked again."""
    validator = jsonschema.Draft202012Validator
    for error in validator(schema, format_checker=format_checker()).iter_errors(value):
        yield (*error.absolute_path, *missing_key(error)), schema_error_message(error)
    saved_vins = {vin for _, vin, _ in find_vins(schema, saved_value)}
    for path, vin, year in find_vins(schema, value):
        if vin not in saved_vins and (message := vin_error(vin, year)):
            yield path, f"“{vin[:MAX_QUOTED_LENGTH]}”: {message}"


def missing_key(error: Any) -> list[str]:
    """Return the key that `error` misses: the validator reports it at the object around it."""
    if error.validator != "required":
        return []
    return [key for key in error.validator_value if error.message == f"{key!r} is a required property"]


@cache
def format_checker() -> Any:
    """Return the checks of formats: those of JSON Schema, and ours for addresses, links and phone numbers."""
    checker = jsonschema.FormatChecker()
    checker.checkers = {**checker.checkers, **{name: (check, ()) for name, check in FORMAT_CHECKS.items()}}
    return checker


def is_email_address(value: Any) -> bool:
    try:
        return not isinstance(value, str) or bool(clean_address(value))
    except InvalidInput:
        return False


def is_phone_number(value: Any) -> bool:
    """Whether `value` may be a phone number: digits in any notation, perhaps with an extension."""
    return not isinstance(value, str) or MIN_PHONE_DIGITS <= len(phone_digits(value)) <= MAX_PHONE_DIGITS


def is_date_and_time(value: Any) -> bool:
    try:
        return not isinstance(value, str) or parse_datetime(value) is not None
    except ValueError:
        return False


FORMAT_CHECKS: dict[str, Callable[[Any], bool]] = {
    "date-time": is_date_and_time,
    "email": is_email_address,
    "link": lambda value: not isinstance(value, str) or is_web_link(value),
    "phone": is_phone_number,
    "uuid": lambda value: not isinstance(value, str) or bool(stored_record_key(value)),
}
FORMAT_NAMES = {
    "email": "an email address",
    "link": "a full web address, such as https://example.com",
    "phone": "a phone number",
    "date-time": "a date and time",
    "uuid": "a record. Choose one from the list",
}


def find_vins(schema: Schema, value: Any, path: ValuePath = ()) -> Iterator[tuple[ValuePath, str, Any]]:
    """Yield the path, the VIN and the model year of each vehicle in `value`."""
    if is_object_list(schema) and isinstance(value, list):
        for number, row in enumerate(value):
            yield from find_vins(schema["items"], row, (*path, number))
    if not is_object(schema) or not isinstance(value, dict):
        return
    for key, inner in ordered_properties(schema).items():
        if inner.get("format") == "vin" and isinstance(value.get(key), str):
            yield (*path, key), value[key], value.get("year")
        else:
            yield from find_vins(inner, value.get(key), (*path, key))


def value_path_label(schema: Schema, path: ValuePath) -> str:
    """Return the titles on the way to a value in `schema`."""
    labels = []
    for step in path:
        if isinstance(step, int):
            labels.append(str(step + 1))
            schema = schema.get("items", {})
        else:
            schema = ordered_properties(schema).get(step, {})
            labels.append(schema.get("title", str(step)))
    return " ".join(labels) or "The data"


TYPE_ERRORS = {
    "integer": "“{}” is not a whole number.",
    "number": "“{}” is not a number.",
    "boolean": "“{}” is neither yes nor no.",
}


def describe_type_error(error: Any, text: str) -> str:
    message = TYPE_ERRORS.get(str(error.validator_value))
    return message.format(text) if message else error.message[:200]


def schema_error_message(error: Any) -> str:
    """Return a validator's error in plain words."""
    text = str(error.instance)[:MAX_QUOTED_LENGTH]
    sentences = {
        "required": lambda: "enter an answer.",
        "type": lambda: describe_type_error(error, text),
        "enum": lambda: f"choose one of {', '.join(map(str, error.validator_value))}.",
        "minimum": lambda: f"at least {error.validator_value}.",
        "maximum": lambda: f"at most {error.validator_value}.",
        "maxLength": lambda: f"at most {error.validator_value:,} characters.",
        "pattern": lambda: f"“{text}” does not have the right form.",
        "format": lambda: f"“{text}” is not {FORMAT_NAMES.get(error.validator_value, f'a {error.validator_value}')}.",
    }
    return sentences.get(error.validator, lambda: error.message[:200])()
