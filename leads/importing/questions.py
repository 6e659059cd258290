"""What a file leaves open: each question with what the answers would make of it. Pure: no database."""

from collections.abc import Iterator

from crm.text.dates import SPELLED_STYLE
from leads.importing.exceptions import Question
from leads.importing.values.amounts import DECIMAL_MARKS, number_value, split_amount
from leads.importing.values.dates import DATE_ORDERS, DateParser

MAX_QUESTIONS = 50
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
