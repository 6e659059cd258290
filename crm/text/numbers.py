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
# How many times the number each word stands for; `MULTIPLIER_REGEX` has those that people write in a sentence.
MULTIPLIER_FACTORS = {
    # Not “mil”: a thousand in Spanish, a million in English.
    **dict.fromkeys(("k", "tsd", "thousand", "tys", "mille"), 1_000),
    **dict.fromkeys(("lakh", "lakhs", "lac", "lacs"), 10**5),
    **dict.fromkeys(("cr", "crore", "crores"), 10**7),
    **dict.fromkeys(("m", "mm", "mn", "mio", "mln", "million", "millions", "millionen", "millones", "milioni"), 10**6),
    **dict.fromkeys(("b", "bn", "mrd", "mld", "billion", "billions", "milliarden", "milliards"), 10**9),
}
# A number that someone types where a number is asked for: "$1,200", "1.200,50 €", "1.2M". What has two readings, such
# as "1,20", is left out.
TYPED_NUMBER_PATTERN = re.compile(
    rf"(?P<sign>[-+−]?)\s?(?:(?:{CURRENCY_SYMBOL_REGEX})\s?)?(?P<inner_sign>[-−]?)"
    r"(?:(?P<number>\d{1,3}(?:,\d{3})+(?:\.\d{1,10})?|\d{1,3}(?:[ '’\u00a0\u202f]\d{3})+(?:\.\d{1,10})?"
    r"|\d{1,30}(?:\.\d{0,30})?|\.\d{1,30})|(?P<continental>\d{1,3}(?:\.\d{3})+,\d{1,2}))"
    rf"(?:\s?(?P<times>{MULTIPLIER_REGEX}))?(?:\s?(?:{CURRENCY_SYMBOL_REGEX}|{CURRENCY_WORD_REGEX}))?",
    re.IGNORECASE | re.ASCII,
)
MAX_TYPED_NUMBER_LENGTH = 60


def parse_typed_number(text: str) -> Decimal | None:
    """Return the number in `text`; None if there is other text too, or if it can be read in two ways."""
    match = TYPED_NUMBER_PATTERN.fullmatch(text.strip()) if len(text) <= MAX_TYPED_NUMBER_LENGTH else None
    if match is None or (match["sign"] and match["inner_sign"]):
        return None
    continental = match["continental"]
    digits = continental.replace(".", "").replace(",", ".") if continental else re.sub(r"[^\d.]", "", match["number"])
    value = Decimal(digits) * MULTIPLIER_FACTORS.get((match["times"] or "").lower(), 1)
    return -value if match["sign"] in {"-", "−"} or match["inner_sign"] else value


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


def read_json_number(text: str) -> int | float | None:
    """Return `text` as the number that JSON would have for it; None if it is none, or infinite."""
    try:
        number = int(text) if text.lstrip("-").isdigit() else float(text)
    except (ValueError, OverflowError):
        return None
    return number if number - number == 0 else None  # neither infinite nor "not a number"


def plain_digits(number: int | float) -> str:
    """Return `number` as PostgreSQL's `trim_scale` writes it: all digits, no exponent, no zeros at the end."""
    digits = format(Decimal(repr(number)), "f")
    digits = digits.rstrip("0").rstrip(".") if "." in digits else digits
    return "0" if digits == "-0" else digits
