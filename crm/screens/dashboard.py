"""What the first screen is made of; each app fills in its own."""

from dataclasses import dataclass

from crm.screens.paging import format_capped_count


@dataclass(frozen=True)
class DashboardFigure:
    """A number that matters today, and the list behind it."""

    label: str
    value: str
    url: str
    note: str = ""

    @classmethod
    def from_count(cls, label: str, count: int, url: str, note: str = "") -> "DashboardFigure":
        return cls(label, format_capped_count(count), url, note)
