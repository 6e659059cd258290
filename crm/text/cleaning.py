"""Cleaning and shortening a text, whatever it says."""

import re
from collections.abc import Iterable
from typing import Any

REDACTED = "[erased]"


def strip_nul(text: str) -> str:
    """Return `text` without NUL, the one character that PostgreSQL stores neither in text nor in JSON."""
    return text.replace("\x00", "")


def searchable(text: str) -> str:
    """Return `text` with the sign for a broken character in place of NUL: the database searches, and finds nothing."""
    return text.replace("\x00", "\ufffd")


def storable_text(text: str) -> str:
    """Return `text` without what PostgreSQL cannot store: NUL is removed, lone surrogates are replaced."""
    return strip_nul(text).encode("utf-8", "replace").decode()


def normalize_line_ends(text: str) -> str:
    r"""Return `text` with plain line ends: browsers send "\r\n"."""
    return text.replace("\r\n", "\n")


def clean_form_text(text: str) -> str:
    """Return the text of a form field as it is stored."""
    return normalize_line_ends(strip_nul(text))


def ensure_full_stop(sentence: str) -> str:
    """Return `sentence` with a full stop, unless it already ends with one (as in "Inc.")."""
    return sentence if sentence.endswith(".") else f"{sentence}."


def shorten(text: str, length: int) -> str:
    """Return `text` in at most `length` characters, with an ellipsis where it was cut."""
    return text if len(text) <= length else f"{text[: length - 1].rstrip()}…"


def collect_texts(value: Any) -> str:
    """Return every text in `value`, keys too and at any depth, one a line and in order."""
    found, left = [], [value]
    while left:  # no recursion: JSON can be nested a thousand levels deep
        one = left.pop()
        if isinstance(one, str):
            found.append(one)
        elif isinstance(one, list | tuple):
            left.extend(reversed(one))
        elif isinstance(one, dict):
            left.extend(part for item in reversed(one.items()) for part in reversed(item))
    return "\n".join(found)


def redact(value: Any, texts: Iterable[str]) -> Any:
    """Return `value`, a text or JSON at any depth, with each of `texts` in any case replaced by “[erased]”."""
    pattern = re.compile("|".join(map(re.escape, sorted(texts, key=len, reverse=True))) or r"(?!)", re.IGNORECASE)
    return redact_pattern(value, pattern)


def redact_pattern(value: Any, pattern: re.Pattern[str]) -> Any:
    if isinstance(value, str):
        return pattern.sub(REDACTED, value)
    if isinstance(value, list):
        return [redact_pattern(one, pattern) for one in value]
    if isinstance(value, dict):
        return {pattern.sub(REDACTED, key): redact_pattern(one, pattern) for key, one in value.items()}
    return value
