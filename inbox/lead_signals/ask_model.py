"""Letting a model read what leads have written: it may add signals, each found once in the message it came from.

It is asked once for all that is new in a conversation: the rules of the question weigh more than most mails, and two
mails in a row are mostly one thought. Nothing is held in the database meanwhile.
"""

from collections.abc import Sequence
from datetime import datetime, timedelta
from uuid import UUID

from django.db import transaction
from django.utils import timezone

from ai_log.gateway.ask import ModelAnswer, is_backing_off, send_prompt
from ai_log.gateway.budgets import budget_exceeded_reason
from ai_log.models import AIInteraction, InteractionSource, InteractionType
from crm.text.english.signals import DetectedSignal
from inbox.lead_signals.model_signals import (
    SIGNAL_MEANINGS,
    SIGNALS_SYSTEM_PROMPT,
    SignalsAnswer,
    accept_signals,
    build_signals_prompt,
    text_for_model,
)
from inbox.lead_signals.transitions import MAX_SCANNED_LENGTH, add_thread_signals
from inbox.models import Message, Reading, Thread
from leads.models import Lead, ScoringPolicy

SIGNALS_AGENT = "Signals"
MAX_MESSAGES_PER_QUESTION = 10
# Where no model answered, a conversation is asked about again after as long as it has waited already.
MIN_RETRY_PAUSE, MAX_RETRY_PAUSE = timedelta(minutes=5), timedelta(days=1)


def can_ask_model(now: datetime) -> bool:
    """Whether to go on asking: the provider is not left alone for now, and the day's budget lasts.

    Looked at before, so that the log has one line that says why nothing is asked, and not one a minute.
    """
    return not is_backing_off(now) and not budget_exceeded_reason(None, now)


def read_with_model(thread: Thread) -> bool:
    """Let a model read what is new in `thread`; False if none answered, and it is left for later.

    Raises:
        IllegalTransition: there is no model to ask.
        RuntimeError: called inside a transaction.
    """
    rows = Message.objects.unread_by_model(timezone.now()).filter(thread=thread).order_by("sent_at", "id")
    texts = {
        one.pk: text_for_model(one.body_text[:MAX_SCANNED_LENGTH])
        for one in rows.defer("body_html")[:MAX_MESSAGES_PER_QUESTION]
    }
    lead = Lead.objects.open().filter(pk=thread.lead_id).first() if thread.lead_id else None
    if lead is None or not texts:
        Thread.everything.filter(pk=thread.pk).update(sense_at=None)
        return True
    readable_texts = {key: text for key, text in texts.items() if text}
    save_readings([key for key in texts if key not in readable_texts], None, [])
    if readable_texts:
        types = {
            name: meaning for name, meaning in SIGNAL_MEANINGS.items() if name in ScoringPolicy.objects.active().weights
        }
        answer = ask_for_signals(thread, lead, list(readable_texts.values()), types)
        if answer.is_retryable:
            postpone_model_reading(thread)
            return False
        reported_signals = answer.value.signals if isinstance(answer.value, SignalsAnswer) else []
        save_readings(
            list(readable_texts),
            answer.interaction,
            accept_signals(reported_signals, list(readable_texts.values()), types),
        )
    # The messages may stand in another conversation by now.
    for one in Thread.everything.filter(messages__in=list(texts)).distinct() or [thread]:
        add_thread_signals(one)
    return True


def ask_for_signals(thread: Thread, lead: Lead, texts: Sequence[str], types: dict[str, str]) -> ModelAnswer:
    return send_prompt(
        build_signals_prompt(texts, types),
        system=SIGNALS_SYSTEM_PROMPT,
        agent=SIGNALS_AGENT,
        type=InteractionType.PROMPT_RESPONSE,
        source=InteractionSource.BACKEND_MIDDLEWARE,
        answer=SignalsAnswer,
        lead=lead,
        conversation_id=str(thread.pk),
    )


@transaction.atomic
def save_readings(
    messages: Sequence[UUID], interaction: AIInteraction | None, signs: Sequence[Sequence[DetectedSignal]]
) -> None:
    """Keep that `messages` were read, with what counts of each; those purged meanwhile are left out."""
    signs_by_message = dict(zip(messages, signs, strict=False))
    existing_messages = (
        Message.everything.select_for_update(no_key=True, of=("self",)).filter(pk__in=messages).order_by("pk")
    )
    Reading.objects.bulk_create(
        [
            Reading(message_id=key, interaction=interaction, signs=signs_as_json(signs_by_message.get(key, [])))
            for key in existing_messages.values_list("pk", flat=True)
        ],
        ignore_conflicts=True,
    )


def signs_as_json(signs: Sequence[DetectedSignal]) -> list[dict[str, object]]:
    return [
        {"type": sign.type, "quote": sign.quote, **({} if sign.value is None else {"value": sign.value})}
        for sign in signs
    ]


def postpone_model_reading(thread: Thread) -> None:
    """Ask about `thread` again after as long as the oldest of what is new has waited already."""
    now = timezone.now()
    oldest = Message.objects.unread_by_model(now).filter(thread=thread).order_by("created_at").first()
    waiting_time = now - oldest.created_at if oldest else MIN_RETRY_PAUSE
    Thread.everything.filter(pk=thread.pk).update(
        sense_at=now + min(max(waiting_time, MIN_RETRY_PAUSE), MAX_RETRY_PAUSE)
    )
