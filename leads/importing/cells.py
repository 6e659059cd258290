"""One cell's text into the value of a column, or why it is none. Pure: no database."""

import re
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass
from datetime import date, datetime, time
from decimal import Decimal, InvalidOperation
from typing import Any

from django.core.exceptions import ValidationError
from django.core.validators import URLValidator, validate_email
from django.utils import timezone

Parser = Callable[[str], Any]

# How exports write that nothing is known, where no such word can be the value itself.
NOTHING = frozenset({"null", "(null)", r"\n", "n/a", "na", "none", "nan", "-", "--", "?"})
FEWEST_DIGITS = 3
SPREADSHEET_NUMBER = re.compile(r"\d[.,]\d+E\+\d+", re.IGNORECASE)
CURRENCY = r"[A-Z]{0,3}\s?[$€£¥]?\s?"
AMOUNT = re.compile(rf"(\(?)([-+]?)\s?{CURRENCY}([-+]?)([0-9][0-9.,'’\s]*|[.,][0-9]+)\s?{CURRENCY}(\)?)")
GROUPS = re.compile(r"[0-9]{1,3}([.,'’\s][0-9]{3})+|[0-9]*")
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
# A year of two digits, as POSIX reads it.
PIVOT = 69
TAG_SEPARATOR = re.compile(r":::|[;|,]")

url_validator = URLValidator(schemes=["http", "https"])


class BadCell(Exception):
    """A cell that cannot be taken; `str(error)` goes on from the quoted cell: “x” …"""


def plain(name: str) -> str:
    """A name without what people write differently: case, blanks, punctuation."""
    return re.sub(r"[\W_]+", "", name.casefold())


def is_nothing(text: str) -> bool:
    return text.casefold() in NOTHING


@dataclass(frozen=True)
class Line:
    """Text of one line, at most `longest` characters."""

    longest: int

    def __call__(self, text: str) -> str:
        text = " ".join(text.split())
        if len(text) > self.longest:
            raise BadCell(f"is longer than {self.longest} characters")
        return text


def long_text(text: str) -> str:
    """Text of any number of lines."""
    return text.replace("\r\n", "\n").replace("\r", "\n")


@dataclass(frozen=True)
class Email:
    """An e-mail address."""

    longest: int

    def __call__(self, text: str) -> str:
        text = text.removeprefix("mailto:")
        if len(text) > self.longest:
            raise BadCell(f"is longer than {self.longest} characters")
        try:
            validate_email(text)
        except ValidationError:
            raise BadCell("is not an e-mail address") from None
        return text


@dataclass(frozen=True)
class Phone:
    """A phone number, kept as it is written."""

    longest: int

    def __call__(self, text: str) -> str:
        text = " ".join(text.split())
        if SPREADSHEET_NUMBER.fullmatch(text):
            raise BadCell("was a phone number before a spreadsheet rounded it")
        if len(text) > self.longest:
            raise BadCell(f"is longer than {self.longest} characters")
        if sum(character.isdigit() for character in text) < FEWEST_DIGITS:
            raise BadCell("is not a phone number")
        return text


@dataclass(frozen=True)
class Website:
    """An address on the web; `https://` is put before one that names only a host."""

    longest: int

    def __call__(self, text: str) -> str:
        if "://" not in text:
            text = f"https://{text}"
        if len(text) > self.longest:
            raise BadCell(f"is longer than {self.longest} characters")
        try:
            url_validator(text)
        except ValidationError:
            raise BadCell("is not a web address") from None
        return text


@dataclass(frozen=True)
class Choice:
    """One of `options`, by any of the names people know it by."""

    options: Mapping[str, Any]
    refusal: str

    def __call__(self, text: str) -> Any:
        try:
            return self.options[plain(text)]
        except KeyError:
            raise BadCell(self.refusal) from None


@dataclass(frozen=True)
class Tags:
    """Tags with `,`, `;`, `|` or `:::` between them."""

    longest: int

    def __call__(self, text: str) -> list[str]:
        tags = [" ".join(tag.split()) for tag in TAG_SEPARATOR.split(text)]
        if not any(tags):
            return []
        if not all(tags):
            raise BadCell("holds an empty tag between two separators")
        if any(len(tag) > self.longest for tag in tags):
            raise BadCell(f"holds a tag of more than {self.longest} characters")
        return list(dict.fromkeys(tags))


