"""Read numbers and amounts of money from cells. Pure: no database.

Most cells have one reading: “1.234,50”, “1 200.5”, “12.5k”, “12,34,567”. A single mark before exactly three digits has
two: “1.500” is 1500 or 1.5. The other cells of the column, the currency or a person decide; else the cell is ambiguous.
"""

import re
import unicodedata
from collections.abc import Iterable
from dataclasses import dataclass
from decimal import Decimal, InvalidOperation

from crm.text.numbers import MULTIPLIER_FACTORS
from leads.importing.exceptions import AmbiguousCell, InvalidCell
from leads.importing.files.tables import NumberText

DECIMAL_MARKS = (".", ",")
# Currencies that people write with letters that are no ISO code.
LOCAL_CURRENCIES = frozenset(
    {"zł", "kč", "kr", "ft", "lei", "lv", "rs", "fr", "sfr", "us", "a", "c", "ca", "au", "r", "rp"}
)
WORD = r"[^\W\d_]{1,9}\.?"
AMOUNT_PATTERN = re.compile(
    rf"(?P<open>\(?)(?P<sign>[-+−]?)\s?(?P<before>{WORD}|)\s?(?P<inner>[-+−]?)\s?"
    rf"(?P<number>[0-9][0-9.,'’\s]*|[.,][0-9]+)(?P<dash>(?<=[.,])[-–—]{{1,2}})?\s?(?P<after>{WORD}(?:\s{WORD})?|)(?P<close>\)?)"
)
# Groups of three digits, or the Indian groups of two above the last three: 12,34,567.
GROUPED_PATTERN = re.compile(r"[1-9][0-9]{0,2}([.,'’\s])[0-9]{3}(?:\1[0-9]{3})*|[1-9][0-9]?(?:,[0-9]{2})+,[0-9]{3}")
# Digits with one or two decimals or none: most cells of most files, with one reading.
PLAIN_PATTERN = re.compile(r"[0-9]+(?:[.,][0-9]{1,2})?")
# The marks before exactly three digits at the end, with at most three digits before: 1.500, 12,000.
TWO_READINGS_PATTERN = re.compile(r"[1-9][0-9]{0,2}([.,])[0-9]{3}")
POINT_CURRENCIES = frozenset("$£¥₹") | {"usd", "gbp", "us", "cad", "aud", "jpy", "inr", "nzd", "sgd", "hkd", "mxn"}
COMMA_CURRENCIES = frozenset("€₺₽") | {
    "eur",
    "zł",
    "pln",
    "kč",
    "czk",
    "kr",
    "dkk",
    "sek",
    "nok",
    "ft",
    "huf",
    "lei",
    "try",
}


@dataclass(frozen=True)
class Amount:
    """The parts of a written amount: a sign, digits with marks, a multiplier, and the currencies beside it."""

    is_negative: bool
    digits: str
    multiplier: int
    currencies: frozenset[str]

    @property
    def has_two_readings(self) -> bool:
        match = TWO_READINGS_PATTERN.fullmatch(self.digits)
        # “$1,500” and “1.500 €” group their digits as is usual with the currency.
        return bool(match) and not (self.currencies & (POINT_CURRENCIES if match[1] == "," else COMMA_CURRENCIES))

    def decimal_mark(self) -> str:
        """Return the decimal mark that the digits show; empty if they show none."""
        digits = self.digits
        marks = re.findall(r"[.,]", digits)
        if len(set(marks)) == 2:
            return marks[-1]
        if not marks or self.has_two_readings:
            return ""
        if GROUPED_PATTERN.fullmatch(digits):
            return "," if marks[0] == "." else "."
        return marks[0] if len(marks) == 1 else ""


