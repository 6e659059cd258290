"""The state changes of policies."""

from collections.abc import Iterable
from datetime import date
from typing import Any

from django.db import transaction

from crm.exceptions import IllegalTransition, InvalidInput, errors_as_invalid_input
from crm.models import Client, User
from crm.records.activity import SYSTEM_ACTOR, Actor, record
from crm.records.local_time import agency_style, agency_today
from crm.records.transitions import describe_record, save_new
from leads.models import CancellationReason, Lead, Policy, PolicyStatus, Source
from leads.models.insurance_type import COLUMN_BY_LINE
from leads.models.policy import FIRST_STATUSES, TRANSITIONS
from leads.policies.terms import next_term
from leads.transitions import create_lead

MAX_LAPSED_PER_TRANSACTION = 500
TERM_FIELDS = ("carrier", "number", "premium", "billing_period", "effective_on", "expires_on")


@transaction.atomic
def create_policy(policy: Policy, *, by: Actor | User) -> None:
    """Save a new `policy`, and record it on the timeline of its client.

    Raises:
        NotPermitted: `by` may not add policies, or fill one of their custom fields.
        IllegalTransition: the client is deleted, or the policy does not begin as quoted, bound or active.
        InvalidInput: a field is invalid or a constraint is violated.
    """
    Actor.of(by).require_permission("leads.add_policy", "add a policy")
    if policy.status not in FIRST_STATUSES:
        raise IllegalTransition(f"A new policy is {any_of(status.label.lower() for status in FIRST_STATUSES)}.")
    client = Client.everything.select_for_update().get(pk=policy.client_id)
    if client.is_deleted:
        raise IllegalTransition(f"The {describe_record(client)} is deleted; restore it first.")
    save_new(policy, by=by)
    status = policy.get_status_display().lower()
    record(policy, "created", by=by, timeline_owner=client, summary=f"Policy {status}: {policy}")


@transaction.atomic
def bind(policy: Policy, *, by: Actor | User, **terms: Any) -> None:
    """Mark a quote as bound, with the `terms` (fields of `TERM_FIELDS`) on which it was bound.

    Raises:
        NotPermitted: `by` may not change policies.
        IllegalTransition: the policy is not a quote, or is deleted.
        InvalidInput: the carrier, the premium or a date is missing or invalid.
    """
    move(policy, PolicyStatus.BOUND, by=by, **{name: terms[name] for name in TERM_FIELDS if name in terms})


@transaction.atomic
def activate(policy: Policy, *, by: Actor | User, number: str | None = None) -> None:
    """Mark a bound policy as active, with the `number` that the carrier gave it.

    Raises:
        NotPermitted: `by` may not change policies.
        IllegalTransition: the policy is not bound, or is deleted.
        InvalidInput: the number is blank.
    """
    number = policy.number if number is None else number.strip()
    if not number:
        raise InvalidInput("Enter the policy number before activating the policy.")
    move(policy, PolicyStatus.ACTIVE, by=by, source=PolicyStatus.BOUND, number=number)


@transaction.atomic
def cancel(policy: Policy, *, reason: str, cancelled_on: date, by: Actor | User) -> None:
    """Cancel `policy` as of `cancelled_on`. The policy that a cancelled renewal would have renewed is active again.

    Raises:
        NotPermitted: `by` may not change policies.
        IllegalTransition: the policy has ended already, or is deleted.
        InvalidInput: there is no such reason.
    """
    if reason not in CancellationReason.values:
        raise InvalidInput(f"Choose a reason, one of: {', '.join(CancellationReason.labels)}.")
    move(
        policy,
        PolicyStatus.CANCELLED,
        by=by,
        note=CancellationReason(reason).label,
        cancelled_on=cancelled_on,
        cancellation_reason=reason,
    )
    renewed = Policy.objects.filter(pk=policy.renewed_from_id, status=PolicyStatus.RENEWED).first()
    if renewed is not None:
        move(renewed, PolicyStatus.ACTIVE, by=by, note="the renewal was cancelled")


@transaction.atomic
def lapse(policy: Policy, *, by: Actor | User) -> None:
    """Mark `policy`, which expired without a renewal, as lapsed.

    Raises:
        NotPermitted: `by` may not change policies.
        IllegalTransition: it has not expired yet, is not in force, or is deleted.
    """
    locked = lock_policy(policy)
    if locked.expires_on is not None and locked.expires_on >= agency_today():
        expiry = agency_style().day(locked.expires_on)
        raise IllegalTransition(f"The {describe_record(policy)} expires on {expiry}: cancel it to end it earlier.")
    move(policy, PolicyStatus.LAPSED, by=by)


@transaction.atomic
def renew(policy: Policy, *, by: Actor | User, premium: Any = None) -> Policy:
    """Add and return the next policy: a quote for the next term, with the data of `policy`, which is then renewed.

    `premium` is that of the next term; by default it stays the same.

    Raises:
        NotPermitted: `by` may not add or change policies.
        IllegalTransition: the policy is not active or lapsed, has a renewal already, or is deleted.
        InvalidInput: the premium is invalid.
    """
    Actor.of(by).require_permission("leads.add_policy", "add a policy")
    move(policy, PolicyStatus.RENEWED, by=by)
    effective_on, expires_on = next_term(policy.effective_on, policy.expires_on)
    renewal = Policy(
        client=policy.client,
        insurance_type=policy.insurance_type,
        carrier=policy.carrier,
        number=policy.number,
        premium=policy.premium if premium is None else premium,
        billing_period=policy.billing_period,
        effective_on=effective_on,
        expires_on=expires_on,
        lead=policy.renewal_lead,
        data=policy.data,
        renewed_from=policy,
    )
    create_policy(renewal, by=by)
    return renewal


