"""Find the signals in a thread and add them to its lead; each signal counts once per message."""

from collections.abc import Iterator, Sequence
from datetime import datetime, timedelta
from typing import Any

from django.db import transaction
from django.utils import timezone

from ai_log.gateway.ask import is_model_configured
from crm.records.activity import SYSTEM_ACTOR, record
from crm.text.english.signals import detect_signals
from inbox.lead_signals.reading_queue import queue_model_reading
from inbox.lead_signals.silence import find_going_cold_signals
from inbox.models import Direction, Message, Nature, Thread
from inbox.thread_state import DELIVERED_STATES, VERBATIM_SOURCES, is_contact, is_inbound_contact
from leads.models import Lead, ScoringPolicy
from leads.transitions import add_signals

MAX_MESSAGES_SCANNED = 100
MAX_SCANNED_LENGTH = 50_000
QUICK_REPLY = timedelta(hours=24)
# The weight of a type that the active policy does not name: the signal is shown and adds nothing.
DEFAULT_SIGNAL_WEIGHT = 0.0


@transaction.atomic
def add_thread_signals(thread: Thread) -> int:
    """Add the signals of the newest hundred messages of `thread` to its lead; return how many are new.

    Reading a message again adds nothing. What a model has yet to read is queued for it.
    """
    # No key lock: a transaction that holds the lead may insert a suggestion about this thread at the same time.
    locked = Thread.everything.select_for_update(no_key=True).get(pk=thread.pk)
    lead = Lead.objects.open().filter(pk=locked.lead_id).first() if locked.lead_id else None
    open_lead = None if locked.is_deleted else lead
    Thread.everything.filter(pk=locked.pk).update(processed_at=timezone.now())
    if open_lead is None:
        return 0
    if is_model_configured() and Message.objects.unread_by_model(timezone.now()).filter(thread=locked).exists():
        queue_model_reading(locked.pk)
    messages = (
        Message.objects.filter(thread=locked, state__in=DELIVERED_STATES).select_related("reading").defer("body_html")
    )
    rows = messages.order_by("-sent_at", "-id")
    signals = [
        *signals_in_messages(locked, list(rows[:MAX_MESSAGES_SCANNED])[::-1]),
        *stakeholder_signals(lead),
        *find_going_cold_signals(lead),
    ]
    known_signals = [(signal["type"], signal.get("source")) for signal in lead.signals]
    new = add_signals(lead, signals, by=SYSTEM_ACTOR) if signals else 0
    if new:
        labels = {signal_label(one) for one in lead.signals if (one["type"], one.get("source")) not in known_signals}
        summary = f"Noticed in “{locked}”: {', '.join(sorted(labels))}"
        record(lead, "noticed", by=SYSTEM_ACTOR, summary=summary, thread=str(locked.pk))
    return new


def signal_label(signal: dict[str, Any]) -> str:
    return signal["type"].replace("_", " ") + (" (by a model)" if "interaction" in signal else "")


def signals_in_messages(thread: Thread, messages: Sequence[Message]) -> Iterator[dict[str, Any]]:
    """Yield the signals in `messages`, which are in order of time."""
    weights = ScoringPolicy.objects.active().weights
    last_outgoing_at: datetime | None = None
    for message in messages:
        for name, details in signals_in_message(thread, message, last_outgoing_at):
            weight = weights.get(name, {}).get("weight", DEFAULT_SIGNAL_WEIGHT)
            at = message.sent_at.isoformat()
            yield {"type": name, "timestamp": at, "weight": weight, "source": str(message.pk), **details}
        if is_contact(message):
            last_outgoing_at = message.sent_at if message.direction == Direction.OUT else None


def signals_in_message(
    thread: Thread, message: Message, last_outgoing_at: datetime | None
) -> Iterator[tuple[str, dict[str, Any]]]:
    """Yield type and details of each signal in `message`; it may answer what we wrote at `last_outgoing_at`."""
    if message.direction == Direction.IN and message.nature == Nature.BOUNCE:
        yield "bounced", {}
    if message.opened_at is not None and message.direction == Direction.OUT:
        yield "email_opened", {"timestamp": message.opened_at.isoformat()}
    if message.viewed_at is not None and message.direction == Direction.OUT:
        yield "proposal_viewed", {"timestamp": message.viewed_at.isoformat()}
    if not is_inbound_contact(message):
        return
    if last_outgoing_at is not None and message.sent_at - last_outgoing_at <= QUICK_REPLY:
        yield "replied_quickly", {"note": describe_reply_delay(message.sent_at - last_outgoing_at)}
    if thread.source in VERBATIM_SOURCES:
        for sign in detect_signals(message.body_text[:MAX_SCANNED_LENGTH]):
            yield sign.type, {"note": sign.quote, **({"value": sign.value} if sign.value is not None else {})}
        yield from signals_from_model_reading(message)


def signals_from_model_reading(message: Message) -> Iterator[tuple[str, dict[str, Any]]]:
    """Yield what a model found in `message`, with the row of the AI log as its source."""
    reading = getattr(message, "reading", None)
    for sign in reading.signs if reading else []:
        value = {"value": sign["value"]} if "value" in sign else {}
        yield sign["type"], {"note": sign["quote"], "interaction": str(reading.interaction_id), **value}


def describe_reply_delay(delay: timedelta) -> str:
    minutes = max(int(delay.total_seconds() // 60), 1)
    return f"within {minutes} minutes" if minutes < 120 else f"within {minutes // 60} hours"


def stakeholder_signals(lead: Lead) -> Iterator[dict[str, Any]]:
    """Yield the signal that a second person writes for `lead`, once, with that person's first message."""
    if any(signal["type"] == "multiple_stakeholders" for signal in lead.signals):
        return
    incoming = Message.objects.filter(
        thread__lead=lead, thread__deleted_at=None, direction=Direction.IN, nature=Nature.PERSON
    ).exclude(from_email="")
    first_by_sender = incoming.order_by("from_email", "sent_at", "id").distinct("from_email")
    people = sorted(first_by_sender.values_list("sent_at", "id", "from_email")[:MAX_MESSAGES_SCANNED])
    distinct = {email.lower(): (at, key) for at, key, email in reversed(people)}
    if len(distinct) > 1:
        at, key = sorted(distinct.values())[1]
        weight = (
            ScoringPolicy.objects.active().weights.get("multiple_stakeholders", {}).get("weight", DEFAULT_SIGNAL_WEIGHT)
        )
        yield {
            "type": "multiple_stakeholders",
            "timestamp": at.isoformat(),
            "weight": weight,
            "source": str(key),
            "count": len(distinct),
        }
