"""Moving every date in a tree of JSON by so many days. Pure: no database."""

import re
from datetime import date, datetime, timedelta, tzinfo
from typing import Any

# A day as ISO 8601 writes it, alone or with a time; never part of a longer word or number, such as a UUID.
DATE_PATTERN = r"\d{4}-\d{2}-\d{2}"
TIME_PATTERN = r"T\d{2}:\d{2}(?::\d{2}(?:\.\d+)?)?(?:Z|[+-]\d{2}:\d{2})?"
WRITTEN_DATE = re.compile(rf"(?<![\w-]){DATE_PATTERN}(?:{TIME_PATTERN})?(?![\w-])")


def shift_all_dates(value: Any, days: int, zone: tzinfo) -> Any:
    """`value` with each date in it `days` later, inside sentences and nested JSON too; keys stay.

    A time keeps its hour: 09:12, whatever its offset was, is 09:12 in `zone`.
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
        return text  # looks like a date and is none: a part number, a day after the last
    return local_time.replace(tzinfo=zone).isoformat()