@transaction.atomic
def reactivate(policy: Policy, *, by: Actor | User) -> None:
    """Make a renewed policy active again, after its renewal was deleted.

    Raises:
        NotPermitted: `by` may not change policies.
        IllegalTransition: the policy is not renewed, its renewal still exists, or it is deleted.
    """
    renewal = policy.current_renewal()
    if renewal is not None:
        raise IllegalTransition(f"The {describe_record(policy)} was renewed by {renewal}: cancel that quote instead.")
    move(policy, PolicyStatus.ACTIVE, by=by, source=PolicyStatus.RENEWED, note="its renewal was deleted")


@transaction.atomic
def open_renewal_lead(policy: Policy, *, by: Actor | User) -> Lead:
    """Add and return a lead for the renewal of `policy`, with the contact details of its client.

    Raises:
        NotPermitted: `by` may not add leads or change policies.
        IllegalTransition: the policy does not run, has a renewal lead already, or is deleted.
        InvalidInput: another open lead has the same address.
    """
    Actor.of(by).require_permission("leads.change_policy", "open a lead for the renewal of a policy")
    locked = lock_policy(policy)
    if locked.days_left is None:
        raise IllegalTransition(f"Only a bound or active policy can be renewed by a lead; this one is {locked.state}.")
    if Lead.objects.filter(pk=locked.renewal_lead_id).exists():
        raise IllegalTransition(f"The {describe_record(policy)} already has a lead for its renewal.")
    lead = renewal_lead_for(locked)
    create_lead(lead, by=by)
    Policy.objects.filter(pk=policy.pk).update(renewal_lead=lead)
    policy.refresh_from_db()
    summary = f"Lead added for the renewal of {policy}"
    record(policy, "renewal lead", by=by, timeline_owner=policy.client, summary=summary, lead=str(lead.pk))
    return lead


def renewal_lead_for(policy: Policy) -> Lead:
    """Return an unsaved lead of the client of `policy`, with the client's preferences and what the policy covers."""
    client, column = policy.client, COLUMN_BY_LINE.get(policy.insurance_type.code)
    line_data = {column: policy.data} if column else {"line_data": {policy.insurance_type.code: policy.data}}
    return Lead(
        contact_name=client.name,
        contact_email=client.email,
        contact_phone=client.phone,
        client_type=client.client_type,
        assigned_to=client.assigned_to,
        communications=client.communications,
        source_type=Source.RENEWAL,
        source_detail=str(policy)[:200],
        insurance_type=policy.insurance_type,
        estimated_value=policy.premium,
        expected_close_date=policy.expires_on,
        **line_data if policy.data else {},
    )


def lapse_expired(today: date, *, most: int = MAX_LAPSED_PER_TRANSACTION) -> int:
    """Mark up to `most` policies that expired before `today` without a renewal as lapsed; return how many."""
    with transaction.atomic():
        expired = Policy.objects.expired(today).select_for_update(of=("self",), skip_locked=True)
        rows = list(expired.select_related("client", "insurance_type").order_by("expires_on", "id")[:most])
        for policy in rows:
            move(policy, PolicyStatus.LAPSED, by=SYSTEM_ACTOR)
    return len(rows)


def move(
    policy: Policy,
    status: PolicyStatus,
    *,
    by: Actor | User,
    source: PolicyStatus | None = None,
    note: str = "",
    **changes: Any,
) -> None:
    """Move `policy` to `status`, with `changes` of other columns, and record it on the timeline of its client.

    `source` is the only status to come from; by default, each that `TRANSITIONS` names.
    """
    Actor.of(by).require_permission("leads.change_policy", f"mark a policy as {status.label.lower()}")
    locked = lock_policy(policy)
    sources = [one for one, targets in TRANSITIONS.items() if status in targets and source in (None, one)]
    if locked.status not in sources:
        raise IllegalTransition(
            f"The {describe_record(policy)} is {locked.state}; "
            f"only a policy that is {any_of(one.label.lower() for one in sources)} can become {status.label.lower()}."
        )
    was = PolicyStatus(locked.status)
    for name, value in {"status": status, **changes}.items():
        setattr(locked, name, value)
    with errors_as_invalid_input():
        if changes:  # of the status alone, the database decides
            locked.full_clean()
        locked.save(update_fields=["status", *changes, "updated_at"])
    policy.refresh_from_db()
    reason = f" ({note})" if note else ""
    summary = f"{policy}: {was.label.lower()} → {status.label.lower()}{reason}"
    record(policy, "moved", by=by, timeline_owner=policy.client, summary=summary, was=was.value, now=status.value)


def lock_policy(policy: Policy) -> Policy:
    """Lock and return the row of `policy` as it is now.

    Raises:
        IllegalTransition: it is deleted.
    """
    locked = Policy.everything.select_for_update(of=("self",)).get(pk=policy.pk)
    if locked.is_deleted:
        raise IllegalTransition(f"The {describe_record(policy)} is deleted; restore it first.")
    return locked


def any_of(words: Iterable[str]) -> str:
    *first, last = words
    return f"{', '.join(first)} or {last}" if first else last
