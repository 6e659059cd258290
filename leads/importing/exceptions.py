"""What can be wrong with a cell, a row or a file of an import."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

from crm.exceptions import ActionRefused, IllegalTransition, InvalidInput
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


class InvalidImport(InvalidInput):
    """Something that a person decided about a file cannot be.

    `screen` and `command` say what to do: in words of the screen, and with the options of the command.
    """

    def __init__(self, problem: str, *, screen: str, command: str) -> None:
        self.command_text = f"{problem} {command}"
        super().__init__(f"{problem} {screen}")


def command_text(error: ActionRefused) -> str:
    """Return the message of `error` for a person who uses the command."""
    return getattr(error, "command_text", str(error))


@dataclass(frozen=True)
class Question:
    """Something about a file that only a person can decide.

    `answers` maps each possible answer to what it would make of `example`. The command answers with `option`.
    """

    kind: str
    column: str
    example: str
    answers: tuple[tuple[str, str], ...]
    option: str

    def __str__(self) -> str:
        return self.describe([reading for _, reading in self.answers])

    @property
    def command_text(self) -> str:
        """The question with the options that answer it."""
        return self.describe([f"{reading} ({self.option} {answer})" for answer, reading in self.answers])

    def describe(self, readings: Sequence[str]) -> str:
        where = f"{self.column}: " if self.column else ""
        return f"{where}“{self.example}” is {', or '.join(readings)}?"


class QuestionsUnanswered(InvalidInput):
    """An import stops before it changes anything, because `questions` need an answer first."""

    def __init__(self, questions: Sequence[Question]) -> None:
        self.questions = tuple(questions)
        super().__init__(self.describe([str(question) for question in self.questions]))

    @property
    def command_text(self) -> str:
        return self.describe([question.command_text for question in self.questions])

    @staticmethod
    def describe(questions: Sequence[str]) -> str:
        lines = "\n".join(f"  {question}" for question in questions)
        return f"Nothing was imported, because some cells can be read in two ways. Answer each question:\n{lines}"


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
