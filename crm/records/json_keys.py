"""The keys of a JSON column as paths: `referral_source`, `renters.value`, `vehicles[].vin`. Pure: no database.

A step that holds a dot, a bracket, a quotation mark or nothing is written as a JSON string, so every path can be read
back. A long one is cut.
"""

import json
import re
from collections.abc import Iterable, Iterator, Mapping
from typing import Any

from crm.text.cleaning import storable_text

MAX_PATH_LENGTH = 1_000
MAX_DEPTH = 3
ELEMENTS = "[]"
# The version of the form that the values were written under: nothing that people enter.
IGNORED_KEYS = frozenset({"schema_version"})
# Of a text that starts with a day.
ISO_DATE_PATTERN = "^[0-9]{4}-(0[1-9]|1[0-2])-(0[1-9]|[12][0-9]|3[01])"
NEEDS_QUOTES = re.compile(r'[."\[\]\\]|^$')
STEP = re.compile(r'"(?:[^"\\]|\\.)*"|[^."\[\]\\]+|\[\]')


def key_path(*steps: str) -> str:
    """Return the path of `steps`; `[]` stands for each element of a list."""
    text = ""
    for step in steps:
        name = json.dumps(step, ensure_ascii=False) if step != ELEMENTS and NEEDS_QUOTES.search(step) else step
        text += name if not text or name == ELEMENTS else f".{name}"
    text = storable_text(text)
    return text if len(text) <= MAX_PATH_LENGTH else f"{text[: MAX_PATH_LENGTH - 1]}…"


def path_steps(path: str) -> list[str]:
    """Return the steps of a path."""
    return [json.loads(step) if step.startswith('"') else step for step in STEP.findall(path)]


def key_paths(value: Any, depth: int = MAX_DEPTH) -> set[str]:
    """Return the paths of all keys in `value`, the value of a JSON column."""
    return {key_path(*steps) for steps in walk_keys(value, depth)}


def walk_keys(value: Any, depth: int) -> Iterator[tuple[str, ...]]:
    """Yield the steps to each key inside `value`, at most `depth` keys deep."""
    if depth and isinstance(value, Mapping):
        for key, inner in value.items():
            if key not in IGNORED_KEYS:
                yield (key,)
                yield from ((key, *steps) for steps in walk_keys(inner, depth - 1))
    elif isinstance(value, list):
        rows: Iterable[Any] = (row for row in value if isinstance(row, Mapping))
        yield from ((ELEMENTS, *steps) for row in rows for steps in walk_keys(row, depth))


def changed_key_paths(before: Any, after: Any) -> set[str]:
    """Return the paths of the first keys of two values of a JSON column that differ, with the keys inside them."""
    if not (isinstance(before or {}, Mapping) and isinstance(after or {}, Mapping)):
        return key_paths(after) if before != after else set()
    both = {**(before or {}), **(after or {})}
    return key_paths({key: value for key, value in both.items() if (before or {}).get(key) != (after or {}).get(key)})
