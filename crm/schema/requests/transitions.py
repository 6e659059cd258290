"""State changes of schema requests: proposed, withdrawn, decided."""

from typing import Any

from django.db import transaction
from django.utils import timezone

from crm.exceptions import IllegalTransition, InvalidInput, errors_as_invalid_input
from crm.models import SchemaChange, SchemaChangeState, SchemaDecision, User
from crm.models.schema_change import APPLIED_BY_JOB, MAX_REASON_LENGTH
from crm.records.activity import Actor, record
from crm.schema.kind_changes.transitions import keep_kind
from crm.schema.promotion.promotions import PROMOTIONS
from crm.schema.promotion.transitions import DECIDE_PERMISSION, queue_run
from crm.screens.custom_fields.schema_requests import REQUEST_PERMISSION
from crm.text.cleaning import strip_nul


@transaction.atomic
def request_change(change: SchemaChange, *, by: Actor | User) -> None:
    """Save a new request, which then waits for a decision.

    Raises:
        NotPermitted: `by` may not propose changes of the schema.
        InvalidInput: something is missing, or an unfinished request for the key exists.
    """
    actor = Actor.of(by)
    actor.require_permission(REQUEST_PERMISSION, "propose a change of the schema")
    change.requested_by = actor.user
    with errors_as_invalid_input():
        change.full_clean()
        change.save(force_insert=True)
    record(change, "requested", by=by, summary=f"Proposed “{change.get_proposed_display()}” for “{change.key}”")


@transaction.atomic
def withdraw_request(change: SchemaChange, *, by: Actor | User) -> None:
    """Withdraw an open request.

    Raises:
        NotPermitted: `by` is neither the requester nor a user who decides requests.
        IllegalTransition: the request is decided or withdrawn already.
    """
    actor = Actor.of(by)
    if actor.user is None or actor.user.pk != change.requested_by_id:
        actor.require_permission(DECIDE_PERMISSION, "withdraw the request of a colleague")
    close_request(change, SchemaChangeState.WITHDRAWN)
    record(change, "withdrawn", by=by, summary=f"Withdrew the request for “{change.key}”")


@transaction.atomic
def decide_request(change: SchemaChange, *, decision: str, reason: str, by: Actor | User) -> None:
    """Decide an open request, with a reason that the requester reads.

    A job carries it out, which is queued here, unless the key stays in JSON.

    Raises:
        NotPermitted: `by` may not decide requests.
        InvalidInput: the decision is unknown or cannot be carried out, or the reason is missing or too long.
        IllegalTransition: the request is decided or withdrawn already, or the kind of the field is being changed.
    """
    actor, reason = Actor.of(by), strip_nul(reason).strip()
    actor.require_permission(DECIDE_PERMISSION, "decide requests for the schema")
    if decision not in SchemaDecision.values:
        raise InvalidInput(f"“{decision[:40]}” is no decision. Choose one of: {', '.join(SchemaDecision.values)}.")
    if not reason:
        raise InvalidInput("Enter the reason of the decision.")
    if len(reason) > MAX_REASON_LENGTH:
        raise InvalidInput(
            f"The reason can have at most {MAX_REASON_LENGTH:,} characters; this one has {len(reason):,}."
        )
    decided = {"decision": decision, "decision_reason": reason, "decided_by": actor.user, "decided_at": timezone.now()}
    if decision in APPLIED_BY_JOB:
        keep_kind(change)
        close_request(change, SchemaChangeState.QUEUED, kind=PROMOTIONS[decision].check_decision(change), **decided)
        queue_run(change)
    else:
        close_request(change, SchemaChangeState.DECIDED, **decided)
    record(change, "decided", by=by, summary=f"Decided: {change.get_decision_display()}. {reason}")


def close_request(change: SchemaChange, state: SchemaChangeState, **changes: Any) -> None:
    """Move an open request to `state`.

    Raises:
        IllegalTransition: it is not open any more.
    """
    rows = SchemaChange.objects.filter(pk=change.pk, state=SchemaChangeState.OPEN)
    if rows.update(state=state, **changes) != 1:
        change.refresh_from_db()
        by = f" by {change.decided_by}" if change.decided_by else ""
        raise IllegalTransition(f"This request is {change.get_state_display().lower()} already{by}.")
    change.refresh_from_db()
