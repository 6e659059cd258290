"""How dates and times are written, in the formats that the agency and each person can choose."""

from collections.abc import Callable
from dataclasses import dataclass
from datetime import date, datetime

# The formats to choose from, each with an example.
DATE_FORMATS = {
    "D MMM YYYY": "29 Nov 2026",
    "MMM D, YYYY": "Nov 29, 2026",
    "DD.MM.YYYY": "29.11.2026",
    "YYYY-MM-DD": "2026-11-29",
}
TIME_FORMATS = {"24h": "14:05", "12h": "2:05 PM"}
# The same formats for Django's filter `date`, which Django's own pages use.
DJANGO_DATE_FORMATS = {"D MMM YYYY": "j M Y", "MMM D, YYYY": "M j, Y", "DD.MM.YYYY": "d.m.Y", "YYYY-MM-DD": "Y-m-d"}
DJANGO_TIME_FORMATS = {"24h": "H:i", "12h": "g:i A"}

DAY_WRITERS: dict[str, Callable[[date], str]] = {
    "D MMM YYYY": lambda day: f"{day.day} {day:%b %Y}",
    "MMM D, YYYY": lambda day: f"{day:%b} {day.day}, {day:%Y}",
    "DD.MM.YYYY": lambda day: f"{day.day:02}.{day.month:02}.{day.year:04}",
    "YYYY-MM-DD": lambda day: f"{day.year:04}-{day.month:02}-{day.day:02}",
}
# Without the year, except where a month and a day alone would be hard to read.
SHORT_DAY_WRITERS: dict[str, Callable[[date], str]] = {
    "D MMM YYYY": lambda day: f"{day.day} {day:%b}",
    "MMM D, YYYY": lambda day: f"{day:%b} {day.day}",
    "DD.MM.YYYY": lambda day: f"{day.day:02}.{day.month:02}.",
    "YYYY-MM-DD": DAY_WRITERS["YYYY-MM-DD"],
}
# With the name of the month in full, where the format names it.
LONG_DAY_WRITERS: dict[str, Callable[[date], str]] = {
    **DAY_WRITERS,
    "D MMM YYYY": lambda day: f"{day.day} {day:%B %Y}",
    "MMM D, YYYY": lambda day: f"{day:%B} {day.day}, {day:%Y}",
}
MONTH_WRITERS: dict[str, Callable[[date], str]] = {
    "D MMM YYYY": lambda day: f"{day:%b %Y}",
    "MMM D, YYYY": lambda day: f"{day:%b %Y}",
    "DD.MM.YYYY": lambda day: f"{day.month:02}.{day.year:04}",
    "YYYY-MM-DD": lambda day: f"{day.year:04}-{day.month:02}",
}


@dataclass(frozen=True)
class DateStyle:
    """A format of dates and one of times of day. It converts no time zone: pass local times."""

    date_format: str
    time_format: str

    def day(self, day: date) -> str:
        """Return `29 Nov 2026`, in the chosen format."""
        return DAY_WRITERS[self.date_format](day)

    def short_day(self, day: date) -> str:
        """Return `29 Nov`, in the chosen format."""
        return SHORT_DAY_WRITERS[self.date_format](day)

    def long_day(self, day: date) -> str:
        """Return `29 November 2026`, in the chosen format."""
        return LONG_DAY_WRITERS[self.date_format](day)

    def month(self, day: date) -> str:
        """Return `Nov 2026`, in the chosen format."""
        return MONTH_WRITERS[self.date_format](day)

    def time(self, moment: datetime, *, with_seconds: bool = False) -> str:
        """Return `14:05` or `2:05 PM`."""
        seconds = f":{moment.second:02}" if with_seconds else ""
        if self.time_format == "24h":
            return f"{moment.hour:02}:{moment.minute:02}{seconds}"
        half = "AM" if moment.hour < 12 else "PM"
        return f"{moment.hour % 12 or 12}:{moment.minute:02}{seconds} {half}"


# Months by name, so that no day can be taken for a month: for prompts, and where a person is asked which of two it is.
SPELLED_STYLE = DateStyle("D MMM YYYY", "24h")
