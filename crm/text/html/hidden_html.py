"""Text that a page hides from its reader by its style, though a model or a filter reads it."""

import re
from dataclasses import dataclass
from html.parser import HTMLParser

MAX_HIDDEN_TEXT_LENGTH = 5_000
VOID_TAGS = frozenset({"br", "img", "hr", "col", "wbr"})
# The named colours that are used to hide text.
NAMED_COLOURS = {"white": (255, 255, 255), "black": (0, 0, 0), "snow": (255, 250, 250), "ivory": (255, 255, 240)}
HEX_COLOUR = re.compile(r"#([0-9a-f]{3}|[0-9a-f]{6})(?![0-9a-f])", re.IGNORECASE)
RGB_COLOUR = re.compile(r"rgba?\(\s*(\d{1,3})\s*,\s*(\d{1,3})\s*,\s*(\d{1,3})")
STYLE_DECLARATION = re.compile(r"(?:^|;)\s*(color|background-color|display)\s*:\s*([^;]*)")
# Text is unreadable on a background that differs from it by no more than this, all three parts added.
MAX_COLOUR_DIFFERENCE = 30

Colour = tuple[int, int, int]


@dataclass(frozen=True)
class TextStyle:
    """How the text of an element is drawn; None is an unknown colour."""

    is_hidden: bool = False
    text_colour: Colour | None = (27, 35, 48)
    background: Colour | None = (255, 255, 255)

    @property
    def is_invisible(self) -> bool:
        """Whether text in this style cannot be read."""
        known = self.text_colour is not None and self.background is not None
        return self.is_hidden or (
            known
            and sum(abs(a - b) for a, b in zip(self.text_colour, self.background, strict=True)) <= MAX_COLOUR_DIFFERENCE
        )


class HiddenTextParser(HTMLParser):
    """Reads a well-formed page and keeps the text that its reader does not see."""

    def __init__(self) -> None:
        super().__init__(convert_charrefs=True)
        self.open_elements: list[tuple[str, TextStyle]] = [("", TextStyle())]
        self.hidden_parts: list[str] = []

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        if tag not in VOID_TAGS:
            self.open_elements.append((tag, inherit_style(self.open_elements[-1][1], dict(attrs))))

    def handle_endtag(self, tag: str) -> None:
        if len(self.open_elements) > 1 and self.open_elements[-1][0] == tag:
            self.open_elements.pop()

    def handle_data(self, data: str) -> None:
        if data.strip() and self.open_elements[-1][1].is_invisible:
            self.hidden_parts.append(" ".join(data.split()))


def extract_hidden_text(page: str) -> str:
    """Return the text of `page`, which must be cleaned, that its reader does not see, a line for each piece."""
    parser = HiddenTextParser()
    parser.feed(page)
    parser.close()
    return "\n".join(text for text in parser.hidden_parts if any(one.isalnum() for one in text))[
        :MAX_HIDDEN_TEXT_LENGTH
    ]


def inherit_style(parent: TextStyle, attributes: dict[str, str | None]) -> TextStyle:
    """Return the style of an element with `attributes` inside one with the style `parent`."""
    styles = {name: value.strip() for name, value in STYLE_DECLARATION.findall(attributes.get("style") or "")}
    text_colour = styles.get("color") or attributes.get("color")
    background = styles.get("background-color") or attributes.get("bgcolor")
    return TextStyle(
        parent.is_hidden or "hidden" in attributes or styles.get("display", "").startswith("none"),
        parse_colour(text_colour) if text_colour else parent.text_colour,
        parent.background if not background or "transparent" in background else parse_colour(background),
    )


def parse_colour(text: str) -> Colour | None:
    """Return `text` as red, green and blue; None where it is not a common way to write a colour."""
    low = text.strip().lower()
    if found := HEX_COLOUR.match(low):
        digits = found[1] if len(found[1]) == 6 else "".join(one * 2 for one in found[1])
        return int(digits[:2], 16), int(digits[2:4], 16), int(digits[4:], 16)
    if found := RGB_COLOUR.match(low):
        return int(found[1]), int(found[2]), int(found[3])
    return NAMED_COLOURS.get(low.split()[0] if low else "")
