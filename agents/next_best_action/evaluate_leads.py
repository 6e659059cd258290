"""Considering leads: looking for what is best done next about those with news or a silence that has become too long."""

import logging
import time
from collections.abc import Iterable
from dataclasses import replace
from operator import itemgetter
from uuid import UUID

from django.db import OperationalError, connection, transaction
from django.utils import timezone

from agents.drafting.improve_draft import let_ask
from agents.next_best_action.context import Action, Surroundings
from agents.next_best_action.load_contexts import House, gather
from agents.next_best_action.rules import LOOK_AGAIN, next_actions, next_look
from crm.exceptions import Refused
from leads.models import Lead
from suggestions.models import Suggestion, SuggestionStatus
from suggestions.transitions.propose import propose, retire
from suggestions.transitions.state import NEXT_BEST

logger = logging.getLogger(__name__)

MOST_CONSIDERED, BATCH = 2_000, 100
# Of one owner: so much may wait before silence leads to more. Whoever has written is answered all the same.
MOST_WAITING = 50
# Seconds, of a job that is queued each minute.
LONGEST_RUN = 20.0
FAILED = "Nothing could be proposed about the lead %s."
# The dates they were read with claim them, in one order of rows; one with news since then is left to the next round.
NOTHING_TO_DO = """
WITH quiet AS (
    SELECT id, again
      FROM leads JOIN unnest(%s::uuid[], %s::timestamptz[], %s::timestamptz[]) AS given (id, seen, again) USING (id)
     WHERE next_look_at = seen ORDER BY id FOR NO KEY UPDATE OF leads
)
UPDATE leads SET considered_at = %s, next_look_at = quiet.again FROM quiet WHERE leads.id = quiet.id
"""
WAITING = (SuggestionStatus.DRAFT, SuggestionStatus.PENDING)


def consider(*, most: int = MOST_CONSIDERED) -> tuple[int, int]:
    """Look at the open leads that are due, those with the latest news first; how many were looked at, and proposed."""
    looked_at, proposed, began = 0, 0, time.monotonic()
    house = House(str(NEXT_BEST), MOST_WAITING)
    while looked_at < most and time.monotonic() - began < LONGEST_RUN:
        now = timezone.now()
        due = Lead.objects.to_look_at(now).select_related("insurance_type")
        leads = list(due.defer("search_text", "notes")[: min(BATCH, most - looked_at)])
        if not leads:
            break
        for lead, about, actions in thought_over(leads, gather(leads, house, now)):
            if about.room and house.left[lead.assigned_to_id] <= 0:  # filled up by those before
                about = replace(about, room=False)
                actions = next_actions(about)
            made = considered(lead, about, actions)
            house.left[lead.assigned_to_id] -= made
            proposed += made
        looked_at += len(leads)
    return looked_at, proposed


def thought_over(leads: list[Lead], around: dict[UUID, Surroundings]) -> list[tuple[Lead, Surroundings, list[Action]]]:
    """Those of `leads` about which there is something to propose or to withdraw; all others are done with at once."""
    quiet, rest = [], []
    for lead in leads:
        about = around[lead.pk]
        try:
            actions, again = next_actions(about), next_look(about)
        except Exception:
            logger.exception(FAILED, lead.pk)
            put_off(lead, about)
            continue
        if actions or any(one.key for one in about.waiting):
            rest.append((lead, about, actions))
        else:
            quiet.append((lead.pk, lead.next_look_at, again))
    if quiet:
        keys, seen, again = zip(*sorted(quiet, key=itemgetter(0)), strict=True)
        with connection.cursor() as cursor:
            cursor.execute(NOTHING_TO_DO, [list(keys), list(seen), list(again), timezone.now()])
    return rest


def considered(lead: Lead, about: Surroundings, actions: list[Action]) -> int:
    """Do what follows for one lead, whatever becomes of it; how many things were proposed."""
    try:
        return look_at(lead, about, actions)
    except OperationalError:  # not the lead's doing (a deadlock, a database that goes): the next round has it still
        logger.warning("The lead %s is looked at again: the database gave up.", lead.pk)
        return 0
    except Exception:
        logger.exception(FAILED, lead.pk)
        put_off(lead, about)
        return 0


def put_off(lead: Lead, about: Surroundings) -> None:
    """Leave alone until tomorrow a lead that has just failed: it stops nobody, and is tried again."""
    seen = Lead.objects.filter(pk=lead.pk, next_look_at=lead.next_look_at)
    seen.update(next_look_at=about.now + LOOK_AGAIN)


@transaction.atomic
def look_at(lead: Lead, about: Surroundings, actions: list[Action]) -> int:
    """Propose `actions` about `lead`, unless there is news since `about` was asked for, or another did."""
    seen = Lead.objects.open().filter(pk=lead.pk, next_look_at=lead.next_look_at)
    if seen.update(considered_at=about.now, next_look_at=next_look(about)) != 1:
        return 0
    withdraw(lead, {one.key for one in actions})
    mine = {one.key for one in about.waiting}
    made = 0
    for action in actions:
        made += proposed(lead.pk, action) and action.key not in mine
    return made


def withdraw(lead: Lead, wanted: Iterable[str]) -> None:
    """Retire what this agent had proposed and what no longer holds."""
    rows = Suggestion.objects.select_for_update(of=("self",)).filter(lead=lead.pk, status__in=WAITING)
    for one in rows.filter(agent=str(NEXT_BEST)).exclude(dedupe_key__in=wanted):
        retire(one, by=NEXT_BEST)


def proposed(lead: UUID, action: Action) -> bool:
    """Whether `action` waits now; a refusal (three wait already, switched off, an empty gap) leaves it out."""
    suggestion = suggestion_of(lead, action)
    try:
        with transaction.atomic():
            if propose(suggestion, by=NEXT_BEST) is suggestion:
                let_ask(suggestion)
    except Refused as refusal:
        logger.info("Not proposed about the lead %s: %s", lead, refusal)
        return False
    return True


def suggestion_of(lead: UUID, action: Action) -> Suggestion:
    return Suggestion(
        type=action.type,
        lead_id=lead,
        thread_id=action.thread,
        message_id=action.message,
        suggested_content=action.content,
        confidence=action.confidence,
        reasoning=action.reasoning,
        evidence=action.evidence,
        dedupe_key=action.key,
    )
