"""What eyes miss in a content: characters that are not drawn, and where links really lead."""

import re
import unicodedata
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any
from urllib.parse import urlsplit

LINK = re.compile(r"(?:https?://|www\.)[^\s<>\"'\]\)]+", re.IGNORECASE)
MOST_LINKS = 20
# Not drawn, or drawn as nothing, or turning round what stands beside them; line ends and tabs are no secret.
UNSEEN = {"Cf", "Cc", "Co", "Cn", "Cs", "Zl", "Zp"}
PLAIN = {"\n", "\t", "\r"}
JOINER = "\u200d"
# Blanks that pass for letters.
BLANKS = {"\u115f", "\u1160", "\u3164", "\uffa0", "\u2800"}
AROUND = 30
MOST_HIDDEN = 10
LONGEST_AROUND = 400


def may_hide(char: str) -> bool:
    return char not in PLAIN and (char in BLANKS or unicodedata.category(char) in UNSEEN)


def is_hidden(text: str, at: int) -> bool:
    """Whether the character of `text` at `at` is one that nobody sees."""
    if text[at] == JOINER and 0 < at < len(text) - 1:  # joins two pictures into one
        return not (unicodedata.category(text[at - 1]) in {"So", "Mn", "Sk"} and drawn(text[at + 1]))
    return may_hide(text[at])


def hidden_places(text: str) -> list[int]:
    if not any(map(may_hide, set(text))):
        return []
    return [at for at in range(len(text)) if is_hidden(text, at)]


def drawn(char: str) -> bool:
    return unicodedata.category(char) in {"So", "Sm"}


@dataclass(frozen=True)
class Piece:
    """A stretch of a text; a hidden one is written as its code."""

    text: str
    hidden: bool = False


def pieces(text: str) -> list[Piece]:
    """`text` with every hidden character written out as `U+200B`."""
    found: list[Piece] = []
    start = 0
    for at in hidden_places(text):
        found += [Piece(text[start:at]), Piece(f"U+{ord(text[at]):04X}", True)]
        start = at + 1
    return [piece for piece in [*found, Piece(text[start:])] if piece.text]


def texts(value: Any) -> Iterator[str]:
    """Every text in `value`, as deep as contents go."""
    if isinstance(value, str):
        yield value
    elif isinstance(value, list | dict):
        for one in value.values() if isinstance(value, dict) else value:
            yield from texts(one)


@dataclass(frozen=True)
class Hidden:
    """A field in which characters are hidden: how many, and the words around the first of them."""

    label: str
    count: int
    around: list[Piece]


def hidden_in(contents: list[tuple[str, Any]]) -> list[Hidden]:
    """The fields among `contents` (label, value) that hold hidden characters."""
    found = []
    for label, value in contents:
        text = " ".join(texts(value))
        if places := hidden_places(text):
            around = text[max(0, places[0] - AROUND) : places[min(len(places), MOST_HIDDEN) - 1] + AROUND]
            found.append(Hidden(label, len(places), pieces(around[:LONGEST_AROUND])))
    return found


@dataclass(frozen=True)
class Link:
    """A link in a text, and the host that it leads to, as computers read it."""

    url: str
    host: str


def links_in(contents: list[tuple[str, Any]]) -> list[Link]:
    """Where the links in `contents` (label, value) lead, each once."""
    found: dict[str, Link] = {}
    for _, value in contents:
        for url in LINK.findall(" ".join(texts(value))):
            if len(found) < MOST_LINKS:
                found.setdefault(url, Link(url, host_of(url)))
    return list(found.values())


def host_of(url: str) -> str:
    """The host of `url` in ASCII, so that no letter passes for another; empty where it has none."""
    try:
        host = urlsplit(url if "://" in url else f"http://{url}").hostname or ""
        return host if host.isascii() else host.encode("idna").decode()
    except (ValueError, UnicodeError):
        return ""
