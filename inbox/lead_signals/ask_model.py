"""Let a model read what leads wrote. It may add signals; each message is read once.

One question covers all new messages of a thread: its instructions are longer than most emails, and two emails in a row
mostly belong together. No lock is held while the model answers.
"""

import logging
from collections.abc import Sequence
from datetime import datetime, timedelta
from uuid import UUID

from django.db import OperationalError, transaction
from django.db.models import Exists, OuterRef, QuerySet
from django.utils import timezone

from ai_log.gateway import otel_names
from ai_log.gateway.ask import ModelAnswer, is_backing_off, is_model_configured, send_prompt
from ai_log.gateway.budgets import budget_exceeded_reason
from ai_log.models import AIInteraction, InteractionSource, InteractionType
from crm.text.english.signals import DetectedSignal
from inbox.incoming.processing_queue import queue_processing
from inbox.lead_signals.model_signals import (
    SIGNAL_MEANINGS,
    SIGNALS_SYSTEM_PROMPT,
    SignalsAnswer,
    accept_signals,
    build_signals_prompt,
    text_for_model,
)
from inbox.lead_signals.reading_queue import queue_model_reading
from inbox.lead_signals.transitions import MAX_SCANNED_LENGTH
from inbox.models import Message, Reading, Thread
from inbox.models.message import MODEL_READING_WINDOW
from inbox.models.thread import LAST_ACTIVITY
from leads.models import Lead, ScoringPolicy

logger = logging.getLogger(__name__)

SIGNALS_AGENT = "Signals"
MAX_MESSAGES_PER_QUESTION = 10
# If no model answers, the thread waits once more for as long as it has waited so far.
MIN_RETRY_PAUSE, MAX_RETRY_PAUSE = timedelta(minutes=5), timedelta(days=1)


def can_ask_model(now: datetime) -> bool:
    """Whether to ask now: not while calls fail, nor once the log says that the day's budget is used up.

    The first question over the budget still goes to the gateway, which logs the reason; later ones wait silently.
    """
    return not is_backing_off(now) and not (budget_exceeded_reason(None, now) and is_held_back())


def is_held_back() -> bool:
    """Whether the budget stopped the latest question of this agent."""
    latest = AIInteraction.objects.filter(agent=SIGNALS_AGENT).order_by("-created_at", "-id")
    metadata = latest.values_list("metadata", flat=True).first() or {}
    return metadata.get(otel_names.ERROR_TYPE) == "held_back"


def threads_to_read(now: datetime) -> QuerySet[Thread]:
    """Return the threads of open leads with a message that a model has yet to read; the newest first."""
    unread = Message.objects.unread_by_model(now).filter(thread=OuterRef("pk"))
    # The same expression as in the index of the newest threads.
    recent = Thread.objects.alias(last_activity=LAST_ACTIVITY).filter(last_activity__gte=now - MODEL_READING_WINDOW)
    return recent.filter(Exists(unread), lead__in=Lead.objects.open()).order_by(LAST_ACTIVITY.desc(), "-id")


def run_model_reading(key: UUID) -> None:
    """Let a model read the thread `key`, or queue that for later if no model can be asked now."""
    thread = Thread.objects.filter(pk=key).first()
    if thread is None or not is_model_configured():
        return
    try:
        if not can_ask_model(timezone.now()) or not read_with_model(thread):
            postpone_model_reading(thread)
    except OperationalError:  # the database failed, not this thread: the job is tried again
        raise
    except Exception:
        logger.exception("A model could not read thread %s.", key)
        postpone_model_reading(thread)


def read_with_model(thread: Thread) -> bool:
    """Let a model read what is new in `thread` and queue the thread again; return False if no model answered.

    Raises:
        IllegalTransition: no model is configured.
        RuntimeError: called inside a transaction.
    """
    rows = Message.objects.unread_by_model(timezone.now()).filter(thread=thread).order_by("sent_at", "id")
    texts = {
        one.pk: text_for_model(one.body_text[:MAX_SCANNED_LENGTH])
        for one in rows.defer("body_html")[:MAX_MESSAGES_PER_QUESTION]
    }
    lead = Lead.objects.open().filter(pk=thread.lead_id).first() if thread.lead_id else None
    if lead is None or not texts:
        return True
    readable_texts = {key: text for key, text in texts.items() if text}
    save_readings([key for key in texts if key not in readable_texts], None, [])
    if readable_texts:
        types = {
            name: meaning for name, meaning in SIGNAL_MEANINGS.items() if name in ScoringPolicy.objects.active().weights
        }
        answer = ask_for_signals(thread, lead, list(readable_texts.values()), types)
        if answer.is_retryable:
            return False
        reported_signals = answer.value.signals if isinstance(answer.value, SignalsAnswer) else []
        save_readings(
            list(readable_texts),
            answer.interaction,
            accept_signals(reported_signals, list(readable_texts.values()), types),
        )
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
    """Store that a model read `messages`, with the signals of each, and queue their threads.

    Messages that were purged in the meantime are left out.
    """
    signs_by_message = dict(zip(messages, signs, strict=False))
    of_messages = Thread.objects.filter(pk__in=Message.objects.filter(pk__in=messages).values("thread"))
    # Threads before messages, the order in which every other transaction locks them.
    list(of_messages.select_for_update(no_key=True, of=("self",)).order_by("pk").only("pk"))
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
    queue_processing(of_messages.all())


def signs_as_json(signs: Sequence[DetectedSignal]) -> list[dict[str, object]]:
    return [
        {"type": sign.type, "quote": sign.quote, **({} if sign.value is None else {"value": sign.value})}
        for sign in signs
    ]


def postpone_model_reading(thread: Thread) -> None:
    """Queue the reading of `thread` for later: its oldest unread message waits once more as long as it has so far."""
    now = timezone.now()
    oldest = Message.objects.unread_by_model(now).filter(thread=thread).order_by("created_at").first()
    waiting_time = now - oldest.created_at if oldest else MIN_RETRY_PAUSE
    queue_model_reading(thread.pk, at=now + min(max(waiting_time, MIN_RETRY_PAUSE), MAX_RETRY_PAUSE))
