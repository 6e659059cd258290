"""Tags of records."""

from collections.abc import Iterable

from crm.text.cleaning import strip_nul

MAX_TAG_LENGTH = 60


def unique_tags(tags: Iterable[str]) -> list[str]:
    """Return `tags` without blanks and repetitions, as first written. Tags that differ only in case are equal."""
    first_spellings: dict[str, str] = {}
    for tag in tags:
        if tag := tag.strip():
            first_spellings.setdefault(tag.casefold(), tag)
    return list(first_spellings.values())


def clean_tag(tag: str) -> str:
    """Return `tag` as it is stored; empty if it cannot be one: a comma separates tags where people type them."""
    tag = strip_nul(tag).strip()
    return "" if len(tag) > MAX_TAG_LENGTH or "," in tag else tag
