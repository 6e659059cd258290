"""That a lead is going cold: decided once for each silence."""

from collections import defaultdict
from collections.abc import Iterable, Iterator
from datetime import datetime, timedelta
from typing import Any
from uuid import UUID

from django.db import transaction
from django.db.models import F, Window
from django.db.models.functions import RowNumber
from django.utils import timezone

from crm.records.activity import SYSTEM, record
from inbox.lead_signals.going_cold import PATIENCE, Word, going_cold
from inbox.models import Direction, Message, Nature, ThreadSource
from inbox.thread_state import CONTACT, IN_THEIR_WORDS, SAID
from leads.models import Lead, ScoringPolicy
from leads.scoring.explanation import moment
from leads.transitions import add_signals

TYPE = "going_cold"
MOST_WORDS, BATCH = 40, 200
# A silence is looked at from the day on which it may be too long; so many days may pass without a run.
LOOKED_AT = timedelta(days=8)


def words_of(leads: Iterable[UUID]) -> dict[UUID, list[Word]]:
    """The newest that was said between us and each of `leads`, the oldest first; what we wrote or they did."""
    rows = Message.objects.filter(state__in=SAID, nature=Nature.PERSON, thread__lead__in=list(leads))
    rows = rows.filter(thread__deleted_at=None, thread__source__in=CONTACT)
    place = Window(RowNumber(), partition_by=F("thread__lead"), order_by=[F("sent_at").desc(), F("id").desc()])
    newest = rows.annotate(place=place).filter(place__lte=MOST_WORDS)
    found: dict[UUID, list[Word]] = defaultdict(list)
    # Of two at one moment theirs is the later one.
    for lead, key, at, direction, source in newest.order_by("sent_at", "-direction", "id").values_list(
        "thread__lead", "pk", "sent_at", "direction", "thread__source"
    ):
        theirs = direction == Direction.IN or source == ThreadSource.MEETING
        if theirs or source in IN_THEIR_WORDS:
            found[lead].append(Word(at, theirs, key))
    return found


def coldness(lead: Lead, said: list[Word], policy: ScoringPolicy, now: datetime) -> Iterator[dict[str, Any]]:
    """The warning that `said` gives about `lead`, unless one was given since they last spoke."""
    cold = going_cold(said, now)
    heard = max((word.at for word in said if word.theirs), default=None)
    given = [moment(one["timestamp"]) for one in lead.signals if one["type"] == TYPE]
    # A signal is kept to the second.
    if cold is None or any(heard is None or at >= heard.replace(microsecond=0) for at in given if at is not None):
        return
    weight = policy.weights.get(TYPE, {}).get("weight", 0.0)
    at = min(cold.at, now).isoformat()
    yield {"type": TYPE, "timestamp": at, "weight": weight, "source": str(cold.message), "note": cold.note}


def cooling_down(lead: Lead) -> Iterator[dict[str, Any]]:
    """The warning that what was said between us and `lead` gives now, unless it was given."""
    return coldness(lead, words_of([lead.pk]).get(lead.pk, []), ScoringPolicy.objects.active(), timezone.now())


def silent_leads(now: datetime) -> Iterator[list[Lead]]:
    """The open leads that have left our last word without an answer for days, some at a time."""
    since, until = now - PATIENCE - LOOKED_AT, now - PATIENCE
    rows = Lead.objects.open().filter(awaiting_reply=True, last_contact_at__gt=since, last_contact_at__lte=until)
    after = None
    while leads := list((rows.filter(pk__gt=after) if after else rows).order_by("pk").only("signals")[:BATCH]):
        yield leads
        after = leads[-1].pk


def warn_of_silence(now: datetime) -> int:
    """Put on each lead whose silence has become too long that it is going cold; returns how many those are."""
    policy, warned = ScoringPolicy.objects.active(), 0
    for leads in silent_leads(now):
        said = words_of(lead.pk for lead in leads)
        for lead in leads:
            if found := list(coldness(lead, said.get(lead.pk, []), policy, now)):
                warned += warn(lead, found)
    return warned


@transaction.atomic
def warn(lead: Lead, found: list[dict[str, Any]]) -> bool:
    row = Lead.objects.open().filter(pk=lead.pk).first()
    new = row is not None and add_signals(row, found, by=SYSTEM) > 0
    if new:
        record(row, "noticed", by=SYSTEM, summary=f"Going cold: {found[0]['note']}")
    return new
