"""Read the rows of a sheet as a stream: the texts of its cells, and what a person should know of them."""

import re
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from string import ascii_letters, digits
from typing import IO, NamedTuple

from crm.runtime.lazy_module import LazyModule
from leads.importing.files.cell_formats import CellFormat, format_number, make_formats
from leads.importing.files.shared_texts import SharedTexts, decode_text, open_shared_texts
from leads.importing.files.workbooks import MAX_SHEET_SIZE, Sheet, Workbook
from leads.importing.files.xml_stream import MAX_TEXT_LENGTH, DamagedXml, XmlStream

# Only an import of a workbook needs it, and every command would wait for its import.
openpyxl_utils = LazyModule("openpyxl.utils")
ISO_MIDNIGHT = re.compile(r"T00:00(:00(\.0+)?)?Z?$")
# The last column that Excel has, counted from 0.
MAX_COLUMN = 16_383
BOOLEANS = {"1": "TRUE", "0": "FALSE", "true": "TRUE", "false": "FALSE"}
TRUE_VALUES = frozenset({"1", "true"})


class SheetRow(NamedTuple):
    """A row of a sheet: its number, and the texts of its filled cells by column, counted from 0.

    `errors` holds the cells that show an error instead.
    """

    number: int
    cells: dict[int, str]
    errors: dict[int, str]


@dataclass
class SheetFacts:
    """What was met below the column names of a sheet; `merged_ranges` are known at its end."""

    missing_values: int = 0
    hidden_rows: int = 0
    merged_ranges: int = 0


class SheetReader(XmlStream):
    """Turn the XML of a sheet into rows. Only what is below `header_row` becomes part of the facts."""

    def __init__(
        self, source: IO[bytes], texts: SharedTexts | None, formats: list[CellFormat], header_row: int
    ) -> None:
        super().__init__(source)
        self.facts, self._header_row = SheetFacts(), header_row
        # Cells name their format by its place, as text.
        self._formats = {str(place): number_format for place, number_format in enumerate(formats)}
        self._text_by_kind: dict[str, Callable[[str], str]] = {
            "n": lambda value: self._formats.get(self._style, format_number)(value),
            "s": texts.get if texts else refuse_shared_text,
            "b": lambda value: BOOLEANS.get(value, value),
            "d": lambda value: ISO_MIDNIGHT.sub("", value).replace("T", " "),
        }
        self._rows: list[SheetRow] = []
        self._columns: dict[str, int] = {}
        self._number, self._column = 0, -1
        self._cells: dict[int, str] = {}
        self._errors: dict[int, str] = {}
        self._kind = self._style = self._value = ""
        self._has_formula = self._is_phonetic = self._is_hidden = False

    def rows(self) -> Iterator[SheetRow]:
        """Yield the rows with filled cells.

        Raises:
            DamagedXml: the sheet cannot be read.
        """
        for _ in self.parse():
            yield from self._rows
            self._rows.clear()
            if len(self._value) + sum(map(len, self._cells.values())) > MAX_TEXT_LENGTH:
                raise DamagedXml(f"row {self._number} is too long")

    def start_element(self, tag: str, attributes: dict[str, str]) -> None:
        self.depth += 1
        self.texts.clear()
        if tag == "c":
            letters = attributes.get("r", "").rstrip(digits)
            column = self._columns.get(letters)
            self._column = self._find_column(letters) if column is None else column
            self._kind, self._style = attributes.get("t", "n"), attributes.get("s", "0")
            self._value, self._has_formula = "", False
        elif tag == "row":
            self._start_row(attributes)
        elif tag == "f":
            self._has_formula = True
        elif tag == "rPh":
            self._is_phonetic = True
        elif tag == "mergeCell":
            last = attributes.get("ref", "").rpartition(":")[2].lstrip(ascii_letters)
            self.facts.merged_ranges += last.isdecimal() and int(last) > self._header_row

    def _start_row(self, attributes: dict[str, str]) -> None:
        number = attributes.get("r", "")
        self._number = int(number) if number.isdecimal() else self._number + 1
        self._column = -1
        self._cells, self._errors = {}, {}
        self._is_hidden = attributes.get("hidden") in TRUE_VALUES

    def _find_column(self, letters: str) -> int:
        """Return the column with these letters; without them, a cell follows the last one."""
        if not letters and self._column < MAX_COLUMN:
            return self._column + 1
        try:
            self._columns[letters] = openpyxl_utils.column_index_from_string(letters) - 1
        except ValueError as error:
            raise DamagedXml(f"there is no column {letters[:20]}") from error
        return self._columns[letters]

    def end_element(self, tag: str) -> None:
        self.depth -= 1
        if tag == "v" or (tag == "t" and not self._is_phonetic):
            # A text with several formats has several parts.
            self._value += "".join(self.texts)
        elif tag == "c":
            if self._value:
                self._end_cell()
            elif self._has_formula and self._kind != "str" and self._number > self._header_row:
                self.facts.missing_values += 1
        elif tag == "row":
            if self._cells or self._errors:
                self.facts.hidden_rows += self._is_hidden and self._number > self._header_row
                self._rows.append(SheetRow(self._number, self._cells, self._errors))
        elif tag == "rPh":
            self._is_phonetic = False

    def _end_cell(self) -> None:
        if self._kind == "e":
            self._errors[self._column] = self._value
            return
        text = self._text_by_kind.get(self._kind, decode_text)(self._value)
        if text and not text.isspace():
            self._cells[self._column] = text


def refuse_shared_text(raw: str) -> str:
    raise DamagedXml("its texts are missing")


@contextmanager
def open_sheet(workbook: Workbook, sheet: Sheet, header_row: int = 0) -> Iterator[SheetReader]:
    """Open the rows of `sheet`; its column names are in `header_row`."""
    formats = make_formats(workbook.formats, counts_from_1904=workbook.counts_from_1904)
    with open_shared_texts(workbook) as texts, workbook.open_part(sheet.part, MAX_SHEET_SIZE) as part:
        yield SheetReader(part, texts, formats, header_row)
