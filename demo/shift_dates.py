"""Move every date in nested JSON by a number of days. Pure: no database."""

import re
from datetime import date, datetime, timedelta, tzinfo
from typing import Any

# An ISO 8601 date, alone or with a time, but not as part of a longer word or number such as a UUID.
DATE_PATTERN = r"\d{4}-\d{2}-\d{2}"
TIME_PATTERN = r"T\d{2}:\d{2}(?::\d{2}(?:\.\d+)?)?(?:Z|[+-]\d{2}:\d{2})?"
WRITTEN_DATE = re.compile(rf"(?<![\w-]){DATE_PATTERN}(?:{TIME_PATTERN})?(?![\w-])")


def shift_all_dates(value: Any, days: int, zone: tzinfo) -> Any:
    """Return `value` with each date moved by `days`, also within texts and nested JSON. Keys do not change.

    A time keeps its hour: 09:12 with any offset becomes 09:12 in `zone`.
    """
    if isinstance(value, str):
        return WRITTEN_DATE.sub(lambda match: _shift_date(match[0], days, zone), value)
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
