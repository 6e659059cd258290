"""Characters that a reader does not see, and other ways to keep a text out of sight.

The one definition: headers and addresses, the checks of the policy and the marks on the approval screen all use it.
"""

import re
import unicodedata
from collections.abc import Iterable
from dataclasses import dataclass
from typing import Any

from crm.text.cleaning import collect_texts

LINE_CHARACTERS = frozenset("\n\r\t")
LINE_SEPARATOR_CATEGORIES = frozenset({"Zl", "Zp"})
INVISIBLE_CATEGORIES = frozenset({"Cf", "Cc", "Co", "Cn", "Cs"}) | LINE_SEPARATOR_CATEGORIES
# Letters and signs that are drawn as nothing although they are not format characters.
INVISIBLE_LETTERS = frozenset("\u034f\u115f\u1160\u17b4\u17b5\u2800\u3164\uffa0")
DIRECTION_CHARACTERS = frozenset("\u061c\u200e\u200f\u202a\u202b\u202c\u202d\u202e\u2066\u2067\u2068\u2069")
ZERO_WIDTH_JOINER, ZERO_WIDTH_NON_JOINER, EMOJI_SELECTOR = "\u200d", "\u200c", "\ufe0f"
BLANK_LINES, BLANK_RUN = 15, 80
BLANK_STRETCH_PATTERN = re.compile(rf"(?:[^\S\n]*\n){{{BLANK_LINES},}}|[^\S\n]{{{BLANK_RUN},}}")
MARKUP_PATTERN = re.compile(
    r"<!--|<\s*(?:script|style|iframe|object|embed|form|meta|img)\b|display\s*:\s*none", re.IGNORECASE
)
ENCODED_PATTERN = re.compile(
    r"(?<![\w+/\-])(?=[A-Za-z0-9+/_\-]*\d)(?=[A-Za-z0-9+/_\-]*[A-Za-z])[A-Za-z0-9+/_\-]{48,}={0,2}"
)
HIDDEN_CONTENT_SENTENCES = {
    "tags": "The text contains words written in invisible characters.",
    "direction": "The text contains characters that reverse the reading direction, so it reads differently.",
    "invisible": "The text contains invisible characters.",
    "blank": "A long blank stretch pushes the end of the text out of sight.",
    "markup": "The text contains markup that an email program may not show.",
}
EXCERPT_MARGIN = 30
MAX_HIDDEN_SHOWN = 10
MAX_EXCERPT_LENGTH = 400


# One character


def is_invisible(character: str) -> bool:
    """Return whether `character` is drawn as nothing; line breaks and tabs are not invisible."""
    if character in LINE_CHARACTERS:
        return False
    return character in INVISIBLE_LETTERS or unicodedata.category(character) in INVISIBLE_CATEGORIES


def joins_pictures(before: str, after: str) -> bool:
    """Return whether a joiner between `before` and `after` makes one emoji of two."""
    is_picture = before == EMOJI_SELECTOR or unicodedata.category(before) in {"So", "Sk"}
    return is_picture and unicodedata.category(after) == "So"


def joins_letters(before: str, after: str) -> bool:
    """Return whether a joiner between `before` and `after` shapes a word of a script such as Persian or Hindi."""
    return all(not one.isascii() and unicodedata.category(one)[0] in "LM" for one in (before, after))


def is_hidden_at(text: str, at: int) -> bool:
    """Return whether a reader does not see the character of `text` at `at`; the joiner inside an emoji is seen."""
    if text[at] == ZERO_WIDTH_JOINER and 0 < at < len(text) - 1 and joins_pictures(text[at - 1], text[at + 1]):
        return False
    return is_invisible(text[at])


def is_hidden_in_line(text: str, at: int) -> bool:
    """Return whether the character of `text` at `at` must not stand in a header or an address.

    Line breaks and tabs must not; the joiners that some scripts need inside a word may.
    """
    if text[at] in LINE_CHARACTERS:
        return True
    is_joiner = text[at] in (ZERO_WIDTH_JOINER, ZERO_WIDTH_NON_JOINER) and 0 < at < len(text) - 1
    if is_joiner and joins_letters(text[at - 1], text[at + 1]):
        return False
    return is_hidden_at(text, at)


