"""Considering leads: looking for what is best done next about those with news or a silence that has become too long."""

import logging
import time
from collections.abc import Iterable
from dataclasses import replace
from operator import itemgetter
from uuid import UUID

from django.db import OperationalError, connection, transaction
from django.utils import timezone

from agents.drafting.improve_draft import queue_improvement
from agents.next_best_action.context import LeadContext, NextAction
from agents.next_best_action.load_contexts import AgencyContext, load_contexts
from agents.next_best_action.rules import RECHECK_AFTER, next_actions, next_evaluation_at
from crm.exceptions import ActionRefused
from leads.models import Lead
from suggestions.models import UNDECIDED_STATUSES, Suggestion
from suggestions.transitions.propose import propose, supersede
from suggestions.transitions.state import NEXT_BEST_ACTION_AGENT

logger = logging.getLogger(__name__)

MAX_LEADS_PER_RUN, LEADS_PER_BATCH = 2_000, 100
# Of one owner: so much may wait before silence leads to more. Whoever has written is answered all the same.
MAX_WAITING_PER_OWNER = 50
# Seconds, of a job that is queued each minute.
MAX_EVALUATION_SECONDS = 20.0
EVALUATION_FAILED_LOG = "Nothing could be proposed about the lead %s."
# The dates they were read with claim them, in one order of rows; one with news since then is left to the next round.
MARK_EVALUATED_SQL = """
WITH quiet AS (
    SELECT id, again
      FROM leads JOIN unnest(%s::uuid[], %s::timestamptz[], %s::timestamptz[]) AS given (id, seen, again) USING (id)
     WHERE next_look_at = seen ORDER BY id FOR NO KEY UPDATE OF leads
)
UPDATE leads SET considered_at = %s, next_look_at = quiet.again FROM quiet WHERE leads.id = quiet.id
"""


def evaluate_due_leads(*, most: int = MAX_LEADS_PER_RUN) -> tuple[int, int]:
    """Look at the open leads that are due, those with the latest news first; how many were looked at, and proposed."""
    evaluated_count, proposed_count, started = 0, 0, time.monotonic()
    agency = AgencyContext(str(NEXT_BEST_ACTION_AGENT), MAX_WAITING_PER_OWNER)
    while evaluated_count < most and time.monotonic() - started < MAX_EVALUATION_SECONDS:
        now = timezone.now()
        due = Lead.objects.due_for_evaluation(now).select_related("insurance_type")
        leads = list(due.defer("search_text", "notes")[: min(LEADS_PER_BATCH, most - evaluated_count)])
        if not leads:
            break
        for lead, context, actions in evaluate_batch(leads, load_contexts(leads, agency, now)):
            if context.has_queue_room and agency.free_slots[lead.assigned_to_id] <= 0:  # filled up by those before
                context = replace(context, has_queue_room=False)
                actions = next_actions(context)
            count = try_propose_actions(lead, context, actions)
            agency.free_slots[lead.assigned_to_id] -= count
            proposed_count += count
        evaluated_count += len(leads)
    return evaluated_count, proposed_count


def evaluate_batch(
    leads: list[Lead], contexts: dict[UUID, LeadContext]
) -> list[tuple[Lead, LeadContext, list[NextAction]]]:
    """Those of `leads` about which there is something to propose or to withdraw; all others are done with at once."""
    quiet, with_actions = [], []
    for lead in leads:
        context = contexts[lead.pk]
        try:
            actions, next_date = next_actions(context), next_evaluation_at(context)
        except Exception:
            logger.exception(EVALUATION_FAILED_LOG, lead.pk)
            reschedule_evaluation(lead, context)
            continue
        if actions or any(one.key for one in context.pending):
            with_actions.append((lead, context, actions))
        else:
            quiet.append((lead.pk, lead.next_look_at, next_date))
    if quiet:
        keys, read_dates, next_date = zip(*sorted(quiet, key=itemgetter(0)), strict=True)
        with connection.cursor() as cursor:
            cursor.execute(MARK_EVALUATED_SQL, [list(keys), list(read_dates), list(next_date), timezone.now()])
    return with_actions


def try_propose_actions(lead: Lead, context: LeadContext, actions: list[NextAction]) -> int:
    """Do what follows for one lead, whatever becomes of it; how many things were proposed."""
    try:
        return propose_actions(lead, context, actions)
    except OperationalError:  # not the lead's doing (a deadlock, a database that goes): the next round has it still
        logger.warning("The lead %s is looked at again: the database gave up.", lead.pk)
        return 0
    except Exception:
        logger.exception(EVALUATION_FAILED_LOG, lead.pk)
        reschedule_evaluation(lead, context)
        return 0


def reschedule_evaluation(lead: Lead, context: LeadContext) -> None:
    """Leave alone until tomorrow a lead that has just failed: it stops nobody, and is tried again."""
    unchanged = Lead.objects.filter(pk=lead.pk, next_look_at=lead.next_look_at)
    unchanged.update(next_look_at=context.now + RECHECK_AFTER)


@transaction.atomic
def propose_actions(lead: Lead, context: LeadContext, actions: list[NextAction]) -> int:
    """Propose `actions` about `lead`, unless there is news since `context` was asked for, or another did."""
    unchanged = Lead.objects.open().filter(pk=lead.pk, next_look_at=lead.next_look_at)
    if unchanged.update(considered_at=context.now, next_look_at=next_evaluation_at(context)) != 1:
        return 0
    withdraw_outdated(lead, {one.key for one in actions})
    own_keys = {one.key for one in context.pending}
    count = 0
    for action in actions:
        count += propose_action(lead.pk, action) and action.key not in own_keys
    return count


def withdraw_outdated(lead: Lead, wanted: Iterable[str]) -> None:
    """Retire what this agent had proposed and what no longer holds."""
    rows = Suggestion.objects.select_for_update(of=("self",)).filter(lead=lead.pk, status__in=UNDECIDED_STATUSES)
    for one in rows.filter(agent=str(NEXT_BEST_ACTION_AGENT)).exclude(dedupe_key__in=wanted):
        supersede(one, by=NEXT_BEST_ACTION_AGENT)


def propose_action(lead: UUID, action: NextAction) -> bool:
    """Whether `action` waits now; a refusal (three wait already, switched off, an empty gap) leaves it out."""
    suggestion = suggestion_from_action(lead, action)
    try:
        with transaction.atomic():
            if propose(suggestion, by=NEXT_BEST_ACTION_AGENT) is suggestion:
                queue_improvement(suggestion)
    except ActionRefused as error:
        logger.info("Not proposed about the lead %s: %s", lead, error)
        return False
    return True


def suggestion_from_action(lead: UUID, action: NextAction) -> Suggestion:
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
