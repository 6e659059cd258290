"""Asking the database what surrounds many leads at once: a dozen statements, however many leads."""

from collections import defaultdict
from collections.abc import Iterable, Mapping
from datetime import datetime
from typing import Any
from uuid import UUID

from django.db.models import F, Max, Q, Window
from django.db.models.functions import Left, RowNumber
from django.utils import timezone

from agents.next_best_action.context import UNDER_WAY, Said, Stage, Surroundings, Waiting
from crm.text.english.signals import LONGEST
from inbox.incoming.participants import our_addresses
from inbox.models import Direction, Message, Nature, ThreadStatus
from inbox.models.email_template import EmailTemplate, TemplateCategory
from inbox.thread_state import CONTACT, SAID
from leads.models import Lead, LeadStageHistory, LeadStatus, Task
from suggestions.models import RejectCode, Suggestion, SuggestionStatus

# Of each lead. Quotes stand below what was written, so a body is read twice as far as its own words are.
MOST_SAID, MOST_SUGGESTIONS, LONGEST_BODY = 12, 100, 2 * LONGEST
UNDECIDED = (SuggestionStatus.DRAFT, SuggestionStatus.PENDING)


class House:
    """What is the same for every lead: our addresses, the stages, the templates, and whose queue has room."""

    def __init__(self, agent: str, most_waiting: int) -> None:
        self.agent = agent
        self.ours = our_addresses()
        self.stages = {
            one.code: Stage(one.code, one.label, one.category, one.position, one.stale_after_days)
            for one in LeadStatus.objects.order_by("position")
        }
        rows = EmailTemplate.objects.in_use().filter(category=TemplateCategory.PROPOSAL)
        self.templates = {one.category: one.body for one in reversed(rows[:1])}
        waiting = Suggestion.objects.undecided(timezone.now()).filter(agent=agent)
        self.left: defaultdict[Any, int] = defaultdict(lambda: most_waiting)
        for owner in waiting.values_list("owner", flat=True):
            self.left[owner] -= 1


def gather(leads: Iterable[Lead], house: House, now: datetime) -> dict[UUID, Surroundings]:
    """What surrounds each of `leads`, whose line is joined, as of `now`."""
    rows = {one.pk: one for one in leads}
    said, suggestions = said_around(rows), suggested(rows)
    moved = dict(LeadStageHistory.objects.filter(lead__in=rows).values_list("lead").annotate(Max("at")))
    ahead = Task.objects.filter(lead__in=rows).unfinished().filter(due_on__gte=timezone.localdate(now))
    busy = set(ahead.values_list("lead", flat=True))
    local = timezone.localtime(now)
    return {
        key: Surroundings(
            now=local,
            lead=key,
            stages=tuple(house.stages.values()),
            moved_at=moved.get(key),
            said=tuple(said[key]),
            templates=house.templates,
            ours=house.ours,
            busy=key in busy,
            room=house.left[lead.assigned_to_id] > 0,
            **of_row(lead, house.stages),
            **of_suggestions(suggestions[key], house.agent, now),
        )
        for key, lead in rows.items()
    }


def of_row(lead: Lead, stages: Mapping[str, Stage]) -> dict[str, Any]:
    """What the lead itself says."""
    channels = lead.communications
    shut = {name for name, one in channels.items() if isinstance(one, dict) and one.get("do_not_contact") is True}
    return {
        "stage": stages[lead.status_id],
        "last_heard": timezone.localtime(lead.last_contact_at or lead.created_at),
        "spoken": lead.last_contact_at is not None,
        "awaiting": lead.awaiting_reply,
        "email": lead.contact_email,
        "phone": lead.contact_phone,
        "closed_channels": frozenset(shut),
        "line": lead.insurance_type.name if lead.insurance_type else "",
        "tier": lead.priority_tier,
        "signals": frozenset(str(signal.get("type")) for signal in lead.signals),
    }


def said_around(leads: Iterable[UUID]) -> defaultdict[UUID, list[Said]]:
    """Of each lead the newest that persons said to each other, and what is on its way out; the newest first."""
    on_its_way = Q(direction=Direction.OUT, state__in=UNDER_WAY)
    rows = Message.objects.filter(Q(state__in=SAID) | on_its_way, nature=Nature.PERSON)
    rows = rows.filter(thread__lead__in=leads, thread__deleted_at=None, thread__source__in=CONTACT)
    place = Window(RowNumber(), partition_by=F("thread__lead"), order_by=[F("sent_at").desc(), F("id").desc()])
    newest = list(rows.annotate(place=place).filter(place__lte=MOST_SAID).values_list("pk", flat=True))
    found: defaultdict[UUID, list[Said]] = defaultdict(list)
    for lead, one in with_words(newest):
        found[lead].append(one)
    return found


def with_words(keys: list[UUID]) -> Iterable[tuple[UUID, Said]]:
    names = ("thread__lead", "pk", "thread", "thread__source", "thread__status", "direction", "state", "from_email")
    rows = Message.objects.filter(pk__in=keys).order_by("-sent_at", "-pk")
    for lead, key, thread, source, status, direction, state, sender, at, body in rows.values_list(
        *names, "sent_at", Left("body_text", LONGEST_BODY)
    ):
        opened = status == ThreadStatus.OPEN
        yield (
            lead,
            Said(key, thread, source, opened, direction, state, sender.lower(), timezone.localtime(at), body),
        )


def suggested(leads: Iterable[UUID]) -> defaultdict[UUID, list[Suggestion]]:
    """Of each lead the newest suggestions."""
    place = Window(RowNumber(), partition_by=F("lead"), order_by=F("created_at").desc())
    names = ("lead", "type", "status", "agent", "thread", "dedupe_key", "reject_code", "expires_at")
    rows = Suggestion.objects.filter(lead__in=leads).annotate(place=place).filter(place__lte=MOST_SUGGESTIONS)
    found: defaultdict[UUID, list[Suggestion]] = defaultdict(list)
    for one in rows.only(*names):
        found[one.lead_id].append(one)
    return found


def of_suggestions(rows: Iterable[Suggestion], agent: str, now: datetime) -> dict[str, Any]:
    """Which of `rows` wait, and the keys of those of `agent` that were decided or have expired."""
    waiting, done = [], set()
    for one in rows:
        mine = one.dedupe_key if one.agent == agent else ""
        lives = one.expires_at is None or one.expires_at > now
        if lives and one.status in UNDECIDED:
            waiting.append(Waiting(one.type, one.thread_id, mine))
        elif mine and one.reject_code != RejectCode.SUPERSEDED:
            done.add(mine)
    return {"waiting": tuple(waiting), "done": frozenset(done)}
