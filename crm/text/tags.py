"""Tags of records."""

from collections.abc import Iterable


def unique_tags(tags: Iterable[str]) -> list[str]:
    """Return `tags` without blanks and repetitions, as first written. Tags that differ only in case are equal."""
    first_spellings: dict[str, str] = {}
    for tag in tags:
        if tag := tag.strip():
            first_spellings.setdefault(tag.casefold(), tag)
    return list(first_spellings.values())
