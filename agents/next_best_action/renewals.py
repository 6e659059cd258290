"""Policies that expire soon: propose the follow-up for their client, once for each policy and expiry date."""

import logging
from datetime import date, timedelta
from uuid import UUID

from django.db import transaction

from agents.next_best_action.withdrawals import withdraw_settled
from crm.exceptions import ActionRefused
from crm.models import Client
from crm.records.consent import closed_channels
from crm.records.local_time import agency_style, agency_today, start_of_agency_day
from inbox.models import Thread
from leads.models import Policy
from leads.models.policy import PolicyQuerySet
from suggestions.models import UNDECIDED_STATUSES, RejectCode, Suggestion, SuggestionType
from suggestions.transitions.propose import propose
from suggestions.transitions.state import NEXT_BEST_ACTION_AGENT

logger = logging.getLogger(__name__)

RENEWAL_RULE = "policy expiring"
KEY_PREFIX = "renewal:"
MAX_PER_RUN, POLICIES_PER_BATCH = 2_000, 200
# Days before the expiry from which a renewal is urgent.
HIGH_URGENCY_DAYS, MEDIUM_URGENCY_DAYS = 14, 30
PLACEHOLDER_MARKS = ("{{", "}}", "[[", "]]")


def propose_renewals(*, most: int = MAX_PER_RUN) -> int:
    """Propose the renewal of up to `most` policies, the next to expire first; return the number of proposals.

    Proposals about policies that were renewed, cancelled or given to a lead since are withdrawn.
    """
    today = agency_today()
    withdraw_renewed(today)
    keys = list(policies_to_renew(today).order_by("expires_on", "id").values_list("pk", flat=True))
    count = 0
    for start in range(0, len(keys), POLICIES_PER_BATCH):
        count += propose_batch(keys[start : start + POLICIES_PER_BATCH], most - count)
        if count >= most:
            break
    return count


def policies_to_renew(today: date) -> PolicyQuerySet:
    """Return the policies that expire soon, of clients that are not deleted and without a lead for the renewal."""
    return Policy.objects.expiring(today).filter(client__deleted_at=None, renewal_lead=None)


def propose_batch(keys: list[UUID], most: int) -> int:
    """Propose the renewals of up to `most` of the policies `keys` about which nothing was proposed yet."""
    policies = list(Policy.objects.filter(pk__in=keys).select_related("client", "insurance_type"))
    policies.sort(key=lambda policy: keys.index(policy.pk))
    proposed = proposed_keys(policies)
    threads = renewal_threads(policies)
    move_to_conversations(policies, threads)
    new = [policy for policy in policies if renewal_key(policy) not in proposed][:most]
    return sum(propose_renewal(policy, threads.get(policy.pk)) for policy in new)


def renewal_threads(policies: list[Policy]) -> dict[UUID, Thread]:
    """Return the open conversation about each of `policies` that has one, by the key of the policy."""
    rows = Thread.objects.of_policies([policy.pk for policy in policies])
    return {thread.policy_id: thread for thread in reversed(rows)}


def move_to_conversations(policies: list[Policy], threads: dict[UUID, Thread]) -> None:
    """Let the undecided proposals about `policies` with a conversation of their own lead to an email in it."""
    for policy in policies:
        if policy.pk in threads:
            waiting = Suggestion.objects.filter(client=policy.client_id, dedupe_key=renewal_key(policy), thread=None)
            waiting.filter(status__in=UNDECIDED_STATUSES).update(thread=threads[policy.pk])


def proposed_keys(policies: list[Policy]) -> set[str]:
    """Return the keys of `policies` that were proposed, whatever was decided, unless the proposal was withdrawn."""
    keys = [renewal_key(policy) for policy in policies]
    of_clients = Suggestion.everything.filter(client__in={policy.client_id for policy in policies})
    of_clients = of_clients.exclude(reject_code=RejectCode.SUPERSEDED)
    return set(of_clients.filter(dedupe_key__in=keys).values_list("dedupe_key", flat=True))


def propose_renewal(policy: Policy, thread: Thread | None) -> bool:
    """Propose the follow-up about `policy`; return False if it is refused, for example because its type is off."""
    suggestion = Suggestion(
        type=SuggestionType.FOLLOW_UP,
        client=policy.client,
        thread=thread,
        suggested_content=renewal_content(policy, policy.client),
        rule=RENEWAL_RULE,
        reasoning=renewal_reason(policy),
        dedupe_key=renewal_key(policy),
        # It is proposed once, so it waits as long as the policy runs.
        expires_at=start_of_agency_day(policy.expires_on + timedelta(days=1)),
    )
    try:
        with transaction.atomic():
            propose(suggestion, by=NEXT_BEST_ACTION_AGENT)
    except ActionRefused as error:
        logger.info("No proposal about policy %s: %s", policy.pk, error)
        return False
    return True


def renewal_key(policy: Policy) -> str:
    return f"{KEY_PREFIX}{policy.pk}:{policy.expires_on.isoformat()}"


def renewal_content(policy: Policy, client: Client) -> dict[str, str]:
    """Return a follow-up with a drafted email, or with a task where the client has no address or wants no email."""
    can_email = bool(client.email) and "email" not in closed_channels(client.communications)
    return {
        "reason": renewal_reason(policy),
        "suggestedAction": str(SuggestionType.SEND_EMAIL if can_email else SuggestionType.TASK),
        "urgency": renewal_urgency(policy),
        "message": renewal_draft(policy) if can_email else "",
    }


def renewal_reason(policy: Policy) -> str:
    return f"The policy {policy} expires on {agency_style().long_day(policy.expires_on)}."


def renewal_urgency(policy: Policy) -> str:
    if policy.days_left <= HIGH_URGENCY_DAYS:
        return "high"
    return "medium" if policy.days_left <= MEDIUM_URGENCY_DAYS else "low"


def renewal_draft(policy: Policy) -> str:
    """Return the email that asks for changes before the renewal, with a gap for the offer."""
    details = [f" {policy.number}" if policy.number else "", f" with {policy.carrier}" if policy.carrier else ""]
    safe = "".join(part for part in details if not any(mark in part for mark in PLACEHOLDER_MARKS))
    expiry = agency_style().long_day(policy.expires_on)
    return (
        "Hello {{first_name}},\n\n"
        f"your {str(policy.insurance_type).lower()} policy{safe} expires on {expiry}. "
        "Has anything changed that we should know before we renew it?\n\n"
        "[[the renewal offer]]\n\nKind regards,\n{{sender_name}}"
    )


def withdraw_renewed(today: date) -> None:
    """Withdraw the undecided proposals about policies that need no follow-up any more."""
    waiting = Suggestion.objects.filter(status__in=UNDECIDED_STATUSES, agent=str(NEXT_BEST_ACTION_AGENT))
    waiting = dict(waiting.filter(dedupe_key__startswith=KEY_PREFIX).values_list("dedupe_key", "pk"))
    policies = {key.split(":")[1] for key in waiting}
    current = {renewal_key(policy) for policy in policies_to_renew(today).filter(pk__in=policies)}
    settled = [pk for key, pk in waiting.items() if key not in current]
    withdraw_settled(settled, reason="The policy needs no follow-up any more.")
