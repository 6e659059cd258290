"""What a report is made of. An app to the right describes its reports with these; `REPORTS` names them."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from decimal import Decimal
from enum import StrEnum
from typing import Any

from django.contrib.humanize.templatetags.humanize import intcomma

from crm.models import User
from crm.screens.reports.period import Period

Number = int | float | Decimal
NOTHING = "—"
# Longer times are written in days.
LONGEST_IN_HOURS = 48


class Unit(StrEnum):
    """What a figure counts."""

    COUNT = "count"
    # Whole dollars, or dollars and cents.
    MONEY = "money"
    CENTS = "cents"
    # 0 to 1.
    SHARE = "share"
    HOURS = "hours"
    DAYS = "days"


@dataclass(frozen=True)
class Figure:
    """A number, and the list of the rows that it counts; None where there is nothing to count."""

    value: Number | None
    url: str = ""


@dataclass(frozen=True)
class ReportColumn:
    """A column of figures."""

    label: str
    unit: Unit = Unit.COUNT


@dataclass(frozen=True)
class ReportRow:
    """A row of a table: what it is about, with the page of that, and a figure for each column."""

    label: str
    figures: Sequence[Figure]
    url: str = ""


@dataclass(frozen=True)
class ReportTable:
    """A table of a report. A bar beside each row shows its figure in the column `bar`, if that is not None."""

    title: str
    label: str
    columns: Sequence[ReportColumn]
    rows: Sequence[ReportRow]
    note: str = ""
    bar: int | None = 0

    def lines(self) -> list[dict[str, Any]]:
        """Return the rows as the page draws them: each figure as text, and the length of the bar in percent."""
        sizes = [0 if self.bar is None else row.figures[self.bar].value or 0 for row in self.rows]
        largest = max(sizes, default=0) or 1
        return [
            {
                "label": row.label,
                "url": row.url,
                "cells": [
                    {"label": column.label, "text": format_figure(figure.value, column.unit), "url": figure.url}
                    for column, figure in zip(self.columns, row.figures, strict=True)
                ],
                "share": round(float(max(size, 0) * 100 / largest), 1),
            }
            for row, size in zip(self.rows, sizes, strict=True)
        ]


@dataclass(frozen=True)
class Report:
    """A page of tables, for users with `permission`: `load(user, period)` returns what that user may see.

    Without `has_period` the report is of the present, and the period that it is given means nothing.
    """

    key: str
    title: str
    about: str
    permission: str
    load: Callable[[User, Period], list[ReportTable]]
    has_period: bool = True


@dataclass(frozen=True)
class ReportLink:
    """A page of figures that is no report of its own, such as the book of business; `page` is the name of its URL."""

    title: str
    about: str
    permission: str
    page: str


def format_figure(value: Number | None, unit: Unit) -> str:
    """Return a figure for reading, such as `1,200`, `$1,200`, `35 %`, `2.5 h` or `4.0 days`."""
    if value is None:
        return NOTHING
    if unit == Unit.MONEY:
        return f"${value:,.0f}"
    if unit == Unit.CENTS:
        return f"${value:,.2f}"
    if unit == Unit.SHARE:
        return f"{value * 100:.0f} %"
    if unit == Unit.HOURS and value < LONGEST_IN_HOURS:
        return f"{value:,.1f} h"
    if unit == Unit.HOURS:
        return f"{value / 24:,.1f} days"
    if unit == Unit.DAYS:
        return f"{value:,.1f} days"
    return intcomma(value)
