"""What is odd about a key: kinds that conflict, and other keys with nearly the same name. Pure: no database."""

import re
from collections import defaultdict
from collections.abc import Iterable, Mapping

from crm.models import CustomFieldKind, ValueKind
from crm.records.duplicates.spelling import is_misspelt
from crm.records.json_keys import path_steps
from crm.text.letters import plain_letters

TEXTS = frozenset({ValueKind.TEXT, ValueKind.NUMERIC_TEXT, ValueKind.DATE})
NUMBERS = frozenset({ValueKind.NUMBER, ValueKind.HUGE_NUMBER})
LISTS = frozenset({ValueKind.LIST, ValueKind.ROWS})
# Values of one family are compared by the same filters.
FAMILIES = (TEXTS, NUMBERS, LISTS, frozenset({ValueKind.YES_NO}), frozenset({ValueKind.OBJECT}))
# The kinds of values that fit a defined kind, as its filters compare.
FITTING: dict[str, frozenset[ValueKind]] = {
    **dict.fromkeys(CustomFieldKind.values, TEXTS),
    CustomFieldKind.NUMBER.value: NUMBERS,
    CustomFieldKind.MONEY.value: NUMBERS,
    CustomFieldKind.YES_NO.value: frozenset({ValueKind.YES_NO}),
    CustomFieldKind.DATE.value: frozenset({ValueKind.DATE}),
    CustomFieldKind.DATE_TIME.value: frozenset({ValueKind.DATE}),
    CustomFieldKind.CHOICES.value: LISTS,
}
WORD = re.compile(r"[A-Z]+(?![a-z])|[A-Z]?[a-z]+|\d+|[^\W\d_A-Za-z]+")
# Words that name no difference: a zip code is a zip.
FILLER_WORDS = frozenset({"code", "number", "no", "nr", "num", "field", "the", "of"})
MAX_SPELLING_KEYS = 300


def unfitting_kinds(kinds: Mapping[str, int], defined_kind: str = "") -> dict[str, int]:
    """Return the kinds that conflict, with their counts: those that do not fit the definition of the key.

    Without a definition, those of another family than the most frequent kind. Empty values never conflict, numbers
    that are too large always do.
    """
    filled = {kind: count for kind, count in kinds.items() if kind != ValueKind.EMPTY and count}
    if not filled:
        return {}
    main = max(filled, key=lambda kind: (filled[kind], kind))
    fitting = FITTING[defined_kind] if defined_kind else next(family for family in FAMILIES if main in family)
    return {kind: count for kind, count in filled.items() if kind not in fitting or kind == ValueKind.HUGE_NUMBER}


def near_keys(paths: Iterable[str]) -> dict[str, list[str]]:
    """Return the other paths with nearly the same last step, for each path that has some; all are of one column."""
    by_parent: defaultdict[tuple[str, ...], dict[str, str]] = defaultdict(dict)
    for path in paths:
        if steps := path_steps(path):
            by_parent[tuple(steps[:-1])][path] = plain_name(steps[-1])
    near: defaultdict[str, set[str]] = defaultdict(set)
    for names in by_parent.values():
        for one, other in similar_pairs(names):
            near[one].add(other)
            near[other].add(one)
    return {path: sorted(others) for path, others in near.items()}


def plain_name(key: str) -> str:
    """Return a key without case, separators, accents and filler words: "Zip", "zip_code" and "ZIP" are "zip"."""
    words = [plain_letters(word).lower() for word in WORD.findall(key)]
    return "".join([word for word in words if word not in FILLER_WORDS] or words)


def similar_pairs(names: Mapping[str, str]) -> Iterable[tuple[str, str]]:
    """Yield the pairs of paths with equal or misspelt plain names; `names` maps each path to its plain name."""
    by_name: defaultdict[str, list[str]] = defaultdict(list)
    for path, name in names.items():
        if name:
            by_name[name].append(path)
    for paths in by_name.values():
        yield from ((one, other) for place, one in enumerate(paths) for other in paths[place + 1 :])
    ordered = sorted(by_name)
    if len(ordered) > MAX_SPELLING_KEYS:
        return
    for place, name in enumerate(ordered):
        for other in ordered[place + 1 :]:
            if abs(len(name) - len(other)) <= 1 and is_misspelt(name, other):
                yield by_name[name][0], by_name[other][0]
