"""Add the signal "going cold" to leads, once for each silence."""

from collections import defaultdict
from collections.abc import Iterable, Iterator
from datetime import datetime, timedelta
from typing import Any
from uuid import UUID

from django.db import transaction
from django.db.models import F, Window
from django.db.models.functions import RowNumber
from django.utils import timezone

from crm.records.activity import SYSTEM_ACTOR, record
from inbox.lead_signals.going_cold import REPLY_WAIT, ContactEvent, detect_going_cold
from inbox.models import Direction, Message, Nature, ThreadSource
from inbox.thread_state import CONTACT_SOURCES, DELIVERED_STATES, VERBATIM_SOURCES
from leads.models import Lead, ScoringPolicy
from leads.scoring.explanation import parse_signal_timestamp
from leads.transitions import add_signals

GOING_COLD_SIGNAL = "going_cold"
MAX_MESSAGES_PER_LEAD, SILENT_LEADS_PER_BATCH = 40, 200
# Silences that became too long within this window are checked: so many nights may pass without a run.
SILENCE_WINDOW = timedelta(days=8)


def load_message_history(leads: Iterable[UUID]) -> dict[UUID, list[ContactEvent]]:
    """Return the newest messages between us and each of `leads`, in order of time."""
    rows = Message.objects.filter(state__in=DELIVERED_STATES, nature=Nature.PERSON, thread__lead__in=list(leads))
    rows = rows.filter(thread__deleted_at=None, thread__source__in=CONTACT_SOURCES)
    place = Window(RowNumber(), partition_by=F("thread__lead"), order_by=[F("sent_at").desc(), F("id").desc()])
    newest = rows.annotate(place=place).filter(place__lte=MAX_MESSAGES_PER_LEAD)
    history_by_lead: dict[UUID, list[ContactEvent]] = defaultdict(list)
    # Of two messages at the same moment, theirs counts as the later one.
    for lead, key, at, direction, source in newest.order_by("sent_at", "-direction", "id").values_list(
        "thread__lead", "pk", "sent_at", "direction", "thread__source"
    ):
        theirs = direction == Direction.IN or source == ThreadSource.MEETING
        if theirs or source in VERBATIM_SOURCES:
            history_by_lead[lead].append(ContactEvent(at, theirs, key))
    return history_by_lead


def new_going_cold_signals(
    lead: Lead, history: list[ContactEvent], policy: ScoringPolicy, now: datetime
) -> Iterator[dict[str, Any]]:
    """Yield the signal that `history` shows about `lead`, unless it was added since they last wrote."""
    cold = detect_going_cold(history, now)
    last_reply_at = max((word.at for word in history if word.is_inbound), default=None)
    previous_warnings = [
        parse_signal_timestamp(one["timestamp"]) for one in lead.signals if one["type"] == GOING_COLD_SIGNAL
    ]
    # A signal is kept to the second.
    if cold is None or any(
        last_reply_at is None or at >= last_reply_at.replace(microsecond=0)
        for at in previous_warnings
        if at is not None
    ):
        return
    weight = policy.weights.get(GOING_COLD_SIGNAL, {}).get("weight", 0.0)
    at = min(cold.at, now).isoformat()
    yield {"type": GOING_COLD_SIGNAL, "timestamp": at, "weight": weight, "source": str(cold.message), "note": cold.note}


def find_going_cold_signals(lead: Lead) -> Iterator[dict[str, Any]]:
    """Yield the signal that the messages with `lead` show now, unless it was added."""
    return new_going_cold_signals(
        lead, load_message_history([lead.pk]).get(lead.pk, []), ScoringPolicy.objects.active(), timezone.now()
    )


def iterate_silent_leads(now: datetime) -> Iterator[list[Lead]]:
    """Yield the open leads that have not answered our last message for days, in batches."""
    since, until = now - REPLY_WAIT - SILENCE_WINDOW, now - REPLY_WAIT
    rows = Lead.objects.open().filter(awaiting_reply=True, last_contact_at__gt=since, last_contact_at__lte=until)
    last_pk = None
    while leads := list(
        (rows.filter(pk__gt=last_pk) if last_pk else rows).order_by("pk").only("signals")[:SILENT_LEADS_PER_BATCH]
    ):
        yield leads
        last_pk = leads[-1].pk


def flag_leads_going_cold(now: datetime) -> int:
    """Add "going cold" to each lead that has been silent for too long; return how many."""
    policy, flagged = ScoringPolicy.objects.active(), 0
    for leads in iterate_silent_leads(now):
        history = load_message_history(lead.pk for lead in leads)
        for lead in leads:
            if signals := list(new_going_cold_signals(lead, history.get(lead.pk, []), policy, now)):
                flagged += flag_lead_going_cold(lead, signals)
    return flagged


@transaction.atomic
def flag_lead_going_cold(lead: Lead, signals: list[dict[str, Any]]) -> bool:
    row = Lead.objects.open().filter(pk=lead.pk).first()
    new = row is not None and add_signals(row, signals, by=SYSTEM_ACTOR) > 0
    if new:
        record(row, "noticed", by=SYSTEM_ACTOR, summary=f"Going cold: {signals[0]['note']}")
    return new
