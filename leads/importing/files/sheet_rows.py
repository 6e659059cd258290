"""Read the rows of a sheet as a stream: the texts of its cells, and what a person should know of them."""

import re
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from string import ascii_letters
from typing import IO, NamedTuple

from openpyxl.utils import column_index_from_string

from leads.importing.files.cell_formats import CellFormat, format_number, make_formats
from leads.importing.files.shared_texts import SharedTexts, decode_text, open_shared_texts
from leads.importing.files.workbooks import MAX_SHEET_SIZE, Sheet, Workbook
from leads.importing.files.xml_stream import DamagedXml, XmlStream

ISO_MIDNIGHT = re.compile(r"T00:00(:00(\.0+)?)?Z?$")
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


class SheetReader:
    """Turn the XML of a sheet into rows. Only what is below `header_row` becomes part of the facts."""

    def __init__(
        self, source: IO[bytes], texts: SharedTexts | None, formats: list[CellFormat], header_row: int
    ) -> None:
        self.facts, self._header_row = SheetFacts(), header_row
        self._texts, self._formats = texts, formats
        self._stream = XmlStream(source, self._start, self._end)
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
        for _ in self._stream.parse():
            yield from self._rows
            self._rows.clear()

    def _start(self, tag: str, attributes: dict[str, str]) -> None:
        if tag == "c":
            self._start_cell(attributes)
        elif tag == "v" or (tag == "t" and not self._is_phonetic):
            self._stream.collect()
        elif tag == "row":
            number = attributes.get("r", "")
            self._number = int(number) if number.isdecimal() else self._number + 1
            self._column = -1
            self._cells, self._errors = {}, {}
            self._is_hidden = attributes.get("hidden") in TRUE_VALUES
        elif tag == "f":
            self._has_formula = True
        elif tag == "rPh":
            self._is_phonetic = True
        elif tag == "mergeCell":
            last = attributes.get("ref", "").rpartition(":")[2].lstrip(ascii_letters)
            self.facts.merged_ranges += last.isdecimal() and int(last) > self._header_row

    def _start_cell(self, attributes: dict[str, str]) -> None:
        letters = attributes.get("r", "").rstrip("0123456789")
        self._column = self._columns.get(letters) if letters in self._columns else self._find_column(letters)
        self._kind, self._style = attributes.get("t", "n"), attributes.get("s", "")
        self._value, self._has_formula = "", False

    def _find_column(self, letters: str) -> int:
        """Return the column with these letters; without them, a cell follows the last one."""
        if not letters:
            return self._column + 1
        try:
            self._columns[letters] = column_index_from_string(letters) - 1
        except ValueError as error:
            raise DamagedXml(f"there is no column {letters[:20]}") from error
        return self._columns[letters]

    def _end(self, tag: str) -> None:
        if tag == "v":
            self._value = self._stream.take_text()
        elif tag == "c":
            self._end_cell()
        elif tag == "t" and not self._is_phonetic:
            # A text with several formats has several parts.
            self._value += self._stream.take_text()
        elif tag == "row":
            if self._cells or self._errors:
                self.facts.hidden_rows += self._is_hidden and self._number > self._header_row
                self._rows.append(SheetRow(self._number, self._cells, self._errors))
        elif tag == "rPh":
            self._is_phonetic = False

    def _end_cell(self) -> None:
        value = self._value
        if not value:
            self.facts.missing_values += self._has_formula and self._kind != "str" and self._number > self._header_row
        elif self._kind == "e":
            self._errors[self._column] = value
        else:
            text = self._cell_text(value)
            if text and not text.isspace():
                self._cells[self._column] = text

    def _cell_text(self, value: str) -> str:
        kind = self._kind
        if kind == "s":
            if self._texts is None:
                raise DamagedXml("its texts are missing")
            return self._texts.get(value)
        if kind == "n":
            style = int(self._style) if self._style.isdecimal() else 0
            return self._formats[style](value) if style < len(self._formats) else format_number(value)
        if kind == "b":
            return BOOLEANS.get(value, value)
        if kind == "d":
            return ISO_MIDNIGHT.sub("", value).replace("T", " ")
        return decode_text(value)


@contextmanager
def open_sheet(workbook: Workbook, sheet: Sheet, header_row: int = 0) -> Iterator[SheetReader]:
    """Open the rows of `sheet`; its column names are in `header_row`."""
    formats = make_formats(workbook.formats, counts_from_1904=workbook.counts_from_1904)
    with open_shared_texts(workbook) as texts, workbook.open_part(sheet.part, MAX_SHEET_SIZE) as part:
        yield SheetReader(part, texts, formats, header_row)
