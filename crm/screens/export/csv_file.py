"""A table as CSV, in UTF-8."""

import csv
from collections.abc import Iterator
from datetime import date, datetime

from crm.screens.export.columns import CellValue, ExportTable
from crm.text.spreadsheet_cells import escape_formula


class EchoBuffer:
    """A file object with a `write` that returns the text, so that `csv.writer` can stream."""

    def write(self, text: str) -> str:
        return text


def csv_chunks(table: ExportTable) -> Iterator[bytes]:
    """Yield `table` line by line."""
    write = csv.writer(EchoBuffer()).writerow
    # Excel recognises UTF-8 only by the byte order mark.
    yield ("\ufeff" + write([escape_formula(heading) for heading in table.headings])).encode()
    for row in table.rows:
        yield write([csv_cell(value) for value in row]).encode()


def csv_cell(value: CellValue) -> str:
    """Return `value` as the text of a cell: dates in ISO 8601, text that looks like a formula with an apostrophe."""
    if value is None:
        return ""
    if isinstance(value, datetime):
        return value.isoformat(timespec="seconds")
    if isinstance(value, date):
        return value.isoformat()
    return escape_formula(value) if isinstance(value, str) else str(value)