def split_amount(text: str) -> Amount:
    """Return the parts of the amount in `text`.

    Raises:
        InvalidCell: `text` is not a number.
    """
    symbols = frozenset(symbol for symbol in text if unicodedata.category(symbol) == "Sc")
    plain = " ".join("".join(" " if symbol in symbols else symbol for symbol in text).split())
    match = AMOUNT_PATTERN.fullmatch(plain)
    if not match or bool(match["open"]) != bool(match["close"]) or (match["sign"] and match["inner"]):
        raise InvalidCell("is not a number")
    currencies, multiplier = set(symbols), 1
    before, after = match["before"].rstrip("."), [word.rstrip(".") for word in match["after"].split()]
    if after and after[0].lower() in MULTIPLIER_FACTORS:
        multiplier = MULTIPLIER_FACTORS[after.pop(0).lower()]
    for word in filter(None, [before, *after]):
        if not (word.lower() in LOCAL_CURRENCIES or (len(word) == 3 and word.isascii() and word.isupper())):
            raise InvalidCell("is not a number")
        currencies.add(word.lower())
    if len(after) > 1:
        raise InvalidCell("is not a number")
    is_negative = bool(match["open"]) or any(match[sign] in {"-", "−"} for sign in ("sign", "inner"))
    return Amount(is_negative, match["number"].strip(), multiplier, frozenset(currencies))


def parse_cell_number(text: str, mark: str) -> Decimal:
    """Return the number in `text`. `mark` decides what a cell with two readings means; empty is undecided.

    Raises:
        InvalidCell: `text` is not a number.
        AmbiguousCell: it has two readings, and `mark` is empty.
    """
    if PLAIN_PATTERN.fullmatch(text):
        return Decimal(text.replace(",", "."))
    if isinstance(text, NumberText):
        return read_stored_number(text)
    amount = split_amount(text)
    if amount.has_two_readings and not mark:
        raise AmbiguousCell("can be read in two ways", "decimal")
    if TWO_READINGS_PATTERN.fullmatch(amount.digits) and not amount.has_two_readings:
        mark = ""  # The currency decides.
    own_mark = amount.decimal_mark()
    if amount.has_two_readings:
        own_mark = mark
    return number_value(amount, own_mark)


def read_stored_number(text: NumberText) -> Decimal:
    try:
        return Decimal(text)
    except InvalidOperation:
        raise InvalidCell("is not a number") from None


def number_value(amount: Amount, mark: str) -> Decimal:
    """Return the value of `amount` with the decimal mark `mark` (empty: there are no decimals)."""
    whole, _, places = amount.digits.partition(mark) if mark else (amount.digits, "", "")
    if not (whole.isdigit() or GROUPED_PATTERN.fullmatch(whole) or not whole) or not (places.isdigit() or not places):
        raise InvalidCell("is not a number")
    digits = re.sub(r"[^0-9]", "", whole) or "0"
    try:
        value = Decimal(f"{digits}.{places or 0}") * amount.multiplier
    except InvalidOperation:
        raise InvalidCell("is not a number") from None
    return -value if amount.is_negative else value


def decimal_mark_of_column(texts: Iterable[str]) -> str:
    """Return the decimal mark that the `texts` of a column show; empty if they show none or contradict each other."""
    shown = set()
    for text in texts:
        if isinstance(text, NumberText):
            continue
        try:
            shown.add(split_amount(text).decimal_mark())
        except InvalidCell:
            continue
    marks = shown - {""}
    return marks.pop() if len(marks) == 1 else ""


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
        return f"decimal mark “{self.mark}”" if self.mark else ""


@dataclass(frozen=True)
class FractionParser:
    """Parse a number from 0 to 1 with at most two decimals, or a whole percentage."""

    def __call__(self, text: str) -> Decimal:
        percent = text.endswith("%")
        text = text.rstrip("% ")
        # A fraction is never grouped by thousands, so its only mark is the decimal one.
        value = parse_cell_number(text, next((mark for mark in DECIMAL_MARKS if mark in text), "."))
        value = value / 100 if percent else value
        if not 0 <= value <= 1:
            raise InvalidCell("is not between 0 and 1")
        if -value.normalize().as_tuple().exponent > 2:
            raise InvalidCell("has more than 2 decimals")
        return value
