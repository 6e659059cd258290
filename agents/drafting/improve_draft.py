"""Asking a model to better what the rules have proposed: its words, or what it read of somebody new.

The rules' proposal stands meanwhile, and whatever comes of the question. A model's answer is proposed anew through the
one door, under the same key, and only if nothing has happened since.
"""

import logging
from collections.abc import Callable, Iterator
from contextlib import suppress
from dataclasses import dataclass
from datetime import datetime
from typing import Any
from uuid import UUID

from django.db import transaction
from django.db.models import Q
from django.utils import timezone
from procrastinate.contrib.django import app
from pydantic import BaseModel

from agents.drafting import prompts, read_prospect
from agents.drafting.load_briefs import agency, brief_of, mail_of
from ai_log.gateway.ask import Answer, ask, available, resting
from ai_log.gateway.prompts import Prompt
from ai_log.models import InteractionSource, InteractionType
from crm.exceptions import Refused
from crm.models import ActorType
from crm.records.activity import Actor
from crm.runtime.job_queue import enqueue
from inbox.models import Message
from inbox.thread_state import SAID
from leads.models import Lead
from suggestions.model_fields import BETTERED, PROSE
from suggestions.models import Suggestion, SuggestionQuerySet, SuggestionStatus
from suggestions.policy.findings import Finding, judge
from suggestions.transitions.propose import propose
from suggestions.transitions.state import NEXT_BEST, TRIAGE, kind_of, lock

logger = logging.getLogger(__name__)

ASK, MOST_A_NIGHT = "agents.ask_model", 200
# So many are asked at a time, however many workers there are: mail that is to go out does not wait for models.
LANES = 2
DRAFTING, READING = "Drafting", "Triage"
WAITS = {"proposed_by": None, "agent__in": (str(NEXT_BEST), str(TRIAGE)), "ai_model_version": ""}
# What of a suggestion goes into the one in a model's words as it is.
KEPT = ("type", "lead", "client", "thread", "message", "dedupe_key", "expires_at", "model_asked_at")


@dataclass(frozen=True)
class Question:
    """What is asked about a suggestion, and `renewed`: the suggestion as an answer would have it."""

    agent: str
    type: InteractionType
    system: str
    prompt: Prompt
    answer: type[BaseModel]
    renewed: Callable[[Any], Suggestion]


def to_ask(now: datetime) -> SuggestionQuerySet:
    """What waits in the rules' own words, and no model was asked about."""
    return Suggestion.objects.waiting(now).filter(**WAITS, type__in=BETTERED, model_asked_at=None)


def let_ask(suggestion: Suggestion) -> None:
    """Queue the question about `suggestion`, as part of the transaction that proposes it."""
    if available() and suggestion.type in BETTERED and suggestion.status == SuggestionStatus.PENDING:
        queue(suggestion.pk)


def queue(pk: UUID) -> None:
    task = app.configure_task(ASK, lock=f"model {pk.int % LANES}", queueing_lock=f"model {pk}")
    enqueue(task, suggestion=str(pk))


def ask_later() -> int:
    """Queue what no model was asked about because none could be: of tonight the newest two hundred; how many."""
    if not available():
        return 0
    keys = list(to_ask(timezone.now()).order_by("-created_at", "-id").values_list("pk", flat=True)[:MOST_A_NIGHT])
    for key in keys:
        queue(key)
    return len(keys)


def ask_model(pk: UUID) -> bool:
    """Ask a model about the suggestion `pk`, once; whether it waits in the model's words now.

    Claimed first: killed in the middle, the rules' words stand and nobody asks again. Where none answers for a reason
    that passes (the provider is down, a budget is used up), the night asks.
    """
    now = timezone.now()
    if not available() or resting(now) or to_ask(now).filter(pk=pk).update(model_asked_at=now) != 1:
        return False
    joined = ("lead__status", "lead__insurance_type", "lead__assigned_to", "client__assigned_to", "thread", "message")
    older = Suggestion.objects.select_related(*joined).get(pk=pk)
    question = asked_about(older, now)
    if question is None:
        return False
    answer = ask(
        question.prompt,
        system=question.system,
        agent=question.agent,
        type=question.type,
        source=InteractionSource.BACKEND_MIDDLEWARE,
        answer=question.answer,
        check=lambda value: why_not(older, question.renewed(value)),
        lead=older.lead,
        client=older.client,
        conversation_id=f"suggestion {pk}",
    )
    if answer.may_come_yet:
        Suggestion.objects.filter(pk=pk, model_asked_at=now).update(model_asked_at=None)
    return not answer.error and replaced(older, question.renewed(answer.value), answer)


