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
from ai_log.gateway.budgets import budget_exceeded_reason
from ai_log.gateway.prompts import Prompt, storable_text
from ai_log.gateway.replies import MAX_ANSWER_TOKENS, ProviderError, Reply, redact_key
from ai_log.models import AIInteraction, InteractionSource, InteractionType
from crm.exceptions import IllegalTransition
from crm.models import Client, User
from leads.models import Lead

# Loaded when a model is asked: that takes a second, and most processes never ask one.
PROVIDER_SEND_PATH = "ai_log.gateway.provider.request_reply"
MAX_PROMPT_LENGTH = 200_000
MAX_SUMMARY_LENGTH = 120
MAX_TOKEN_COUNT = 2**31 - 1
MAX_COST_USD = Decimal("9999.999999")
BACKTICK = "`"
# What is wrong with an answer itself: asked again, the model would say the like of it. All else may pass; a 400 or 422,
# too, which mostly says that the model does not know what it was asked by (a JSON Schema), until another is set.
PERMANENT_ERRORS = frozenset({"refused", "length", "tool_call", "empty", "wrong_shape", "not_used", "too_long", "413"})
# So many calls that failed one after the other within so long, and the provider is left alone.
MAX_CONSECUTIVE_FAILURES, RECENT_FAILURE_WINDOW = 3, timedelta(minutes=10)
AnswerCheck = Callable[[Any], str]


@dataclass(frozen=True)
class ModelAnswer:
    """What came of a question, and its row in the log.

    `error` is empty where there is an answer: `text`, and where a shape was asked for `value` in that shape.
    """

    interaction: AIInteraction
    text: str = ""
    value: Any = None
    error: str = ""

    @property
    def is_retryable(self) -> bool:
        """Whether there is none for a reason that passes: the provider is down, or the day's budget used up."""
        return bool(self.error) and is_temporary_error(self.interaction.metadata.get(otel_names.ERROR_TYPE))


def is_temporary_error(kind: str | None) -> bool:
    return kind not in PERMANENT_ERRORS


def is_backing_off(now: datetime) -> bool:
    """Whether the latest calls all failed for reasons that pass, so that what need not be asked now can wait."""
    latest = AIInteraction.objects.filter(created_at__gte=now - RECENT_FAILURE_WINDOW).order_by("-created_at", "-id")
    kinds = [
        metadata.get(otel_names.ERROR_TYPE)
        for metadata in latest.values_list("metadata", flat=True)[:MAX_CONSECUTIVE_FAILURES]
    ]
    return len(kinds) == MAX_CONSECUTIVE_FAILURES and all(
        kind is not None and is_temporary_error(kind) for kind in kinds
    )


def is_model_configured() -> bool:
    """Whether there is a model to ask."""
    return bool(settings.AI_MODEL and settings.AI_URL)


def send_prompt(
    prompt: Prompt,
    *,
    system: str,
    agent: str,
    type: InteractionType,
    source: InteractionSource,
    answer: type[BaseModel] | None = None,
    check: AnswerCheck | None = None,
    lead: Lead | None = None,
    client: Client | None = None,
    conversation_id: str = "",
    by: User | None = None,
    chat: dict[str, Any] | None = None,
) -> ModelAnswer:
    """Ask the model once, for `by` if a person wants it, and log what was asked and what came of it.

    `check` says of an answer in the shape of `answer` why it is not used, in a sentence; empty if it is. `chat` is kept
    on the row: what a screen shows of a question that a person has asked. A refusal, a budget used up, a time-out, an
    answer of the wrong shape or one that is not used: each is an Answer with its `error`. What no model could have done
    wrong is logged, too, and raised again.

    Raises:
        IllegalTransition: there is no model to ask.
        RuntimeError: called inside a transaction, which would stay open for as long as the model thinks.
    """
    if not is_model_configured():
        raise IllegalTransition("There is no model to ask: AI_MODEL and AI_URL are not set.")
    rule = f"{storable_text(system)}\n\n{prompt.untrusted_content_rule()}".strip()
    links = {"lead": lead, "client": client, "asked_by": by, "conversation_id": conversation_id}
    row = AIInteraction(type=type, source=source, agent=agent, content=prompt.text[:MAX_PROMPT_LENGTH], **links)
    record_request(row, prompt, rule, answer)
    if chat:
        row.metadata[otel_names.CHAT_TURN] = chat
    # A durable block is refused inside another transaction, save for the one that a test is rolled back by.
    with transaction.atomic(durable=True):
        held_back = reason_not_to_send(prompt, by)
    return log_failure(row, held_back, "held_back") if held_back else call_provider(row, rule, prompt, answer, check)


def call_provider(
    row: AIInteraction, rule: str, prompt: Prompt, answer: type[BaseModel] | None, check: AnswerCheck | None
) -> ModelAnswer:
    """Send what `row` is to log, and log what comes of it."""
    started = time.monotonic()
    try:
        reply = import_string(PROVIDER_SEND_PATH)(rule, prompt.text, answer)
    except ProviderError as error:
        return log_failure(row, str(error), error.kind, started)
    except BaseException as error:
        log_failure(row, f"The call broke down: {error.__class__.__name__}.", error.__class__.__name__, started)
        raise
    row.latency_ms = elapsed_ms(started)
    record_response(row, reply)
    try:
        value, error, kind = validate_reply(reply, answer, check)
    except BaseException as error:
        log_failure(row, f"The answer could not be judged: {error.__class__.__name__}.", error.__class__.__name__)
        raise
    if error:
        return log_failure(row, error, kind)
    row.summary = summarize_answer(value, reply.text)
    save_interaction(row)
    return ModelAnswer(row, reply.text, value)