def number(text: str, mark: str) -> Decimal:
    """The number in `text` whose decimal mark is `mark`; groups of thousands and a currency may be there.

    Raises:
        BadCell: there is none.
    """
    found = AMOUNT.fullmatch(text)
    if not found or bool(found[1]) != bool(found[5]):
        raise BadCell("is not a number")
    whole, _, places = found[4].strip().partition(mark)
    if not GROUPS.fullmatch(whole) or not (places.isdigit() or not places):
        raise BadCell("is not a number")
    digits = re.sub(r"[^0-9]", "", whole) or "0"
    sign = "-" if found[1] or "-" in (found[2], found[3]) else ""
    try:
        return Decimal(f"{sign}{digits}.{places or 0}")
    except InvalidOperation:
        raise BadCell("is not a number") from None


def decimal_mark(texts: Iterable[str]) -> str:
    """The decimal mark of a column: the one that most of `texts` can only be read with."""
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
class Amount:
    """A number from zero, with at most `places` decimals and `digits` digits."""

    digits: int
    places: int
    mark: str = "."

    def __call__(self, text: str) -> Decimal:
        value = number(text, self.mark).normalize()
        if value < 0:
            raise BadCell("must not be negative")
        if -value.as_tuple().exponent > self.places:
            raise BadCell(f"has more than {self.places} decimals")
        if value >= 10 ** (self.digits - self.places):
            raise BadCell(f"has more than {self.digits - self.places} digits")
        return value

    def __str__(self) -> str:
        return f"decimal mark “{self.mark}”"


@dataclass(frozen=True)
class Share:
    """A number from 0 to 1 with at most two decimals, or a whole percentage."""

    mark: str = "."

    def __call__(self, text: str) -> Decimal:
        percent = text.endswith("%")
        value = number(text.rstrip("% "), self.mark) / (100 if percent else 1)
        if not 0 <= value <= 1:
            raise BadCell("must lie between 0 and 1")
        if -value.normalize().as_tuple().exponent > 2:
            raise BadCell("has more than 2 decimals")
        return value


def full_year(text: str) -> int:
    year = int(text)
    if len(text) > 2:
        return year
    return year + (1900 if year >= PIVOT else 2000)


def day_comes_first(texts: Iterable[str]) -> bool:
    """Whether the dates of a column are written day before month: what most of `texts` can only be.

    Where all can be read both ways, only those with slashes are American.
    """
    day_first = month_first = 0
    separator = ""
    for text in texts:
        if found := NUMERIC_DATE.match(text):
            separator = found[2]
            day_first += int(found[1]) > 12
            month_first += int(found[3]) > 12
    if day_first != month_first:
        return day_first > month_first
    return separator not in {"", "/"}


def month_number(name: str) -> int:
    """1..12 for a month's English name or its beginning.

    Raises:
        ValueError: there is no such month.
    """
    for place, month in enumerate(MONTHS, start=1):
        if month.startswith(name.lower()):
            return place
    raise ValueError(f"no month is called {name}")


@dataclass(frozen=True)
class Day:
    """A date: ISO, with the month's name, or numbers in the order of the column; a time is passed over."""

    day_first: bool = False

    def __call__(self, text: str) -> date:
        text = TIME_OF_DAY.sub("", text)
        try:
            if found := ISO_DATE.fullmatch(text):
                return date(int(found[1]), int(found[2]), int(found[3]))
            if found := NUMERIC_DATE.fullmatch(text):
                first, second = int(found[1]), int(found[3])
                day, month = (first, second) if self.day_first else (second, first)
                return date(full_year(found[4]), month, day)
            if found := NAMED_DATE.fullmatch(text):
                month = month_number(found[2] or found[3])
                return date(full_year(found[5]), month, int(found[1] or found[4]))
        except ValueError:
            raise BadCell("is a day that no calendar has (day and month may be in another order)") from None
        raise BadCell(f"is not a date ({self})")

    def __str__(self) -> str:
        return "day before month" if self.day_first else "month before day"


@dataclass(frozen=True)
class PastDay(Day):
    """A date that is over, as the moment it began."""

    def __call__(self, text: str) -> datetime:
        moment = timezone.make_aware(datetime.combine(super().__call__(text), time()))
        if moment > timezone.now():
            raise BadCell("lies in the future")
        return moment

    __str__ = Day.__str__
