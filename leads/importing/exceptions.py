"""What can be wrong with a cell, a row or a file of an import."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

from crm.exceptions import IllegalTransition, InvalidInput
from leads.models import ImportBatch


class InvalidCell(Exception):
    """A cell cannot be parsed. The message completes a sentence that begins with the cell: “x” is not a number.

    `usable` is the part of the cell that fits the field, if there is one.
    """

    def __init__(self, why: str, usable: Any = None) -> None:
        super().__init__(why)
        self.usable = usable


class AmbiguousCell(InvalidCell):
    """A cell has two readings. `kind` names the question that decides: decimal, dates or value."""

    def __init__(self, why: str, kind: str) -> None:
        super().__init__(why)
        self.kind = kind


class RowRejected(Exception):
    """A row cannot be imported. The message quotes the row; `kind` is the same for all rows with this problem."""

    def __init__(self, reason: str, kind: str = "") -> None:
        super().__init__(reason)
        self.kind = kind or reason


@dataclass(frozen=True)
class Question:
    """Something about a file that only a person can decide.

    `answers` maps each possible answer to what it would make of `example`.
    """

    kind: str
    column: str
    example: str
    answers: tuple[tuple[str, str], ...]
    option: str

    def __str__(self) -> str:
        readings = ", or ".join(f"{reading} ({self.option} {answer})" for answer, reading in self.answers)
        where = f"{self.column}: " if self.column else ""
        return f"{where}“{self.example}” is {readings}?"


class QuestionsUnanswered(InvalidInput):
    """An import stops before it changes anything, because `questions` need an answer first."""

    def __init__(self, questions: Sequence[Question]) -> None:
        self.questions = tuple(questions)
        lines = "\n".join(f"  {question}" for question in self.questions)
        super().__init__(
            f"Nothing was imported, because some cells can be read in two ways. Answer each question:\n{lines}"
        )


class ImportCancelled(IllegalTransition):
    """A person cancelled the import while it ran."""

    def __init__(self) -> None:
        super().__init__("Nothing was imported, because the import was cancelled.")


class RepeatedUpload(IllegalTransition):
    """The form of an upload was sent twice; `batch` is the import of the first time."""

    def __init__(self, batch: ImportBatch) -> None:
        self.batch = batch
        super().__init__(f"{batch.file_name} is uploaded already. This is its import.")


class BatchLocked(Exception):
    """Another job works on the import, or on its way to notice that it was cancelled."""