def reason_not_to_send(prompt: Prompt, by: User | None) -> str:
    """Why `prompt` is not sent at all, in a sentence; empty if it is."""
    if len(prompt.text) > MAX_PROMPT_LENGTH:
        return f"Not asked: the question has {len(prompt.text):,} characters, and {MAX_PROMPT_LENGTH:,} are the most."
    return budget_exceeded_reason(by, timezone.now())


def record_request(row: AIInteraction, prompt: Prompt, rule: str, answer: type[BaseModel] | None) -> None:
    """Note on `row` how it is asked: what is known before the call."""
    row.model_used, row.temperature = settings.AI_MODEL[:100], settings.AI_TEMPERATURE
    row.metadata = {
        otel_names.SCHEMA: otel_names.SCHEMA_URL,
        otel_names.OPERATION: "chat",
        otel_names.PROVIDER: settings.AI_PROVIDER or "unknown",
        otel_names.AGENT: row.agent,
        otel_names.REQUEST_MODEL: settings.AI_MODEL,
        otel_names.TEMPERATURE: settings.AI_TEMPERATURE,
        otel_names.MAX_TOKENS: MAX_ANSWER_TOKENS,
        otel_names.OUTPUT_TYPE: "json" if answer else "text",
        otel_names.SYSTEM_INSTRUCTIONS: rule,
        otel_names.UNTRUSTED_SPANS: [list(span) for span in prompt.untrusted_spans if span[1] <= MAX_PROMPT_LENGTH],
    }
    if row.conversation_id:
        row.metadata[otel_names.CONVERSATION] = row.conversation_id


def record_response(row: AIInteraction, reply: Reply) -> None:
    """Write on `row` what came back."""
    row.ai_response = reply.text
    row.prompt_tokens, row.completion_tokens = valid_token_count(reply.tokens_in), valid_token_count(reply.tokens_out)
    is_cost_known = reply.cost_usd is not None and 0 <= reply.cost_usd <= MAX_COST_USD
    row.cost_usd = round(reply.cost_usd, 6) if is_cost_known else None
    row.model_used = reply.model or row.model_used
    details = {
        otel_names.RESPONSE_MODEL: reply.model,
        otel_names.RESPONSE_ID: reply.id,
        otel_names.FINISH_REASONS: [reply.finish_reason],
        otel_names.INPUT_TOKENS: row.prompt_tokens,
        otel_names.OUTPUT_TOKENS: row.completion_tokens,
    }
    row.metadata |= {name: value for name, value in details.items() if value not in (None, "")}


def validate_reply(
    reply: Reply, answer: type[BaseModel] | None, check: AnswerCheck | None
) -> tuple[BaseModel | None, str, str]:
    """What `reply` says in the shape of `answer`, or why it is no answer, in a sentence and in a word."""
    error, kind = reply_error(reply)
    if error or not answer:
        return None, error, kind
    try:
        value = answer.model_validate_json(strip_code_fence(reply.text))
    except ValidationError as refusal:
        return (
            None,
            f"The answer is not of the shape that was asked for: {describe_validation_errors(refusal)}.",
            "wrong_shape",
        )
    why = check(value) if check else ""
    return value, f"Not used: {why}" if why else "", "not_used" if why else ""


def summarize_answer(value: BaseModel | None, text: str) -> str:
    """What is remembered of an answer: what its shape says by `summarize_answer` where it has that, else how it begins."""
    summary = storable_text(str(getattr(value, "log_summary", "")))
    return " ".join((summary or text).split())[:MAX_SUMMARY_LENGTH]


def reply_error(reply: Reply) -> tuple[str, str]:
    """Why `reply` is no answer, in a sentence and in a word; both empty if it is one."""
    if reply.refusal or reply.finish_reason == "content_filter":
        why = f": {reply.refusal[:300].rstrip('.')}" if reply.refusal else ""
        return f"The model refused{why}.", "refused"
    if reply.finish_reason == "length":
        return f"The answer was cut off after {MAX_ANSWER_TOKENS:,} tokens.", "length"
    if reply.finish_reason == "tool_call":
        return "The model asked for a tool, and there is none.", "tool_call"
    return ("", "") if reply.text.strip() else ("The model answered nothing.", "empty")


def log_failure(row: AIInteraction, error: str, kind: str, started: float | None = None) -> ModelAnswer:
    """Log that there is no answer; without `started`, the latency is what it was."""
    if started is not None:
        row.latency_ms = elapsed_ms(started)
    row.error_message = error
    row.metadata[otel_names.ERROR_TYPE] = kind
    save_interaction(row)
    return ModelAnswer(row, row.ai_response, error=error)


def save_interaction(row: AIInteraction) -> None:
    """Write `row`, though what it is about may have been purged while the model thought."""
    try:
        with transaction.atomic():
            row.save(force_insert=True)
    except IntegrityError:
        row.lead = row.client = row.asked_by = None
        row.save(force_insert=True)


def describe_validation_errors(error: ValidationError) -> str:
    """The first three things that are wrong with an answer, without its own words."""
    errors = error.errors(include_url=False, include_context=False, include_input=False)
    messages = (f"{'.'.join(map(str, fault['loc'])) or 'the whole'}: {fault['msg']}" for fault in errors[:3])
    return redact_key("; ".join(messages))[:300]


def strip_code_fence(text: str) -> str:
    """The JSON in `text`, which many a model wraps into a fence of backticks."""
    text = text.strip()
    if not text.startswith(BACKTICK * 3):
        return text
    return text.strip(BACKTICK).removeprefix("json").strip()


def valid_token_count(number: int | None) -> int | None:
    return number if number is not None and 0 <= number <= MAX_TOKEN_COUNT else None


def elapsed_ms(started: float) -> int:
    return round((time.monotonic() - started) * 1000)