def asked_about(older: Suggestion, now: datetime) -> Question | None:
    """What is asked about `older`; None where what it rests on is gone."""
    if older.type in PROSE:
        brief = brief_of(older, now)
        prompt = prompts.question(brief)

        def worded(answer: prompts.Words) -> Suggestion:
            reasons = prompts.reasoned(older.reasoning, answer)
            return like(older, prompts.worded(brief, answer), reasons, older.confidence)

        system = prompts.rule(brief)
        return Question(DRAFTING, InteractionType.FOLLOW_UP, system, prompt, prompts.Words, worded)
    mail = mail_of(older)
    if mail is None:
        return None

    def read(answer: read_prospect.Reading) -> Suggestion:
        sure, said = read_prospect.opinion(mail, answer, older.confidence)
        content = read_prospect.bettered(older.suggested_content, mail, answer)
        return like(older, content, f"{older.reasoning}\n\n{said}", sure)

    system = read_prospect.RULE.format(house=agency())
    return Question(
        READING, InteractionType.PROMPT_RESPONSE, system, read_prospect.question(mail), read_prospect.Reading, read
    )


def like(older: Suggestion, content: dict[str, Any], reasoning: str, sure: Any) -> Suggestion:
    """`older` with other words; what outsiders wrote was before the model, so it rests on that."""
    same = {name: getattr(older, name) for name in KEPT}
    said = {"suggested_content": content, "reasoning": reasoning, "confidence": sure, "evidence": older.evidence}
    return Suggestion(**same, **said, tainted=True)


# Whether the answer can be used


def why_not(older: Suggestion, newer: Suggestion) -> str:
    """Why `newer` does not take the place of `older`, in a sentence; empty where it may.

    It may not where the policy asks about anything in it that the rules' own words do not hold.
    """
    try:
        before = {finding.code for finding in asking(like(older, older.suggested_content, "", None))}
    except Refused:
        before = set()
    try:
        found = [finding for finding in asking(newer) if finding.code not in before]
    except Refused as refusal:
        return str(refusal)
    return " ".join(finding.sentence for finding in found)


def asking(suggestion: Suggestion) -> list[Finding]:
    """What whoever let `suggestion` go out would have to confirm.

    Raises:
        Refused: it could not be carried out.
    """
    found = []
    for one in leaving(suggestion):
        kind = kind_of(one)
        payload = kind.check(kind.completed(one.suggested_content, one))
        kind.guard(payload, one)
        found += [finding for finding in judge(kind, payload, one) if finding.asks]
    return found


def leaving(suggestion: Suggestion) -> Iterator[Suggestion]:
    """`suggestion` and the draft that it would lead to, whose words are the same."""
    yield suggestion
    kind = kind_of(suggestion)
    payload = kind.check(kind.completed(suggestion.suggested_content, suggestion))
    with suppress(Refused):
        for following in kind.leads_to(payload, suggestion, {}):
            if following.as_draft:
                following.suggestion.tainted = True
                yield following.suggestion


# Taking its place


@transaction.atomic
def replaced(older: Suggestion, newer: Suggestion, answer: Answer) -> bool:
    """Propose `newer` in place of `older`, unless that was changed or decided, or something was said since."""
    if older.lead_id:
        Lead.everything.select_for_update(of=("self",)).filter(pk=older.lead_id).first()
    version = older.version
    stands = lock(older)
    waits = Suggestion.objects.waiting(timezone.now()).filter(pk=stands.pk).exists()
    if not waits or stands.version != version or said_since(stands):
        logger.info("A model's words for the suggestion %s came too late.", stands.pk)
        return False
    row = answer.interaction
    newer.interaction, newer.ai_model_version = row, row.model_used
    newer.prompt_tokens, newer.completion_tokens = row.prompt_tokens, row.completion_tokens
    try:
        with transaction.atomic():
            propose(newer, by=Actor(ActorType.AI, name=stands.agent))
    except Refused as refusal:
        logger.info("A model's words for the suggestion %s are not proposed: %s", stands.pk, refusal)
        return False
    return True


def said_since(suggestion: Suggestion) -> bool:
    """Whether anything has come in or gone out in its conversation, or with its lead, since a model was asked."""
    where = Q(thread=suggestion.thread_id) if suggestion.thread_id else Q()
    if suggestion.lead_id:
        where |= Q(thread__lead=suggestion.lead_id)
    rows = Message.objects.filter(where, state__in=SAID, created_at__gte=suggestion.model_asked_at)
    return bool(where) and rows.exists()
