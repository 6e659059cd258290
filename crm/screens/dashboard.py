"""What the first screen is made of; each app fills in its own."""

from dataclasses import dataclass

from crm.screens.paging import capped


@dataclass(frozen=True)
class Figure:
    """A number that matters today, and the list behind it."""

    label: str
    value: str
    url: str
    note: str = ""

    @classmethod
    def counted(cls, label: str, count: int, url: str, note: str = "") -> "Figure":
        return cls(label, capped(count), url, note)
