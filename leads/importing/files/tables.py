"""What a CSV file and a sheet of a workbook have in common: column names, and rows that can be read again."""

import itertools
import json
import re
from abc import ABC, abstractmethod
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any, ClassVar, NamedTuple, Self

from crm.exceptions import InvalidInput

SAMPLE_ROWS = 1000
# In characters.
MAX_SAMPLE_LENGTH = 10_000_000
# Every column without a field becomes a custom field of every lead.
MAX_COLUMNS = 2000
# The database cannot store a zero byte; the other characters are always damage.
FORBIDDEN_CHARACTERS = re.compile("[\x00-\x08\x0e-\x1f\x7f\ud800-\udfff]")


class NumberText(str):
    """A number that a workbook stores as a number: it has one reading, and says nothing about the text of others."""

    __slots__ = ()

    def strip(self, characters: str | None = None) -> Self:
        return self


encode_json = json.JSONEncoder(ensure_ascii=False).encode


def encode_cells(cells: list[Any]) -> str:
    """Return cells as JSON in which a stored number is a list of one text, so that it stays one."""
    return encode_json([[str(cell)] if isinstance(cell, NumberText) else cell for cell in cells])


def decode_cells(text: str) -> list[Any]:
    """Return the cells that `encode_cells` has written."""
    return [NumberText(cell[0]) if isinstance(cell, list) else cell for cell in json.loads(text)]


class TableRow(NamedTuple):
    """A row of a file, with its line in the file or its row in the sheet.

    If it cannot be read, its only cell is its text, and `fault` says what is wrong. `errors` are the cells that show
    an error instead of a value: index and text, such as #N/A. Such a cell is empty in `cells`.
    """

    line: int
    cells: list[str]
    fault: str = ""
    errors: tuple[tuple[int, str], ...] = ()


@dataclass(frozen=True)
class TableFile(ABC):
    """A file with column names and rows."""

    path: Path
    header: list[str]
    # What the number of a row counts.
    row_word: ClassVar[str]

    @abstractmethod
    def rows(self) -> Iterator[TableRow]:
        """Yield every row below the column names, except blank ones."""

    @abstractmethod
    def to_json(self) -> dict[str, Any]:
        """Return how the file is read, so that a later request need not detect it again."""

    @abstractmethod
    def __str__(self) -> str:
        """Return how the file is read, in words."""

    def sample(self) -> list[TableRow]:
        """Return the first rows: at most `SAMPLE_ROWS`, and fewer if they are very long."""
        rows, length = [], 0
        for row in itertools.islice(self.rows(), SAMPLE_ROWS):
            rows.append(row)
            length += sum(map(len, row.cells))
            if length > MAX_SAMPLE_LENGTH:
                break
        return rows

    def encode_cells(self, cells: list[str]) -> str:
        """Return the cells of a row as JSON, for the file with the skipped rows."""
        return encode_json(cells)

    def place(self, line: int) -> str:
        """Return where the row with the number `line` stands."""
        return f"{self.row_word} {line}"

    def notices(self) -> list[str]:
        """Return sentences about what the last reading of the rows left out or could not see."""
        return []

    def encoding_samples(self, count: int) -> list[dict[str, str]]:
        """Return the first `count` lines that likely encodings read differently, each as a text by encoding."""
        return []


def make_column_names(cells: list[str]) -> list[str]:
    """Return distinct names for the cells of the first row: `Notes`, `Notes (2)`, `Column 3` for a blank cell.

    Raises:
        InvalidInput: there are too many columns, or a name has an invalid character.
    """
    if len(cells) > MAX_COLUMNS:
        raise InvalidInput(
            f"The file has {len(cells):,} columns, and at most {MAX_COLUMNS:,} can be imported. "
            "Delete those that are not needed."
        )
    names: dict[str, None] = {}
    for place, cell in enumerate(cells, start=1):
        if FORBIDDEN_CHARACTERS.search(cell):
            raise InvalidInput(f"The name of column {place} has an invalid character: {cell[:40]!r}.")
        name = base = " ".join(cell.split()) or f"Column {place}"
        copy = 2
        while name in names:
            name, copy = f"{base} ({copy})", copy + 1
        names[name] = None
    return list(names)
