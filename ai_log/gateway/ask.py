"""Send prompts to the model. This is the only way to a model, and it logs every call, successful or not."""

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
from ai_log.gateway.prompts import Prompt
from ai_log.gateway.replies import MAX_ANSWER_TOKENS, ProviderError, Reply, redact_key
from ai_log.models import AIInteraction, InteractionSource, InteractionType
from crm.exceptions import IllegalTransition
from crm.models import Client, User
from crm.text.cleaning import storable_text
from leads.models import Lead

# Imported on the first call: the import takes a second, and most processes never call a model.
PROVIDER_SEND_PATH = "ai_log.gateway.provider.request_reply"
MAX_PROMPT_LENGTH = 200_000
MAX_SUMMARY_LENGTH = 120
MAX_TOKEN_COUNT = 2**31 - 1
MAX_COST_USD = Decimal("9999.999999")
BACKTICK = "`"
# Errors of the answer itself: another attempt would give the same kind of answer. All other errors may be temporary,
# even a 400 or 422: mostly, the model does not support a JSON Schema, and the operator can configure another model.
PERMANENT_ERRORS = frozenset({"refused", "length", "tool_call", "empty", "wrong_shape", "not_used", "too_long", "413"})
# After this many consecutive failures within this time, calls that can wait are not made.
MAX_CONSECUTIVE_FAILURES, RECENT_FAILURE_WINDOW = 3, timedelta(minutes=10)
AnswerCheck = Callable[[Any], str]


@dataclass(frozen=True)
class ModelAnswer:
    """The outcome of a prompt, with its row in the log.

    On success `error` is empty, `text` is the answer, and `value` is the parsed answer if a model class was given.
    """

    interaction: AIInteraction
    text: str = ""
    value: Any = None
    error: str = ""

    @property
    def is_retryable(self) -> bool:
        """Return whether the failure is temporary: for example the provider is down, or the daily budget used up."""
        return bool(self.error) and is_temporary_error(self.interaction.metadata.get(otel_names.ERROR_TYPE))


def is_temporary_error(kind: str | None) -> bool:
    return kind not in PERMANENT_ERRORS


def is_backing_off(now: datetime) -> bool:
    """Return whether the latest calls all failed temporarily, so that calls that can wait should not be made."""
    latest = AIInteraction.objects.filter(created_at__gte=now - RECENT_FAILURE_WINDOW).order_by("-created_at", "-id")
    kinds = [
        metadata.get(otel_names.ERROR_TYPE)
        for metadata in latest.values_list("metadata", flat=True)[:MAX_CONSECUTIVE_FAILURES]
    ]
    return len(kinds) == MAX_CONSECUTIVE_FAILURES and all(
        kind is not None and is_temporary_error(kind) for kind in kinds
    )


def is_model_configured() -> bool:
    """Return whether a model is configured."""
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
    """Send the prompt to the model once, and log the question and the outcome. `by` is the user who asks, if any.

    `answer` is the class that the answer is parsed into. `check` returns why a parsed answer cannot be used, or an
    empty string. `chat` is what a screen shows of the turn; it is stored on the row. A refusal, a used-up budget, a
    timeout, and an invalid or unusable answer all return a `ModelAnswer` with an `error`. Any other exception is
    logged and raised again.

    Raises:
        IllegalTransition: no model is configured.
        RuntimeError: called inside a transaction, which would stay open until the model answers.
    """
    if not is_model_configured():
        raise IllegalTransition("No AI model is configured. Set AI_MODEL and AI_URL.")
    rule = f"{storable_text(system)}\n\n{prompt.untrusted_content_rule()}".strip()
    links = {"lead": lead, "client": client, "asked_by": by, "conversation_id": conversation_id}
    row = AIInteraction(type=type, source=source, agent=agent, content=prompt.text[:MAX_PROMPT_LENGTH], **links)
    record_request(row, prompt, rule, answer)
    if chat:
        row.metadata[otel_names.CHAT_TURN] = chat
    # A durable block raises an error inside another transaction, except inside the one of a test case.
    with transaction.atomic(durable=True):
        held_back = reason_not_to_send(prompt, by)
    return log_failure(row, held_back, "held_back") if held_back else call_provider(row, rule, prompt, answer, check)


