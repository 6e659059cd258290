"""Parse the text of one cell into the value of a field. Pure: no database."""

import re
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass
from datetime import date, datetime, time
from decimal import Decimal, InvalidOperation
from typing import Any

from django.core.exceptions import ValidationError
from django.core.validators import URLValidator, validate_email
from django.utils import timezone

CellParser = Callable[[str], Any]

# How exports write an empty cell. Free text is exempt: there, such a word can be the value itself.
EMPTY_CELL_TEXTS = frozenset({"null", "(null)", r"\n", "n/a", "na", "none", "nan", "-", "--", "?"})
MIN_IMPORTED_PHONE_DIGITS = 3
SPREADSHEET_NUMBER = re.compile(r"\d[.,]\d+E\+\d+", re.IGNORECASE)
CURRENCY_PATTERN = r"[A-Z]{0,3}\s?[$€£¥]?\s?"
CELL_AMOUNT_PATTERN = re.compile(
    rf"(\(?)([-+]?)\s?{CURRENCY_PATTERN}([-+]?)([0-9][0-9.,'’\s]*|[.,][0-9]+)\s?{CURRENCY_PATTERN}(\)?)"
)
DIGIT_GROUPS_PATTERN = re.compile(r"[0-9]{1,3}([.,'’\s][0-9]{3})+|[0-9]*")
ISO_DATE = re.compile(r"(\d{4})[-/.](\d{1,2})[-/.](\d{1,2})")
NUMERIC_DATE = re.compile(r"(\d{1,2})([-/. ])(\d{1,2})[-/. ](\d{4}|\d{2})")
NAMED_DATE = re.compile(
    r"(?:(\d{1,2})[-/. ]+([a-z]{3,9})\.?|([a-z]{3,9})\.? +(\d{1,2})),?[-/. ]+(\d{4}|\d{2})", re.IGNORECASE
)
TIME_OF_DAY = re.compile(r"(?:T|,?\s+)\d{1,2}:\d{2}.*$", re.DOTALL)
MONTHS = (
    *("january", "february", "march", "april", "may", "june"),
    *("july", "august", "september", "october", "november", "december"),
)
# POSIX reads the years 69 to 99 as 19xx and the years 00 to 68 as 20xx.
CENTURY_PIVOT = 69
TAG_SEPARATOR = re.compile(r":::|[;|,]")

url_validator = URLValidator(schemes=["http", "https"])


class InvalidCell(Exception):
    """A cell cannot be parsed. The message completes a sentence that begins with the cell: “x” is not a number."""


def normalize_name(name: str) -> str:
    """Return `name` in lower case, without spaces and punctuation, for comparison."""
    return re.sub(r"[\W_]+", "", name.casefold())


def is_empty_cell(text: str) -> bool:
    return text.casefold() in EMPTY_CELL_TEXTS


@dataclass(frozen=True)
class LineParser:
    """Parse a single line of text, at most `max_length` characters long."""

    max_length: int

    def __call__(self, text: str) -> str:
        text = " ".join(text.split())
        if len(text) > self.max_length:
            raise InvalidCell(f"is longer than {self.max_length} characters")
        return text


def parse_long_text(text: str) -> str:
    """Return `text` with `\\n` as its only line break."""
    return text.replace("\r\n", "\n").replace("\r", "\n")


@dataclass(frozen=True)
class EmailParser:
    """Parse an email address."""

    max_length: int

    def __call__(self, text: str) -> str:
        text = text.removeprefix("mailto:")
        if len(text) > self.max_length:
            raise InvalidCell(f"is longer than {self.max_length} characters")
        try:
            validate_email(text)
        except ValidationError:
            raise InvalidCell("is not an email address") from None
        return text


@dataclass(frozen=True)
class PhoneParser:
    """Parse a phone number; it keeps the way it is written."""

    max_length: int

    def __call__(self, text: str) -> str:
        text = " ".join(text.split())
        if SPREADSHEET_NUMBER.fullmatch(text):
            raise InvalidCell("is a phone number that a spreadsheet has rounded")
        if len(text) > self.max_length:
            raise InvalidCell(f"is longer than {self.max_length} characters")
        if sum(character.isdigit() for character in text) < MIN_IMPORTED_PHONE_DIGITS:
            raise InvalidCell("is not a phone number")
        return text


@dataclass(frozen=True)
class WebsiteParser:
    """Parse a web address; one without a scheme gets `https://`."""

    max_length: int

    def __call__(self, text: str) -> str:
        if "://" not in text:
            text = f"https://{text}"
        if len(text) > self.max_length:
            raise InvalidCell(f"is longer than {self.max_length} characters")
        try:
            url_validator(text)
        except ValidationError:
            raise InvalidCell("is not a web address") from None
        return text


@dataclass(frozen=True)
class ChoiceParser:
    """Look up one of `options` by any of its normalized names."""

    options: Mapping[str, Any]
    error_message: str

    def __call__(self, text: str) -> Any:
        try:
            return self.options[normalize_name(text)]
        except KeyError:
            raise InvalidCell(self.error_message) from None


@dataclass(frozen=True)
class TagsParser:
    """Parse tags separated by `,`, `;`, `|` or `:::`."""

    max_length: int

    def __call__(self, text: str) -> list[str]:
        tags = [" ".join(tag.split()) for tag in TAG_SEPARATOR.split(text)]
        if not any(tags):
            return []
        if not all(tags):
            raise InvalidCell("has an empty tag between two separators")
        if any(len(tag) > self.max_length for tag in tags):
            raise InvalidCell(f"has a tag with more than {self.max_length} characters")
        return list(dict.fromkeys(tags))


