"""Vehicle identification numbers (ISO 3779; the check digit is that of 49 CFR 565.15)."""

import re
from typing import Any

VIN_LENGTH = 17
CHECK_DIGIT_POSITION = 8
# Vehicles of earlier model years have numbers of their maker's own form.
FIRST_STANDARD_YEAR = 1981
MIN_OLD_VIN_LENGTH = 5
VIN_LETTERS = re.compile(r"[A-HJ-NPR-Z0-9]*")
LETTER_VALUES = dict(zip("ABCDEFGHJKLMNPRSTUVWXYZ", (*range(1, 9), *range(1, 6), 7, 9, *range(2, 10)), strict=True))
POSITION_WEIGHTS = (8, 7, 6, 5, 4, 3, 2, 10, 0, 9, 8, 7, 6, 5, 4, 3, 2)
# The makers of North America: 1 to 5, and of those that begin with 7, all but New Zealand's 7A to 7E.
NORTH_AMERICAN_PREFIX = re.compile(r"[1-5]|7[F-Z0-9]")


def normalize_vin(text: str) -> str:
    """Return `text` in capitals, without spaces and hyphens."""
    return re.sub(r"[\s\-]", "", text).upper()


def vin_error(vin: str, year: Any = None) -> str:
    """Return what is wrong with the normalized `vin` of a vehicle of the model `year`; empty if nothing is."""
    if not VIN_LETTERS.fullmatch(vin):
        return "a VIN has only digits and letters, and never I, O or Q."
    if isinstance(year, int) and year < FIRST_STANDARD_YEAR:
        fits = MIN_OLD_VIN_LENGTH <= len(vin) <= VIN_LENGTH
        return (
            "" if fits else f"a VIN before {FIRST_STANDARD_YEAR} has {MIN_OLD_VIN_LENGTH} to {VIN_LENGTH} characters."
        )
    if len(vin) != VIN_LENGTH:
        return f"a VIN has {VIN_LENGTH} characters, and this one has {len(vin)}."
    if NORTH_AMERICAN_PREFIX.match(vin) and vin[CHECK_DIGIT_POSITION] != check_digit(vin):
        return "the check digit does not fit. Compare the VIN with the vehicle's papers."
    return ""


def check_digit(vin: str) -> str:
    """Return the ninth character that belongs to a `vin` of 17 characters."""
    values = (LETTER_VALUES[one] if one in LETTER_VALUES else int(one) for one in vin)
    remainder = sum(value * weight for value, weight in zip(values, POSITION_WEIGHTS, strict=True)) % 11
    return "X" if remainder == 10 else str(remainder)
