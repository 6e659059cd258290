"""The outcome of an import: counts, reasons, and the error file with the skipped rows."""

from collections import Counter
from collections.abc import Iterator, Sequence
from contextlib import ExitStack, contextmanager
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Any

from leads.importing.columns import ERROR_COLUMNS
from leads.importing.exceptions import Question, RowRejected
from leads.importing.files.tables import TableFile, TableRow, decode_cells
from leads.importing.files.writing import RowWriter, open_writer
from leads.importing.preview import ImportPreview
from leads.importing.questions import Doubts
from leads.importing.tables.base import SkippedRow

MAX_QUOTED_REASONS, MAX_EXAMPLES, MAX_LISTED_KINDS = 10, 100, 50
DOUBT_COLUMNS = ["line", "column", "text", "reason"]


@dataclass(frozen=True)
class ImportOutcome:
    """The counts of an import: rows read = imported + updated + unchanged + duplicates + rejected.

    `reason_counts` counts the rows by reason; `first_reasons` quotes the first ones, with their lines.
    `doubt_counts` and `first_doubts` do the same for cells that did not fit their field and were kept as custom fields;
    `doubted_texts` counts them by column and text.
    `notices` are sentences on what the file left to the import. `questions` are what a dry run found that has two
    readings, `former_imports` the earlier imports of the same file.
    """

    rows_read: int
    imported: int
    duplicates: int
    rejected: int
    reason_counts: Counter[str]
    first_reasons: list[str]
    doubt_counts: Counter[str]
    first_doubts: list[str]
    doubted_texts: Counter[tuple[str, str]]
    notices: tuple[str, ...]
    questions: tuple[Question, ...]
    preview: ImportPreview
    former_imports: tuple[str, ...]
    # The first rows of each kind: line, and what to say of the row.
    new_examples: list[tuple[int, str]]
    duplicate_examples: list[tuple[int, str]]
    rejected_examples: list[tuple[int, str]]
    # Rows of leads that exist: those that the import changes, and those that say nothing else.
    updated: int = 0
    unchanged: int = 0
    # Line, ID of the lead, and its changes as `ImportChange.changes`.
    updated_examples: list[tuple[int, str, dict[str, Any]]] = field(default_factory=list)

    def to_json(self) -> dict[str, Any]:
        """Return what the screen of an import shows, as JSON of a bounded size."""
        return {
            "rows_read": self.rows_read,
            "imported": self.imported,
            "updated": self.updated,
            "unchanged": self.unchanged,
            "duplicates": self.duplicates,
            "rejected": self.rejected,
            "reason_counts": self.reason_counts.most_common(MAX_LISTED_KINDS),
            "doubt_counts": self.doubt_counts.most_common(MAX_LISTED_KINDS),
            "doubts": self.doubt_counts.total(),
            "doubted_texts": [[column, text, n] for (column, text), n in self.doubted_texts.most_common()],
            "notices": [*self.notices],
            "questions": [asdict(question) for question in self.questions],
            "former_imports": [*self.former_imports],
            "examples": {
                "new": self.new_examples,
                "updated": self.updated_examples,
                "duplicate": self.duplicate_examples,
                "rejected": self.rejected_examples,
            },
        }


class ImportReport:
    """Count the skipped rows, and write them to the error files if there are any."""

    def __init__(self, file: TableFile, writers: Sequence[RowWriter]) -> None:
        self.file, header = file, file.header
        self.reason_counts: Counter[str] = Counter()
        self.first_reasons: list[str] = []
        self.rejected_examples: list[tuple[int, str]] = []
        self.duplicate_examples: list[tuple[int, str]] = []
        self.rejected = 0
        self.writers = writers
        # An error file that is imported again already has these columns; do not add them twice.
        self.offset = len(ERROR_COLUMNS) if header[: len(ERROR_COLUMNS)] == ERROR_COLUMNS else 0
        self._write_row([*ERROR_COLUMNS, *header[self.offset :]])

    @property
    def wants_cells(self) -> bool:
        return bool(self.writers)

    def add_rejected(self, row: TableRow, rejection: RowRejected) -> None:
        self.rejected += 1
        if len(self.rejected_examples) < MAX_EXAMPLES:
            self.rejected_examples.append((row.line, str(rejection)))
        self._add_reason(row.line, str(rejection), rejection.kind, row.cells)

    def add_unresolved(self, row: SkippedRow) -> None:
        """Report a row that refers to a record that does not exist, or to several."""
        self._add_row(row, self.rejected_examples)
        self.rejected += 1

    def add_duplicate(self, duplicate: SkippedRow) -> None:
        """Count a row that is a record or an earlier row, or fits two leads, which refuses it."""
        self.rejected += duplicate.is_refused
        self._add_row(duplicate, self.rejected_examples if duplicate.is_refused else self.duplicate_examples)

    def _add_row(self, row: SkippedRow, examples: list[tuple[int, str]]) -> None:
        reason = row.reason(self.file.row_word)
        if len(examples) < MAX_EXAMPLES:
            examples.append((row.line, reason))
        self._add_reason(row.line, reason, row.kind, decode_cells(row.cells) if self.writers else [])

    def _add_reason(self, line: int, reason: str, kind: str, cells: list[str]) -> None:
        self.reason_counts[kind] += 1
        if len(self.first_reasons) < MAX_QUOTED_REASONS:
            self.first_reasons.append(f"{self.file.place(line)}: {reason}")
        self._write_row([line, reason, *cells[self.offset :]])

    def _write_row(self, row: list[Any]) -> None:
        for writer in self.writers:
            writer.writerow(row)


@contextmanager
def open_report(
    file: TableFile, errors: Sequence[Path], doubts: Doubts, doubts_path: Path | None
) -> Iterator[ImportReport]:
    """Open a report on the import of `file` that writes skipped rows to the files `errors`.

    Cells that did not fit go to the file `doubts_path`, one cell a row. An error file holds rows to import again, and
    the records of these cells are imported already.

    Raises:
        InvalidInput: a file cannot be written, or is the imported file itself.
    """
    path, doubts.place = file.path, file.place
    with ExitStack() as stack:
        writers = [stack.enter_context(open_writer("file of skipped rows", path, one)) for one in errors]
        if doubts_path:
            doubt = stack.enter_context(open_writer("file of doubts", path, doubts_path))
            doubt.writerow(DOUBT_COLUMNS)
            doubts.write_row = doubt.writerow
        yield ImportReport(file, writers)
