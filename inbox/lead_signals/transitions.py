"""What a conversation shows of its lead: signals, each found once in the message that it came from."""

from collections.abc import Iterator, Sequence
from datetime import datetime, timedelta
from typing import Any

from django.db import transaction
from django.db.models import F
from django.utils import timezone

from ai_log.gateway.ask import available
from crm.records.activity import SYSTEM, record
from crm.text.english.signals import detect
from inbox.lead_signals.silence import cooling_down
from inbox.models import Direction, Message, Nature, Thread
from inbox.thread_state import IN_THEIR_WORDS, SAID, is_contact, is_theirs
from leads.models import Lead, ScoringPolicy
from leads.transitions import add_signals

NEWEST = 100
LONGEST_READ = 50_000
QUICK = timedelta(hours=24)
# What a type weighs that the policy in use does not name: it was found, and counts for nothing.
UNNAMED = 0.0


@transaction.atomic
def notice(thread: Thread) -> int:
    """Put on the lead of `thread` what its newest hundred messages show; returns how many signals are new.

    Reading again adds nothing: of one message each type counts once.
    """
    # Others may point to it meanwhile: whoever suggests something about it holds the lead and wants its key.
    locked = Thread.everything.select_for_update(no_key=True).get(pk=thread.pk)
    lead = Lead.objects.open().filter(pk=locked.lead_id).first() if locked.lead_id else None
    about = None if locked.is_deleted else lead
    Thread.everything.filter(pk=locked.pk).update(noticed_count=F("message_count"), sense_at=sense_at(locked, about))
    if about is None:
        return 0
    said = Message.objects.filter(thread=locked, state__in=SAID).select_related("reading").defer("body_html")
    rows = said.order_by("-sent_at", "-id")
    found = [*shown_by(locked, list(rows[:NEWEST])[::-1]), *company(lead), *cooling_down(lead)]
    before = [(signal["type"], signal.get("source")) for signal in lead.signals]
    new = add_signals(lead, found, by=SYSTEM) if found else 0
    if new:
        names = {named(one) for one in lead.signals if (one["type"], one.get("source")) not in before}
        summary = f"Noticed in “{locked}”: {', '.join(sorted(names))}"
        record(lead, "noticed", by=SYSTEM, summary=summary, thread=str(locked.pk))
    return new


def sense_at(thread: Thread, lead: Lead | None) -> datetime | None:
    """When a model is to read what is new in `thread`: at once, or never where there is nothing or no model."""
    now = timezone.now()
    if lead is None or not available():
        return None
    return now if Message.objects.unread_by_model(now).filter(thread=thread).exists() else None


def named(signal: dict[str, Any]) -> str:
    return signal["type"].replace("_", " ") + (" (by a model)" if "interaction" in signal else "")


def shown_by(thread: Thread, messages: Sequence[Message]) -> Iterator[dict[str, Any]]:
    """The signals in `messages`, oldest first."""
    weights = ScoringPolicy.objects.active().weights
    ours: datetime | None = None
    for message in messages:
        for name, more in signs_in(thread, message, ours):
            weight = weights.get(name, {}).get("weight", UNNAMED)
            at = message.sent_at.isoformat()
            yield {"type": name, "timestamp": at, "weight": weight, "source": str(message.pk), **more}
        if is_contact(message):
            ours = message.sent_at if message.direction == Direction.OUT else None


def signs_in(thread: Thread, message: Message, ours: datetime | None) -> Iterator[tuple[str, dict[str, Any]]]:
    """The types of signal in `message`, before which our last unanswered word was said at `ours`."""
    if message.direction == Direction.IN and message.nature == Nature.BOUNCE:
        yield "bounced", {}
    if message.opened_at is not None and message.direction == Direction.OUT:
        yield "email_opened", {"timestamp": message.opened_at.isoformat()}
    if message.viewed_at is not None and message.direction == Direction.OUT:
        yield "proposal_viewed", {"timestamp": message.viewed_at.isoformat()}
    if not is_theirs(message):
        return
    if ours is not None and message.sent_at - ours <= QUICK:
        yield "replied_quickly", {"note": waited(message.sent_at - ours)}
    if thread.source in IN_THEIR_WORDS:
        for sign in detect(message.body_text[:LONGEST_READ]):
            yield sign.type, {"note": sign.quote, **({"value": sign.value} if sign.value is not None else {})}
        yield from found_by_model(message)


def found_by_model(message: Message) -> Iterator[tuple[str, dict[str, Any]]]:
    """The types of signal that a model has found in `message`, with the row of the log that says so."""
    reading = getattr(message, "reading", None)
    for sign in reading.signs if reading else []:
        value = {"value": sign["value"]} if "value" in sign else {}
        yield sign["type"], {"note": sign["quote"], "interaction": str(reading.interaction_id), **value}


def waited(length: timedelta) -> str:
    minutes = max(int(length.total_seconds() // 60), 1)
    return f"within {minutes} minutes" if minutes < 120 else f"within {minutes // 60} hours"


def company(lead: Lead) -> Iterator[dict[str, Any]]:
    """That more than one person writes for `lead`: told once, with the message of the second."""
    if any(signal["type"] == "multiple_stakeholders" for signal in lead.signals):
        return
    wrote = Message.objects.filter(
        thread__lead=lead, thread__deleted_at=None, direction=Direction.IN, nature=Nature.PERSON
    ).exclude(from_email="")
    first = wrote.order_by("from_email", "sent_at", "id").distinct("from_email")
    people = sorted(first.values_list("sent_at", "id", "from_email")[:NEWEST])
    distinct = {email.lower(): (at, key) for at, key, email in reversed(people)}
    if len(distinct) > 1:
        at, key = sorted(distinct.values())[1]
        weight = ScoringPolicy.objects.active().weights.get("multiple_stakeholders", {}).get("weight", UNNAMED)
        yield {
            "type": "multiple_stakeholders",
            "timestamp": at.isoformat(),
            "weight": weight,
            "source": str(key),
            "count": len(distinct),
        }
