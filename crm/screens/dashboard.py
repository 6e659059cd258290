"""The figures of the dashboard; each app adds its own."""

from dataclasses import dataclass

from crm.screens.paging import format_capped_count


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
