"""Panels: the parts of a page that another app adds. The settings name them, so no app imports to its right."""

from dataclasses import dataclass, field
from typing import Any


@dataclass(frozen=True)
class Panel:
    """A card on a page: `template` sees `content` and `row`; `in_side_column` puts it in the narrow column.

    With a `button_icon` its link is also a button beside the page's actions.
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
