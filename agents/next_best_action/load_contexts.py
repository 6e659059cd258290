"""Load the contexts of many leads at once, in about a dozen statements however many leads there are."""

from collections import defaultdict
from collections.abc import Iterable, Mapping
from datetime import datetime
from typing import Any
from uuid import UUID

from django.db.models import Count, F, Max, Q, Window
from django.db.models.functions import Left, RowNumber
from django.utils import timezone

from agents.next_best_action.context import UNSENT_STATES, LeadContext, LeadMessage, Stage, WaitingSuggestion
from crm.records.consent import closed_channels
from crm.records.local_time import agency_time, agency_today
from crm.text.english.signals import MAX_ANALYZED_LENGTH
from inbox.email_templates.placeholders import lead_first_name
from inbox.incoming.participants import our_addresses
from inbox.models import Direction, Message, Nature, ThreadStatus
from inbox.models.email_template import REPLY_CATEGORIES, EmailTemplate, TemplateCategory
from inbox.thread_state import CONTACT_SOURCES, DELIVERED_STATES
from leads.models import Lead, LeadStageHistory, LeadStatus, Task
from suggestions.models import UNDECIDED_STATUSES, RejectCode, Suggestion

# Per lead. Quoted text stands below the new text, so twice the analysed length of a body is loaded.
MAX_CONTEXT_MESSAGES, MAX_CONTEXT_SUGGESTIONS, MAX_CONTEXT_BODY_LENGTH = 12, 100, 2 * MAX_ANALYZED_LENGTH


class AgencyContext:
    """What is the same for every lead: our addresses, the stages, the templates, and the room in each owner's queue."""

    def __init__(self, agent: str, max_waiting: int) -> None:
        self.agent = agent
        self.own_addresses = our_addresses()
        self.stages = {
            one.code: Stage(one.code, one.label, one.category, one.position, one.stale_after_days)
            for one in LeadStatus.objects.order_by("position")
        }
        rows = EmailTemplate.objects.in_use().filter(category__in=[TemplateCategory.PROPOSAL, *REPLY_CATEGORIES])
        # The first of each category by name.
        self.templates = {one.category: one.body for one in reversed(rows)}
        self.max_waiting = max_waiting
        self.free_slots: dict[UUID | None, int] = {}

    def load_free_slots(self, owners: Iterable[UUID | None]) -> None:
        """Count the room in the queues of `owners`; None stands for unassigned leads."""
        new = set(owners) - self.free_slots.keys()
        if not new:
            return
        pending = Suggestion.objects.undecided(timezone.now()).filter(agent=self.agent)
        of_owners = pending.filter(Q(owner__in=new - {None}) | (Q(owner__isnull=True) if None in new else Q()))
        waiting = dict(of_owners.order_by().values_list("owner").annotate(Count("pk")))
        self.free_slots |= {owner: self.max_waiting - waiting.get(owner, 0) for owner in new}


def load_contexts(leads: Iterable[Lead], agency: AgencyContext, now: datetime) -> dict[UUID, LeadContext]:
    """Return the context of each of `leads` as of `now`; their insurance type is loaded with them."""
    rows = {one.pk: one for one in leads}
    agency.load_free_slots(one.assigned_to_id for one in rows.values())
    messages, suggestions = load_messages(rows), load_suggestions(rows)
    stage_changes = dict(LeadStageHistory.objects.filter(lead__in=rows).values_list("lead").annotate(Max("at")))
    ahead = Task.objects.filter(lead__in=rows).unfinished().filter(due_on__gte=agency_today(now))
    busy = set(ahead.values_list("lead", flat=True))
    local = agency_time(now)
    return {
        key: LeadContext(
            now=local,
            lead=key,
            stages=tuple(agency.stages.values()),
            stage_changed_at=stage_changes.get(key),
            messages=tuple(messages[key]),
            templates=agency.templates,
            own_addresses=agency.own_addresses,
            has_upcoming_task=key in busy,
            has_queue_room=agency.free_slots[lead.assigned_to_id] > 0,
            **lead_context_fields(lead, agency.stages),
            **suggestion_context_fields(suggestions[key], agency.agent, now),
        )
        for key, lead in rows.items()
    }


