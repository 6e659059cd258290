"""What a file leaves open: questions, with what each answer would make of a cell, and doubts. Pure: no database."""

from collections import Counter
from collections.abc import Callable, Iterator, Sequence
from typing import Any

from crm.text.dates import SPELLED_STYLE
from leads.importing.exceptions import Question
from leads.importing.values.amounts import DECIMAL_MARKS, number_value, split_amount
from leads.importing.values.dates import DATE_ORDERS, DateParser

MAX_QUESTIONS = 50
MAX_QUOTED_CHARACTERS = 60
MAX_QUOTED_DOUBTS, MAX_DOUBTED_TEXTS = 10, 500
ENDED_STAGE_ANSWERS = (("won", "won"), ("lost", "lost"), ("unqualified", "unqualified"))


class OpenQuestions:
    """The questions met while reading a file, each once. A stage is a question of its own for each name."""

    def __init__(self) -> None:
        self._questions: dict[tuple[str, str, str], Question] = {}

    def __iter__(self) -> Iterator[Question]:
        return iter(self._questions.values())

    def __bool__(self) -> bool:
        return bool(self._questions)

    def add(self, kind: str, column: str, text: str) -> None:
        """Ask how to read `text`, a cell of `column`."""
        key = (kind, column, text if kind == "value" else "")
        if key not in self._questions and len(self._questions) < MAX_QUESTIONS:
            self._questions[key] = make_question(kind, column, text)


def make_question(kind: str, column: str, text: str) -> Question:
    if kind == "decimal":
        answers = tuple((mark, f"{number_value(split_amount(text), mark).normalize():,f}") for mark in DECIMAL_MARKS)
        return Question(kind, column, text, answers, "--decimal")
    if kind == "dates":
        answers = tuple((order, SPELLED_STYLE.long_day(DateParser(order)(text))) for order in DATE_ORDERS)
        return Question(kind, column, text, answers, "--dates")
    return Question(kind, column, text, ENDED_STAGE_ANSWERS, f"--value {column}:{text}=")


class Doubts:
    """The cells that did not fit their field and are kept as text: counted by kind, the first ones quoted."""

    def __init__(self) -> None:
        self.counts: Counter[str] = Counter()
        self.first: list[str] = []
        # The first different texts, by the name of their column, so that a person can choose a value for each.
        self.texts: Counter[tuple[str, str]] = Counter()
        # Takes each doubt as a row of a file: line, column, text, reason.
        self.write_row: Callable[[Sequence[Any]], Any] | None = None
        # Names the place of a line, as the file does.
        self.place: Callable[[int], str] = "line {}".format

    def add(self, line: int, label: str, text: str, why: str) -> None:
        if self.write_row:
            self.write_row([line, label, text, why])
        self.counts[f"{label} {why}."] += 1
        if (label, text) in self.texts or len(self.texts) < MAX_DOUBTED_TEXTS:
            self.texts[label, text] += 1
        if len(self.first) < MAX_QUOTED_DOUBTS:
            self.first.append(f"{self.place(line)}: {quote_cell(label, text, why)}")


def quote_cell(label: str, text: str, why: str) -> str:
    excerpt = text if len(text) <= MAX_QUOTED_CHARACTERS else f"{text[:MAX_QUOTED_CHARACTERS]}…"
    return f"{label} “{excerpt}” {why}."
