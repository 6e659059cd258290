"""Parse the text of one cell into the value of a field. Pure: no database. Numbers and dates have their own modules."""

import csv
import json
import re
from collections.abc import Callable, Mapping
from contextlib import suppress
from dataclasses import dataclass
from typing import Any, NamedTuple

from django.core.exceptions import ValidationError
from django.core.validators import validate_email

from crm.text.links import validate_web_url
from crm.text.phones import phone_digits
from crm.text.tags import unique_tags
from leads.importing.exceptions import InvalidCell

CellParser = Callable[[str], Any]

# How exports write an empty cell. Free text is exempt: there, such a word can be the value itself.
EMPTY_CELL_TEXTS = frozenset(
    {"null", "(null)", r"\n", "n/a", "na", "#n/a", "none", "nan", "-", "--", "?", "(none)", "(blank)", "(empty)"}
    | {"undefined", "not set", "(not set)", "no value", "(no value)", "keine", "k.a.", "k. a.", "sin valor", "aucun"}
)
# How a pick list writes that nothing was picked; never a value, not even in free text.
NOTHING_PICKED_PATTERN = re.compile(r"-{1,3} ?(none|keine|aucune?|ninguno|select|please select) ?-{1,3}", re.IGNORECASE)
MIN_IMPORTED_PHONE_DIGITS = 3
# A part of a cell with fewer digits is no phone number of its own: an extension, or a group of digits.
MIN_SEPARATE_PHONE_DIGITS = 6
SPREADSHEET_NUMBER = re.compile(r"\d[.,]\d+E\+\d+", re.IGNORECASE)
PHONE_PREFIX = re.compile(r"(?:'|p:|tel:|phone:)\s*", re.IGNORECASE)
PHONE_SEPARATOR = re.compile(r"\s*(?::::|[;|,\n]|\s/\s|\bor\b|\boder\b)\s*")
# A phone number that a spreadsheet has stored with decimals: 14155552671.0.
FLOAT_PHONE = re.compile(r"\+?\d{7,15}\.0")
EMAIL_SEPARATOR = re.compile(r"[\s,;|<>()\[\]\"'/]+|:::")
LIST_ENDS, MAX_LIST_LENGTH = ("[]", "{}", '""'), 10_000
NAMED_ADDRESS = re.compile(r"\s*\"?([^<>()@;\"]+?)\"?\s*[<(]\s*([^<>()\s]+@[^<>()\s]+)\s*[>)]")
TAG_SEPARATOR = re.compile(r":::|[;|,\n]")


class Partial(NamedTuple):
    """A value from a part of its cell; the text of the whole cell is kept as well."""

    value: Any


def full_value(value: Any) -> Any:
    """Return a value that a parser has read, of a part of its cell or of all."""
    return value.value if isinstance(value, Partial) else value


def normalize_name(name: str) -> str:
    """Return `name` in lower case, without spaces and punctuation, for comparison."""
    return re.sub(r"[\W_]+", "", name.casefold())


def is_email_address(text: str) -> bool:
    try:
        validate_email(text)
    except ValidationError:
        return False
    return True


def is_empty_cell(text: str) -> bool:
    return text.casefold() in EMPTY_CELL_TEXTS


def is_nothing_picked(text: str) -> bool:
    return text[:1] == "-" and bool(NOTHING_PICKED_PATTERN.fullmatch(text))


@dataclass(frozen=True)
class LineParser:
    """Parse a single line of text, at most `max_length` characters long."""

    max_length: int

    def __call__(self, text: str) -> str:
        text = " ".join(text.split())
        if len(text) > self.max_length:
            raise InvalidCell(f"is longer than {self.max_length} characters", text[: self.max_length].rstrip())
        return text


def parse_long_text(text: str) -> str:
    """Return `text` with `\\n` as its only line break."""
    return text.replace("\r\n", "\n").replace("\r", "\n")


@dataclass(frozen=True)
class EmailParser:
    """Parse an email address: the first of several, with or without a name."""

    max_length: int

    def __call__(self, text: str) -> str | Partial:
        text = text.removeprefix("mailto:")
        if self.is_address(text):
            return text
        words = [word.removeprefix("mailto:").rstrip(".") for word in EMAIL_SEPARATOR.split(text) if "@" in word]
        addresses = [word for word in words if self.is_address(word)]
        if not addresses and len(text) > self.max_length:
            raise InvalidCell(f"is longer than {self.max_length} characters")
        if not addresses:
            raise InvalidCell("is not an email address")
        return Partial(addresses[0])

    def is_address(self, text: str) -> bool:
        return len(text) <= self.max_length and is_email_address(text)


@dataclass(frozen=True)
class PhoneParser:
    """Parse a phone number, the first of several, and keep it as it is written."""

    max_length: int

    def __call__(self, text: str) -> str | Partial:
        text = PHONE_PREFIX.sub("", text, count=1) if PHONE_PREFIX.match(text) else text
        text = text.removesuffix(".0") if FLOAT_PHONE.fullmatch(text) else text
        parts = [" ".join(part.split()) for part in PHONE_SEPARATOR.split(text) if part.strip()]
        is_several = len(parts) > 1 and all(len(phone_digits(part)) >= MIN_SEPARATE_PHONE_DIGITS for part in parts)
        phone = parts[0] if is_several else " ".join(text.split())
        self.check(phone)
        return Partial(phone) if is_several else phone

    def check(self, phone: str) -> None:
        if SPREADSHEET_NUMBER.fullmatch(phone):
            raise InvalidCell("is a phone number that a spreadsheet has rounded")
        if len(phone) > self.max_length:
            raise InvalidCell(f"is longer than {self.max_length} characters")
        if sum(character.isdigit() for character in phone) < MIN_IMPORTED_PHONE_DIGITS:
            raise InvalidCell("is not a phone number")


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
            validate_web_url(text)
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
    """Parse tags separated by `,`, `;`, `|` or `:::`, or a list as programs write it: `["a"]`, `['a']`, `{a,b}`.

    Tags that differ only by case are one.
    """

    max_length: int

    def __call__(self, text: str) -> list[str]:
        texts = written_list(text)
        texts = TAG_SEPARATOR.split(text) if texts is None else texts
        tags = [" ".join(tag.split()).removeprefix("* ") for tag in texts]
        short = unique_tags(tag for tag in tags if len(tag) <= self.max_length)
        if any(len(tag) > self.max_length for tag in tags):
            raise InvalidCell(f"has a tag with more than {self.max_length} characters", short)
        return short


def written_list(text: str) -> list[str] | None:
    """Return the texts of a list that JSON, Python or PostgreSQL wrote, or of quoted cells; None if `text` is none."""
    ends = text[0] + text[-1]
    if ends not in LIST_ENDS or len(text) > MAX_LIST_LENGTH:
        return None
    if ends == "[]":
        with suppress(ValueError, RecursionError):
            return [str(item) for item in json.loads(text) if isinstance(item, str | int | float)]
    inner = text if ends == '""' else text[1:-1]
    quote = "'" if ends == "[]" else '"'
    return next(csv.reader([" ".join(inner.split())], quotechar=quote, skipinitialspace=True), [])


def split_named_address(text: str) -> tuple[str, str]:
    """Return name and address of the first person in “Ava Stone (ava@example.com)”; the address may be empty."""
    match = NAMED_ADDRESS.match(text)
    return (match[1].strip(), match[2]) if match else (text, "")
