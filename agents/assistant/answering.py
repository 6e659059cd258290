"""The answer that facts give to a question. Pure: no database, no model, nothing that is not a fact."""

from collections.abc import Iterable
from dataclasses import dataclass

from agents.assistant.facts import ENTRIES, Fact, Known
from agents.assistant.questions import HEADINGS, Topic, Wanted

MOST_OF_TOPIC, MOST_ALONE, MOST_IN_OVERVIEW = 8, 20, 4
MANY_TOPICS = 4
CAN_ANSWER = (
    "I can tell who it is and how to reach them, the stage, the score and why, the probability, the value, the last "
    "contact and whose turn it is, what was said, tasks, tickets, what was proposed and decided, what is insured, who "
    "has a say, who works on it, and what happened since a day."
)
EXAMPLES = (
    "Catch me up on this lead",
    "Whose turn is it?",
    "Why this score?",
    "What did they say last?",
    "What should I do next?",
    "What happened since last week?",
)


@dataclass(frozen=True)
class Part:
    """What is known of one topic; `remark` says what there is to say beside facts, or instead."""

    heading: str
    facts: tuple[Fact, ...] = ()
    remark: str = ""


@dataclass(frozen=True)
class FactsAnswer:
    """Everything that answers a question, in parts; `remark` stands before them."""

    parts: tuple[Part, ...] = ()
    remark: str = ""

    @property
    def facts(self) -> list[Fact]:
        return [fact for part in self.parts for fact in part.facts]

    @property
    def text(self) -> str:
        """As plain text, every fact with its number and, at the end, its source."""
        lines, number = [self.remark] if self.remark else [], 0
        for part in self.parts:
            lines.append(f"{part.heading}: {part.remark}" if part.remark else f"{part.heading}:")
            for fact in part.facts:
                number += 1
                said = f" “{fact.quote}”" if fact.quote else ""
                lines.append(f"- {fact.text}{said} [{number}: {fact.source.label}]")
        return "\n".join(lines)


def answered(wanted: Wanted, known: Known) -> FactsAnswer:
    """What is known of what is wanted; of a question about nothing known, what was found by its words."""
    fields = called_like(known.of(Topic.DATA), wanted)
    if not wanted.topics:
        return not_understood(wanted, known, fields)
    most = MOST_ALONE if len(wanted.topics) == 1 else MOST_OF_TOPIC
    most = MOST_IN_OVERVIEW if len(wanted.topics) > MANY_TOPICS else most
    parts = [part_of(topic, wanted, known, fields, most) for topic in wanted.topics]
    if fields and Topic.DATA not in wanted.topics and Topic.SEARCH in wanted.topics:
        parts.append(Part(HEADINGS[Topic.DATA], tuple(fields[:most])))
    return FactsAnswer(tuple(parts))


def part_of(topic: Topic, wanted: Wanted, known: Known, fields: list[Fact], most: int) -> Part:
    """What is known of `topic`; fields that are called like a word of the question before all of them."""
    facts = known.of(topic)
    if topic == Topic.DATA and fields:
        facts = fields
    if not facts:
        return Part(heading_of(topic, wanted), remark=known.none.get(topic, "Not known."))
    left = len(facts) - most
    remark = f"The first {most} of {len(facts)}." if left > 0 else ""
    return Part(heading_of(topic, wanted), tuple(facts[:most]), remark)


def heading_of(topic: Topic, wanted: Wanted) -> str:
    if topic == Topic.SEARCH:
        return f"{HEADINGS[topic]}: “{wanted.search}”"
    if topic == Topic.HAPPENED and wanted.since is not None:
        return f"{HEADINGS[topic]} since {wanted.since.day} {wanted.since:%b %Y}"
    return HEADINGS[topic]


def called_like(fields: Iterable[Fact], wanted: Wanted) -> list[Fact]:
    """Those of `fields` that are called by the most words of the question; where it asks how many, their number."""
    met = [(len(fact.called & wanted.words), fact) for fact in fields]
    best = max((count for count, _ in met), default=0)
    found = [fact for count, fact in met if count == best] if best else []
    counts = [fact for fact in found if fact.text.endswith(ENTRIES)] if wanted.counted else []
    return counts or found


def not_understood(wanted: Wanted, known: Known, fields: list[Fact]) -> FactsAnswer:
    """For a question that no rule knows: the fields that are called so, what its words found, what can be asked."""
    parts = [Part(HEADINGS[Topic.DATA], tuple(fields[:MOST_OF_TOPIC]))] if fields else []
    found = known.of(Topic.SEARCH)[:MOST_OF_TOPIC]
    if found:
        parts.append(Part(heading_of(Topic.SEARCH, wanted), tuple(found)))
    if fields:
        return FactsAnswer(tuple(parts))
    looked = f" Its words were looked for in the conversations: {'this was found' if found else 'nothing was found'}."
    return FactsAnswer(tuple(parts), f"I do not know what this asks for. {CAN_ANSWER}{looked if wanted.search else ''}")
