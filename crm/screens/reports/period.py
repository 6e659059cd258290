"""The days that a report is about."""

from dataclasses import dataclass
from datetime import date, datetime, timedelta
from typing import Any
from urllib.parse import urlencode

from django import forms

from crm.records.local_time import start_of_reader_day
from crm.screens.filters import MAX_FILTER_DATE, MIN_FILTER_DATE

DEFAULT_DAYS = 90


@dataclass(frozen=True)
class Period:
    """The days from `first` to `last`, as the reader counts them: so do the lists behind the figures."""

    first: date
    last: date

    @classmethod
    def of_last_days(cls, today: date, days: int = DEFAULT_DAYS) -> "Period":
        return cls(today - timedelta(days=days - 1), today)

    @property
    def start(self) -> datetime:
        return start_of_reader_day(self.first)

    @property
    def end(self) -> datetime:
        """The first moment after the period."""
        return start_of_reader_day(self.last + timedelta(days=1))

    @property
    def query(self) -> str:
        """Return the query string of a report about this period."""
        return urlencode({"first": self.first.isoformat(), "last": self.last.isoformat()})

    def params(self, name: str) -> dict[str, str]:
        """Return the filters `name_from` and `name_to` of a list that keep this period."""
        return {f"{name}_from": self.first.isoformat(), f"{name}_to": self.last.isoformat()}


def suggested_periods(today: date) -> dict[str, Period]:
    """Return the periods that a report offers, by their names."""
    month = today.replace(day=1)
    last_of_previous = month - timedelta(days=1)
    return {
        "This month": Period(month, today),
        "Last month": Period(last_of_previous.replace(day=1), last_of_previous),
        "90 days": Period.of_last_days(today),
        "This year": Period(today.replace(month=1, day=1), today),
        "365 days": Period.of_last_days(today, 365),
    }


class PeriodForm(forms.Form):
    """The first and the last day of a period."""

    first = forms.DateField(label="From", widget=forms.DateInput(attrs={"type": "date"}))
    last = forms.DateField(label="to", widget=forms.DateInput(attrs={"type": "date"}))

    def clean(self) -> dict[str, Any]:
        days = super().clean()
        first, last = days.get("first"), days.get("last")
        for day in (first, last):
            if day is not None and not MIN_FILTER_DATE <= day <= MAX_FILTER_DATE:
                raise forms.ValidationError(f"Choose days from {MIN_FILTER_DATE.year} to {MAX_FILTER_DATE.year}.")
        if first and last and first > last:
            raise forms.ValidationError("The first day is after the last one.")
        return days
