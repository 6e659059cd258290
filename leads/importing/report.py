"""The outcome of an import: counts, reasons, and the error file with the skipped rows."""

import csv
import json
from collections import Counter
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from crm.exceptions import InvalidInput
from leads.importing.columns import ERROR_COLUMNS
from leads.importing.duplicates import DuplicateRow
from leads.importing.exceptions import Question, RowRejected
from leads.importing.files.reading import CsvRow
from leads.importing.preview import ImportPreview

MAX_QUOTED_REASONS = 10


@dataclass(frozen=True)
class ImportOutcome:
    """The counts of an import: rows read = imported + duplicates + rejected.

    `reason_counts` counts the rows by reason; `first_reasons` quotes the first ones, with their lines.
    `doubt_counts` and `first_doubts` do the same for cells that did not fit their field and were kept as custom fields.
    `questions` are what a dry run found that has two readings, `former_imports` the earlier imports of the same file.
    """

    rows_read: int
    imported: int
    duplicates: int
    rejected: int
    reason_counts: Counter[str]
    first_reasons: list[str]
    doubt_counts: Counter[str]
    first_doubts: list[str]
    questions: tuple[Question, ...]
    preview: ImportPreview
    former_imports: tuple[str, ...]


class ImportReport:
    """Count the skipped rows, and write them to the error file if there is one."""

    def __init__(self, header: list[str], writer: Any | None) -> None:
        self.reason_counts: Counter[str] = Counter()
        self.first_reasons: list[str] = []
        self.rejected = 0
        self.writer = writer
        # An error file that is imported again already has these columns; do not add them twice.
        self.offset = len(ERROR_COLUMNS) if header[: len(ERROR_COLUMNS)] == ERROR_COLUMNS else 0
        if writer:
            writer.writerow([*ERROR_COLUMNS, *header[self.offset :]])

    @property
    def wants_cells(self) -> bool:
        return self.writer is not None

    def add_rejected(self, row: CsvRow, rejection: RowRejected) -> None:
        self.rejected += 1
        self._add_reason(row.line, str(rejection), rejection.kind, row.cells)

    def add_duplicate(self, duplicate: DuplicateRow) -> None:
        cells = json.loads(duplicate.cells) if self.writer else []
        self._add_reason(duplicate.line, duplicate.reason, duplicate.kind, cells)

    def _add_reason(self, line: int, reason: str, kind: str, cells: list[str]) -> None:
        self.reason_counts[kind] += 1
        if len(self.first_reasons) < MAX_QUOTED_REASONS:
            self.first_reasons.append(f"line {line}: {reason}")
        if self.writer:
            self.writer.writerow([line, reason, *cells[self.offset :]])


@contextmanager
def open_report(header: list[str], path: Path, errors: Path | None) -> Iterator[ImportReport]:
    """Open a report on the import of `path` that writes skipped rows to the file `errors`, if given.

    Raises:
        InvalidInput: the error file cannot be written, or is the imported file itself.
    """
    if errors is None:
        yield ImportReport(header, None)
        return
    if errors.exists() and errors.samefile(path):
        raise InvalidInput(f"The error file {errors} would overwrite the imported file. Choose another name.")
    try:
        # Spreadsheets recognise UTF-8 by the byte order mark.
        file = errors.open("w", encoding="utf-8-sig", errors="replace", newline="")
    except OSError as error:
        raise InvalidInput(f"The error file {errors} cannot be written: {error.strerror}.") from error
    with file:
        yield ImportReport(header, csv.writer(file))
