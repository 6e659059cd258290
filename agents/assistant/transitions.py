"""Asks a question about a lead: it is answered and logged, and nothing else changes."""

import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import timedelta
from uuid import UUID

from django.db import connection
from django.utils import timezone

from agents.assistant.answering import FactsAnswer, answer_from_facts
from agents.assistant.chats import (
    ASSISTANT_AGENT,
    MAX_TURNS,
    ChatTurn,
    build_turn,
    chat_metadata,
    number_facts,
    turn_log_data,
)
from agents.assistant.facts import LeadFacts
from agents.assistant.load_facts import load_lead_facts
from agents.assistant.prompts import (
    ASSISTANT_SYSTEM_PROMPT,
    AssistantAnswer,
    build_assistant_prompt,
    explain_missing_sources,
)
from agents.assistant.questions import QuestionIntent, parse_question
from ai_log.gateway import ask
from ai_log.memory import load_memory
from ai_log.models import AIInteraction, InteractionSource, InteractionType
from ai_log.transitions import log_chat
from crm.exceptions import IllegalTransition, InvalidInput
from crm.models import User
from crm.records.activity import Actor
from crm.records.local_time import agency_now, agency_today
from crm.text.cleaning import clean_form_text, storable_text
from crm.text.dates import SPELLED_STYLE
from leads.models import Lead

MAX_QUESTION_LENGTH, MAX_QUESTIONS_PER_HOUR, MAX_EARLIER_TURNS, MAX_PROMPT_FACTS = 2_000, 120, 5, 120
ASK_PERMISSIONS = ("leads.view_lead", "ai_log.view_aiinteraction")


@dataclass(frozen=True)
class LeadQuestion:
    """A person's question about a lead; the same `key` asks once."""

    lead: Lead
    question: str
    conversation: UUID
    key: UUID
    by: User


def ask_about_lead(lead: Lead, question: str, *, conversation: UUID, key: UUID, by: User) -> AIInteraction:
    """Answer a question of `by` about `lead`, which they may see, and log it as a turn of `conversation`.

    The answer comes from facts; a model, if one is configured, puts them into words. The same `key` asks once.

    Raises:
        NotPermitted: `by` may not see leads or the log.
        InvalidInput: the question is empty or longer than 2,000 characters.
        IllegalTransition: the conversation is a colleague's or too long, or `by` asks too often.
    """
    for permission in ASK_PERMISSIONS:
        Actor.of(by).require_permission(permission, "ask about a lead")
    lead_question = LeadQuestion(lead, clean_question(question), conversation, key, by)
    with conversation_lock(conversation):
        rows = AIInteraction.objects.filter(conversation_id=str(conversation)).order_by("created_at", "id")
        previous = list(rows[:MAX_TURNS])
        check_conversation(previous, lead_question)
        same = next((row for row in previous if chat_metadata(row).get("key") == str(key)), None)
        if same is not None:
            return same
        check_question_limits(previous, by)
        return answer_question(lead_question, [build_turn(row) for row in previous])


def clean_question(question: str) -> str:
    """Return `question` as it is stored."""
    question = clean_form_text(storable_text(question)).strip()
    if not question:
        raise InvalidInput("Enter a question.")
    if len(question) > MAX_QUESTION_LENGTH:
        raise InvalidInput(
            f"A question can have at most {MAX_QUESTION_LENGTH:,} characters; this one has {len(question):,}."
        )
    return question


def check_conversation(previous: list[AIInteraction], lead_question: LeadQuestion) -> None:
    """Raise IllegalTransition if the conversation is about another lead, or a colleague's."""
    if any(row.lead_id != lead_question.lead.pk or row.agent != ASSISTANT_AGENT for row in previous):
        raise IllegalTransition("This conversation is about something else. Start a new one.")
    if any(row.asked_by_id != lead_question.by.pk for row in previous):
        raise IllegalTransition("This conversation is a colleague's. Start your own.")


def check_question_limits(previous: list[AIInteraction], by: User) -> None:
    """Raise IllegalTransition if the conversation is full, or `by` has asked too often in the last hour."""
    if len(previous) >= MAX_TURNS:
        raise IllegalTransition(f"A conversation can have at most {MAX_TURNS} questions. Start a new one.")
    hour_ago = timezone.now() - timedelta(hours=1)
    lately = AIInteraction.objects.filter(asked_by=by, created_at__gte=hour_ago, agent=ASSISTANT_AGENT)
    if lately.count() >= MAX_QUESTIONS_PER_HOUR:
        raise IllegalTransition(f"You have asked {MAX_QUESTIONS_PER_HOUR} questions in the last hour. Try again later.")


def answer_question(lead_question: LeadQuestion, previous: list[ChatTurn]) -> AIInteraction:
    """Load the facts, and answer with a model if one is configured, else with the facts alone."""
    started, now = time.monotonic(), agency_now()
    intent = parse_question(lead_question.question, now, previous[-1].topics if previous else ())
    lead_facts = load_lead_facts(lead_question.lead, intent, lead_question.by, now)
    facts_answer = answer_from_facts(intent, lead_facts)
    if ask.is_model_configured():
        return answer_with_model(lead_question, intent, facts_answer, lead_facts, previous)
    return log_chat(
        lead_question.lead,
        lead_question.question,
        facts_answer.text,
        agent=ASSISTANT_AGENT,
        conversation_id=str(lead_question.conversation),
        chat=turn_log_data(lead_question.question, lead_question.key, intent, facts_answer),
        latency_ms=ask.elapsed_ms(started),
        by=lead_question.by,
    )


def answer_with_model(
    lead_question: LeadQuestion,
    intent: QuestionIntent,
    facts_answer: FactsAnswer,
    lead_facts: LeadFacts,
    previous: list[ChatTurn],
) -> AIInteraction:
    """Ask the model, and log `facts_answer` with its answer, in case that cannot be used."""
    prompt_facts = lead_facts.facts[:MAX_PROMPT_FACTS]
    earlier = [(turn.question, turn.text) for turn in previous[-MAX_EARLIER_TURNS:]]
    today = agency_today()
    facts = number_facts(facts_answer, prompt_facts)
    prompt = build_assistant_prompt(
        lead_question.question,
        facts,
        earlier,
        load_memory(lead_question.lead, by=lead_question.by),
        f"{today:%A}, {SPELLED_STYLE.long_day(today)}",
    )
    response = ask.send_prompt(
        prompt,
        system=ASSISTANT_SYSTEM_PROMPT,
        agent=ASSISTANT_AGENT,
        type=InteractionType.CHAT,
        source=InteractionSource.AGENT_UI,
        answer=AssistantAnswer,
        check=lambda words: explain_missing_sources(words, len(facts)),
        lead=lead_question.lead,
        conversation_id=str(lead_question.conversation),
        by=lead_question.by,
        chat=turn_log_data(lead_question.question, lead_question.key, intent, facts_answer, prompt_facts),
    )
    return response.interaction


@contextmanager
def conversation_lock(conversation: UUID) -> Iterator[None]:
    """Make questions in the same conversation wait for each other, so that one sent twice is asked once.

    The lock belongs to the database session: no transaction may be open while the model answers.
    """
    name = f"chat {conversation}"
    with connection.cursor() as cursor:
        cursor.execute("SELECT pg_advisory_lock(hashtextextended(%s, 0))", [name])
    try:
        yield
    finally:
        with connection.cursor() as cursor:
            cursor.execute("SELECT pg_advisory_unlock(hashtextextended(%s, 0))", [name])
