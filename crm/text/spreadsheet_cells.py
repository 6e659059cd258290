"""Text in the cells of a spreadsheet: an apostrophe in front keeps it from running as a formula."""

import re

# A cell holds at most 32,767 UTF-16 units; this leaves room for the apostrophe.
MAX_CELL_LENGTH = 32_000
# Spreadsheets run text that begins with one of these as a formula.
FORMULA_PREFIXES = ("=", "+", "-", "@", "\t", "\r", "\n", "＝", "＋", "－", "＠")

PLAIN_NUMBER = re.compile(r"[+-]?[0-9][0-9.,]*")


def looks_like_formula(text: str) -> bool:
    """Whether `text` begins like a formula, apart from spaces and apostrophes."""
    return text.lstrip(" '").startswith(FORMULA_PREFIXES)


def shorten_for_cell(text: str) -> str:
    """Return `text`, at most as long as a cell; a letter beyond the basic plane counts twice."""
    text = text[:MAX_CELL_LENGTH]
    units = text.encode("utf-16-le", "surrogatepass")
    return text if len(units) <= 2 * MAX_CELL_LENGTH else units[: 2 * MAX_CELL_LENGTH].decode("utf-16-le", "ignore")


def escape_formula(text: str) -> str:
    """Return `text`, at most as long as a cell, with an apostrophe in front if it looks like a formula."""
    text = shorten_for_cell(text)
    return f"'{text}" if looks_like_formula(text) else text


def mark_as_text(text: str) -> str:
    """Return `text` whole, with an apostrophe in front if it looks like a formula and is no plain number.

    For a file that is imported again: `unescape_formula` takes the apostrophe away.
    """
    return f"'{text}" if looks_like_formula(text) and not PLAIN_NUMBER.fullmatch(text) else text


def keep_apostrophe(text: str) -> str:
    """Return `text` for a cell that is marked as text, which needs no apostrophe.

    One in the text itself is doubled where `unescape_formula` would drop it.
    """
    return f"'{text}" if text[:1] == "'" and looks_like_formula(text) else text


def unescape_formula(text: str) -> str:
    """Return the text that `escape_formula` was given, and what a formula such as ="00123" shows."""
    if text[:1] == "'" and looks_like_formula(text):
        return text[1:]
    return text[2:-1].strip() or text if text[:2] == '="' and text[-1] == '"' else text