# A whole text


def hidden_positions(text: str) -> list[int]:
    """Return the positions of the characters in `text` that a reader does not see."""
    if not any(map(is_invisible, set(text))):
        return []
    return [at for at in range(len(text)) if is_hidden_at(text, at)]


def visible_text(text: str) -> str:
    """Return `text` as it reads: without invisible characters, and with look-alike forms of a letter made that letter.

    A line separator becomes a line break, so that the words around it stay apart.
    """
    seen = "".join(
        "\n" if unicodedata.category(character) in LINE_SEPARATOR_CATEGORIES else character
        for character in text
        if not is_invisible(character) or unicodedata.category(character) in LINE_SEPARATOR_CATEGORIES
    )
    return unicodedata.normalize("NFKC", seen)


def has_hidden_characters(text: str) -> bool:
    """Return whether `text` contains what must not stand in a header: hidden characters or line breaks."""
    return any(is_hidden_in_line(text, at) for at in range(len(text)))


def strip_hidden_characters(text: str) -> str:
    """Return `text` on one line, without hidden characters."""
    spaced = "".join(" " if character.isspace() else character for character in text)
    return " ".join("".join(one for at, one in enumerate(spaced) if not is_hidden_in_line(spaced, at)).split())


def find_hidden_content(text: str) -> list[tuple[str, str]]:
    """Return a code and a sentence for each way in which `text` hides something from its reader."""
    found = {classify_invisible(text[at]) for at in hidden_positions(text)}
    if BLANK_STRETCH_PATTERN.search(text):
        found.add("blank")
    if MARKUP_PATTERN.search(text):
        found.add("markup")
    return [(code, sentence) for code, sentence in HIDDEN_CONTENT_SENTENCES.items() if code in found]


def classify_invisible(character: str) -> str:
    """Return the code of `HIDDEN_CONTENT_SENTENCES` for an invisible character."""
    if 0xE0000 <= ord(character) <= 0xE007F:
        return "tags"
    return "direction" if character in DIRECTION_CHARACTERS else "invisible"


def has_encoded_run(text: str) -> bool:
    """Return whether `text` contains a long run of letters and digits that only a program can read."""
    return any(ENCODED_PATTERN.search(part) for part in text.split())


# Marks for a screen


@dataclass(frozen=True)
class TextPiece:
    """A piece of a text; a hidden character is written as its code, such as `U+200B`."""

    text: str
    is_hidden: bool = False


@dataclass(frozen=True)
class HiddenText:
    """A field with hidden characters: how many, and the text around the first of them."""

    label: str
    count: int
    excerpt: list[TextPiece]


def mark_hidden_characters(text: str) -> list[TextPiece]:
    """Return `text` in pieces, with every hidden character written as its code."""
    found: list[TextPiece] = []
    start = 0
    for at in hidden_positions(text):
        found += [TextPiece(text[start:at]), TextPiece(f"U+{ord(text[at]):04X}", True)]
        start = at + 1
    return [piece for piece in [*found, TextPiece(text[start:])] if piece.text]


def find_hidden_text(contents: Iterable[tuple[str, Any]]) -> list[HiddenText]:
    """Return the fields of `contents` (label, value) that contain hidden characters."""
    found = []
    for label, value in contents:
        text = collect_texts(value)
        if positions := hidden_positions(text):
            start = max(0, positions[0] - EXCERPT_MARGIN)
            end = positions[min(len(positions), MAX_HIDDEN_SHOWN) - 1] + EXCERPT_MARGIN
            excerpt = mark_hidden_characters(text[start:end][:MAX_EXCERPT_LENGTH])
            found.append(HiddenText(label, len(positions), excerpt))
    return found
