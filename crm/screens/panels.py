"""Panels and dashboard figures: the parts of a page that another app adds.

The settings name them, so no app imports to its right.
"""

from dataclasses import dataclass, field
from datetime import datetime
from enum import StrEnum
from typing import Any

from crm.screens.paging import format_capped_count


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
    `write_url` opens an email to the person of the page.
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
