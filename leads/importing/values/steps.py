"""How each field of a record gets its value from a row: the columns or the text it comes from, and its parser. Pure."""

import re
from collections.abc import Callable
from functools import lru_cache
from typing import NamedTuple

from leads.importing.cells import CellParser
from leads.importing.column_guesses import non_blank_cells
from leads.importing.columns import ROW_NUMBER_PLACEHOLDER, TEMPLATE_PLACEHOLDER_PATTERN, ImportPlan
from leads.importing.tables.base import ImportTable
from leads.importing.values.parsers import ImportContext, Notation

MAX_REMEMBERED_TEXTS = 4096
# Where the text of a cell goes that is no value of its field, unless the file fills that field itself.
OVERFLOW_FIELDS = {"source_type": "source_detail", "loss_reason": "loss_notes"}

TextSource = Callable[[list[str], int], str]


class FieldStep(NamedTuple):
    """How one field gets its value: from the first of its sources that is filled and fits.

    A source is the index of a column (-1: none) and a function that returns the text. `values` replaces texts before
    `read` parses them. In free text, a word such as “none” is kept.
    """

    field: str
    sources: tuple[tuple[int, TextSource], ...]
    parse: CellParser
    # `parse`, which remembers the texts of a column that repeats them.
    read: CellParser
    label: str
    source: str
    values: dict[str, str]
    overflow: str
    is_free_text: bool


class StepBuilder:
    """Build the steps that fill the fields of a record."""

    def __init__(
        self,
        table: ImportTable,
        plan: ImportPlan,
        context: ImportContext,
        sample: list[list[str]],
        notation: Notation,
        values: dict[int, dict[str, str]],
    ) -> None:
        self.table, self.plan, self.context, self.sample = table, plan, context, sample
        self.notation, self.values = notation, values
        self.filled = {*plan.columns, *plan.templates}

    def steps(self) -> list[FieldStep]:
        fields, questions = self.plan.fields, [name for name in self.plan.columns if name in self.context.questions]
        return [step for field in (*fields.fields, *fields.consent, *questions) if (step := self.step(field))]

    def step(self, field: str) -> FieldStep | None:
        """Return the step that fills `field`; None if the file has nothing for it."""
        if field in self.plan.templates:
            template = self.plan.templates[field]
            sources = ((-1, template_source(template, self.plan.header)),)
            return self.make(field, sources, [template], label=field, source=f"“{template}”")
        if field == self.plan.fields.full_name and self.plan.name_parts:
            label = " + ".join(self.plan.header[index] for index in self.plan.name_parts)
            return self.make(field, ((-1, joined_source(self.plan.name_parts)),), [], label=label, source=label)
        indexes = self.plan.columns_of(field)
        if not indexes:
            return None
        names = [self.plan.header[index] for index in indexes]
        sources = tuple((index, cell_source(index)) for index in indexes)
        texts = [text for index in indexes for text in non_blank_cells(self.sample, index)]
        return self.make(field, sources, texts, label=names[0], source=", else ".join(names))

    def make(
        self, field: str, sources: tuple[tuple[int, TextSource], ...], texts: list[str], **names: str
    ) -> FieldStep:
        overflow = OVERFLOW_FIELDS.get(field, "")
        values = {text: value for index, _ in sources for text, value in self.values.get(index, {}).items()}
        parse = self.table.parser(field, self.context, texts, self.notation)
        return FieldStep(
            field,
            sources,
            parse,
            lru_cache(MAX_REMEMBERED_TEXTS)(parse) if field in self.plan.fields.repeated else parse,
            values=values,
            overflow="" if overflow in self.filled else overflow,
            is_free_text=field in self.plan.fields.free_text,
            **names,
        )


def cell_source(index: int) -> TextSource:
    return lambda cells, number: cells[index]


def joined_source(indexes: list[int]) -> TextSource:
    return lambda cells, number: " ".join([cells[index] for index in indexes])


def template_source(template: str, header: list[str]) -> TextSource:
    """Return a source that fills `template`: `{Column}` becomes the cell of that column, `{row}` the row number."""
    indexes = {name.casefold(): index for index, name in enumerate(header)}

    def text(cells: list[str], number: int) -> str:
        def cell(match: re.Match[str]) -> str:
            name = " ".join(match[1].split())
            return str(number) if name == ROW_NUMBER_PLACEHOLDER else cells[indexes[name.casefold()]].strip()

        return TEMPLATE_PLACEHOLDER_PATTERN.sub(cell, template)

    return text
