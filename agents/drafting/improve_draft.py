"""Ask a model to improve a suggestion made by rules: its text, or the details of a new lead.

The suggestion stays as it is until a usable answer arrives. The answer is proposed under the same key like any other
suggestion, and only if nothing changed in the meantime.
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
from pydantic import BaseModel

from agents.drafting import prompts, read_prospect
from agents.drafting.load_briefs import agency_name, load_brief, load_prospect_email
from ai_log.gateway.ask import ModelAnswer, is_backing_off, is_model_configured, send_prompt
from ai_log.gateway.job_lock import model_job_lock
from ai_log.gateway.prompts import Prompt
from ai_log.models import InteractionSource, InteractionType
from crm.exceptions import ActionRefused
from crm.models import ActorType
from crm.records.activity import Actor
from crm.runtime.job_queue import configure_job, enqueue
from inbox.models import Message
from inbox.thread_state import DELIVERED_STATES
from leads.models import Lead
from suggestions.model_fields import MODEL_WRITTEN_FIELDS, PROSE_FIELDS
from suggestions.models import Suggestion, SuggestionQuerySet, SuggestionStatus
from suggestions.policy.findings import PolicyFinding, find_policy_findings
from suggestions.transitions.propose import propose
from suggestions.transitions.state import NEXT_BEST_ACTION_AGENT, TRIAGE_AGENT, get_kind, lock_suggestion

logger = logging.getLogger(__name__)

ASK_MODEL_TASK, MAX_QUESTIONS_PER_NIGHT = "agents.ask_model", 200
DRAFTING_AGENT, READING_AGENT = "Drafting", "Triage"
RULE_WORDED_FILTER = {
    "proposed_by": None,
    "agent__in": (str(NEXT_BEST_ACTION_AGENT), str(TRIAGE_AGENT)),
    "ai_model_version": "",
}
# The fields that the improved suggestion keeps.
COPIED_FIELDS = (
    *("type", "lead", "client", "thread", "message", "dedupe_key", "expires_at", "model_asked_at"),
    *("rule", "similar_decided", "similar_unchanged"),
)


@dataclass(frozen=True)
class ModelQuestion:
    """A question about a suggestion; `build_suggestion` makes the improved suggestion from an answer."""

    agent: str
    type: InteractionType
    system: str
    prompt: Prompt
    answer: type[BaseModel]
    build_suggestion: Callable[[Any], Suggestion]


def suggestions_to_improve(now: datetime) -> SuggestionQuerySet:
    """Return the waiting suggestions that rules wrote, no model was asked about and no person changed."""
    return Suggestion.objects.awaiting_decision(now).filter(
        **RULE_WORDED_FILTER, type__in=MODEL_WRITTEN_FIELDS, model_asked_at=None, edited_content__isnull=True
    )


def queue_improvement(suggestion: Suggestion) -> None:
    """Queue the question about `suggestion` in the transaction that proposes it."""
    if (
        is_model_configured()
        and suggestion.type in MODEL_WRITTEN_FIELDS
        and suggestion.status == SuggestionStatus.PENDING
    ):
        enqueue_model_question(suggestion.pk)


def enqueue_model_question(pk: UUID) -> None:
    task = configure_job(ASK_MODEL_TASK, lock=model_job_lock(pk), queueing_lock=f"model {pk}")
    enqueue(task, suggestion=str(pk))


def enqueue_skipped_questions() -> int:
    """Queue the suggestions that no model could be asked about, the newest two hundred a night; return how many."""
    if not is_model_configured():
        return 0
    keys = list(
        suggestions_to_improve(timezone.now())
        .order_by("-created_at", "-id")
        .values_list("pk", flat=True)[:MAX_QUESTIONS_PER_NIGHT]
    )
    for key in keys:
        enqueue_model_question(key)
    return len(keys)


def ask_model(pk: UUID) -> bool:
    """Ask a model about the suggestion `pk`, once; return whether its answer replaced the text by rules.

    The suggestion is claimed first: if the worker dies, the text by rules stays and no second question is asked. If no
    model answers for a temporary reason (provider down, budget used up), the nightly job asks again.
    """
    now = timezone.now()
    if (
        not is_model_configured()
        or is_backing_off(now)
        or suggestions_to_improve(now).filter(pk=pk).update(model_asked_at=now) != 1
    ):
        return False
    joined = ("lead__status", "lead__insurance_type", "lead__assigned_to", "client__assigned_to", "thread", "message")
    older = Suggestion.objects.select_related(*joined).get(pk=pk)
    question = build_model_question(older, now)
    if question is None:
        return False
    answer = send_prompt(
        question.prompt,
        system=question.system,
        agent=question.agent,
        type=question.type,
        source=InteractionSource.BACKEND_MIDDLEWARE,
        answer=question.answer,
        check=lambda value: explain_unusable_answer(older, question.build_suggestion(value)),
        lead=older.lead,
        client=older.client,
        conversation_id=f"suggestion {pk}",
    )
    if answer.is_retryable:
        Suggestion.objects.filter(pk=pk, model_asked_at=now).update(model_asked_at=None)
    return not answer.error and replace_with_improved(older, question.build_suggestion(answer.value), answer)


def build_model_question(older: Suggestion, now: datetime) -> ModelQuestion | None:
    """Build the question about `older`; None if the email it is based on is gone."""
    if older.type in PROSE_FIELDS:
        brief = load_brief(older, now)
        prompt = prompts.build_drafting_prompt(brief)

        def build_from_draft(answer: prompts.DraftAnswer) -> Suggestion:
            reasons = prompts.append_draft_reason(older.reasoning, answer)
            return copy_with(older, prompts.apply_draft(brief, answer), reasons, older.confidence)

        system = prompts.drafting_system_prompt(brief)
        return ModelQuestion(
            DRAFTING_AGENT, InteractionType.FOLLOW_UP, system, prompt, prompts.DraftAnswer, build_from_draft
        )
    email = load_prospect_email(older)
    if email is None:
        return None

    def build_from_reading(answer: read_prospect.ProspectReading) -> Suggestion:
        confidence, note = read_prospect.adjust_confidence(email, answer, older.confidence)
        content = read_prospect.improve_lead_content(older.suggested_content, email, answer)
        return copy_with(older, content, f"{older.reasoning}\n\n{note}", confidence)

    system = read_prospect.READING_RULES.format(agency=agency_name())
    return ModelQuestion(
        READING_AGENT,
        InteractionType.PROMPT_RESPONSE,
        system,
        read_prospect.build_reading_prompt(email),
        read_prospect.ProspectReading,
        build_from_reading,
    )


def copy_with(older: Suggestion, content: dict[str, Any], reasoning: str, confidence: Any) -> Suggestion:
    """Return `older` with new content; it counts as untrusted, because the model read an outside message."""
    same = {name: getattr(older, name) for name in COPIED_FIELDS}
    changed = {
        "suggested_content": content,
        "reasoning": reasoning,
        "confidence": confidence,
        "evidence": older.evidence,
    }
    return Suggestion(**same, **changed, tainted=True)


# Whether the answer can be used


def explain_unusable_answer(older: Suggestion, newer: Suggestion) -> str:
    """Say in a sentence why `newer` cannot replace `older`; empty if it can.

    It cannot if the policy asks to confirm anything that it did not ask about in the text by rules.
    """
    try:
        before = {finding.code for finding in findings_to_confirm(copy_with(older, older.suggested_content, "", None))}
    except ActionRefused:
        before = set()
    try:
        found = [finding for finding in findings_to_confirm(newer) if finding.code not in before]
    except ActionRefused as error:
        return str(error)
    return " ".join(finding.sentence for finding in found)


def findings_to_confirm(suggestion: Suggestion) -> list[PolicyFinding]:
    """Return the findings that the approver of `suggestion` would have to confirm.

    Raises:
        ActionRefused: it could not be executed.
    """
    found = []
    for one in with_outgoing_draft(suggestion):
        kind = get_kind(one)
        payload = kind.parse_content(kind.fill_defaults(one.suggested_content, one))
        kind.guard(payload, one)
        found += [finding for finding in find_policy_findings(kind, payload, one) if finding.needs_confirmation]
    return found


def with_outgoing_draft(suggestion: Suggestion) -> Iterator[Suggestion]:
    """Yield `suggestion` and the draft that follows from it, which has the same text."""
    yield suggestion
    kind = get_kind(suggestion)
    payload = kind.parse_content(kind.fill_defaults(suggestion.suggested_content, suggestion))
    with suppress(ActionRefused):
        for following in kind.follow_ons(payload, suggestion, {}):
            if following.as_draft:
                following.suggestion.tainted = True
                yield following.suggestion


# Replacing it


@transaction.atomic
def replace_with_improved(older: Suggestion, newer: Suggestion, answer: ModelAnswer) -> bool:
    """Propose `newer` in place of `older`, unless that was changed or decided, or a message arrived since."""
    if older.lead_id:
        Lead.everything.select_for_update(of=("self",)).filter(pk=older.lead_id).first()
    version = older.version
    agent = Actor(ActorType.AI, name=older.agent)
    current = lock_suggestion(older, by=agent)
    waits = Suggestion.objects.awaiting_decision(timezone.now()).filter(pk=current.pk).exists()
    if not waits or current.version != version or has_newer_messages(current):
        logger.info("A model's answer for suggestion %s came too late.", current.pk)
        return False
    row = answer.interaction
    newer.interaction, newer.ai_model_version = row, row.model_used
    newer.prompt_tokens, newer.completion_tokens = row.prompt_tokens, row.completion_tokens
    try:
        with transaction.atomic():
            propose(newer, by=agent)
    except ActionRefused as error:
        logger.info("A model's answer for suggestion %s was not proposed: %s", current.pk, error)
        return False
    return True


def has_newer_messages(suggestion: Suggestion) -> bool:
    """Return whether a message was received or sent in the thread, or with the lead, since the model was asked."""
    where = Q(thread=suggestion.thread_id) if suggestion.thread_id else Q()
    if suggestion.lead_id:
        where |= Q(thread__lead=suggestion.lead_id)
    rows = Message.objects.filter(where, state__in=DELIVERED_STATES, created_at__gte=suggestion.model_asked_at)
    return bool(where) and rows.exists()
