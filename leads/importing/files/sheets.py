"""Read a sheet of a workbook as a table: which sheet, its column names, and its rows with their numbers in Excel."""

import itertools
from collections.abc import Iterable, Iterator
from dataclasses import dataclass, field
from functools import cached_property
from pathlib import Path
from typing import Any, ClassVar

from django.template.defaultfilters import pluralize

from crm.exceptions import InvalidInput
from leads.importing.files.sheet_rows import SheetFacts, SheetRow, open_sheet
from leads.importing.files.tables import SAMPLE_ROWS, TableFile, TableRow, encode_cells, make_column_names
from leads.importing.files.workbooks import Sheet, Workbook, open_workbook

# A sheet that begins with so many empty rows counts as an empty one, so that no page reads a million of them.
MAX_BLANK_ROWS = 10_000


@dataclass(frozen=True)
class SheetFile(TableFile):
    """A sheet of a workbook with its column names, which are in `header_row`, from `first_column` on.

    `sheets` holds the name of each sheet of the workbook, and whether it is hidden.
    """

    sheet: str
    sheets: tuple[tuple[str, bool], ...]
    header_row: int
    first_column: int
    row_word: ClassVar[str] = "row"
    # What the last complete reading met.
    facts: SheetFacts = field(default_factory=SheetFacts, compare=False)

    def __str__(self) -> str:
        return f"sheet {self.sheet}"

    def encode_cells(self, cells: list[str]) -> str:
        return encode_cells(cells)

    def place(self, line: int) -> str:
        return f"sheet {self.sheet}, row {line}"

    def to_json(self) -> dict[str, Any]:
        return {
            "sheet": self.sheet,
            "sheets": [[*pair] for pair in self.sheets],
            "header_row": self.header_row,
            "first_column": self.first_column,
            "header": self.header,
        }

    @classmethod
    def from_json(cls, path: Path, reading: dict[str, Any]) -> "SheetFile":
        sheets = tuple((name, is_hidden) for name, is_hidden in reading["sheets"])
        return cls(path, reading["header"], reading["sheet"], sheets, reading["header_row"], reading["first_column"])

    def rows(self) -> Iterator[TableRow]:
        with open_workbook(self.path) as workbook:
            sheet = workbook.find_sheet(self.sheet)
            with open_sheet(workbook, sheet, self.header_row) as reader:
                for row in reader.rows():
                    if row.number > self.header_row:
                        yield self._table_row(row)
                self.facts.__dict__.update(vars(reader.facts))

    def sample(self) -> list[TableRow]:
        return self._sample

    @cached_property
    def _sample(self) -> list[TableRow]:
        """Return the first rows; unlike those of a CSV file they take a moment to find."""
        with open_workbook(self.path) as workbook, open_sheet(workbook, workbook.find_sheet(self.sheet)) as reader:
            rows = (row for row in first_rows(reader.rows()) if row.number > self.header_row)
            return [self._table_row(row) for row in itertools.islice(rows, SAMPLE_ROWS)]

    def notices(self) -> list[str]:
        return [*self._describe_facts()]

    def _describe_facts(self) -> Iterator[str]:
        facts = self.facts
        if dict(self.sheets).get(self.sheet):
            yield f"The sheet {self.sheet} is hidden."
        if count := facts.hidden_rows:
            yield f"{count:,} hidden row{pluralize(count)} {pluralize(count, 'was,were')} read too."
        if count := facts.missing_values:
            yield (
                f"{count:,} formula{pluralize(count)} {pluralize(count, 'has,have')} no stored value, so "
                f"{pluralize(count, 'its cell is,their cells are')} empty. Open the file in Excel, save it, and upload "
                "it again."
            )
        if count := facts.merged_ranges:
            yield (
                f"{count:,} group{pluralize(count)} of merged cells: the value stands in the first cell, the others "
                "are empty."
            )

    def _table_row(self, row: SheetRow) -> TableRow:
        """Return the cells of `row` below the column names, and those beside them as further cells."""
        first, width = self.first_column, len(self.header)
        cells = [row.cells.get(column, "") for column in range(first, first + width)]
        inside = sum(first <= column < first + width for column in row.cells)
        if inside < len(row.cells):
            cells += [text for column, text in sorted(row.cells.items()) if not first <= column < first + width]
        errors = tuple((column - first, text) for column, text in row.errors.items() if 0 <= column - first < width)
        return TableRow(row.number, cells, errors=errors)


def first_rows(rows: Iterable[SheetRow]) -> Iterator[SheetRow]:
    """Yield the rows up to a long stretch of empty ones."""
    last = 0
    for row in rows:
        if row.number - last > MAX_BLANK_ROWS:
            return
        yield row
        last = row.number


def open_sheet_file(path: Path, sheet: str = "") -> SheetFile:
    """Find the sheet, its column names and its first rows in the workbook at `path`.

    Without a `sheet`, it is the first one with rows below the column names; a visible one comes before a hidden one.

    Raises:
        InvalidInput: the workbook cannot be read, there is no such sheet, or it is empty.
    """
    with open_workbook(path) as workbook:
        candidates = [workbook.find_sheet(sheet)] if sheet else sorted(workbook.sheets, key=lambda one: one.is_hidden)
        samples = ((one, sample_sheet(workbook, one)) for one in candidates)
        found = next(((one, rows) for one, rows in samples if len(rows) > 1 or (rows and sheet)), None)
        if found is None:
            place = f"The sheet {sheet} of {path.name}" if sheet else path.name
            raise InvalidInput(f"{place} is empty.")
        return make_sheet_file(workbook, *found)


def sample_sheet(workbook: Workbook, sheet: Sheet) -> list[SheetRow]:
    with open_sheet(workbook, sheet) as reader:
        return list(itertools.islice(first_rows(reader.rows()), SAMPLE_ROWS + 1))


def make_sheet_file(workbook: Workbook, sheet: Sheet, rows: list[SheetRow]) -> SheetFile:
    """Return the sheet with the columns that its first rows fill; the first of them names the columns."""
    columns = {column for row in rows for column in (*row.cells, *row.errors)}
    first, last = min(columns), max(columns)
    header = make_column_names([rows[0].cells.get(column, "") for column in range(first, last + 1)])
    sheets = tuple((one.name, one.is_hidden) for one in workbook.sheets)
    return SheetFile(workbook.path, header, sheet.name, sheets, rows[0].number, first)
