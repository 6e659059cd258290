"""Turn the cells of a workbook into text, as their number formats say. Pure: no database.

A number with a date format is a date, written 2027-04-03; with “00000” it keeps its zeros; with “0.00” it has the two
decimals that a person sees.
"""

import re
from collections.abc import Callable
from datetime import datetime, time, timedelta
from decimal import ROUND_HALF_UP, Decimal
from functools import lru_cache
from math import isfinite

from crm.runtime.lazy_module import LazyModule
from leads.importing.files.tables import NumberText

# Only an import of a workbook needs it, and every command would wait for its import.
number_formats, excel_dates = LazyModule("openpyxl.styles.numbers"), LazyModule("openpyxl.utils.datetime")
CellFormat = Callable[[str], str]
# Excel counts with this many digits; what follows them is a rounding error.
SIGNIFICANT_DIGITS = 15
# Larger numbers keep their exponent.
MAX_WHOLE_NUMBER = 1e21
REMEMBERED_DATES = 4096
DECIMALS_PATTERN = re.compile(r"[^,.]*0\.(0{2,})[^0#?,%E]*", re.IGNORECASE)
PADDED_PATTERN = re.compile("0{2,}")
CLOCK_PATTERN = re.compile(r"(?<![_\\])[hs]", re.IGNORECASE)


def make_formats(codes: list[str], *, counts_from_1904: bool) -> list[CellFormat]:
    """Return a function for each number format, which turns the number in a cell into text."""
    by_code = {code: make_format(code, counts_from_1904=counts_from_1904) for code in set(codes)}
    return [by_code[code] for code in codes]


def make_format(code: str, *, counts_from_1904: bool) -> CellFormat:
    if number_formats.is_date_format(code):
        return date_format(code, excel_dates.MAC_EPOCH if counts_from_1904 else excel_dates.WINDOWS_EPOCH)
    section = number_formats.STRIP_RE.sub("", code.split(";")[0]).strip()
    if PADDED_PATTERN.fullmatch(section):
        return lambda raw: format_number(raw).zfill(len(section))
    if match := DECIMALS_PATTERN.fullmatch(section.replace("#,##0", "0")):
        return lambda raw: round_number(raw, len(match[1]))
    return format_number


def format_number(raw: str) -> str:
    """Return the number in a cell without an exponent, and without “.0” if it is whole."""
    if raw.isdecimal() and raw.isascii():
        return NumberText(raw)
    try:
        value = float(raw)
        if not isfinite(value):
            return raw
        if value.is_integer() and abs(value) < MAX_WHOLE_NUMBER:
            return NumberText(int(value))
        text = f"{value:.{SIGNIFICANT_DIGITS}g}"
        return NumberText(f"{Decimal(text):f}" if "e" in text and abs(value) < MAX_WHOLE_NUMBER else text)
    except (ValueError, OverflowError):
        return raw


def round_number(raw: str, places: int) -> str:
    """Return the number in a cell with at most `places` decimals, which are all that a person sees."""
    text = format_number(raw)
    if not isinstance(text, NumberText) or "." not in text:
        return text
    rounded = Decimal(text).quantize(Decimal(1).scaleb(-places), ROUND_HALF_UP)
    return NumberText(f"{rounded:f}".rstrip("0").rstrip("."))


def date_format(code: str, epoch: datetime) -> CellFormat:
    """Return the function for the number format `code` of dates, times or durations.

    Raises nothing: a number that is no date remains one.
    """
    is_duration = number_formats.is_timedelta_format(code)
    has_clock = bool(CLOCK_PATTERN.search(number_formats.STRIP_RE.sub("", code.split(";")[0])))

    @lru_cache(REMEMBERED_DATES)
    def format_date(raw: str) -> str:
        try:
            value = excel_dates.from_excel(float(raw), epoch, timedelta=is_duration)
        except (ValueError, OverflowError):
            return format_number(raw)
        if isinstance(value, timedelta):
            return format_duration(value)
        if isinstance(value, time):
            return value.isoformat(timespec="seconds") if has_clock else format_number(raw)
        return format_moment(value) if has_clock else value.date().isoformat()

    return format_date


def format_moment(moment: datetime) -> str:
    """Return `moment` to the second; midnight is no time of day, but what a day without one has."""
    moment = (moment + timedelta(milliseconds=500)).replace(microsecond=0)
    return moment.date().isoformat() if moment.time() == time() else moment.isoformat(" ")


def format_duration(duration: timedelta) -> str:
    minutes, seconds = divmod(round(duration.total_seconds()), 60)
    return f"{minutes // 60}:{minutes % 60:02}:{seconds:02}"
