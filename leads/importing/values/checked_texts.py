"""Parsers of texts that check a cell as the form of a record does. Pure: no database."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any

from crm.screens.json_forms.conversion import ValueCheck
from crm.screens.json_forms.schema import Schema
from leads.importing.cells import (
    CellParser,
    EmailParser,
    LineParser,
    Partial,
    PhoneParser,
    WebsiteParser,
    parse_long_text,
)
from leads.importing.exceptions import InvalidCell

MAX_TEXT_LENGTH = 5_000
PARSERS_BY_FORMAT: Mapping[str, Callable[[int], CellParser]] = {
    "email": EmailParser,
    "link": WebsiteParser,
    "phone": PhoneParser,
}
# What else a schema can ask of a text.
CHECKED_KEYWORDS = frozenset({"format", "pattern", "minLength", "const", "not", "allOf", "anyOf", "oneOf"})


@dataclass(frozen=True)
class CheckedParser:
    """Read a cell with `parse`, and refuse what a form would refuse. The whole cell must be one value."""

    parse: CellParser
    check: ValueCheck

    def __call__(self, text: str) -> Any:
        value = self.parse(text)
        if isinstance(value, Partial):
            raise InvalidCell("holds more than one value")
        if reason := self.check.reason(value):
            raise InvalidCell(f"is {reason}")
        return value


@dataclass(frozen=True)
class ExactTextParser:
    """Read a text as it is written, except for the ends of its lines."""

    max_length: int

    def __call__(self, text: str) -> str:
        if len(text) > self.max_length:
            raise InvalidCell(f"is longer than {self.max_length:,} characters")
        return parse_long_text(text)


def text_parser(schema: Schema, default: Callable[[int], CellParser] = LineParser) -> CellParser:
    """Return the parser of texts that fit `schema`. A long text is read as it is written, another one by `default`."""
    is_long = schema.get("widget") == "textarea"
    make = PARSERS_BY_FORMAT.get(schema.get("format", ""), ExactTextParser if is_long else default)
    parse = make(schema.get("maxLength", MAX_TEXT_LENGTH))
    return parse if CHECKED_KEYWORDS.isdisjoint(schema) else CheckedParser(parse, ValueCheck(schema))
