"""What came of an import: counts, reasons, and the file of the rows that were left out."""

import csv
import json
from collections import Counter
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from crm.exceptions import BadInput
from leads.importing.columns import ERROR_COLUMNS
from leads.importing.reading import Row
from leads.importing.rows import Refusal
from leads.importing.staging import Duplicate

FIRST = 10


@dataclass(frozen=True)
class Outcome:
    """Rows read = imported + duplicates + refused; `kinds` counts the reasons, `first` quotes some of them."""

    read: int
    imported: int
    duplicates: int
    refused: int
    kinds: Counter[str]
    first: list[str]


class Report:
    """Counts what is left out, and writes it to a file if there is one."""

    def __init__(self, header: list[str], writer: Any | None) -> None:
        self.kinds: Counter[str] = Counter()
        self.first: list[str] = []
        self.refused = 0
        self.writer = writer
        # A corrected error file that is imported again keeps its two columns, and one of each.
        self.offset = len(ERROR_COLUMNS) if header[: len(ERROR_COLUMNS)] == ERROR_COLUMNS else 0
        if writer:
            writer.writerow([*ERROR_COLUMNS, *header[self.offset :]])

    @property
    def wants_cells(self) -> bool:
        return self.writer is not None

    def refuse(self, row: Row, refusal: Refusal) -> None:
        self.refused += 1
        self._note(row.line, str(refusal), refusal.kind, row.cells)

    def duplicate(self, duplicate: Duplicate) -> None:
        cells = json.loads(duplicate.cells) if self.writer else []
        self._note(duplicate.line, duplicate.reason, duplicate.kind, cells)

    def _note(self, line: int, reason: str, kind: str, cells: list[str]) -> None:
        self.kinds[kind] += 1
        if len(self.first) < FIRST:
            self.first.append(f"line {line}: {reason}")
        if self.writer:
            self.writer.writerow([line, reason, *cells[self.offset :]])


@contextmanager
def reporting(header: list[str], path: Path, errors: Path | None) -> Iterator[Report]:
    """A report on the import of `path`, which writes to the file `errors` if one is given.

    Raises:
        BadInput: the error file cannot be written, or is the file that is imported.
    """
    if errors is None:
        yield Report(header, None)
        return
    if errors.exists() and errors.samefile(path):
        raise BadInput("The error file must not be the file that is imported: it would be overwritten.")
    try:
        # With the mark by which a spreadsheet knows UTF-8.
        file = errors.open("w", encoding="utf-8-sig", errors="replace", newline="")
    except OSError as error:
        raise BadInput(f"The error file {errors} cannot be written: {error.strerror}.") from error
    with file:
        yield Report(header, csv.writer(file))