def call_provider(
    row: AIInteraction, rule: str, prompt: Prompt, answer: type[BaseModel] | None, check: AnswerCheck | None
) -> ModelAnswer:
    """Send the prompt to the provider, and log the outcome on `row`."""
    started = time.monotonic()
    try:
        reply = import_string(PROVIDER_SEND_PATH)(rule, prompt.text, answer)
    except ProviderError as error:
        return log_failure(row, str(error), error.kind, started)
    except BaseException as error:
        log_failure(row, f"The call failed: {error.__class__.__name__}.", error.__class__.__name__, started)
        raise
    row.latency_ms = elapsed_ms(started)
    record_response(row, reply)
    try:
        value, error, kind = validate_reply(reply, answer, check)
    except BaseException as error:
        log_failure(row, f"The answer could not be checked: {error.__class__.__name__}.", error.__class__.__name__)
        raise
    if error:
        return log_failure(row, error, kind)
    row.summary = summarize_answer(value, reply.text)
    save_interaction(row)
    return ModelAnswer(row, reply.text, value)


def reason_not_to_send(prompt: Prompt, by: User | None) -> str:
    """Return why `prompt` must not be sent; empty if it can be sent."""
    if len(prompt.text) > MAX_PROMPT_LENGTH:
        return f"Not sent: the prompt has {len(prompt.text):,} characters; the maximum is {MAX_PROMPT_LENGTH:,}."
    return budget_exceeded_reason(by, timezone.now())


def record_request(row: AIInteraction, prompt: Prompt, rule: str, answer: type[BaseModel] | None) -> None:
    """Record the details of the request on `row`."""
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
    """Record the details of the response on `row`."""
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
    """Return `reply` parsed into `answer`, or an error message and its kind; without an error, both are empty."""
    error, kind = reply_error(reply)
    if error or not answer:
        return None, error, kind
    try:
        value = answer.model_validate_json(strip_code_fence(reply.text))
    except ValidationError as refusal:
        return (
            None,
            f"The answer does not have the requested format: {describe_validation_errors(refusal)}.",
            "wrong_shape",
        )
    why = check(value) if check else ""
    return value, f"Not used: {why}" if why else "", "not_used" if why else ""


def summarize_answer(value: BaseModel | None, text: str) -> str:
    """Return the summary of an answer for the log: `value.log_summary` if it exists, else the beginning of `text`."""
    summary = storable_text(str(getattr(value, "log_summary", "")))
    return " ".join((summary or text).split())[:MAX_SUMMARY_LENGTH]


def reply_error(reply: Reply) -> tuple[str, str]:
    """Return why `reply` is not a usable answer, and the kind of error; both are empty if it is usable."""
    if reply.refusal or reply.finish_reason == "content_filter":
        why = f": {reply.refusal[:300].rstrip('.')}" if reply.refusal else ""
        return f"The model refused{why}.", "refused"
    if reply.finish_reason == "length":
        return f"The answer was cut off after {MAX_ANSWER_TOKENS:,} tokens.", "length"
    if reply.finish_reason == "tool_call":
        return "The model tried to call a tool, but there are no tools.", "tool_call"
    return ("", "") if reply.text.strip() else ("The answer was empty.", "empty")


def log_failure(row: AIInteraction, error: str, kind: str, started: float | None = None) -> ModelAnswer:
    """Log a failed call. Without `started`, the latency on `row` does not change."""
    if started is not None:
        row.latency_ms = elapsed_ms(started)
    row.error_message = error
    row.metadata[otel_names.ERROR_TYPE] = kind
    save_interaction(row)
    return ModelAnswer(row, row.ai_response, error=error)


def save_interaction(row: AIInteraction) -> None:
    """Save `row`. If the lead, client or user was purged during the call, save it without the links."""
    try:
        with transaction.atomic():
            row.save(force_insert=True)
    except IntegrityError:
        row.lead = row.client = row.asked_by = None
        row.save(force_insert=True)


def describe_validation_errors(error: ValidationError) -> str:
    """Return the first three errors of an answer, without quoting the answer."""
    errors = error.errors(include_url=False, include_context=False, include_input=False)
    messages = (f"{'.'.join(map(str, fault['loc'])) or 'answer'}: {fault['msg']}" for fault in errors[:3])
    return redact_key("; ".join(messages))[:300]


def strip_code_fence(text: str) -> str:
    """Return the JSON in `text` without the code fence that many models put around it."""
    text = text.strip()
    if not text.startswith(BACKTICK * 3):
        return text
    return text.strip(BACKTICK).removeprefix("json").strip()


def valid_token_count(number: int | None) -> int | None:
    return number if number is not None and 0 <= number <= MAX_TOKEN_COUNT else None


def elapsed_ms(started: float) -> int:
    return round((time.monotonic() - started) * 1000)