def parse_cell_number(text: str, mark: str) -> Decimal:
    """Return the number in `text` with the decimal mark `mark`; thousands separators and a currency are allowed.

    Raises:
        InvalidCell: `text` is not a number.
    """
    match = CELL_AMOUNT_PATTERN.fullmatch(text)
    if not match or bool(match[1]) != bool(match[5]):
        raise InvalidCell("is not a number")
    whole, _, places = match[4].strip().partition(mark)
    if not DIGIT_GROUPS_PATTERN.fullmatch(whole) or not (places.isdigit() or not places):
        raise InvalidCell("is not a number")
    digits = re.sub(r"[^0-9]", "", whole) or "0"
    sign = "-" if match[1] or "-" in (match[2], match[3]) else ""
    try:
        return Decimal(f"{sign}{digits}.{places or 0}")
    except InvalidOperation:
        raise InvalidCell("is not a number") from None


def guess_decimal_mark(texts: Iterable[str]) -> str:
    """Return the decimal mark that most of the unambiguous `texts` of a column use."""
    votes = {".": 0, ",": 0}
    for text in texts:
        marks = re.findall(r"[.,]", text)
        if len(set(marks)) == 2:
            votes[marks[-1]] += 1
        elif len(marks) == 1 and not re.search(r"[.,]\d{3}(?!\d)", text):
            votes[marks[0]] += 1
        elif len(marks) > 1:
            votes["," if marks[0] == "." else "."] += 1
    return "," if votes[","] > votes["."] else "."


@dataclass(frozen=True)
class AmountParser:
    """Parse a number that is not negative, with at most `places` decimals and `digits` digits."""

    digits: int
    places: int
    mark: str = "."

    def __call__(self, text: str) -> Decimal:
        value = parse_cell_number(text, self.mark).normalize()
        if value < 0:
            raise InvalidCell("is negative")
        if -value.as_tuple().exponent > self.places:
            raise InvalidCell(f"has more than {self.places} decimals")
        if value >= 10 ** (self.digits - self.places):
            raise InvalidCell(f"has more than {self.digits - self.places} digits")
        return value

    def __str__(self) -> str:
        return f"decimal mark “{self.mark}”"


@dataclass(frozen=True)
class FractionParser:
    """Parse a number from 0 to 1 with at most two decimals, or a whole percentage."""

    mark: str = "."

    def __call__(self, text: str) -> Decimal:
        percent = text.endswith("%")
        value = parse_cell_number(text.rstrip("% "), self.mark) / (100 if percent else 1)
        if not 0 <= value <= 1:
            raise InvalidCell("is not between 0 and 1")
        if -value.normalize().as_tuple().exponent > 2:
            raise InvalidCell("has more than 2 decimals")
        return value


def expand_year(text: str) -> int:
    year = int(text)
    if len(text) > 2:
        return year
    return year + (1900 if year >= CENTURY_PIVOT else 2000)


def guess_day_first(texts: Iterable[str]) -> bool:
    """Return whether the dates of a column put the day before the month, judging by the unambiguous `texts`.

    If all are ambiguous, dates with slashes are American and all others put the day first.
    """
    day_first = month_first = 0
    separator = ""
    for text in texts:
        if match := NUMERIC_DATE.match(text):
            separator = match[2]
            day_first += int(match[1]) > 12
            month_first += int(match[3]) > 12
    if day_first != month_first:
        return day_first > month_first
    return separator not in {"", "/"}


def month_number(name: str) -> int:
    """Return 1 to 12 for an English month name or its beginning.

    Raises:
        ValueError: there is no such month.
    """
    for place, month in enumerate(MONTHS, start=1):
        if month.startswith(name.lower()):
            return place
    raise ValueError(f"no month is called {name}")


@dataclass(frozen=True)
class DateParser:
    """Parse a date: ISO, with a month name, or with numbers in the order of the column. A time of day is ignored."""

    day_first: bool = False

    def __call__(self, text: str) -> date:
        text = TIME_OF_DAY.sub("", text)
        try:
            if match := ISO_DATE.fullmatch(text):
                return date(int(match[1]), int(match[2]), int(match[3]))
            if match := NUMERIC_DATE.fullmatch(text):
                first, second = int(match[1]), int(match[3])
                day, month = (first, second) if self.day_first else (second, first)
                return date(expand_year(match[4]), month, day)
            if match := NAMED_DATE.fullmatch(text):
                month = month_number(match[2] or match[3])
                return date(expand_year(match[5]), month, int(match[1] or match[4]))
        except ValueError:
            raise InvalidCell("is not a real date (day and month may be swapped)") from None
        raise InvalidCell(f"is not a date ({self})")

    def __str__(self) -> str:
        return "day before month" if self.day_first else "month before day"


@dataclass(frozen=True)
class PastDateParser(DateParser):
    """Parse a date that is not in the future, as the start of that day."""

    def __call__(self, text: str) -> datetime:
        moment = timezone.make_aware(datetime.combine(super().__call__(text), time()))
        if moment > timezone.now():
            raise InvalidCell("is in the future")
        return moment

    __str__ = DateParser.__str__
