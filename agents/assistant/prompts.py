"""The prompt for a question about a lead, and the check of the answer. The model gets facts and no tools."""

import re
from collections.abc import Iterable
from dataclasses import dataclass

from pydantic import BaseModel, Field, ValidationError

from agents.assistant.facts import Fact
from agents.assistant.questions import TOPIC_HEADINGS
from ai_log.gateway.ask import strip_code_fence
from ai_log.gateway.prompts import Prompt

MAX_ANSWER_LENGTH, MAX_SOURCES, MAX_EARLIER_ANSWER_LENGTH = 6_000, 60, 1_500
ASSISTANT_SYSTEM_PROMPT = """
You answer a colleague's question about one lead of a team that sells and serves. You are given facts, each with a
number. Use these facts and nothing else: where they do not answer the question, say so in a sentence.
Write short plain English, no Markdown, no links, no HTML. After each sentence put the numbers of the facts that it
is based on in brackets, such as [3] or [3][7], and list all of them in `sources`.
You can only answer: you send, change, promise and decide nothing. The colleague does that on the screens.
""".strip()
NO_SOURCE_ERROR = "The model named no source for its answer."
CITATION_PATTERN = re.compile(r"\s*\[(\d{1,4})\]")
CITATION_LIST_PATTERN = re.compile(r"\[(\d{1,4}(?:\s*[,;]\s*\d{1,4})+)\]")


class AssistantAnswer(BaseModel):
    """An answer of a model, and the numbers of the facts that it is based on."""

    answer: str = Field(min_length=1, max_length=MAX_ANSWER_LENGTH)
    sources: list[int] = Field(default_factory=list, max_length=MAX_SOURCES)

    @property
    def log_summary(self) -> str:
        return CITATION_PATTERN.sub("", self.answer)


def build_assistant_prompt(
    question: str, facts: Iterable[Fact], earlier: Iterable[tuple[str, str]], memory: str, today: str
) -> Prompt:
    """Return the prompt for `question`: `facts`, numbered from 1, and the earlier questions and answers.

    Untrusted content, and what a model wrote after reading it, is marked as such.
    """
    prompt = Prompt().add_trusted("The facts known about the lead, each with its number:")
    for number, fact in enumerate(facts, start=1):
        if fact.is_internal:
            prompt.add_trusted(f"[{number}] {TOPIC_HEADINGS[fact.topic]}: {fact.text}")
        else:
            fact_text = f"{fact.text} “{fact.quote}”" if fact.quote else fact.text
            prompt.add_trusted(f"[{number}] {TOPIC_HEADINGS[fact.topic]}:").add_untrusted(
                fact_text, what=f"fact {number}"
            )
    if memory:
        prompt.add_trusted("Earlier answers about this lead, in short:").add_untrusted(memory, what="earlier answers")
    for earlier_question, answer in earlier:
        prompt.add_trusted(f"Asked earlier in this conversation: {earlier_question[:MAX_EARLIER_ANSWER_LENGTH]}")
        prompt.add_untrusted(answer[:MAX_EARLIER_ANSWER_LENGTH], what="answer given then")
    return prompt.add_trusted(f"Today is {today}. The question: {question}")


@dataclass(frozen=True)
class CitedAnswer:
    """The answer of a model in pieces of text, each with the number of the fact that it cites.

    `numbers` are all facts that the answer is based on; an answer without any cannot be used.
    """

    pieces: tuple[tuple[str, int | None], ...] = ()
    numbers: tuple[int, ...] = ()

    @property
    def text(self) -> str:
        return "".join(text for text, _ in self.pieces)


def explain_missing_sources(answer: AssistantAnswer, count: int) -> str:
    """Return why `answer` is not shown; empty where it cites at least one of the `count` facts."""
    return "" if split_citations(answer, count).numbers else NO_SOURCE_ERROR


def parse_cited_answer(response: str, count: int) -> CitedAnswer:
    """Return the answer in the `response` of a model that was given `count` facts; other numbers are dropped.

    A response of another shape gives an empty answer.
    """
    try:
        return split_citations(AssistantAnswer.model_validate_json(strip_code_fence(response)), count)
    except ValidationError:
        return CitedAnswer()


def split_citations(answer: AssistantAnswer, count: int) -> CitedAnswer:
    """Return `answer` cut at its citations of the `count` facts."""
    text = CITATION_LIST_PATTERN.sub(
        lambda met: "".join(f"[{one}]" for one in re.findall(r"\d+", met[1])), answer.answer
    )
    pieces, cited, at = [], [], 0
    for met in CITATION_PATTERN.finditer(text):
        number = int(met[1])
        exists = 1 <= number <= count
        pieces.append((text[at : met.start()], number if exists else None))
        cited += [number] if exists else []
        at = met.end()
    pieces.append((text[at:], None))
    cited += [number for number in answer.sources if 1 <= number <= count]
    return CitedAnswer(tuple(piece for piece in pieces if piece != ("", None)), tuple(dict.fromkeys(cited)))
