"""Read dates from cells. Pure: no database."""

import re
from collections.abc import Iterable
from dataclasses import dataclass
from datetime import date

from leads.importing.exceptions import AmbiguousCell, InvalidCell

DAY_FIRST, MONTH_FIRST = "dmy", "mdy"
DATE_ORDERS = (DAY_FIRST, MONTH_FIRST)
ISO_DATE = re.compile(r"(\d{4})[-/.](\d{1,2})[-/.](\d{1,2})")
COMPACT_DATE = re.compile(r"((?:19|20)\d\d)(\d\d)(\d\d)")
NUMERIC_DATE = re.compile(r"(\d{1,2})([-/. ])(\d{1,2})[-/. ](\d{4}|\d{2})")
NAMED_DATE = re.compile(
    r"(?:(\d{1,2})[-/. ]+(?:de )?([^\W\d_]{3,10})\.?|([^\W\d_]{3,10})\.? +(\d{1,2})),?[-/. ]+(?:de )?(\d{4}|\d{2})",
    re.IGNORECASE,
)
WEEKDAY = re.compile(r"[^\W\d_]{2,10}\.?,\s+(?=\d|[^\W\d_])")
TIME_OF_DAY = re.compile(r"(?:T|,?\s+)\d{1,2}:\d{2}.*$", re.DOTALL)
# English, German, French and Spanish.
MONTHS = (
    "january januar jänner janvier enero",
    "february februar feber février fevrier febrero",
    "march märz maerz mars marzo",
    "april avril abril",
    "may mai mayo",
    "june juni juin junio",
    "july juli juillet julio",
    "august août aout agosto",
    "september septembre septiembre setiembre",
    "october oktober octobre octubre",
    "november novembre noviembre",
    "december dezember décembre decembre diciembre",
)
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
                return date(int(match[1]), int(match[2]), int(match[3]))
            if match := NUMERIC_DATE.fullmatch(text):
                return self.numeric_date(int(match[1]), int(match[3]), expand_year(match[4]))
            if match := NAMED_DATE.fullmatch(text):
                month = month_number(match[2] or match[3])
                return date(expand_year(match[5]), month, int(match[1] or match[4]))
        except ValueError:
            raise InvalidCell("is not a real date (day and month may be swapped)") from None
        raise InvalidCell(f"is not a date{f' ({self})' if self.order else ''}")

    def numeric_date(self, first: int, second: int, year: int) -> date:
        if self.order:
            day, month = (first, second) if self.order == DAY_FIRST else (second, first)
            return date(year, month, day)
        if first != second and first <= 12 and second <= 12:
            raise AmbiguousCell("can be read in two ways", "dates")
        return date(year, *((second, first) if first > 12 else (first, second)))

    def __str__(self) -> str:
        return {DAY_FIRST: "day before month", MONTH_FIRST: "month before day"}.get(self.order, "")
