"""Move every date in nested JSON by a number of days. Pure: no database."""

import re
from datetime import date, datetime, timedelta, tzinfo
from typing import Any

# An ISO 8601 date, alone or with a time, but not as part of a longer word or number such as a UUID.
DATE_PATTERN = r"\d{4}-\d{2}-\d{2}"
TIME_PATTERN = r"T\d{2}:\d{2}(?::\d{2}(?:\.\d+)?)?(?:Z|[+-]\d{2}:\d{2})?"
WRITTEN_DATE = re.compile(rf"(?<![\w-]){DATE_PATTERN}(?:{TIME_PATTERN})?(?![\w-])")
# A date as our own sentences write it: 2 Nov 2026.
MONTHS = ("Jan", "Feb", "Mar", "Apr", "May", "Jun", "Jul", "Aug", "Sep", "Oct", "Nov", "Dec")
SENTENCE_DATE = re.compile(rf"(?<![\w-])(\d{{1,2}}) ({'|'.join(MONTHS)}) (\d{{4}})(?![\w-])")


def shift_all_dates(value: Any, days: int, zone: tzinfo) -> Any:
    """Return `value` with each date moved by `days`, also within texts and nested JSON. Keys do not change.

    A time keeps its hour: 09:12 with any offset becomes 09:12 in `zone`.
    """
    if isinstance(value, str):
        shifted = WRITTEN_DATE.sub(lambda match: _shift_date(match[0], days, zone), value)
        return SENTENCE_DATE.sub(lambda match: _shift_sentence_date(match, days), shifted)
    if isinstance(value, dict):
        return {key: shift_all_dates(inner, days, zone) for key, inner in value.items()}
    if isinstance(value, list):
        return [shift_all_dates(inner, days, zone) for inner in value]
    return value


def _shift_date(text: str, days: int, zone: tzinfo) -> str:
    try:
        if "T" not in text:
            return (date.fromisoformat(text) + timedelta(days=days)).isoformat()
        local_time = datetime.fromisoformat(text).replace(tzinfo=None) + timedelta(days=days)
    except (ValueError, OverflowError):
        return text  # only looks like a date, or is out of range

    return local_time.replace(tzinfo=zone).isoformat()


def _shift_sentence_date(match: re.Match[str], days: int) -> str:
    try:
        moved = date(int(match[3]), MONTHS.index(match[2]) + 1, int(match[1])) + timedelta(days=days)
    except (ValueError, OverflowError):
        return match[0]
    return f"{moved.day} {MONTHS[moved.month - 1]} {moved.year}"