def lead_context_fields(lead: Lead, stages: Mapping[str, Stage]) -> dict[str, Any]:
    """Return the fields taken from the lead's own row."""
    return {
        "stage": stages[lead.status_id],
        "last_contact_at": agency_time(lead.last_contact_at or lead.created_at),
        "has_been_contacted": lead.last_contact_at is not None,
        "is_awaiting_reply": lead.awaiting_reply,
        "email": lead.contact_email,
        "phone": lead.contact_phone,
        "has_first_name": bool(lead_first_name(lead)),
        "closed_channels": closed_channels(lead.communications),
        "unanswerable_channels": closed_channels(lead.communications, is_answer=True),
        "insurance_line": lead.insurance_type.name if lead.insurance_type else "",
        "tier": lead.priority_tier,
        "signals": frozenset(str(signal.get("type")) for signal in lead.signals),
    }


def load_messages(leads: Iterable[UUID]) -> defaultdict[UUID, list[LeadMessage]]:
    """Return the newest messages between persons for each lead, unsent ones included; the newest first."""
    on_its_way = Q(direction=Direction.OUT, state__in=UNSENT_STATES)
    rows = Message.objects.filter(Q(state__in=DELIVERED_STATES) | on_its_way, nature=Nature.PERSON)
    rows = rows.filter(thread__lead__in=leads, thread__deleted_at=None, thread__source__in=CONTACT_SOURCES)
    place = Window(RowNumber(), partition_by=F("thread__lead"), order_by=[F("sent_at").desc(), F("id").desc()])
    newest = list(rows.annotate(place=place).filter(place__lte=MAX_CONTEXT_MESSAGES).values_list("pk", flat=True))
    found: defaultdict[UUID, list[LeadMessage]] = defaultdict(list)
    for lead, one in read_messages(newest):
        found[lead].append(one)
    return found


def read_messages(keys: list[UUID]) -> Iterable[tuple[UUID, LeadMessage]]:
    names = ("thread__lead", "pk", "thread", "thread__source", "thread__status", "direction", "state", "from_email")
    rows = Message.objects.filter(pk__in=keys).order_by("-sent_at", "-pk")
    for lead, key, thread, source, status, direction, state, sender, at, closing, body in rows.values_list(
        *names, "sent_at", "is_closing", Left("body_text", MAX_CONTEXT_BODY_LENGTH)
    ):
        opened, moment = status == ThreadStatus.OPEN, agency_time(at)
        yield (
            lead,
            LeadMessage(key, thread, source, opened, direction, state, sender.lower(), moment, body, closing),
        )


def load_suggestions(leads: Iterable[UUID]) -> defaultdict[UUID, list[Suggestion]]:
    """Return the newest suggestions about each lead."""
    place = Window(RowNumber(), partition_by=F("lead"), order_by=F("created_at").desc())
    names = ("lead", "type", "status", "agent", "thread", "dedupe_key", "reject_code", "expires_at")
    rows = Suggestion.objects.filter(lead__in=leads).annotate(place=place).filter(place__lte=MAX_CONTEXT_SUGGESTIONS)
    found: defaultdict[UUID, list[Suggestion]] = defaultdict(list)
    for one in rows.only(*names):
        found[one.lead_id].append(one)
    return found


def suggestion_context_fields(rows: Iterable[Suggestion], agent: str, now: datetime) -> dict[str, Any]:
    """Return the waiting ones of `rows`, and the keys of those by `agent` that were decided or expired."""
    pending, decided_keys = [], set()
    for one in rows:
        mine = one.dedupe_key if one.agent == agent else ""
        lives = one.expires_at is None or one.expires_at > now
        if lives and one.status in UNDECIDED_STATUSES:
            pending.append(WaitingSuggestion(one.type, one.thread_id, mine))
        elif mine and one.reject_code != RejectCode.SUPERSEDED:
            decided_keys.add(mine)
    return {"pending": tuple(pending), "decided_keys": frozenset(decided_keys)}
