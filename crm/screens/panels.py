"""Panels and dashboard figures: the parts of a page that another app adds.

The settings name them, so no app imports to its right.
"""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from enum import StrEnum
from typing import Any

from django.db.models import QuerySet

from crm.screens.paging import capped_counts, format_capped_count


@dataclass(frozen=True)
class HeadlineBadge:
    """A badge beside the title of a page: "Needs reply since 29 Nov 2026"."""

    label: str
    icon: str
    colour: str
    since: datetime


class Place(StrEnum):
    """Where a panel stands on a page: in the wide column above or below the timeline, or in the narrow one."""

    MAIN = "main"
    SIDE = "side"
    END = "end"


@dataclass(frozen=True)
class Panel:
    """A card on a page: `template` sees `content` and `row`.

    With a `button_icon` its link is also a button beside the page's actions. `badges` stand in the headline.
    `write_url` opens an email to the person of the page. `composer_template` stands above the text in the composer of
    the page, where there is one, and sees `content`.
    """

    title: str
    template: str
    content: Any = field(default_factory=dict)
    place: Place = Place.MAIN
    count: str | None = None
    url: str = ""
    link_label: str = "All"
    is_wide: bool = False
    button_icon: str = ""
    badges: tuple[HeadlineBadge, ...] = ()
    write_url: str = ""
    composer_template: str = ""


@dataclass(frozen=True)
class DashboardFigure:
    """A number of the day, and the address of the list behind it."""

    label: str
    value: str
    url: str
    note: str = ""

    @classmethod
    def from_count(cls, label: str, count: int, url: str, note: str = "") -> "DashboardFigure":
        return cls(label, format_capped_count(count), url, note)


@dataclass(frozen=True)
class CountedFigure:
    """A figure made of capped counts: `make` gets the number of each of `rows` by its name, and may return None."""

    rows: Mapping[str, QuerySet]
    make: Callable[..., DashboardFigure | None]

    @classmethod
    def of_rows(cls, label: str, rows: QuerySet, url: str) -> "CountedFigure":
        """Return the figure that is the number of `rows`."""
        return cls({"count": rows}, lambda count: DashboardFigure.from_count(label, count, url))


def count_figures(figures: Sequence[DashboardFigure | CountedFigure | None]) -> list[DashboardFigure]:
    """Return the figures that there are; one statement counts the rows of all of them."""
    counted = {str(place): one for place, one in enumerate(figures) if isinstance(one, CountedFigure)}
    rows = {f"{place} {name}": queryset for place, one in counted.items() for name, queryset in one.rows.items()}
    counts = capped_counts(rows)
    made = {place: one.make(**{name: counts[f"{place} {name}"] for name in one.rows}) for place, one in counted.items()}
    shown = (made.get(str(place), one) for place, one in enumerate(figures))
    return [figure for figure in shown if figure is not None]
