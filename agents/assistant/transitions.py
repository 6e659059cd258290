"""Asking about a lead. It is answered and logged; nothing else comes of it."""

import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import timedelta
from uuid import UUID

from django.db import connection
from django.utils import timezone

from agents.assistant.answering import FactsAnswer, answered
from agents.assistant.chats import ASSISTANT, MOST_TURNS, Turn, chat_of, kept, numbered, turn_of
from agents.assistant.facts import Known
from agents.assistant.load_facts import gather
from agents.assistant.prompts import SYSTEM, Worded, prompt_of, unfounded
from agents.assistant.questions import Wanted, understood
from ai_log.gateway import ask
from ai_log.gateway.prompts import keepable
from ai_log.memory import memory
from ai_log.models import AIInteraction, InteractionSource, InteractionType
from ai_log.transitions import log_chat
from crm.exceptions import BadInput, IllegalMove
from crm.models import User
from crm.records.activity import Actor
from crm.text.cleaning import as_sent
from leads.models import Lead

LONGEST_QUESTION, MOST_AN_HOUR, MOST_REMEMBERED, MOST_TOLD = 2_000, 120, 5, 120
MAY = ("leads.view_lead", "ai_log.view_aiinteraction")


@dataclass(frozen=True)
class Asked:
    """What a person asks about a lead; the same `key` asks once."""

    lead: Lead
    question: str
    conversation: UUID
    key: UUID
    by: User


def ask_about(lead: Lead, question: str, *, conversation: UUID, key: UUID, by: User) -> AIInteraction:
    """Answer what `by` asks about `lead`, which they may see, and keep it as a turn of `conversation`.

    From facts; where there is a model it puts them into words. The same `key` asks once.

    Raises:
        NotAllowed: `by` may not see leads, or not the log.
        BadInput: nothing is asked, or it is longer than 2,000 characters.
        IllegalMove: the conversation is somebody else's or long enough, or it is asked too often.
    """
    for permission in MAY:
        Actor.of(by).require(permission, "ask about a lead")
    asked = Asked(lead, cleaned(question), conversation, key, by)
    with one_at_a_time(conversation):
        rows = AIInteraction.objects.filter(conversation_id=str(conversation)).order_by("created_at", "id")
        before = list(rows[:MOST_TURNS])
        guard(before, asked)
        same = next((row for row in before if chat_of(row).get("key") == str(key)), None)
        if same is not None:
            return same
        not_too_often(before, by)
        return answer(asked, [turn_of(row) for row in before])


def cleaned(question: str) -> str:
    question = as_sent(keepable(question)).strip()
    if not question:
        raise BadInput("Write a question.")
    if len(question) > LONGEST_QUESTION:
        raise BadInput(f"A question has at most {LONGEST_QUESTION:,} characters; this one has {len(question):,}.")
    return question


def guard(before: list[AIInteraction], asked: Asked) -> None:
    """Refuse to go on with a conversation about somebody else, or of a colleague."""
    if any(row.lead_id != asked.lead.pk or row.agent != ASSISTANT for row in before):
        raise IllegalMove("This conversation is about something else: begin a new one.")
    if any(row.asked_by_id != asked.by.pk for row in before):
        raise IllegalMove("This conversation is a colleague's: begin one of your own.")


def not_too_often(before: list[AIInteraction], by: User) -> None:
    if len(before) >= MOST_TURNS:
        raise IllegalMove(f"A conversation has {MOST_TURNS} questions at most: begin a new one.")
    hour_ago = timezone.now() - timedelta(hours=1)
    lately = AIInteraction.objects.filter(asked_by=by, created_at__gte=hour_ago, agent=ASSISTANT)
    if lately.count() >= MOST_AN_HOUR:
        raise IllegalMove(f"You have asked {MOST_AN_HOUR} questions within an hour: go on a little later.")


def answer(asked: Asked, before: list[Turn]) -> AIInteraction:
    """Gather what is known, and answer by a model where there is one, else by the facts alone."""
    started, now = time.monotonic(), timezone.localtime()
    wanted = understood(asked.question, now, before[-1].topics if before else ())
    known = gather(asked.lead, wanted, asked.by, now)
    found = answered(wanted, known)
    if ask.available():
        return worded(asked, wanted, found, known, before)
    return log_chat(
        asked.lead,
        asked.question,
        found.text,
        agent=ASSISTANT,
        conversation_id=str(asked.conversation),
        chat=kept(asked.question, asked.key, wanted, found),
        took=ask.milliseconds(started),
        by=asked.by,
    )


def worded(asked: Asked, wanted: Wanted, found: FactsAnswer, known: Known, before: list[Turn]) -> AIInteraction:
    """Ask the model for words; `found` is kept with them, for where it gives none that can be used."""
    told = known.facts[:MOST_TOLD]
    earlier = [(turn.question, turn.text) for turn in before[-MOST_REMEMBERED:]]
    today = timezone.localdate()
    facts = numbered(found, told)
    prompt = prompt_of(
        asked.question,
        facts,
        earlier,
        memory(asked.lead, by=asked.by),
        f"{today:%A}, {today.day} {today:%B %Y}",
    )
    said = ask.ask(
        prompt,
        system=SYSTEM,
        agent=ASSISTANT,
        type=InteractionType.CHAT,
        source=InteractionSource.AGENT_UI,
        answer=Worded,
        check=lambda words: unfounded(words, len(facts)),
        lead=asked.lead,
        conversation_id=str(asked.conversation),
        by=asked.by,
        chat=kept(asked.question, asked.key, wanted, found, told),
    )
    return said.interaction


@contextmanager
def one_at_a_time(conversation: UUID) -> Iterator[None]:
    """Whoever asks in the same conversation waits, so that a question sent twice is asked once.

    A lock of the database's session: no transaction may be open while a model thinks.
    """
    name = f"chat {conversation}"
    with connection.cursor() as cursor:
        cursor.execute("SELECT pg_advisory_lock(hashtextextended(%s, 0))", [name])
    try:
        yield
    finally:
        with connection.cursor() as cursor:
            cursor.execute("SELECT pg_advisory_unlock(hashtextextended(%s, 0))", [name])
