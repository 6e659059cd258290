"""Evaluate leads: propose the next best action after something changed or when a silence has lasted too long."""

import logging
import time
from collections.abc import Iterable, Mapping
from dataclasses import replace
from datetime import datetime
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
from leads.models.lead import LeadQuerySet
from suggestions.models import UNDECIDED_STATUSES, Suggestion
from suggestions.policy.confidence import TrackRecord, load_track_records
from suggestions.transitions.propose import propose, supersede, withdraw_without_consent
from suggestions.transitions.state import NEXT_BEST_ACTION_AGENT

# The track record of each type and rule.
TrackRecords = Mapping[tuple[str, str], TrackRecord]
logger = logging.getLogger(__name__)

MAX_LEADS_PER_RUN, LEADS_PER_BATCH = 2_000, 100
# Per owner: with so many waiting, silence leads to no more proposals. Replies are proposed all the same.
MAX_WAITING_PER_OWNER = 50
# For one run of the job that is queued each minute.
MAX_EVALUATION_SECONDS = 20.0
EVALUATION_FAILED_LOG = "Lead %s could not be evaluated."
# A lead is claimed by the date it was read with: one that changed since is left to the next run. Rows are locked in
# one order.
MARK_EVALUATED_SQL = """
WITH quiet AS (
    SELECT id, again
      FROM leads JOIN unnest(%s::uuid[], %s::timestamptz[], %s::timestamptz[]) AS given (id, seen, again) USING (id)
     WHERE next_look_at = seen ORDER BY id FOR NO KEY UPDATE OF leads
)
UPDATE leads SET considered_at = %s, next_look_at = quiet.again FROM quiet WHERE leads.id = quiet.id
"""


def evaluate_due_leads(*, most: int = MAX_LEADS_PER_RUN) -> tuple[int, int]:
    """Evaluate the open leads that are due, the latest change first; return how many, and how many proposals."""
    evaluated_count, proposed_count, started = 0, 0, time.monotonic()
    agency = AgencyContext(str(NEXT_BEST_ACTION_AGENT), MAX_WAITING_PER_OWNER)
    while evaluated_count < most and time.monotonic() - started < MAX_EVALUATION_SECONDS:
        now = timezone.now()
        leads = list(due_leads(now)[: min(LEADS_PER_BATCH, most - evaluated_count)])
        if not leads:
            break
        proposed_count += evaluate_batch(leads, agency, now)
        evaluated_count += len(leads)
    return evaluated_count, proposed_count


def evaluate_changed_leads(keys: Iterable[UUID]) -> int:
    """Evaluate those of the leads `keys` that are open and due; return the number of proposals."""
    now = timezone.now()
    leads = list(due_leads(now).filter(pk__in=keys))
    if not leads:
        return 0
    return evaluate_batch(leads, AgencyContext(str(NEXT_BEST_ACTION_AGENT), MAX_WAITING_PER_OWNER), now)


def due_leads(now: datetime) -> LeadQuerySet:
    return Lead.objects.due_for_evaluation(now).select_related("insurance_type").defer("search_text", "notes")


def evaluate_batch(leads: list[Lead], agency: AgencyContext, now: datetime) -> int:
    """Propose or withdraw what the context of each of `leads` asks for; return the number of proposals."""
    proposed_count = 0
    with_actions = leads_with_actions(leads, load_contexts(leads, agency, now))
    rules = [(one.type, one.rule) for _, _, actions in with_actions for one in actions]
    track_records = load_track_records(agency.agent, rules)
    for lead, context, actions in with_actions:
        if context.has_queue_room and agency.free_slots[lead.assigned_to_id] <= 0:  # the leads before filled it
            context = replace(context, has_queue_room=False)
            actions = next_actions(context)
        count = try_propose_actions(lead, context, actions, track_records)
        agency.free_slots[lead.assigned_to_id] -= count
        proposed_count += count
    return proposed_count


