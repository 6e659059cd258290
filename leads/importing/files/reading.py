"""Read a CSV file: its dialect, its column names, and its rows with their line numbers."""

import codecs
import csv
import io
import re
from collections import deque
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any, ClassVar, TextIO

from crm.exceptions import InvalidInput
from leads.importing.files.decoding import (
    BLOCK_SIZE,
    BROKEN_BYTES_HANDLER,
    detect_encodings,
    differing_lines,
    read_text_head,
)
from leads.importing.files.tables import TableFile, TableRow, make_column_names

DELIMITERS = ",;\t|"
# In characters. Limits how much of a file is held in memory.
MAX_ROW_LENGTH = 1024 * 1024

EXCEL_SEPARATOR_PATTERN = re.compile(r'"?sep=(.)"?\s*$', re.IGNORECASE)
ALL_IN_SINGLE_QUOTES_PATTERN = re.compile(r"'[^']*'([,;\t|]'[^']*')*\s*$")
# A backslash before a quote that does not end a cell.
BACKSLASHED_QUOTE_PATTERN = re.compile(r'(?<!\\)\\"(?!["\r\n,;\t|]|$)')

FAULT_MESSAGES = {
    "unexpected end of data": "has an opening quote that is never closed; the file may be cut off",
    "field larger": "has a cell with more than 131,072 characters, or a quote that is never closed",
    "' expected after '": "has text after a closing quote",
}


@dataclass(frozen=True)
class Dialect:
    """How cells are separated and quoted."""

    delimiter: str = ","
    quote: str = '"'
    escape: str | None = None

    def __str__(self) -> str:
        return {"\t": "tab"}.get(self.delimiter, f"“{self.delimiter}”")

    def reader(self, lines: Iterator[str]) -> Iterator[list[str]]:
        return csv.reader(
            lines,
            delimiter=self.delimiter,
            quotechar=self.quote,
            escapechar=self.escape,
            doublequote=True,
            strict=True,
        )


@dataclass(frozen=True)
class CsvFile(TableFile):
    """A CSV file with its encoding, dialect and column names. Its rows can be read any number of times.

    `other_encodings` explain its letters as well as `encoding` does, and give other letters. With `is_sampled`, only
    the beginning of the file has shown the encoding.
    """

    encoding: str
    dialect: Dialect
    other_encodings: tuple[str, ...] = ()
    is_sampled: bool = False
    row_word: ClassVar[str] = "line"

    def __str__(self) -> str:
        return f"{self.encoding}, columns separated by {self.dialect}"

    def to_json(self) -> dict[str, Any]:
        dialect = [self.dialect.delimiter, self.dialect.quote, self.dialect.escape]
        return {
            "encoding": self.encoding,
            "other_encodings": [*self.other_encodings],
            "dialect": dialect,
            "header": self.header,
            "is_sampled": self.is_sampled,
        }

    @classmethod
    def from_json(cls, path: Path, reading: dict[str, Any]) -> "CsvFile":
        return cls(
            path,
            reading["header"],
            reading["encoding"],
            Dialect(*reading["dialect"]),
            tuple(reading["other_encodings"]),
            reading.get("is_sampled", False),
        )

    def encoding_samples(self, count: int) -> list[dict[str, str]]:
        if not self.other_encodings:
            return []
        return differing_lines(self.path, [self.encoding, *self.other_encodings], count)

    def rows(self) -> Iterator[TableRow]:
        rows = self._all_rows()
        next(rows)
        return map(self._unwrap, rows)

    def _unwrap(self, row: TableRow) -> TableRow:
        """Return the cells of a row that a program has put into quotes as a whole; other rows as they are."""
        if len(row.cells) != 1 or len(self.header) == 1 or row.fault:
            return row
        cells = unwrap_cells(row.cells, self.dialect)
        return TableRow(row.line, cells) if len(cells) == len(self.header) else row

    def _all_rows(self) -> Iterator[TableRow]:
        with open_csv_text(self.path, self.encoding) as text:
            yield from read_rows(text, self.dialect)


def open_csv(path: Path, encoding: str | None = None, delimiter: str = "", limit: int | None = None) -> CsvFile:
    """Detect the encoding, the dialect and the column names of the file at `path`.

    An `encoding` or a `delimiter` that a person chose is not detected. With a `limit`, the encoding is that of so many
    bytes at the beginning.

    Raises:
        InvalidInput: the file cannot be read, is empty or not text, or its first row does not name columns.
    """
    is_sampled = not encoding and limit is not None
    try:
        is_sampled = is_sampled and path.stat().st_size > limit
        encoding, *others = [chosen_encoding(path, encoding)] if encoding else detect_encodings(path, limit)
        with open_csv_text(path, encoding) as text:
            dialect = detect_dialect(text.read(BLOCK_SIZE))
            dialect = replace(dialect, delimiter=delimiter) if delimiter else dialect
            text.seek(0)
            first = next(read_rows(text, dialect), None)
    except OSError as error:
        raise InvalidInput(f"{path} cannot be read: {error.strerror}.") from error
    if first is None:
        raise InvalidInput(f"{path.name} is empty.")
    if first.fault:
        raise InvalidInput(f"The column names of {path.name} cannot be read: line {first.line} {first.fault}.")
    header = make_column_names(unwrap_cells(first.cells, dialect))
    return CsvFile(path, header, encoding, dialect, tuple(others), is_sampled)


