"""Read the stages, sources and loss reasons of other systems. Pure: no database."""

import re
from collections.abc import Collection, Mapping
from dataclasses import dataclass
from typing import Any, NamedTuple

from leads.importing.cells import ChoiceParser, normalize_name
from leads.importing.exceptions import AmbiguousCell, InvalidCell
from leads.importing.synonyms import (
    CLOSED_STAGE_SYNONYMS,
    ENDED_WORDS,
    FIRST_STAGE_SYNONYMS,
    NEGATIONS,
    SOURCE_SYNONYMS,
    plain_name,
)
from leads.models import Source

STAGE_NAME_SYNONYMS = {
    **{name: category for category, names in CLOSED_STAGE_SYNONYMS.items() for name in names.split()},
    **dict.fromkeys(FIRST_STAGE_SYNONYMS, "open"),
}
SOURCE_NAME_SYNONYMS = {name: source for source, names in SOURCE_SYNONYMS.items() for name in names.split()}
OWN_SOURCE_NAMES = {plain_name(str(name)): value for value, label in Source.choices for name in (value, label)}
PIPELINE_NUMBER = re.compile(r"^\W*\d+\W+|\W+\d+\s*%?\W*$")


class Renamed(NamedTuple):
    """A value that the cell calls by another name, which is worth keeping."""

    value: Any


@dataclass(frozen=True)
class StageParser:
    """Look up a stage by our own names, else by what other systems call it.

    `first_by_category` holds the first stage of each category. A name that says that the lead is over, but not how,
    is ambiguous: read as an open stage, it would bring the lead back to life.
    """

    options: Mapping[str, str]
    first_by_category: Mapping[str, str]
    error_message: str

    def __call__(self, text: str) -> str | Renamed:
        if stage := self.options.get(normalize_name(text)):
            return stage
        for name in (text, PIPELINE_NUMBER.sub("", text)):
            if stage := self.first_by_category.get(STAGE_NAME_SYNONYMS.get(plain_name(name), "")):
                return Renamed(stage)
        words = {plain_name(word) for word in re.split(r"[\W_]+", text)}
        if not words.isdisjoint(ENDED_WORDS) and words.isdisjoint(NEGATIONS):
            raise AmbiguousCell("is a stage of ended leads, but does not say how they ended", "value")
        raise InvalidCell(self.error_message)


def parse_source(text: str) -> str | Renamed:
    """Return our source for `text`; one by another name is kept as the detail of the source."""
    plain = plain_name(text)
    if value := OWN_SOURCE_NAMES.get(plain):
        return value
    if source := SOURCE_NAME_SYNONYMS.get(plain):
        return Renamed(source)
    raise InvalidCell(f"is not one of: {', '.join(str(label) for label in Source.labels)}")


def choice_parser(choices: Collection[tuple[str, str]], **aliases: str) -> ChoiceParser:
    """Return a parser that accepts `choices`, pairs of value and label, by either, and by `aliases`."""
    options = {normalize_name(name): value for value, label in choices for name in (value, label)}
    names = ", ".join(str(label) for _, label in choices)
    return ChoiceParser({**options, **aliases}, f"is not one of: {names}")
