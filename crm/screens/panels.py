"""Parts of a page that another app puts there; the settings name them, so no app imports to its right."""

from dataclasses import dataclass, field
from typing import Any


@dataclass(frozen=True)
class Panel:
    """A card: `template` sees `content` and `row`; `in_side_column` puts it in the narrow column.

    With `button_icon`, an icon, its link stands as a button beside the deeds, too.
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
