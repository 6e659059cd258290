"""What a cleaned page holds that its reader does not see, though a model or a filter would. Pure: no database."""

import re
from dataclasses import dataclass
from html.parser import HTMLParser

LONGEST = 5_000
VOID = frozenset({"br", "img", "hr", "col", "wbr"})
# Of the names of colours those that somebody hides with.
NAMED = {"white": (255, 255, 255), "black": (0, 0, 0), "snow": (255, 250, 250), "ivory": (255, 255, 240)}
HEX = re.compile(r"#([0-9a-f]{3}|[0-9a-f]{6})(?![0-9a-f])", re.IGNORECASE)
RGB = re.compile(r"rgba?\(\s*(\d{1,3})\s*,\s*(\d{1,3})\s*,\s*(\d{1,3})")
STYLE = re.compile(r"(?:^|;)\s*(color|background-color|display)\s*:\s*([^;]*)")
# So little do two colours differ, all parts together, that nobody can read one on the other.
ALIKE = 30

Colour = tuple[int, int, int]


@dataclass(frozen=True)
class Drawn:
    """How what stands in an element is drawn; None is a colour that is not known."""

    hidden: bool = False
    ink: Colour | None = (27, 35, 48)
    ground: Colour | None = (255, 255, 255)

    @property
    def unseen(self) -> bool:
        known = self.ink is not None and self.ground is not None
        return self.hidden or (known and sum(abs(a - b) for a, b in zip(self.ink, self.ground, strict=True)) <= ALIKE)


class Reader(HTMLParser):
    """Goes through a page that is well-formed, and keeps the text that is not seen."""

    def __init__(self) -> None:
        super().__init__(convert_charrefs=True)
        self.open: list[tuple[str, Drawn]] = [("", Drawn())]
        self.found: list[str] = []

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        if tag not in VOID:
            self.open.append((tag, drawn(self.open[-1][1], dict(attrs))))

    def handle_endtag(self, tag: str) -> None:
        if len(self.open) > 1 and self.open[-1][0] == tag:
            self.open.pop()

    def handle_data(self, data: str) -> None:
        if data.strip() and self.open[-1][1].unseen:
            self.found.append(" ".join(data.split()))


def hidden_text(page: str) -> str:
    """The text of `page`, well-formed and cleaned, that its reader does not see, a line for each stretch."""
    reader = Reader()
    reader.feed(page)
    reader.close()
    return "\n".join(text for text in reader.found if any(one.isalnum() for one in text))[:LONGEST]


def drawn(around: Drawn, attributes: dict[str, str | None]) -> Drawn:
    """How an element with `attributes` is drawn inside one that is drawn as `around`."""
    styles = {name: value.strip() for name, value in STYLE.findall(attributes.get("style") or "")}
    ink = styles.get("color") or attributes.get("color")
    ground = styles.get("background-color") or attributes.get("bgcolor")
    return Drawn(
        around.hidden or "hidden" in attributes or styles.get("display", "").startswith("none"),
        colour(ink) if ink else around.ink,
        around.ground if not ground or "transparent" in ground else colour(ground),
    )


def colour(text: str) -> Colour | None:
    """`text` as red, green and blue; None where it is none of the common ways to write that."""
    low = text.strip().lower()
    if found := HEX.match(low):
        digits = found[1] if len(found[1]) == 6 else "".join(one * 2 for one in found[1])
        return int(digits[:2], 16), int(digits[2:4], 16), int(digits[4:], 16)
    if found := RGB.match(low):
        return int(found[1]), int(found[2]), int(found[3])
    return NAMED.get(low.split()[0] if low else "")