def chosen_encoding(path: Path, name: str) -> str:
    """Return the encoding that a person chose for the file at `path`.

    Raises:
        InvalidInput: there is no such encoding, or the file is not text.
        OSError: the file cannot be read.
    """
    read_text_head(path)
    try:
        "".encode(name)
    except LookupError as error:
        raise InvalidInput(f"There is no encoding “{name}”. Use for example utf-8 or cp1252.") from error
    return "utf-8-sig" if codecs.lookup(name).name == "utf-8" else name


@contextmanager
def open_csv_text(path: Path, encoding: str) -> Iterator[TextIO]:
    with path.open(encoding=encoding, errors=BROKEN_BYTES_HANDLER, newline="") as text:
        yield text


class CountedLines:
    """Iterate over the lines of a text and count them. The lines of the current row can be put back."""

    def __init__(self, text: TextIO) -> None:
        self._text = text
        self._row_lines: list[str] = []
        self._returned_lines: deque[str] = deque()
        self._characters = 0
        self.number = 0

    def __iter__(self) -> "CountedLines":
        return self

    def __next__(self) -> str:
        line = self._returned_lines.popleft() if self._returned_lines else self._text.readline(MAX_ROW_LENGTH + 1)
        if not line:
            raise StopIteration
        self.number += 1
        self._row_lines.append(line)
        self._characters += len(line)
        if self._characters > MAX_ROW_LENGTH:
            begin = self.number - len(self._row_lines) + 1
            raise InvalidInput(
                f"The row on line {begin} has more than {MAX_ROW_LENGTH:,} characters. Is this a CSV file?"
            )
        return line

    def begin_row(self) -> int:
        """Start a new row and return the number of its first line."""
        self._row_lines.clear()
        self._characters = 0
        return self.number + 1

    def abandon_row(self) -> str:
        """Return the first line of the row, and put back the others to be read as rows of their own."""
        first, *rest = self._row_lines
        self._returned_lines.extendleft(reversed(rest))
        self.number -= len(rest)
        return first


def read_rows(text: TextIO, dialect: Dialect) -> Iterator[TableRow]:
    """Yield every row of `text` that is not blank. A stray quote costs its own line, not those below."""
    lines = CountedLines(text)
    reader = dialect.reader(lines)
    while True:
        line = lines.begin_row()
        try:
            cells = next(reader)
        except StopIteration:
            return
        except csv.Error as error:
            yield TableRow(line, [lines.abandon_row().rstrip("\r\n")], describe_fault(error))
            continue
        if line == 1 and EXCEL_SEPARATOR_PATTERN.match(dialect.delimiter.join(cells)):
            continue
        if any(cell and not cell.isspace() for cell in cells):
            yield TableRow(line, cells)


def describe_fault(error: csv.Error) -> str:
    for beginning, sentence in FAULT_MESSAGES.items():
        if beginning in str(error):
            return sentence
    return f"is not valid CSV ({error})"


def unwrap_cells(cells: list[str], dialect: Dialect) -> list[str]:
    """Return the cells within the only one of `cells`, if a program has put the row into quotes as a whole."""
    if len(cells) != 1:
        return cells
    try:
        return next(dialect.reader(iter(cells)), cells)
    except csv.Error:
        return cells


def detect_dialect(sample: str) -> Dialect:
    """Return the dialect that splits `sample`, the head of a file, into the most regular table."""
    lines = list(io.StringIO(sample, newline=""))
    first = next((line for line in lines if line.strip()), "")
    if match := EXCEL_SEPARATOR_PATTERN.match(first):
        return Dialect(match[1], escape=detect_escape(sample))
    quote = "'" if ALL_IN_SINGLE_QUOTES_PATTERN.match(first) else '"'
    candidates = [Dialect(delimiter, quote, detect_escape(sample)) for delimiter in DELIMITERS]
    # The last line of the sample may be cut off, unless it is the only one.
    lines = lines[:-1] or lines
    best = max(candidates, key=lambda dialect: rate_dialect(lines, dialect))
    if rate_dialect(lines, best)[0]:
        return best
    inner = [f"{cells[0]}\n" for line in lines if len(cells := unwrap_cells([line.rstrip("\r\n")], best)) == 1]
    return max(candidates, key=lambda dialect: rate_dialect(inner, dialect))


def detect_escape(sample: str) -> str | None:
    return "\\" if BACKSLASHED_QUOTE_PATTERN.search(sample) else None


def rate_dialect(lines: list[str], dialect: Dialect) -> tuple[bool, float, int]:
    """Rate how well `dialect` fits: more than one column, then rows as long as the first, then many columns."""
    lengths = []
    # The sample may end within a cell, so rows before an error count.
    with suppress(csv.Error):
        lengths.extend(len(cells) for cells in dialect.reader(iter(lines)) if cells)
    if not lengths or lengths[0] < 2:
        return (False, 0.0, 0)
    return (True, round(lengths.count(lengths[0]) / len(lengths), 1), lengths[0])
