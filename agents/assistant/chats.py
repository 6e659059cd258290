"""Conversations of staff with the assistant, as the AI log stores them and the screen shows them."""

from collections.abc import Iterable
from dataclasses import dataclass
from datetime import datetime
from typing import Any
from uuid import UUID

from django.db.models.fields.json import KeyTextTransform, KeyTransform
from django.urls import reverse

from agents.assistant.answering import AnswerPart, FactsAnswer
from agents.assistant.facts import Fact
from agents.assistant.prompts import CitedAnswer, parse_cited_answer
from agents.assistant.questions import QuestionIntent, Topic
from ai_log.gateway.otel_names import CHAT_TURN
from ai_log.models import AIInteraction, AIInteractionQuerySet, InteractionType
from crm.models import User
from leads.models import Lead

ASSISTANT_AGENT = "Assistant"
MAX_TURNS, MAX_CHAT_ROWS, MAX_CHATS, MAX_TITLE_LENGTH = 50, 200, 8, 90


@dataclass(frozen=True)
class ChatTurn:
    """A question and its answer: a model's, or else the facts, and `note` says why there is no model's answer."""

    row: AIInteraction
    question: str
    answer: FactsAnswer
    model_answer: CitedAnswer | None = None
    sources: tuple[tuple[int, Fact], ...] = ()
    note: str = ""

    @property
    def text(self) -> str:
        return self.model_answer.text if self.model_answer else self.answer.text

    @property
    def topics(self) -> list[Topic]:
        """The topics of the question."""
        found = chat_metadata(self.row).get("topics")
        return [Topic(one) for one in (found if isinstance(found, list) else []) if one in list(Topic)]


@dataclass(frozen=True)
class ChatSummary:
    """An earlier conversation, for a list."""

    title: str
    url: str
    by: User | None
    at: datetime
    count: int


def turn_log_data(
    question: str, key: UUID, intent: QuestionIntent, answer: FactsAnswer, prompt_facts: Iterable[Fact] = ()
) -> dict[str, Any]:
    """Return what the log stores with a question: the facts, in the order of their numbers, and the answer.

    The facts of the answer come first, then the other `prompt_facts`.
    """
    facts = number_facts(answer, prompt_facts)
    parts, at = [], 0
    for part in answer.parts:
        numbers = list(range(at + 1, at + 1 + len(part.facts)))
        parts.append({"heading": part.heading, "remark": part.remark, "facts": numbers})
        at += len(numbers)
    return {
        "question": question,
        "key": str(key),
        "topics": [topic.value for topic in intent.topics],
        "remark": answer.remark,
        "parts": parts,
        "facts": [fact.to_log() for fact in facts],
    }


def number_facts(answer: FactsAnswer, prompt_facts: Iterable[Fact] = ()) -> list[Fact]:
    """Return all facts in the order of their numbers."""
    first = answer.facts
    return [*first, *(fact for fact in prompt_facts if fact not in first)]


def chat_metadata(row: AIInteraction) -> dict[str, Any]:
    """Return what `turn_log_data` stored with `row`; empty where nothing is left."""
    found = row.metadata.get(CHAT_TURN)
    return found if isinstance(found, dict) else {}


def build_turn(row: AIInteraction) -> ChatTurn:
    """Return `row` for the screen; an erased one is empty."""
    chat = chat_metadata(row)
    rows = chat.get("facts")
    facts = [Fact.from_log(one) for one in (rows if isinstance(rows, list) else [])]
    answer = rebuild_answer(chat, facts)
    question = str(chat.get("question", ""))
    if not row.model_used:
        return ChatTurn(row, question, answer)
    model_answer = CitedAnswer() if row.error_message else parse_cited_answer(row.ai_response, len(facts))
    if not model_answer.numbers:
        note = f"{row.error_message} The answer below comes from the record." if question else ""
        return ChatTurn(row, question, answer, note=note)
    sources = tuple((number, fact) for number in model_answer.numbers if (fact := facts[number - 1]) is not None)
    return ChatTurn(row, question, answer, model_answer, sources)


def rebuild_answer(chat: dict[str, Any], facts: list[Fact | None]) -> FactsAnswer:
    """Return the answer that `turn_log_data` stored."""
    parts = chat.get("parts")
    found = [
        AnswerPart(
            str(part.get("heading", "")),
            tuple(facts[n - 1] for n in part.get("facts", []) if 1 <= n <= len(facts) and facts[n - 1] is not None),
            str(part.get("remark", "")),
        )
        for part in (parts if isinstance(parts, list) else [])
        if isinstance(part, dict)
    ]
    return FactsAnswer(tuple(found), str(chat.get("remark", "")))


def visible_chat_interactions(lead: Lead, user: User) -> AIInteractionQuerySet:
    """Return the questions about `lead` that `user` may see."""
    rows = AIInteraction.objects.filter(lead=lead, type=InteractionType.CHAT, agent=ASSISTANT_AGENT)
    return rows.visible_to(user).exclude(conversation_id="")


def load_turns(lead: Lead, conversation: UUID, user: User) -> list[ChatTurn]:
    """Return the questions and answers of a conversation, oldest first."""
    rows = visible_chat_interactions(lead, user).filter(conversation_id=str(conversation)).select_related("asked_by")
    return [build_turn(row) for row in rows.order_by("created_at", "id")[:MAX_TURNS]]


def load_recent_chats(lead: Lead, user: User, most: int = MAX_CHATS) -> list[ChatSummary]:
    """Return the latest conversations about `lead`, newest first, titled by their first question."""
    rows = visible_chat_interactions(lead, user)
    conversations: dict[str, list[tuple[Any, datetime]]] = {}
    for pk, key, at in rows.order_by("-created_at", "-id").values_list("pk", "conversation_id", "created_at")[
        :MAX_CHAT_ROWS
    ]:
        if is_uuid(key) and (key in conversations or len(conversations) < most):
            conversations.setdefault(key, []).append((pk, at))
    first = {questions[-1][0]: key for key, questions in conversations.items()}
    question = KeyTextTransform("question", KeyTransform(CHAT_TURN, "metadata"))
    titles = AIInteraction.objects.filter(pk__in=first).annotate(question=question).select_related("asked_by")
    named = {first[row.pk]: row for row in titles.only("id", "asked_by", "conversation_id")}
    return [
        ChatSummary(
            " ".join((named[key].question or "Erased").split())[:MAX_TITLE_LENGTH],
            reverse("admin:leads_lead_ask_conversation", args=[lead.pk, key]),
            named[key].asked_by,
            questions[0][1],
            len(questions),
        )
        for key, questions in conversations.items()
    ]


def is_uuid(text: str) -> bool:
    try:
        return str(UUID(text)) == text
    except ValueError:
        return False
