"""The one door to a model: what goes through it is in the log, whatever comes of it."""

import time
from collections.abc import Callable
from dataclasses import dataclass
from datetime import datetime, timedelta
from decimal import Decimal
from typing import Any

from django.conf import settings
from django.db import IntegrityError, transaction
from django.utils import timezone
from django.utils.module_loading import import_string
from pydantic import BaseModel, ValidationError

from ai_log.gateway import otel_names
from ai_log.gateway.budgets import exceeded
from ai_log.gateway.prompts import Prompt, keepable
from ai_log.gateway.replies import MOST_TOKENS, Failed, Reply, without_key
from ai_log.models import AIInteraction, InteractionSource, InteractionType
from crm.exceptions import IllegalMove
from crm.models import Client, User
from leads.models import Lead

# Loaded when a model is asked: that takes a second, and most processes never ask one.
SEND = "ai_log.gateway.provider.send"
LONGEST_PROMPT = 200_000
SUMMARY_LENGTH = 120
MOST_COUNTED = 2**31 - 1
MOST_DOLLARS = Decimal("9999.999999")
FENCE = "`"
# What is wrong with an answer itself: asked again, the model would say the like of it. All else may pass; a 400 or 422,
# too, which mostly says that the model does not know what it was asked by (a JSON Schema), until another is set.
IN_THE_ANSWER = frozenset({"refused", "length", "tool_call", "empty", "wrong_shape", "not_used", "too_long", "413"})
# So many calls that failed one after the other within so long, and the provider is left alone.
FAILED_IN_A_ROW, LATELY = 3, timedelta(minutes=10)
Check = Callable[[Any], str]


@dataclass(frozen=True)
class Answer:
    """What came of a question, and its row in the log.

    `error` is empty where there is an answer: `text`, and where a shape was asked for `value` in that shape.
    """

    interaction: AIInteraction
    text: str = ""
    value: Any = None
    error: str = ""

    @property
    def may_come_yet(self) -> bool:
        """Whether there is none for a reason that passes: the provider is down, or the day's budget used up."""
        return bool(self.error) and passes(self.interaction.metadata.get(otel_names.ERROR))


def passes(kind: str | None) -> bool:
    return kind not in IN_THE_ANSWER


def resting(now: datetime) -> bool:
    """Whether the latest calls all failed for reasons that pass, so that what need not be asked now can wait."""
    latest = AIInteraction.objects.filter(created_at__gte=now - LATELY).order_by("-created_at", "-id")
    kinds = [metadata.get(otel_names.ERROR) for metadata in latest.values_list("metadata", flat=True)[:FAILED_IN_A_ROW]]
    return len(kinds) == FAILED_IN_A_ROW and all(kind is not None and passes(kind) for kind in kinds)


def available() -> bool:
    """Whether there is a model to ask."""
    return bool(settings.AI_MODEL and settings.AI_URL)


def ask(
    prompt: Prompt,
    *,
    system: str,
    agent: str,
    type: InteractionType,
    source: InteractionSource,
    answer: type[BaseModel] | None = None,
    check: Check | None = None,
    lead: Lead | None = None,
    client: Client | None = None,
    conversation_id: str = "",
    by: User | None = None,
    chat: dict[str, Any] | None = None,
) -> Answer:
    """Ask the model once, for `by` if a person wants it, and log what was asked and what came of it.

    `check` says of an answer in the shape of `answer` why it is not used, in a sentence; empty if it is. `chat` is kept
    on the row: what a screen shows of a question that a person has asked. A refusal, a budget used up, a time-out, an
    answer of the wrong shape or one that is not used: each is an Answer with its `error`. What no model could have done
    wrong is logged, too, and raised again.

    Raises:
        IllegalMove: there is no model to ask.
        RuntimeError: called inside a transaction, which would stay open for as long as the model thinks.
    """
    if not available():
        raise IllegalMove("There is no model to ask: AI_MODEL and AI_URL are not set.")
    rule = f"{keepable(system)}\n\n{prompt.rule()}".strip()
    about = {"lead": lead, "client": client, "asked_by": by, "conversation_id": conversation_id}
    row = AIInteraction(type=type, source=source, agent=agent, content=prompt.text[:LONGEST_PROMPT], **about)
    describe(row, prompt, rule, answer)
    if chat:
        row.metadata[otel_names.CHAT] = chat
    # A durable block is refused inside another transaction, save for the one that a test is rolled back by.
    with transaction.atomic(durable=True):
        held_back = not_to_send(prompt, by)
    return failed(row, held_back, "held_back") if held_back else sent(row, rule, prompt, answer, check)


def sent(row: AIInteraction, rule: str, prompt: Prompt, answer: type[BaseModel] | None, check: Check | None) -> Answer:
    """Send what `row` is to log, and log what comes of it."""
    started = time.monotonic()
    try:
        reply = import_string(SEND)(rule, prompt.text, answer)
    except Failed as error:
        return failed(row, str(error), error.kind, started)
    except BaseException as error:
        failed(row, f"The call broke down: {error.__class__.__name__}.", error.__class__.__name__, started)
        raise
    row.latency_ms = milliseconds(started)
    note(row, reply)
    try:
        value, error, kind = judged(reply, answer, check)
    except BaseException as error:
        failed(row, f"The answer could not be judged: {error.__class__.__name__}.", error.__class__.__name__)
        raise
    if error:
        return failed(row, error, kind)
    row.summary = in_short(value, reply.text)
    keep(row)
    return Answer(row, reply.text, value)


