"""Panels and dashboard figures: the parts of a page that another app adds.

The settings name them, so no app imports to its right.
"""

from dataclasses import dataclass, field
from datetime import datetime
from typing import Any

from crm.screens.paging import format_capped_count


@dataclass(frozen=True)
class HeadlineBadge:
    """A badge beside the title of a page: "Needs reply since 29 Nov 2026"."""

    label: str
    icon: str
    colour: str
    since: datetime


@dataclass(frozen=True)
class Panel:
    """A card on a page: `template` sees `content` and `row`; `in_side_column` puts it in the narrow column.

    With a `button_icon` its link is also a button beside the page's actions. `badges` stand in the headline.
    """

    title: str
    template: str
    content: Any = field(default_factory=dict)
    in_side_column: bool = False
    count: str | None = None
    url: str = ""
    link_label: str = "All"
    is_wide: bool = False
    button_icon: str = ""
    badges: tuple[HeadlineBadge, ...] = ()


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