def leads_with_actions(
    leads: list[Lead], contexts: dict[UUID, LeadContext]
) -> list[tuple[Lead, LeadContext, list[NextAction]]]:
    """Return those of `leads` with something to propose or withdraw; the others are marked as evaluated at once."""
    quiet, with_actions = [], []
    for lead in leads:
        context = contexts[lead.pk]
        try:
            actions, next_date = next_actions(context), next_evaluation_at(context)
        except Exception:
            logger.exception(EVALUATION_FAILED_LOG, lead.pk)
            reschedule_evaluation(lead, context)
            continue
        if actions or any(one.key or context.closed_channels for one in context.pending):
            with_actions.append((lead, context, actions))
        else:
            quiet.append((lead.pk, lead.next_look_at, next_date))
    if quiet:
        keys, read_dates, next_date = zip(*sorted(quiet, key=itemgetter(0)), strict=True)
        with connection.cursor() as cursor:
            cursor.execute(MARK_EVALUATED_SQL, [list(keys), list(read_dates), list(next_date), timezone.now()])
    return with_actions


def try_propose_actions(
    lead: Lead, context: LeadContext, actions: list[NextAction], track_records: TrackRecords
) -> int:
    """Propose `actions` about one lead without failing for the others; return the number of proposals."""
    try:
        return propose_actions(lead, context, actions, track_records)
    except OperationalError:  # a deadlock or a lost connection: the lead stays due
        logger.warning("The database failed while lead %s was evaluated; it is evaluated again.", lead.pk)
        return 0
    except Exception:
        logger.exception(EVALUATION_FAILED_LOG, lead.pk)
        reschedule_evaluation(lead, context)
        return 0


def reschedule_evaluation(lead: Lead, context: LeadContext) -> None:
    """Evaluate a lead that has just failed again tomorrow, so that it does not hold up the others."""
    unchanged = Lead.objects.filter(pk=lead.pk, next_look_at=lead.next_look_at)
    unchanged.update(next_look_at=context.now + RECHECK_AFTER)


@transaction.atomic
def propose_actions(lead: Lead, context: LeadContext, actions: list[NextAction], track_records: TrackRecords) -> int:
    """Propose `actions` about `lead`, unless it changed after `context` was loaded or another run evaluated it."""
    unchanged = Lead.objects.open().filter(pk=lead.pk, next_look_at=lead.next_look_at)
    if unchanged.update(considered_at=context.now, next_look_at=next_evaluation_at(context)) != 1:
        return 0
    if context.closed_channels:
        withdraw_without_consent(lead, by=NEXT_BEST_ACTION_AGENT)
    withdraw_outdated(lead, {one.key for one in actions})
    own_keys = {one.key for one in context.pending}
    count = 0
    for action in actions:
        count += propose_action(lead.pk, action, track_records) and action.key not in own_keys
    return count


def withdraw_outdated(lead: Lead, wanted: Iterable[str]) -> None:
    """Withdraw earlier proposals of this agent that no longer apply."""
    rows = Suggestion.objects.select_for_update(of=("self",)).filter(lead=lead.pk, status__in=UNDECIDED_STATUSES)
    for one in rows.filter(agent=str(NEXT_BEST_ACTION_AGENT)).exclude(dedupe_key__in=wanted):
        supersede(one, by=NEXT_BEST_ACTION_AGENT)


def propose_action(lead: UUID, action: NextAction, track_records: TrackRecords) -> bool:
    """Propose `action`; return False if it is refused: three wait already, the type is off, a placeholder is empty."""
    suggestion = suggestion_from_action(lead, action)
    suggestion.set_track_record(track_records[str(action.type), action.rule])
    try:
        with transaction.atomic():
            if propose(suggestion, by=NEXT_BEST_ACTION_AGENT) is suggestion:
                queue_improvement(suggestion)
    except ActionRefused as error:
        logger.info("No proposal about lead %s: %s", lead, error)
        return False
    return True


def suggestion_from_action(lead: UUID, action: NextAction) -> Suggestion:
    return Suggestion(
        type=action.type,
        lead_id=lead,
        thread_id=action.thread,
        message_id=action.message,
        suggested_content=action.content,
        rule=action.rule,
        reasoning=action.reasoning,
        evidence=action.evidence,
        dedupe_key=action.key,
    )
