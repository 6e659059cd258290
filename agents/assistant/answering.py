"""Answers a question from the facts alone. Pure: no database and no model."""

from collections.abc import Iterable
from dataclasses import dataclass

from agents.assistant.facts import ENTRY_NOUNS, Fact, LeadFacts
from agents.assistant.questions import TOPIC_HEADINGS, QuestionIntent, Topic
from crm.records.local_time import agency_style

MAX_FACTS_PER_TOPIC, MAX_FACTS_OF_SINGLE_TOPIC, MAX_FACTS_IN_OVERVIEW = 8, 20, 4
OVERVIEW_TOPIC_COUNT = 4
CAPABILITIES_TEXT = (
    "I can answer questions about the name and contact details, stage, score, probability, value, last contact and "
    "next turn, messages, tasks, tickets, suggestions, insurance data, stakeholders, owner, and timeline."
)
EXAMPLE_QUESTIONS = (
    "Catch me up on this lead",
    "Do we owe them a reply?",
    "Why this score?",
    "What did they say last?",
    "What should I do next?",
    "What happened since last week?",
)


@dataclass(frozen=True)
class AnswerPart:
    """The facts about one topic; `remark` is a note beside them, or in their place."""

    heading: str
    facts: tuple[Fact, ...] = ()
    remark: str = ""


@dataclass(frozen=True)
class FactsAnswer:
    """The answer to a question, in parts; `remark` is a note before them."""

    parts: tuple[AnswerPart, ...] = ()
    remark: str = ""

    @property
    def facts(self) -> list[Fact]:
        return [fact for part in self.parts for fact in part.facts]

    @property
    def text(self) -> str:
        """The answer as plain text: every fact, its number and its source."""
        lines, number = [self.remark] if self.remark else [], 0
        for part in self.parts:
            lines.append(f"{part.heading}: {part.remark}" if part.remark else f"{part.heading}:")
            for fact in part.facts:
                number += 1
                quoted_text = f" “{fact.quote}”" if fact.quote else ""
                lines.append(f"- {fact.text}{quoted_text} [{number}: {fact.source.label}]")
        return "\n".join(lines)


def answer_from_facts(intent: QuestionIntent, lead_facts: LeadFacts) -> FactsAnswer:
    """Return the facts about the topics of a question; without a topic, what a search for its words found."""
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
    """Return the facts about `topic`; for data only the fields that the question names, if it names any."""
    facts = lead_facts.about_topic(topic)
    if topic == Topic.DATA and fields:
        facts = fields
    if not facts:
        return AnswerPart(part_heading(topic, intent), remark=lead_facts.missing_notes.get(topic, "Nothing on record."))
    left = len(facts) - limit
    remark = f"Showing the first {limit} of {len(facts)}." if left > 0 else ""
    return AnswerPart(part_heading(topic, intent), tuple(facts[:limit]), remark)


def part_heading(topic: Topic, intent: QuestionIntent) -> str:
    """Return the heading of the part about `topic`."""
    if topic == Topic.SEARCH:
        return f"{TOPIC_HEADINGS[topic]}: “{intent.search}”"
    if topic == Topic.TIMELINE and intent.since is not None:
        return f"{TOPIC_HEADINGS[topic]} since {agency_style().day(intent.since)}"
    return TOPIC_HEADINGS[topic]


def best_matching_fields(fields: Iterable[Fact], intent: QuestionIntent) -> list[Fact]:
    """Return the `fields` that share the most words with the question; where it asks how many, their counts."""
    met = [(len(fact.keywords & intent.words), fact) for fact in fields]
    best = max((count for count, _ in met), default=0)
    found = [fact for count, fact in met if count == best] if best else []
    counts = [fact for fact in found if fact.text.endswith(ENTRY_NOUNS)] if intent.asks_for_count else []
    return counts or found


def answer_unrecognized_question(intent: QuestionIntent, lead_facts: LeadFacts, fields: list[Fact]) -> FactsAnswer:
    """Answer a question that no rule recognises: matching fields, search results, and what can be asked."""
    parts = [AnswerPart(TOPIC_HEADINGS[Topic.DATA], tuple(fields[:MAX_FACTS_PER_TOPIC]))] if fields else []
    found = lead_facts.about_topic(Topic.SEARCH)[:MAX_FACTS_PER_TOPIC]
    if found:
        parts.append(AnswerPart(part_heading(Topic.SEARCH, intent), tuple(found)))
    if fields:
        return FactsAnswer(tuple(parts))
    search_note = " These messages match its words." if found else " No message that you may see matches its words."
    return FactsAnswer(
        tuple(parts), f"I do not understand this question. {CAPABILITIES_TEXT}{search_note if intent.search else ''}"
    )
