"""Guess which columns of a file are which fields, by their names and their cells. Pure: no database."""

import itertools
from collections.abc import Callable, Collection, Iterable, Mapping
from dataclasses import dataclass, field

from crm.screens.export.columns import CUSTOM_FIELD_PREFIX
from leads.importing.synonyms import BARE_NAMES, FIELD_SYNONYMS, plain_name
from leads.importing.tables.fields import NAME_PARTS, TableFields

NAMED, CELLS_FIT = "by its name", "by its name and cells"
# Takes a field and the texts of a column, and returns whether one of the texts can be a value of the field.
CellsMatchField = Callable[[str, list[str]], bool]


@dataclass(frozen=True)
class KnownHeadings:
    """Names of columns that are no fields of the table.

    `questions` maps the headings of questions to them, `history` the names of columns, as `plain_name` writes them, to
    what these say of the past of a lead. `custom_key_of` returns the key of the custom field that a column is
    named after, or nothing.
    """

    questions: Mapping[str, str] = field(default_factory=dict)
    history: Mapping[str, str] = field(default_factory=dict)
    custom_key_of: Callable[[str], str] = lambda column: ""
    own_names: frozenset[str] = frozenset()

    @property
    def targets(self) -> frozenset[str]:
        return frozenset({*self.questions.values(), *self.history.values()})


NO_HEADINGS = KnownHeadings()


def guess_columns(
    header: list[str],
    rows: list[list[str]],
    cells_match: CellsMatchField,
    headings: KnownHeadings,
    *,
    fields: TableFields,
    mapped: Collection[int],
    used: set[str],
) -> tuple["ColumnGuesses", dict[int, str]]:
    """Return the guesses for the columns that are not `mapped`, and the custom fields of others, by index.

    `used` are the fields that have a source already.
    """
    asked = find_questions(header, headings.questions, used={*mapped, *used})
    open_columns = [index for index in range(len(header)) if index not in {*mapped, *asked}]
    keys = find_custom_fields(header, open_columns, headings.custom_key_of)
    asked |= find_history(header, headings.history, rows, cells_match, used={*mapped, *used, *asked, *keys})
    unmapped = {index: plain_name(header[index]) for index in open_columns if index not in asked}
    others = {index: name for index, name in unmapped.items() if index not in keys}
    guesses = ColumnGuesses(others, rows, cells_match, used=used, asked=asked, fields=fields)
    guesses.add_first_columns({index: unmapped[index] for index in keys if unmapped[index] in headings.own_names})
    if fields.identifying.isdisjoint({*used, *guesses.columns}):
        guesses.add_first_columns({index: unmapped[index] for index in keys}, among=fields.identifying)
    keys = unused_keys(keys, header, others, guesses)
    guesses.reasons.update(dict.fromkeys(keys, NAMED))
    return guesses, keys


def find_questions(header: list[str], questions: Mapping[str, str], used: set[int | str]) -> dict[int, str]:
    """Return the questions that columns have as their heading, by index, except `used` columns and questions."""
    asked: dict[int, str] = {}
    taken = {*used}
    for index, name in enumerate(header):
        target = questions.get(" ".join(name.split()).casefold())
        if target and taken.isdisjoint((index, target)):
            asked[index] = target
            taken.add(target)
    return asked


def find_custom_fields(
    header: list[str], indexes: Iterable[int], custom_key_of: Callable[[str], str]
) -> dict[int, str]:
    """Return the custom fields that columns are named after, by index; of several columns the most explicit."""
    found: dict[int, str] = {}
    for index in sorted(indexes, key=lambda index: not header[index].startswith(CUSTOM_FIELD_PREFIX)):
        key = custom_key_of(header[index])
        if key and key not in found.values():
            found[index] = key
    return found


def unused_keys(
    keys: Mapping[int, str], header: list[str], others: Iterable[int], guesses: "ColumnGuesses"
) -> dict[int, str]:
    """Return the custom fields of columns that no field needs. A column with the key itself as its name comes first."""
    names = {header[index] for index in others if index not in guesses.reasons}
    return {index: key for index, key in keys.items() if index not in guesses.reasons and key not in names}


def find_history(
    header: list[str],
    history: Mapping[str, str],
    rows: list[list[str]],
    cells_match: CellsMatchField,
    *,
    used: set[int | str],
) -> dict[int, str]:
    """Return what columns say of the past of a lead, by index, except `used` columns and targets. Their cells fit."""
    names = {index: plain_name(name) for index, name in enumerate(header)}
    found: dict[int, str] = {}
    for index, name in names.items():
        target = history.get(name, "")
        if target and used.isdisjoint((index, target)) and target not in found.values():
            texts = non_blank_cells(rows, index)
            if texts and cells_match(target, texts):
                found[index] = target
    return found


