"""Read the answers to the questions of a line of insurance from cells. Pure: no database."""

from collections import Counter
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from datetime import date
from typing import Any

from crm.screens.json_forms.schema import choice_label, ordered_properties, property_label
from crm.text.vins import normalize_vin, vin_error
from leads.importing.cells import CellParser, ChoiceParser, full_value, normalize_name
from leads.importing.exceptions import InvalidCell
from leads.importing.values.amounts import decimal_mark_of_column, parse_cell_number
from leads.importing.values.checked_texts import text_parser
from leads.importing.values.consent import NO_WORDS, YES_WORDS
from leads.importing.values.dates import DateParser, MomentParser, as_moment, date_order_of_column
from leads.models import InsuranceType

SCALAR_TYPES = frozenset({"string", "number", "integer", "boolean"})


@dataclass(frozen=True)
class LineQuestion:
    """A question of a line of insurance, as a target of a column: `auto.vin`."""

    line: str
    key: str
    line_name: str
    name: str
    schema: Mapping[str, Any]
    version: int

    @property
    def label(self) -> str:
        return f"{self.line_name}: {self.name}"

    @property
    def target(self) -> str:
        return f"{self.line}.{self.key}"

    def parser(self, texts: Iterable[str], decimal: str, dates: str) -> CellParser:
        """Return the parser of the answers. `texts` are samples; `decimal` and `dates` are what a person decided."""
        kind = self.schema.get("type", "string")
        if kind == "boolean":
            return parse_yes_or_no
        if "enum" in self.schema:
            options = {normalize_name(str(name)): value for value in self.schema["enum"] for name in names_of(value)}
            return ChoiceParser(options, f"is not one of: {', '.join(map(choice_label, self.schema['enum']))}")
        if kind in ("number", "integer"):
            mark = decimal or decimal_mark_of_column(texts)
            low, high = self.schema.get("minimum"), self.schema.get("maximum")
            return NumberParser(kind == "integer", mark, low, high)
        if self.schema.get("format") == "date":
            return DayParser(dates or date_order_of_column(texts))
        if self.schema.get("format") == "date-time":
            return MomentTextParser(dates or date_order_of_column(texts))
        return parse_vin if self.key == "vin" else text_parser(self.schema)


def answerable_questions(lines: Iterable[InsuranceType]) -> dict[str, LineQuestion]:
    """Return the questions of `lines` with an answer in one cell, by target."""
    questions = [
        LineQuestion(line.code, key, line.name, property_label(key, schema), schema, line.schema_version)
        for line in lines
        for key, schema in ordered_properties(line.form_schema).items()
        if schema.get("type", "string") in SCALAR_TYPES and not schema.get("retired")
    ]
    return {question.target: question for question in questions}


def question_headings(questions: Mapping[str, Any]) -> dict[str, str]:
    """Return the targets by the headings that an exported file has for them, in lower case: “auto: vin”.

    Where two lines or questions share a name, the heading has the code or the key in brackets.
    """
    headings: dict[str, str] = {}
    labels = Counter(question.label.casefold() for question in questions.values())
    for target, question in questions.items():
        if not isinstance(question, LineQuestion):
            continue
        lines = (question.line_name, f"{question.line_name} ({question.line})")
        names = (question.name, f"{question.name} ({question.key})")
        headings |= {f"{line}: {name}".casefold(): target for line in lines for name in names}
        if labels[question.label.casefold()] > 1:
            del headings[question.label.casefold()]
    return headings


def names_of(value: Any) -> tuple[str, str]:
    return str(value), choice_label(value)


def parse_yes_or_no(text: str) -> bool:
    word = text.strip().casefold()
    if word in YES_WORDS or word in NO_WORDS:
        return word in YES_WORDS
    raise InvalidCell("is neither yes nor no")


def parse_vin(text: str) -> str:
    vin = normalize_vin(text)
    if problem := vin_error(vin):
        raise InvalidCell(f"is not a VIN: {problem.rstrip('.')}")
    return vin


@dataclass(frozen=True)
class NumberParser:
    """Parse a number between `low` and `high`, where they are given."""

    is_whole: bool
    mark: str
    low: float | None
    high: float | None

    def __call__(self, text: str) -> int | float:
        value = parse_cell_number(text, self.mark)
        is_whole = value == value.to_integral_value()
        if self.is_whole and not is_whole:
            raise InvalidCell("is not a whole number")
        if self.low is not None and value < self.low:
            raise InvalidCell(f"is less than {self.low}")
        if self.high is not None and value > self.high:
            raise InvalidCell(f"is more than {self.high}")
        return int(value) if is_whole else float(value)


@dataclass(frozen=True)
class MomentTextParser:
    """Parse a date and time as JSON holds it; a day is its start."""

    order: str

    def __call__(self, text: str) -> str:
        return as_moment(full_value(MomentParser(self.order)(text))).isoformat()


@dataclass(frozen=True)
class DayParser:
    """Parse a date as JSON holds it."""

    order: str

    def __call__(self, text: str) -> str:
        day: date = DateParser(self.order)(text)
        return day.isoformat()
