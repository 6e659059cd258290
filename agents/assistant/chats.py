"""Conversations of staff with the assistant, as the log keeps them and as the screen shows them."""

from collections.abc import Iterable
from dataclasses import dataclass
from datetime import datetime
from typing import Any
from uuid import UUID

from django.db.models.fields.json import KeyTextTransform, KeyTransform
from django.urls import reverse

from agents.assistant.answering import FactsAnswer, Part
from agents.assistant.facts import Fact
from agents.assistant.prompts import Reading, read
from agents.assistant.questions import Topic, Wanted
from ai_log.gateway.otel_names import CHAT
from ai_log.models import AIInteraction, AIInteractionQuerySet, InteractionType
from crm.models import User
from leads.models import Lead

ASSISTANT = "Assistant"
MOST_TURNS, MOST_ROWS, MOST_CHATS, LONGEST_TITLE = 50, 200, 8, 90


@dataclass(frozen=True)
class Turn:
    """A question and its answer: either the `words` of a model or what the facts say, and `note` why the latter."""

    row: AIInteraction
    question: str
    answer: FactsAnswer
    words: Reading | None = None
    sources: tuple[tuple[int, Fact], ...] = ()
    note: str = ""

    @property
    def text(self) -> str:
        return self.words.text if self.words else self.answer.text

    @property
    def topics(self) -> list[Topic]:
        """What the question was after."""
        found = chat_of(self.row).get("topics")
        return [Topic(one) for one in (found if isinstance(found, list) else []) if one in list(Topic)]


@dataclass(frozen=True)
class Chat:
    """An earlier conversation in a line."""

    title: str
    url: str
    by: User | None
    at: datetime
    count: int


def kept(question: str, key: UUID, wanted: Wanted, answer: FactsAnswer, told: Iterable[Fact] = ()) -> dict[str, Any]:
    """What the log keeps of a question beside its words: the facts, in the order of their numbers, and the answer.

    The facts of the answer come first, then those of `told` that are not among them.
    """
    facts = numbered(answer, told)
    parts, at = [], 0
    for part in answer.parts:
        numbers = list(range(at + 1, at + 1 + len(part.facts)))
        parts.append({"heading": part.heading, "remark": part.remark, "facts": numbers})
        at += len(numbers)
    return {
        "question": question,
        "key": str(key),
        "topics": [topic.value for topic in wanted.topics],
        "remark": answer.remark,
        "parts": parts,
        "facts": [fact.kept() for fact in facts],
    }


def numbered(answer: FactsAnswer, told: Iterable[Fact] = ()) -> list[Fact]:
    """All facts in the order of their numbers."""
    first = answer.facts
    return [*first, *(fact for fact in told if fact not in first)]


def chat_of(row: AIInteraction) -> dict[str, Any]:
    found = row.metadata.get(CHAT)
    return found if isinstance(found, dict) else {}


def turn_of(row: AIInteraction) -> Turn:
    """`row` as it is shown; of one that was erased nothing is left."""
    chat = chat_of(row)
    rows = chat.get("facts")
    facts = [Fact.of(one) for one in (rows if isinstance(rows, list) else [])]
    answer = answer_of(chat, facts)
    question = str(chat.get("question", ""))
    if not row.model_used:
        return Turn(row, question, answer)
    words = Reading() if row.error_message else read(row.ai_response, len(facts))
    if not words.numbers:
        note = f"{row.error_message} So this is what is on record." if question else ""
        return Turn(row, question, answer, note=note)
    sources = tuple((number, fact) for number in words.numbers if (fact := facts[number - 1]) is not None)
    return Turn(row, question, answer, words, sources)


def answer_of(chat: dict[str, Any], facts: list[Fact | None]) -> FactsAnswer:
    """The answer from facts that `kept` has written."""
    parts = chat.get("parts")
    found = [
        Part(
            str(part.get("heading", "")),
            tuple(facts[n - 1] for n in part.get("facts", []) if 1 <= n <= len(facts) and facts[n - 1] is not None),
            str(part.get("remark", "")),
        )
        for part in (parts if isinstance(parts, list) else [])
        if isinstance(part, dict)
    ]
    return FactsAnswer(tuple(found), str(chat.get("remark", "")))


def asked_about(lead: Lead, user: User) -> AIInteractionQuerySet:
    """What `user` may see of what people asked the assistant about `lead`."""
    rows = AIInteraction.objects.filter(lead=lead, type=InteractionType.CHAT, agent=ASSISTANT)
    return rows.visible_to(user).exclude(conversation_id="")


def turns(lead: Lead, conversation: UUID, user: User) -> list[Turn]:
    """The questions and answers of a conversation, the oldest first."""
    rows = asked_about(lead, user).filter(conversation_id=str(conversation)).select_related("asked_by")
    return [turn_of(row) for row in rows.order_by("created_at", "id")[:MOST_TURNS]]


def chats(lead: Lead, user: User, most: int = MOST_CHATS) -> list[Chat]:
    """The latest conversations about `lead`, the newest first, called by their first question."""
    rows = asked_about(lead, user)
    found: dict[str, list[tuple[Any, datetime]]] = {}
    for pk, key, at in rows.order_by("-created_at", "-id").values_list("pk", "conversation_id", "created_at")[
        :MOST_ROWS
    ]:
        if is_key(key) and (key in found or len(found) < most):
            found.setdefault(key, []).append((pk, at))
    first = {asked[-1][0]: key for key, asked in found.items()}
    question = KeyTextTransform("question", KeyTransform(CHAT, "metadata"))
    titles = AIInteraction.objects.filter(pk__in=first).annotate(question=question).select_related("asked_by")
    named = {first[row.pk]: row for row in titles.only("id", "asked_by", "conversation_id")}
    return [
        Chat(
            " ".join((named[key].question or "Erased").split())[:LONGEST_TITLE],
            reverse("admin:leads_lead_ask_conversation", args=[lead.pk, key]),
            named[key].asked_by,
            asked[0][1],
            len(asked),
        )
        for key, asked in found.items()
    ]


def is_key(text: str) -> bool:
    try:
        return str(UUID(text)) == text
    except ValueError:
        return False
