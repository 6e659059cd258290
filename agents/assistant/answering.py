"""The answer that facts give to a question. Pure: no database, no model, nothing that is not a fact."""

from collections.abc import Iterable
from dataclasses import dataclass

from agents.assistant.facts import ENTRY_NOUNS, Fact, LeadFacts
from agents.assistant.questions import TOPIC_HEADINGS, QuestionIntent, Topic

MAX_FACTS_PER_TOPIC, MAX_FACTS_OF_SINGLE_TOPIC, MAX_FACTS_IN_OVERVIEW = 8, 20, 4
OVERVIEW_TOPIC_COUNT = 4
CAPABILITIES_TEXT = (
    "I can tell who it is and how to reach them, the stage, the score and why, the probability, the value, the last "
    "contact and whose turn it is, what was said, tasks, tickets, what was proposed and decided, what is insured, who "
    "has a say, who works on it, and what happened since a day."
)
EXAMPLE_QUESTIONS = (
    "Catch me up on this lead",
    "Whose turn is it?",
    "Why this score?",
    "What did they say last?",
    "What should I do next?",
    "What happened since last week?",
)


@dataclass(frozen=True)
class AnswerPart:
    """What is known of one topic; `remark` says what there is to say beside facts, or instead."""

    heading: str
    facts: tuple[Fact, ...] = ()
    remark: str = ""


@dataclass(frozen=True)
class FactsAnswer:
    """Everything that answers a question, in parts; `remark` stands before them."""

    parts: tuple[AnswerPart, ...] = ()
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
                quoted_text = f" “{fact.quote}”" if fact.quote else ""
                lines.append(f"- {fact.text}{quoted_text} [{number}: {fact.source.label}]")
        return "\n".join(lines)


def answer_from_facts(intent: QuestionIntent, lead_facts: LeadFacts) -> FactsAnswer:
    """What is known of what is wanted; of a question about nothing known, what was found by its words."""
    fields = best_matching_fields(lead_facts.about_topic(Topic.DATA), intent)
    if not intent.topics:
        return answer_unrecognized_question(intent, lead_facts, fields)
    limit = MAX_FACTS_OF_SINGLE_TOPIC if len(intent.topics) == 1 else MAX_FACTS_PER_TOPIC
    limit = MAX_FACTS_IN_OVERVIEW if len(intent.topics) > OVERVIEW_TOPIC_COUNT else limit
    parts = [build_part(topic, intent, lead_facts, fields, limit) for topic in intent.topics]
    if fields and Topic.DATA not in intent.topics and Topic.SEARCH in intent.topics:
        parts.append(AnswerPart(TOPIC_HEADINGS[Topic.DATA], tuple(fields[:limit])))
    return FactsAnswer(tuple(parts))


def build_part(
    topic: Topic, intent: QuestionIntent, lead_facts: LeadFacts, fields: list[Fact], limit: int
) -> AnswerPart:
    """What is known of `topic`; fields that are called like a word of the question before all of them."""
    facts = lead_facts.about_topic(topic)
    if topic == Topic.DATA and fields:
        facts = fields
    if not facts:
        return AnswerPart(part_heading(topic, intent), remark=lead_facts.missing_notes.get(topic, "Not known."))
    left = len(facts) - limit
    remark = f"The first {limit} of {len(facts)}." if left > 0 else ""
    return AnswerPart(part_heading(topic, intent), tuple(facts[:limit]), remark)


def part_heading(topic: Topic, intent: QuestionIntent) -> str:
    if topic == Topic.SEARCH:
        return f"{TOPIC_HEADINGS[topic]}: “{intent.search}”"
    if topic == Topic.HAPPENED and intent.since is not None:
        return f"{TOPIC_HEADINGS[topic]} since {intent.since.day} {intent.since:%b %Y}"
    return TOPIC_HEADINGS[topic]


def best_matching_fields(fields: Iterable[Fact], intent: QuestionIntent) -> list[Fact]:
    """Those of `fields` that are called by the most words of the question; where it asks how many, their number."""
    met = [(len(fact.keywords & intent.words), fact) for fact in fields]
    best = max((count for count, _ in met), default=0)
    found = [fact for count, fact in met if count == best] if best else []
    counts = [fact for fact in found if fact.text.endswith(ENTRY_NOUNS)] if intent.asks_for_count else []
    return counts or found


def answer_unrecognized_question(intent: QuestionIntent, lead_facts: LeadFacts, fields: list[Fact]) -> FactsAnswer:
    """For a question that no rule knows: the fields that are called so, what its words found, what can be asked."""
    parts = [AnswerPart(TOPIC_HEADINGS[Topic.DATA], tuple(fields[:MAX_FACTS_PER_TOPIC]))] if fields else []
    found = lead_facts.about_topic(Topic.SEARCH)[:MAX_FACTS_PER_TOPIC]
    if found:
        parts.append(AnswerPart(part_heading(Topic.SEARCH, intent), tuple(found)))
    if fields:
        return FactsAnswer(tuple(parts))
    search_note = (
        f" Its words were looked for in the conversations: {'this was found' if found else 'nothing was found'}."
    )
    return FactsAnswer(
        tuple(parts), f"I do not know what this asks for. {CAPABILITIES_TEXT}{search_note if intent.search else ''}"
    )
