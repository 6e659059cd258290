"""The agency's time, which rules use, and the reader's time, which screens use.

What is due, late or today is a rule of the agency and does not depend on the reader. A page is written in the time
zone and the formats of its reader, which a middleware sets for the request. Without a reader (a job, a command) both
are the agency's.
"""

from collections.abc import Iterator
from contextlib import contextmanager
from contextvars import ContextVar
from datetime import UTC, date, datetime, time, tzinfo
from functools import cache
from typing import Any
from zoneinfo import ZoneInfo, ZoneInfoNotFoundError, available_timezones

from django.conf import settings
from django.utils import timezone

from crm.text.dates import DateStyle

READER_STYLE: ContextVar[DateStyle | None] = ContextVar("reader_style", default=None)


def agency_zone() -> tzinfo:
    """Return the time zone of the agency, whichever is active."""
    return timezone.get_default_timezone()


def agency_time(moment: datetime) -> datetime:
    """Return `moment` in the agency's time zone."""
    return moment.astimezone(agency_zone())


def agency_now() -> datetime:
    return agency_time(timezone.now())


def agency_today(now: datetime | None = None) -> date:
    """Return the agency's date, now or at `now`."""
    return agency_time(now or timezone.now()).date()


def in_agency_zone(moment: datetime) -> datetime:
    """Return `moment`; one without a time zone is read as the agency's time."""
    return moment if timezone.is_aware(moment) else timezone.make_aware(moment, agency_zone())


def start_of_reader_day(day: date) -> datetime:
    """Return the start of `day` in the reader's time zone."""
    return timezone.make_aware(datetime.combine(day, time.min))


def start_of_agency_day(day: date) -> datetime:
    """Return the first moment of `day` in the agency's time zone."""
    return in_agency_zone(datetime.combine(day, time.min))


@cache
def known_time_zones() -> frozenset[str]:
    """Return the names of the IANA time zone database."""
    return frozenset(available_timezones())


def agency_style() -> DateStyle:
    return DateStyle(settings.AGENCY_DATE_FORMAT, settings.AGENCY_TIME_FORMAT)


@contextmanager
def agency_as_reader() -> Iterator[None]:
    """Write dates and times for the agency in this block, and forget in the end what `set_reader` set in it."""
    token = READER_STYLE.set(None)
    try:
        with timezone.override(agency_zone()):
            yield
    finally:
        READER_STYLE.reset(token)


def set_reader(user: Any) -> None:
    """Write dates and times for `user` from now on: in their time zone and formats, or where blank the agency's."""
    agency = agency_style()
    style = DateStyle(
        getattr(user, "date_format", "") or agency.date_format, getattr(user, "time_format", "") or agency.time_format
    )
    READER_STYLE.set(style)
    timezone.activate(time_zone_of(user))


def time_zone_of(user: Any) -> tzinfo:
    """Return the time zone of `user`: the agency's if they chose none, or one that this machine does not know."""
    name = getattr(user, "time_zone", "")
    try:
        return ZoneInfo(name) if name else agency_zone()
    except (ZoneInfoNotFoundError, ValueError, OSError):
        return agency_zone()


def explain_missing_time(typed: datetime) -> str:
    """Return why `typed`, without a time zone, is no time of the reader's: the clocks skip it. Empty if it is one."""
    moment = typed.replace(tzinfo=timezone.get_current_timezone())
    if moment.astimezone(UTC).astimezone(moment.tzinfo).replace(tzinfo=None) == typed.replace(fold=0):
        return ""
    return f"The clocks go forward on {format_day(typed)}: there is no {format_time(typed)}. Enter another time."


def reader_style() -> DateStyle:
    return READER_STYLE.get() or agency_style()


def reader_time(value: date) -> date:
    """Return a moment in the reader's time zone; a date, or a moment without a time zone, stays as it is."""
    if isinstance(value, datetime) and timezone.is_aware(value):
        return timezone.localtime(value)
    return value


def format_day(value: date) -> str:
    """Return `29 Nov 2026` as the reader writes it, for a date or a moment."""
    return reader_style().day(reader_time(value))


def format_long_day(value: date) -> str:
    """Return `29 November 2026` as the reader writes it, for a date or a moment."""
    return reader_style().long_day(reader_time(value))


def format_month(day: date) -> str:
    """Return `Nov 2026` as the reader writes it."""
    return reader_style().month(day)


def format_short_day(value: date) -> str:
    """Return `29 Nov` as the reader writes it, for a date or a moment."""
    return reader_style().short_day(reader_time(value))


def format_time(moment: datetime, *, with_seconds: bool = False) -> str:
    """Return `14:05` as the reader writes it."""
    return reader_style().time(reader_time(moment), with_seconds=with_seconds)


def format_moment(moment: datetime, *, with_seconds: bool = False) -> str:
    """Return `29 Nov 2026, 14:05` as the reader writes it."""
    style, local = reader_style(), reader_time(moment)
    return f"{style.day(local)}, {style.time(local, with_seconds=with_seconds)}"


def format_short_moment(moment: datetime) -> str:
    """Return `29 Nov, 14:05` as the reader writes it."""
    style, local = reader_style(), reader_time(moment)
    return f"{style.short_day(local)}, {style.time(local)}"


def format_agency_moment(moment: datetime) -> str:
    """Return `29 Nov 2026, 14:05` as the agency writes it, for texts that are stored or sent."""
    style, local = agency_style(), agency_time(moment)
    return f"{style.day(local)}, {style.time(local)}"
