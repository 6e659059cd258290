"""What a reader cannot see in content: hidden characters, and the hosts that links lead to."""

import re
import unicodedata
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any
from urllib.parse import urlsplit

SHOWN_LINK_PATTERN = re.compile(r"(?:https?://|www\.)[^\s<>\"'\]\)]+", re.IGNORECASE)
MAX_LINKS_SHOWN = 20
# Characters that are invisible or change the direction of text; line ends and tabs are allowed.
INVISIBLE_CATEGORIES = {"Cf", "Cc", "Co", "Cn", "Cs", "Zl", "Zp"}
LINE_CHARACTERS = {"\n", "\t", "\r"}
PICTURE_JOINER = "\u200d"
# Letters that look blank.
BLANK_LETTERS = {"\u115f", "\u1160", "\u3164", "\uffa0", "\u2800"}
EXCERPT_MARGIN = 30
MAX_HIDDEN_SHOWN = 10
MAX_EXCERPT_LENGTH = 400


def may_be_hidden(char: str) -> bool:
    return char not in LINE_CHARACTERS and (char in BLANK_LETTERS or unicodedata.category(char) in INVISIBLE_CATEGORIES)


def is_hidden_at(text: str, at: int) -> bool:
    """Whether the character of `text` at `at` is hidden."""
    if text[at] == PICTURE_JOINER and 0 < at < len(text) - 1:  # joins two pictures into one
        return not (unicodedata.category(text[at - 1]) in {"So", "Mn", "Sk"} and is_picture(text[at + 1]))
    return may_be_hidden(text[at])


def hidden_positions(text: str) -> list[int]:
    if not any(map(may_be_hidden, set(text))):
        return []
    return [at for at in range(len(text)) if is_hidden_at(text, at)]


def is_picture(char: str) -> bool:
    return unicodedata.category(char) in {"So", "Sm"}


@dataclass(frozen=True)
class TextPiece:
    """A piece of a text; a hidden character is written as its code."""

    text: str
    is_hidden: bool = False


def mark_hidden_characters(text: str) -> list[TextPiece]:
    """Return the pieces of `text`, with every hidden character written as `U+200B`."""
    found: list[TextPiece] = []
    start = 0
    for at in hidden_positions(text):
        found += [TextPiece(text[start:at]), TextPiece(f"U+{ord(text[at]):04X}", True)]
        start = at + 1
    return [piece for piece in [*found, TextPiece(text[start:])] if piece.text]


def iter_texts(value: Any) -> Iterator[str]:
    """Yield every text in `value`, at any depth."""
    if isinstance(value, str):
        yield value
    elif isinstance(value, list | dict):
        for one in value.values() if isinstance(value, dict) else value:
            yield from iter_texts(one)


@dataclass(frozen=True)
class HiddenText:
    """A field with hidden characters: their number, and the text around the first of them."""

    label: str
    count: int
    excerpt: list[TextPiece]


def find_hidden_text(contents: list[tuple[str, Any]]) -> list[HiddenText]:
    """Return the fields among `contents` (label, value) with hidden characters."""
    found = []
    for label, value in contents:
        text = " ".join(iter_texts(value))
        if positions := hidden_positions(text):
            excerpt = text[
                max(0, positions[0] - EXCERPT_MARGIN) : positions[min(len(positions), MAX_HIDDEN_SHOWN) - 1]
                + EXCERPT_MARGIN
            ]
            found.append(HiddenText(label, len(positions), mark_hidden_characters(excerpt[:MAX_EXCERPT_LENGTH])))
    return found


@dataclass(frozen=True)
class LinkTarget:
    """A link in a text, and its host in ASCII."""

    url: str
    host: str


def find_link_targets(contents: list[tuple[str, Any]]) -> list[LinkTarget]:
    """Return the links in `contents` (label, value), each once."""
    found: dict[str, LinkTarget] = {}
    for _, value in contents:
        for url in SHOWN_LINK_PATTERN.findall(" ".join(iter_texts(value))):
            if len(found) < MAX_LINKS_SHOWN:
                found.setdefault(url, LinkTarget(url, ascii_host(url)))
    return list(found.values())


def ascii_host(url: str) -> str:
    """Return the host of `url` in ASCII, so that no letter passes for another; empty if it has none."""
    try:
        host = urlsplit(url if "://" in url else f"http://{url}").hostname or ""
        return host if host.isascii() else host.encode("idna").decode()
    except (ValueError, UnicodeError):
        return ""
