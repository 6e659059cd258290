"""Telephone numbers in a text."""

import re
import unicodedata
from collections.abc import Iterator

import phonenumbers

PHONE_MIN_DIGITS, PHONE_MAX_DIGITS = 7, 15
# Phone numbers are compared by their last digits first, which an index serves, and then in full.
PHONE_TAIL_LENGTH = 7
PHONE_EXTENSION_PATTERN = re.compile(r"(?:ext|x|#|;).*$", re.IGNORECASE)
PHONE_PATTERN = re.compile(r"(?<![\w.,$€£])\+?\(?\d[\d\s().\-/]{5,22}\d(?!\w)")
# A complete number of North America. It has one reading, so the slow parser need not see it.
NORTH_AMERICAN_PATTERN = re.compile(r"(\+1[ .-]?)?\(?([2-9][0-9]{2})\)?[ .-]?([0-9]{3})[ .-]?([0-9]{4})")
NORTH_AMERICAN_REGIONS = frozenset({"US", "CA"})
CALENDAR_DATE_PATTERN = re.compile(r"(?<!\d)(?:\d{4}-\d{1,2}-\d{1,2}|\d{1,2}[./]\d{1,2}[./](?:19|20)\d\d)(?!\d)")


def phone_digits(text: str) -> str:
    """Return the digits of a telephone number, those of other scripts as 0 to 9."""
    return "".join(str(unicodedata.decimal(character)) for character in text if character.isdecimal())


def phone_key(text: str, region: str) -> str:
    """Return the number in `text` in international digits, equal for every notation; empty if it is no full number.

    A number without a country code belongs to `region`, such as “US”. An extension does not count.
    """
    match = NORTH_AMERICAN_PATTERN.fullmatch(text)
    if match and (match[1] or region in NORTH_AMERICAN_REGIONS):
        return f"1{match[2]}{match[3]}{match[4]}"
    try:
        number = phonenumbers.parse(text, region)
    except phonenumbers.NumberParseException:
        return ""
    digits = f"{number.country_code}{number.national_number}"
    return digits if len(str(number.national_number)) >= PHONE_MIN_DIGITS else ""


def comparable_phone(text: str, region: str) -> str:
    """Return the digits by which two records have one phone: those of `phone_key`, or all where it is no full number.

    Empty where there are fewer than a number has, or one digit only, which people type where they know no number.
    """
    key = phone_key(text, region)
    digits = key or phone_digits(PHONE_EXTENSION_PATTERN.sub("", text))
    is_number = len(digits) >= PHONE_MIN_DIGITS and len(set(digits[-PHONE_TAIL_LENGTH:])) > 1
    return digits if is_number else ""


def national_digits(text: str, region: str) -> str:
    """Return the digits that every notation of the number in `text` contains; empty as for `comparable_phone`."""
    digits = comparable_phone(text, region)
    if not digits or digits != phone_key(text, region):
        return digits
    return str(phonenumbers.parse(f"+{digits}").national_number)


def find_phones(text: str) -> Iterator[re.Match[str]]:
    """Yield what is written like a telephone number in `text`; a calendar date is not."""
    without_dates = CALENDAR_DATE_PATTERN.sub(lambda match: "·".center(len(match[0])), text)
    return PHONE_PATTERN.finditer(without_dates)


def extract_phones(text: str) -> list[str]:
    """Return the digits of what may be telephone numbers in `text`, each once."""
    found = (phone_digits(match[0]) for match in find_phones(text))
    return list(dict.fromkeys(one for one in found if PHONE_MIN_DIGITS <= len(one) <= PHONE_MAX_DIGITS))
