"""Parts of a page that another app puts there; the settings name them, so no app imports to its right."""

from dataclasses import dataclass, field
from typing import Any


@dataclass(frozen=True)
class Section:
    """A card: `template` sees `shown` and `row`; `side` puts it in the narrow column.

    With `beside`, an icon, its link stands as a button beside the deeds, too.
    """

    title: str
    template: str
    shown: Any = field(default_factory=dict)
    side: bool = False
    count: str | None = None
    url: str = ""
    link: str = "All"
    span: bool = False
    beside: str = ""
