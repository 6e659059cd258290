"""Write rows to a CSV file or a workbook, as the end of its name says."""

import csv
from collections.abc import Iterator
from contextlib import contextmanager
from decimal import Decimal
from pathlib import Path
from tempfile import TemporaryFile
from typing import Any, Protocol, TextIO

from crm.exceptions import InvalidInput
from crm.screens.export.columns import CellValue, ExportTable
from crm.screens.export.xlsx_file import xlsx_chunks
from crm.text.spreadsheet_cells import mark_as_text
from leads.importing.files.tables import NumberText, decode_cells, encode_cells

WORKBOOK_SUFFIX = ".xlsx"


class RowWriter(Protocol):
    """Takes the rows of a file one by one, the names of the columns first."""

    def writerow(self, row: list[Any]) -> Any:
        """Write one row."""


@contextmanager
def open_writer(kind: str, path: Path, target: Path) -> Iterator[RowWriter]:
    """Open the file `target` for writing. `kind` is what messages call it.

    Raises:
        InvalidInput: it cannot be written, or is the imported file at `path`.
    """
    if target.exists() and target.samefile(path):
        raise InvalidInput(f"The {kind} {target} would overwrite the imported file. Choose another name.")
    is_workbook = target.suffix.lower() == WORKBOOK_SUFFIX
    try:
        # Spreadsheets recognise UTF-8 by the byte order mark.
        file = (
            target.open("wb") if is_workbook else target.open("w", encoding="utf-8-sig", errors="replace", newline="")
        )
    except OSError as error:
        raise InvalidInput(f"The {kind} {target} cannot be written: {error.strerror}.") from error
    with file:
        if not is_workbook:
            yield MarkedRows(csv.writer(file))
            return
        with TemporaryFile("w+", encoding="utf-8", errors="replace", dir=target.parent) as spool:
            writer = SpooledRows(spool)
            yield writer
            for chunk in writer.workbook(kind):
                file.write(chunk)


class MarkedRows:
    """Write rows to a CSV file in which no text runs as a formula."""

    def __init__(self, writer: RowWriter) -> None:
        self.writer = writer

    def writerow(self, row: list[Any]) -> None:
        self.writer.writerow([mark_as_text(cell) if isinstance(cell, str) else cell for cell in row])


class SpooledRows:
    """Keep rows in a temporary file until all are known: a workbook begins with the widths of its columns."""

    def __init__(self, spool: TextIO) -> None:
        self.spool, self.count, self.width = spool, 0, 0

    def writerow(self, row: list[Any]) -> None:
        self.spool.write(f"{encode_cells(row)}\n")
        self.count += 1
        self.width = max(self.width, len(row))

    def workbook(self, title: str) -> Iterator[bytes]:
        """Yield the rows as a workbook with one sheet, all of them as wide as the widest."""
        self.spool.seek(0)
        cells = map(decode_cells, self.spool)
        rows = ([cell_value(cell) for cell in row] + [None] * (self.width - len(row)) for row in cells)
        headings = ["" if cell is None else str(cell) for cell in next(rows, [])]
        return xlsx_chunks(ExportTable(headings, rows), title.capitalize(), self.count)


def cell_value(cell: Any) -> CellValue:
    """Return a cell of a file as the value of a cell: a number stays one, if that changes no digit of it."""
    if isinstance(cell, NumberText):
        number = Decimal(str(cell))
        return number if f"{number:f}" == cell else str(cell)
    return cell
