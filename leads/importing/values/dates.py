"""Read dates from cells. Pure: no database."""

import re
from collections.abc import Iterable
from dataclasses import dataclass
from datetime import UTC, date, datetime, time, timedelta, tzinfo
from datetime import timezone as fixed_zone

from crm.records.local_time import agency_today, in_agency_zone, start_of_agency_day
from leads.importing.cells import Partial
from leads.importing.exceptions import AmbiguousCell, InvalidCell

DAY_FIRST, MONTH_FIRST = "dmy", "mdy"
DATE_ORDERS = (DAY_FIRST, MONTH_FIRST)
ISO_DATE = re.compile(r"(\d{4})[-/.](\d{1,2})[-/.](\d{1,2})")
COMPACT_DATE = re.compile(r"((?:19|20)\d\d)(\d\d)(\d\d)(?:T\d{6}Z?)?")
NUMERIC_DATE = re.compile(r"(\d{1,2})([-/. ])(\d{1,2})[-/. ](\d{4}|\d{2})")
NAMED_DATE = re.compile(
    r"(?:(?:le|el|il|am|den|on) )?(?:(\d{1,2})(?:st|nd|rd|th|er|[º°])?[-/. ]+(?:de )?([^\W\d_]{3,11})\.?"
    r"|([^\W\d_]{3,11})\.? +(\d{1,2})(?:st|nd|rd|th)?),?[-/. ]+(?:de )?(\d{4}|\d{2})",
    re.IGNORECASE,
)
# Before a comma, or before the name of a month as in “Wed Mar 04 2026”.
WEEKDAY = re.compile(r"^[^\W\d_]{2,10}\.?(?:,\s+(?=\d|[^\W\d_])|\s+(?=[^\W\d_]{3,10}\.?\s+\d))")
TIME_OF_DAY = re.compile(r"(?:T|,?\s+)(\d{1,2}:\d{2}.*)$", re.DOTALL)
CLOCK = re.compile(
    r"(\d{1,2}):(\d{2})(?::(\d{2})(?:[.,]\d+)?)?(?:\s*([ap])\.?m\.?)?\s*"
    r"(?:(Z|UTC|GMT)|(?:UTC|GMT)?([-+])(\d{2}):?(\d{2})?(?:\s*\([^()]*\))?)?",
    re.IGNORECASE,
)
# English, German, French, Spanish, Italian, Dutch, Portuguese and Polish (as in “4 marca”).
MONTHS = (
    "january januar jänner janvier enero gennaio januari janeiro styczeń stycznia",
    "february februar feber février fevrier febrero febbraio februari fevereiro luty lutego",
    "march märz maerz mrz mars marzo maart mrt março marco marzec marca",
    "april avril abril aprile kwiecień kwietnia",
    "may mai mayo maggio mei maio maj maja",
    "june juni juin junio giugno junho czerwiec czerwca",
    "july juli juillet julio luglio julho lipiec lipca",
    "august août aout agosto augustus sierpień sierpnia",
    "september septembre septiembre setiembre settembre setembro wrzesień września",
    "october oktober octobre octubre ottobre outubro październik października",
    "november novembre noviembre novembro listopad listopada",
    "december dezember décembre decembre diciembre dicembre dezembro grudzień grudnia",
)
# How a spreadsheet numbers the days of 1982 to 2064. Two systems differ by four years, so the number is no date.
DAY_NUMBER = re.compile(r"[345]\d{4}(\.\d+)?")
MIN_YEAR = 1900
# POSIX reads the years 69 to 99 as 19xx and the years 00 to 68 as 20xx.
CENTURY_PIVOT = 69


def expand_year(text: str) -> int:
    year = int(text)
    if len(text) > 2:
        return year
    return year + (1900 if year >= CENTURY_PIVOT else 2000)


def date_order_of_column(texts: Iterable[str]) -> str:
    """Return the order of day and month that the dates of a column show; empty if none shows it or they differ.

    A day after the 12th shows the order, and so do points: only day-first countries write 3.4.2027.
    """
    orders = set()
    for text in texts:
        if match := NUMERIC_DATE.match(text):
            first, second = int(match[1]), int(match[3])
            if first > 12 or (match[2] == "." and second <= 12):
                orders.add(DAY_FIRST)
            elif second > 12:
                orders.add(MONTH_FIRST)
    return orders.pop() if len(orders) == 1 else ""