def not_to_send(prompt: Prompt, by: User | None) -> str:
    """Why `prompt` is not sent at all, in a sentence; empty if it is."""
    if len(prompt.text) > LONGEST_PROMPT:
        return f"Not asked: the question has {len(prompt.text):,} characters, and {LONGEST_PROMPT:,} are the most."
    return exceeded(by, timezone.now())


def describe(row: AIInteraction, prompt: Prompt, rule: str, answer: type[BaseModel] | None) -> None:
    """Note on `row` how it is asked: what is known before the call."""
    row.model_used, row.temperature = settings.AI_MODEL[:100], settings.AI_TEMPERATURE
    row.metadata = {
        otel_names.SCHEMA: otel_names.SCHEMA_URL,
        otel_names.OPERATION: "chat",
        otel_names.PROVIDER: settings.AI_PROVIDER or "unknown",
        otel_names.AGENT: row.agent,
        otel_names.ASKED_MODEL: settings.AI_MODEL,
        otel_names.TEMPERATURE: settings.AI_TEMPERATURE,
        otel_names.MOST_TOKENS: MOST_TOKENS,
        otel_names.OUTPUT_TYPE: "json" if answer else "text",
        otel_names.SYSTEM: rule,
        otel_names.OUTSIDE: [list(span) for span in prompt.spans if span[1] <= LONGEST_PROMPT],
    }
    if row.conversation_id:
        row.metadata[otel_names.CONVERSATION] = row.conversation_id


def note(row: AIInteraction, reply: Reply) -> None:
    """Write on `row` what came back."""
    row.ai_response = reply.text
    row.prompt_tokens, row.completion_tokens = countable(reply.tokens_in), countable(reply.tokens_out)
    known = reply.dollars is not None and 0 <= reply.dollars <= MOST_DOLLARS
    row.cost_usd = round(reply.dollars, 6) if known else None
    row.model_used = reply.model or row.model_used
    details = {
        otel_names.ANSWERING_MODEL: reply.model,
        otel_names.ANSWER_ID: reply.id,
        otel_names.FINISH: [reply.finish],
        otel_names.TOKENS_IN: row.prompt_tokens,
        otel_names.TOKENS_OUT: row.completion_tokens,
    }
    row.metadata |= {name: value for name, value in details.items() if value not in (None, "")}


def judged(reply: Reply, answer: type[BaseModel] | None, check: Check | None) -> tuple[BaseModel | None, str, str]:
    """What `reply` says in the shape of `answer`, or why it is no answer, in a sentence and in a word."""
    error, kind = wrong_with(reply)
    if error or not answer:
        return None, error, kind
    try:
        value = answer.model_validate_json(bare(reply.text))
    except ValidationError as refusal:
        return None, f"The answer is not of the shape that was asked for: {faults(refusal)}.", "wrong_shape"
    why = check(value) if check else ""
    return value, f"Not used: {why}" if why else "", "not_used" if why else ""


def in_short(value: BaseModel | None, text: str) -> str:
    """What is remembered of an answer: what its shape says by `in_short` where it has that, else how it begins."""
    told = keepable(str(getattr(value, "in_short", "")))
    return " ".join((told or text).split())[:SUMMARY_LENGTH]


def wrong_with(reply: Reply) -> tuple[str, str]:
    """Why `reply` is no answer, in a sentence and in a word; both empty if it is one."""
    if reply.refusal or reply.finish == "content_filter":
        why = f": {reply.refusal[:300].rstrip('.')}" if reply.refusal else ""
        return f"The model refused{why}.", "refused"
    if reply.finish == "length":
        return f"The answer was cut off after {MOST_TOKENS:,} tokens.", "length"
    if reply.finish == "tool_call":
        return "The model asked for a tool, and there is none.", "tool_call"
    return ("", "") if reply.text.strip() else ("The model answered nothing.", "empty")


def failed(row: AIInteraction, error: str, kind: str, started: float | None = None) -> Answer:
    """Log that there is no answer; without `started`, the latency is what it was."""
    if started is not None:
        row.latency_ms = milliseconds(started)
    row.error_message = error
    row.metadata[otel_names.ERROR] = kind
    keep(row)
    return Answer(row, row.ai_response, error=error)


def keep(row: AIInteraction) -> None:
    """Write `row`, though what it is about may have been purged while the model thought."""
    try:
        with transaction.atomic():
            row.save(force_insert=True)
    except IntegrityError:
        row.lead = row.client = row.asked_by = None
        row.save(force_insert=True)


def faults(refusal: ValidationError) -> str:
    """The first three things that are wrong with an answer, without its own words."""
    found = refusal.errors(include_url=False, include_context=False, include_input=False)
    told = (f"{'.'.join(map(str, fault['loc'])) or 'the whole'}: {fault['msg']}" for fault in found[:3])
    return without_key("; ".join(told))[:300]


def bare(text: str) -> str:
    """The JSON in `text`, which many a model wraps into a fence of backticks."""
    text = text.strip()
    if not text.startswith(FENCE * 3):
        return text
    return text.strip(FENCE).removeprefix("json").strip()


def countable(number: int | None) -> int | None:
    return number if number is not None and 0 <= number <= MOST_COUNTED else None


def milliseconds(started: float) -> int:
    return round((time.monotonic() - started) * 1000)
