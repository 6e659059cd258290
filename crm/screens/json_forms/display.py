"""JSON for reading: labels, order and units of its schema, values as people write them. Pure: no database."""

import re
from collections.abc import Iterator
from dataclasses import dataclass, field
from datetime import datetime
from decimal import Decimal
from typing import Any, Self

from django.utils.dateparse import parse_date, parse_datetime

from crm.records.local_time import format_day, format_moment, in_agency_zone
from crm.screens.json_forms.schema import VERSION_KEY, Schema, choice_label, ordered_properties, property_label

ISO_MOMENT = re.compile(r"\d{4}-\d\d-\d\d(T\d\d:\d\d(:\d\d(\.\d+)?)?(Z|[+-]\d\d:?\d\d)?)?", re.ASCII)
CURRENCY_UNITS = frozenset("$€£¥")
# Years and house numbers have no separators.
MIN_GROUPED_NUMBER = 10_000
MAX_CHANGES = 60
NO_COLOUR = "grey"
# What is shown of a reference where no reader is known.
UNNAMED_RECORD = "A record"


@dataclass(frozen=True)
class ValueNode:
    """A value to show: its text, or labelled parts, or the entries of a list.

    `url` is the page of the record that the text names. `badges` are the labels and colours of choices with colours;
    the text says the same.
    """

    text: str = ""
    url: str = ""
    badges: list[tuple[str, str]] = field(default_factory=list)
    parts: list[tuple[str, Self]] = field(default_factory=list)
    items: list[Self] = field(default_factory=list)

    def __bool__(self) -> bool:
        """Whether there is anything to show."""
        return bool(self.text or self.parts or self.items)


def describe_value(value: Any, schema: Schema | None = None) -> ValueNode:
    """Return `value` for reading; what the `schema` does not name follows at the end, under its key as words."""
    schema = schema or {}
    if isinstance(value, dict):
        return ValueNode(parts=[(label, describe_value(one, inner)) for label, one, inner in entries(value, schema)])
    if isinstance(value, list) and any(isinstance(one, dict | list) for one in value):
        return ValueNode(items=[describe_value(one, schema.get("items")) for one in value])
    url = schema["names"][value].url if isinstance(value, str) and "names" in schema else ""
    return ValueNode(text=value_text(value, schema), url=url, badges=choice_badges(value, schema))


def choice_badges(value: Any, schema: Schema) -> list[tuple[str, str]]:
    """Return the label and the colour of each choice in `value`; none if the choices have no colours."""
    values, schema = (value, schema.get("items", {})) if isinstance(value, list) else ([value], schema)
    if value in (None, "") or not (colours := schema.get("colours")):
        return []
    return [(value_text(one, schema), colours.get(one, NO_COLOUR)) for one in values]


def entries(value: dict[str, Any], schema: Schema) -> Iterator[tuple[str, Any, Schema]]:
    """Yield the label, the value and the schema of each entry of `value`, in the order of `schema`."""
    known = ordered_properties(schema)
    for key in [*(key for key in known if key in value), *(key for key in value if key not in known)]:
        if key != VERSION_KEY:
            inner = known.get(key, {})
            yield property_label(key, inner), value[key], inner


def value_text(value: Any, schema: Schema) -> str:
    """Return a value without parts as text: Yes, 3 Nov 2026, $1,000,000 or 12,000 miles."""
    if value is None:
        return ""
    if isinstance(value, str) and "refersTo" in schema:
        return schema["names"][value].text if "names" in schema else UNNAMED_RECORD
    if isinstance(value, str | int) and value in schema.get("labels", ()):
        return choice_label(value, schema)
    if isinstance(value, bool):
        return "Yes" if value else "No"
    if isinstance(value, int | float):
        return with_unit(number_text(value, is_money=schema.get("unit") in CURRENCY_UNITS), schema.get("unit", ""))
    if isinstance(value, list):
        return ", ".join(value_text(one, schema.get("items", {})) for one in value)
    return choice_label(value, schema) if value in schema.get("enum", ()) else moment_text(str(value))


def number_text(value: float | Decimal, *, is_money: bool) -> str:
    grouping = "," if is_money or abs(value) >= MIN_GROUPED_NUMBER else ""
    # A decimal without an exponent.
    return f"{value:{grouping}{'f' if isinstance(value, Decimal) else ''}}"


def with_unit(text: str, unit: str) -> str:
    if unit in CURRENCY_UNITS:
        return f"-{unit}{text[1:]}" if text.startswith("-") else f"{unit}{text}"
    return f"{text} {unit}".rstrip()


def moment_text(text: str) -> str:
    """Return `text` as the reader writes a date or a time if it is one as JSON writes it, else unchanged."""
    if not ISO_MOMENT.fullmatch(text):
        return text
    try:
        moment = parse_datetime(text) if "T" in text else parse_date(text)
    except ValueError:
        return text
    if isinstance(moment, datetime):
        return format_moment(in_agency_zone(moment))
    return format_day(moment) if moment else text


def flatten_value(value: Any, schema: Schema | None = None, label: str = "") -> Iterator[tuple[str, str]]:
    """Yield the label and the text of every value inside `value`; a row of a list is named by its number."""
    schema = schema or {}
    if isinstance(value, dict):
        for inner_label, inner_value, inner in entries(value, schema):
            yield from flatten_value(inner_value, inner, f"{label} {inner_label}".strip())
    elif isinstance(value, list) and any(isinstance(one, dict | list) for one in value):
        for number, one in enumerate(value, start=1):
            yield from flatten_value(one, schema.get("items"), f"{label} {number}".strip())
    else:
        yield label, value_text(value, schema)


def json_column_changes(
    schemas: dict[str, Schema], column: str, label: str, old: Any, new: Any
) -> list[tuple[str, str, str]]:
    """Return the changes inside one JSON column, under the `label` of the column."""
    return value_changes(old, new, schemas.get(column), label)


def value_changes(old: Any, new: Any, schema: Schema | None, label: str) -> list[tuple[str, str, str]]:
    """Return the label, the old and the new text of each value that differs."""
    before, after = dict(flatten_value(old, schema)), dict(flatten_value(new, schema))
    changes = [
        (f"{label} · {key}" if key else label, before.get(key, ""), after.get(key, ""))
        for key in dict.fromkeys([*before, *after])
        if before.get(key, "") != after.get(key, "")
    ]
    return changes[:MAX_CHANGES]