def month_number(name: str) -> int:
    """Return 1 to 12 for the name of a month, or for its beginning if no other month begins so.

    Raises:
        ValueError: there is no such month, or there are several.
    """
    name = name.lower()
    found = [
        place for place, names in enumerate(MONTHS, start=1) if any(month.startswith(name) for month in names.split())
    ]
    if len(found) != 1:
        raise ValueError(f"no month is called {name}")
    return found[0]


@dataclass(frozen=True)
class DateParser:
    """Parse a date: ISO, with a month name, or with numbers in the order of the column. A time of day is ignored.

    With an empty `order`, a date that reads in both orders is ambiguous.
    """

    order: str = ""

    def __call__(self, text: str) -> date:
        text = WEEKDAY.sub("", TIME_OF_DAY.sub("", text), count=1)
        try:
            if match := ISO_DATE.fullmatch(text) or COMPACT_DATE.fullmatch(text):
                return self.real_date(int(match[1]), int(match[2]), int(match[3]))
            if match := NUMERIC_DATE.fullmatch(text):
                return self.numeric_date(int(match[1]), int(match[3]), expand_year(match[4]))
            if match := NAMED_DATE.fullmatch(text):
                month = month_number(match[2] or match[3])
                return self.real_date(expand_year(match[5]), month, int(match[1] or match[4]))
        except ValueError:
            raise InvalidCell("is not a real date (day and month may be swapped)") from None
        if DAY_NUMBER.fullmatch(text):
            raise InvalidCell("is the day number of a spreadsheet; format the column as a date")
        raise InvalidCell(f"is not a date{f' ({self})' if self.order else ''}")

    def numeric_date(self, first: int, second: int, year: int) -> date:
        if self.order:
            day, month = (first, second) if self.order == DAY_FIRST else (second, first)
            return self.real_date(year, month, day)
        if first != second and first <= 12 and second <= 12:
            raise AmbiguousCell("can be read in two ways", "dates")
        return self.real_date(year, *((second, first) if first > 12 else (first, second)))

    @staticmethod
    def real_date(year: int, month: int, day: int) -> date:
        if year < MIN_YEAR:
            raise ValueError(f"{year} is too early")
        return date(year, month, day)

    def __str__(self) -> str:
        return {DAY_FIRST: "day before month", MONTH_FIRST: "month before day"}.get(self.order, "")


@dataclass(frozen=True)
class MomentParser(DateParser):
    """Parse a date with its time of day, if it has one, as a moment; without a zone, the time is that of the agency.

    Midnight does not count as a time, because programs add it to dates. If the time cannot be read, the date is kept.
    """

    def __call__(self, text: str) -> date | datetime | Partial:
        day = super().__call__(text)
        written = TIME_OF_DAY.search(text)
        if written is None:
            return day
        match = CLOCK.fullmatch(written[1].strip())
        if match is None:
            return Partial(day)
        try:
            clock, zone = time_of_day(match), zone_of(match)
        except ValueError:
            return Partial(day)
        if clock == time():
            return day
        moment = datetime.combine(day, clock)
        return moment.replace(tzinfo=zone) if zone else in_agency_zone(moment)


def time_of_day(match: re.Match[str]) -> time:
    """Return the time that `CLOCK` matched.

    Raises:
        ValueError: there is no such time.
    """
    hour, half = int(match[1]), (match[4] or "").lower()
    if half:
        if not 1 <= hour <= 12:
            raise ValueError(f"{hour} is no hour of half a day")
        hour = hour % 12 + (12 if half == "p" else 0)
    return time(hour, int(match[2]), int(match[3] or 0))


def zone_of(match: re.Match[str]) -> tzinfo | None:
    """Return the zone that `CLOCK` matched; None if there is none.

    Raises:
        ValueError: there is no such zone.
    """
    if match[5]:
        return UTC
    if not match[6]:
        return None
    offset = timedelta(hours=int(match[7]), minutes=int(match[8] or 0))
    return fixed_zone(offset if match[6] == "+" else -offset)


def local_day(value: date | datetime) -> date:
    """Return the day of `value` in the zone of the agency."""
    return agency_today(value) if isinstance(value, datetime) else value


def as_moment(value: date | datetime) -> datetime:
    """Return `value`; a day begins at midnight in the zone of the agency."""
    return value if isinstance(value, datetime) else start_of_agency_day(value)
