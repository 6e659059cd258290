"""What a model is told of a question about a lead, and what its answer is worth. It has facts and no deeds."""

import re
from collections.abc import Iterable
from dataclasses import dataclass

from pydantic import BaseModel, Field, ValidationError

from agents.assistant.facts import Fact
from agents.assistant.questions import HEADINGS
from ai_log.gateway.ask import bare
from ai_log.gateway.prompts import Prompt

LONGEST_ANSWER, MOST_SOURCES, LONGEST_EARLIER = 6_000, 60, 1_500
SYSTEM = """
You answer a colleague's question about one lead of a team that sells and serves. You are given facts, each with a
number. Rest on these facts and on nothing else: what they do not say you do not know, and you say so in a sentence.
Write short plain English, no Markdown, no links, no HTML. Behind each sentence put the numbers of the facts that it
rests on in brackets, such as [3] or [3][7], and name all of them in `sources`.
You can do nothing but answer: you send, change, promise and decide nothing. Whoever asks does that on the screens.
""".strip()
NO_SOURCE = "The model named nothing that its words rest on."
CITED = re.compile(r"\s*\[(\d{1,4})\]")
LIST = re.compile(r"\[(\d{1,4}(?:\s*[,;]\s*\d{1,4})+)\]")


class Worded(BaseModel):
    """An answer in a model's words, and the numbers of the facts that it rests on."""

    answer: str = Field(min_length=1, max_length=LONGEST_ANSWER)
    sources: list[int] = Field(default_factory=list, max_length=MOST_SOURCES)

    @property
    def in_short(self) -> str:
        return CITED.sub("", self.answer)


def prompt_of(
    question: str, facts: Iterable[Fact], earlier: Iterable[tuple[str, str]], memory: str, today: str
) -> Prompt:
    """The question with everything that may answer it: `facts` by number from 1 on, earlier questions and answers.

    Whatever people outside may have written, or a model that has read them, stands between marks.
    """
    prompt = Prompt().ours("The facts known about the lead, each with its number:")
    for number, fact in enumerate(facts, start=1):
        if fact.ours:
            prompt.ours(f"[{number}] {HEADINGS[fact.topic]}: {fact.text}")
        else:
            said = f"{fact.text} “{fact.quote}”" if fact.quote else fact.text
            prompt.ours(f"[{number}] {HEADINGS[fact.topic]}:").outside(said, what=f"fact {number}")
    if memory:
        prompt.ours("What was asked about this lead before, in short:").outside(memory, what="earlier answers")
    for asked, answer in earlier:
        prompt.ours(f"Asked earlier in this conversation: {asked[:LONGEST_EARLIER]}")
        prompt.outside(answer[:LONGEST_EARLIER], what="answer given then")
    return prompt.ours(f"Today is {today}. The question: {question}")


@dataclass(frozen=True)
class Reading:
    """A model's words cut where they name facts that there are: pieces of text, each with the number behind it.

    `numbers` are all facts that the answer rests on; without any it rests on nothing.
    """

    pieces: tuple[tuple[str, int | None], ...] = ()
    numbers: tuple[int, ...] = ()

    @property
    def text(self) -> str:
        return "".join(text for text, _ in self.pieces)


def unfounded(answer: Worded, count: int) -> str:
    """Why `answer` is not shown, in a sentence: it rests on none of the `count` facts, so nobody could check it."""
    return "" if cut(answer, count).numbers else NO_SOURCE


def read(response: str, count: int) -> Reading:
    """What the `response` of a model says, of whose facts there are `count`; other numbers are dropped.

    What is not of the shape that was asked for says nothing.
    """
    try:
        return cut(Worded.model_validate_json(bare(response)), count)
    except ValidationError:
        return Reading()


def cut(found: Worded, count: int) -> Reading:
    text = LIST.sub(lambda met: "".join(f"[{one}]" for one in re.findall(r"\d+", met[1])), found.answer)
    pieces, named, at = [], [], 0
    for met in CITED.finditer(text):
        number = int(met[1])
        there = 1 <= number <= count
        pieces.append((text[at : met.start()], number if there else None))
        named += [number] if there else []
        at = met.end()
    pieces.append((text[at:], None))
    named += [number for number in found.sources if 1 <= number <= count]
    return Reading(tuple(piece for piece in pieces if piece != ("", None)), tuple(dict.fromkeys(named)))
