"""Numbers and amounts of money in a text, as people write them."""

import re
from decimal import Decimal, InvalidOperation

NUMBER_REGEX = r"\d{1,3}(?:[ ,.'’]\d{3})+(?:[.,]\d{1,2})?|\d+(?:[.,]\d{1,2})?"
CURRENCY_SYMBOL_REGEX = r"[$€£¥]|\b(?:USD|EUR|GBP|CHF|CAD|AUD)\b"
CURRENCY_WORD_REGEX = r"(?:US )?(?:dollars?|euros?|pounds?|francs?|bucks)\b"
MULTIPLIER_REGEX = r"k\b|m\b|mio\b|bn\b|thousand\b|million\b|billion\b"
MONEY_AMOUNT_PATTERN = re.compile(
    rf"(?:{CURRENCY_SYMBOL_REGEX})\s?(?P<before>{NUMBER_REGEX})(?:\s?(?P<times>{MULTIPLIER_REGEX}))?"
    rf"|(?<!\d)(?P<after>{NUMBER_REGEX})(?:\s?(?P<times_after>{MULTIPLIER_REGEX}))?"
    rf"\s?(?:{CURRENCY_SYMBOL_REGEX}|{CURRENCY_WORD_REGEX})",
    re.IGNORECASE,
)
ANY_NUMBER_PATTERN = re.compile(rf"(?P<number>{NUMBER_REGEX})(?:\s?(?P<times>{MULTIPLIER_REGEX}))?", re.IGNORECASE)
MULTIPLIER_FACTORS = {
    "k": 1_000,
    "thousand": 1_000,
    "m": 10**6,
    "mio": 10**6,
    "million": 10**6,
    "bn": 10**9,
    "billion": 10**9,
}


def extract_amounts(text: str) -> dict[Decimal, str]:
    """Return the amounts of money in `text`, and how each is written there."""
    found = {}
    for match in MONEY_AMOUNT_PATTERN.finditer(text):
        value = parse_number(match["before"] or match["after"], match["times"] or match["times_after"])
        if value is not None:
            found.setdefault(value, match[0].strip())
    return found


def extract_numbers(text: str) -> set[Decimal]:
    """Return every number in `text`."""
    found = (parse_number(match["number"], match["times"]) for match in ANY_NUMBER_PATTERN.finditer(text))
    return {value for value in found if value is not None}


def parse_number(digits: str, times: str | None = None) -> Decimal | None:
    """Return `1,200.50`, `1.200,50` or `1.2` with `times` "m" as a number; None where `digits` is not one."""
    grouped = re.sub(r"[ '’]", "", digits)
    head, mark, tail = max((grouped.rpartition(","), grouped.rpartition(".")), key=lambda part: len(part[0]))
    # The last mark separates cents, or else a group of three digits.
    whole, cents = (head, tail) if mark and len(tail) <= 2 else (grouped, "")
    try:
        value = Decimal(re.sub(r"[.,]", "", whole) + (f".{cents}" if cents else ""))
    except InvalidOperation:
        return None
    return (value * MULTIPLIER_FACTORS.get((times or "").lower(), 1)).normalize()