class ColumnGuesses:
    """Guess a column for each field that has none.

    `unmapped` maps the index of a column to its plain name, `asked` that of a column to the question that it answers.
    """

    def __init__(
        self,
        unmapped: Mapping[int, str],
        rows: list[list[str]],
        cells_match: CellsMatchField,
        *,
        used: set[str],
        asked: Mapping[int, str],
        fields: TableFields,
    ) -> None:
        self.unmapped, self.rows, self.cells_match, self.fields = unmapped, rows, cells_match, fields
        self.used = used
        self.columns: dict[str, int] = {target: index for index, target in asked.items()}
        self.alternatives: dict[str, tuple[int, ...]] = {}
        self.reasons: dict[int, str] = dict.fromkeys(asked, NAMED)
        if fields.full_name and used.isdisjoint({fields.full_name, *NAME_PARTS}):
            self.columns.update(resolve_bare_name(unmapped, rows))
            self.reasons.update(dict.fromkeys(self.columns.values(), NAMED))
        for target in fields.targets:
            if target not in self.columns and not fields.conflicts_with_name_parts(target, {*used, *self.columns}):
                self.guess(target, has_column=target in used)

    def add_first_columns(self, unmapped: Mapping[int, str], among: Collection[str] = ()) -> None:
        """Find a column among `unmapped` for each field that still has none, of those in `among` if given."""
        before, self.unmapped = self.unmapped, unmapped
        for target in self.fields.targets:
            taken = {*self.used, *self.columns}
            is_wanted = target not in taken and (target in among or not among)
            if is_wanted and not self.fields.conflicts_with_name_parts(target, taken):
                self.columns.update((target, index) for index in itertools.islice(self.candidates(target), 1))
        self.unmapped = before

    def guess(self, target: str, *, has_column: bool) -> None:
        """Find the columns of `target`; with `has_column`, only further ones."""
        is_like = target in self.fields.alike or target in self.fields.consent
        if has_column and not is_like:
            return
        found = list(itertools.islice(self.candidates(target), None if is_like else 1))
        if found and not has_column:
            self.columns[target] = found.pop(0)
        if found:
            self.alternatives[target] = tuple(found)

    def candidates(self, target: str) -> Iterable[int]:
        """Yield the columns that can be `target`, the likeliest first."""
        taken = {*self.columns.values(), *itertools.chain.from_iterable(self.alternatives.values())}
        indexes = {name: index for index, name in reversed(self.unmapped.items()) if index not in taken}
        for name in self.fields.synonyms.get(target, "").split():
            if name in indexes:
                self.reasons.setdefault(indexes[name], NAMED)
                yield indexes.pop(name)
        for name in self.fields.ambiguous.get(target, "").split():
            if name in indexes and self.cells_match(target, non_blank_cells(self.rows, indexes[name])):
                self.reasons.setdefault(indexes[name], CELLS_FIT)
                yield indexes.pop(name)


def resolve_bare_name(unmapped: Mapping[int, str], rows: list[list[str]]) -> dict[str, int]:
    """Return the meaning of a column called just “name”, in any language, beside a given or a family name."""
    indexes = {name: index for index, name in reversed(unmapped.items())}
    bare = next((indexes[name] for name in indexes if name in BARE_NAMES), None)
    given, family = (
        next((indexes[name] for name in FIELD_SYNONYMS[part].split() if name in indexes), None)
        for part in ("first_name", "last_name")
    )
    if bare is None or (given is None) == (family is None):
        return {}
    if given is None:
        return {} if repeats_cells(rows, bare, family) else {"first_name": bare, "last_name": family}
    return {} if repeats_cells(rows, bare, given) else {"first_name": given, "last_name": bare}


def repeats_cells(rows: list[list[str]], whole: int, part: int) -> bool:
    """Return whether the cells of the column `whole` contain those of the column `part`."""
    pairs = [(cells[whole], cells[part]) for cells in rows if max(whole, part) < len(cells)]
    pairs = [(text, piece) for text, piece in pairs if text.strip() and piece.strip()]
    return 2 * sum(piece.strip().casefold() in text.casefold() for text, piece in pairs) > len(pairs)


def non_blank_cells(rows: list[list[str]], index: int) -> list[str]:
    """Return the stripped cells of a column of `rows`, without the blank ones."""
    return [text for cells in rows if index < len(cells) and (text := cells[index].strip())]
