"""Deciding about a suggestion: of two people who approve at once, the first wins and the other is told who did."""

from datetime import datetime
from typing import Any

from django.db import transaction
from django.utils import timezone

from crm.exceptions import IllegalTransition, InvalidInput, errors_as_invalid_input
from crm.models import User
from crm.records.activity import Actor, record
from crm.records.local_time import format_agency_moment, format_moment
from suggestions.autonomy.rules import is_auto_approved
from suggestions.autonomy.transitions import adjust_autonomy
from suggestions.kinds import KINDS
from suggestions.models import (
    DECIDABLE_STATUSES,
    OPEN_STATUSES,
    ExecutionState,
    RejectCode,
    Suggestion,
    SuggestionExecution,
    SuggestionStatus,
)
from suggestions.policy.consent import check_possible
from suggestions.policy.findings import PolicyFinding, find_policy_findings
from suggestions.transitions.execute import enqueue_execution
from suggestions.transitions.state import (
    DECIDE_PERMISSION,
    Decision,
    StaleSuggestion,
    approved_status,
    content_digest,
    content_to_decide,
    content_to_offer_again,
    explain_not_decidable,
    is_expired,
    lock_suggestion,
    newer_messages,
    open_decision,
    timeline_owner,
)

WORKED_ON_SINCE = "The suggestion has been worked on since you opened it. Look again."


class UnconfirmedFindings(InvalidInput):
    """The policy has findings that the approver must confirm: `findings`."""

    def __init__(self, findings: list[PolicyFinding]) -> None:
        self.findings = findings
        super().__init__(" ".join(finding.sentence for finding in findings) + " Confirm it, or change it.")


@transaction.atomic
def approve(
    suggestion: Suggestion,
    *,
    by: Actor | User,
    content: dict[str, Any] | None = None,
    note: str = "",
    as_of: datetime | None = None,
    version: int | None = None,
    confirmed: tuple[str, ...] = (),
) -> Suggestion:
    """Approve `suggestion`, with `content` in place of the suggested content where the approver changed it.

    The decision and the order to execute it commit together.

    Args:
        as_of: when the approver last looked at what it is based on; None or in the future: not since it was proposed.
        version: the version that the approver looked at; None: any.
        confirmed: the codes of the findings that the approver confirmed.

    Raises:
        NotPermitted: `by` may not decide, or may not do what the suggestion does.
        InvalidInput: the content is not valid for its type, or (UnconfirmedFindings) a finding must be confirmed.
        StaleSuggestion: what it is based on has changed since `as_of`.
        IllegalTransition: it is already decided, expired, or no longer possible.
    """
    decision = open_decision(suggestion, by=by)
    check_still_decidable(suggestion, version)
    seen_at = as_of if as_of and as_of <= timezone.now() else None
    decision = decision.with_payload(load_current_payload(decision, content, seen_at))
    save_approval(decision, check_confirmed(decision, confirmed), note)
    enqueue_execution(decision, wait=decision.kind.undo_window)
    return suggestion


def save_approval(decision: Decision, acknowledged: list[PolicyFinding], note: str) -> None:
    """Save the approved content with its hash, and the findings that the approver confirmed."""
    approved = decision.payload.model_dump(mode="json")
    save_decision(
        decision.suggestion,
        approved_status(decision.suggestion, approved),
        by=decision.actor,
        note=note,
        approved_content=approved,
        content_hash=content_digest(approved),
        acknowledged=[finding.as_json() for finding in acknowledged],
        error_message="",
    )


def check_confirmed(decision: Decision, confirmed: tuple[str, ...]) -> list[PolicyFinding]:
    """Return the findings that the approver had to confirm, and did.

    Raises:
        UnconfirmedFindings: some are not among `confirmed`.
    """
    findings = find_policy_findings(decision.kind, decision.payload, decision.suggestion)
    acknowledged = [finding for finding in findings if finding.needs_confirmation]
    if missing := [finding for finding in acknowledged if finding.code not in confirmed]:
        raise UnconfirmedFindings(missing)
    return acknowledged


def check_still_decidable(suggestion: Suggestion, version: int | None) -> None:
    """Refuse a suggestion, locked by the caller, that can no longer be approved or is newer than `version`."""
    now = timezone.now()
    if suggestion.is_deleted or suggestion.status not in DECIDABLE_STATUSES or is_expired(suggestion, now):
        raise IllegalTransition(explain_not_decidable(suggestion, now))
    if version is not None and suggestion.version != version:
        raise IllegalTransition(WORKED_ON_SINCE)
    if is_unconfirmed(suggestion):
        raise IllegalTransition("Its delivery is unconfirmed: say whether it was sent before you try again.")


def is_unconfirmed(suggestion: Suggestion) -> bool:
    return SuggestionExecution.objects.filter(suggestion=suggestion.pk, state=ExecutionState.UNKNOWN).exists()


def check_no_newer_messages(suggestion: Suggestion, as_of: datetime | None) -> None:
    message = newer_messages(suggestion, as_of).first()
    if message is not None:
        raise StaleSuggestion(
            f"The conversation has gone on since this was suggested ({format_moment(message.sent_at)}). "
            "Read the newer messages, and approve it again if it still holds."
        )


def load_current_payload(decision: Decision, content: Any, as_of: datetime | None) -> Any:
    """Return `content`, or the proposed content, as a payload that can be executed now.

    Raises:
        StaleSuggestion: something it is based on has changed after `as_of`.
    """
    kind, suggestion = decision.kind, decision.suggestion
    payload = kind.parse_content(content_to_decide(suggestion) if content is None else content)
    check_no_newer_messages(suggestion, as_of)
    if change_since_proposed := kind.change_since_proposed(payload, suggestion):
        at, explanation = change_since_proposed
        if as_of is None or at > as_of:
            raise StaleSuggestion(f"{explanation} Approve it again if it still holds.")
        payload = kind.refresh_payload(payload, suggestion)
    check_possible(kind, payload, suggestion)
    return payload


def save_decision(suggestion: Suggestion, to: str, *, by: Actor, note: str, **changes: Any) -> None:
    """Move `suggestion` to the status `to`, by compare-and-set from a status in which it can be decided."""
    now = timezone.now()
    allowed_from = OPEN_STATUSES if to == SuggestionStatus.REJECTED else DECIDABLE_STATUSES
    with errors_as_invalid_input():
        updated = Suggestion.objects.filter(
            pk=suggestion.pk, status__in=allowed_from, version=suggestion.version
        ).update(
            status=to,
            version=suggestion.version + 1,
            reviewed_by=by.user,
            reviewed_at=now,
            review_note=note.strip().replace("\x00", ""),
            snoozed_until=None,
            **changes,
        )
    if updated != 1:
        current = Suggestion.everything.select_related("reviewed_by").filter(pk=suggestion.pk).first()
        raise IllegalTransition(explain_not_decidable(current, now))
    suggestion.refresh_from_db()


@transaction.atomic
def reject(
    suggestion: Suggestion,
    *,
    reason: str = "",
    code: str = RejectCode.OTHER,
    version: int | None = None,
    by: Actor | User,
) -> Suggestion:
    """Reject `suggestion`, also a draft or an expired one, with a reason.

    Raises:
        NotPermitted: `by` may not decide.
        InvalidInput: `code` does not exist, or it is OTHER and `reason` is blank.
        IllegalTransition: it is already decided.
    """
    actor = Actor.of(by)
    actor.require_permission(DECIDE_PERMISSION, "decide suggestions")
    reason = reason.strip()
    if code not in RejectCode.values or code == RejectCode.SUPERSEDED:
        raise InvalidInput("Choose a reason from the list.")
    if code == RejectCode.OTHER and not reason:
        raise InvalidInput("Say why: the next suggestion is better for it.")
    lock_suggestion(suggestion, by=by)
    if version is not None and suggestion.version != version and suggestion.status in OPEN_STATUSES:
        raise IllegalTransition(WORKED_ON_SINCE)
    if is_unconfirmed(suggestion):
        raise IllegalTransition("Its delivery is unconfirmed: say whether it was sent before you reject it.")
    was_auto_approved = is_auto_approved(suggestion)
    save_decision(suggestion, SuggestionStatus.REJECTED, by=actor, note=reason, reject_code=code)
    if suggestion.type in KINDS:
        KINDS[suggestion.type].discard_failed_attempts(suggestion)
    reason_text = ": ".join(filter(None, ("" if code == RejectCode.OTHER else RejectCode(code).label, reason)))
    summary = f"Rejected: {suggestion.get_type_display().lower()} ({reason_text})"
    record(suggestion, "rejected", timeline_owner=timeline_owner(suggestion), by=by, summary=summary, code=code)
    adjust_autonomy(suggestion, f"{actor} rejected it", was_auto_approved=was_auto_approved)
    return suggestion


@transaction.atomic
def restore_rejected(suggestion: Suggestion, *, by: Actor | User) -> Suggestion:
    """Put a rejected `suggestion` back, so that it waits for a decision again.

    Raises:
        NotPermitted: `by` may not decide.
        IllegalTransition: it is not rejected, or the same suggestion is waiting already.
    """
    actor = Actor.of(by)
    actor.require_permission(DECIDE_PERMISSION, "decide suggestions")
    lock_suggestion(suggestion, by=by)
    with errors_as_invalid_input():
        updated = Suggestion.objects.filter(pk=suggestion.pk, status=SuggestionStatus.REJECTED).update(
            status=SuggestionStatus.PENDING,
            reviewed_by=None,
            reviewed_at=None,
            review_note="",
            reject_code="",
            superseded_by=None,
            version=suggestion.version + 1,
            expires_at=None,
            approved_content=None,
            edited_content=content_to_offer_again(suggestion),
            content_hash="",
            acknowledged=[],
            error_message="",
        )
    suggestion.refresh_from_db()
    if updated != 1:
        current = "deleted" if suggestion.is_deleted else suggestion.get_status_display().lower()
        raise IllegalTransition(f"Only a rejected suggestion can be put back; this one is {current}.")
    summary = f"Put back: {suggestion.get_type_display().lower()}"
    record(suggestion, "put back", timeline_owner=timeline_owner(suggestion), by=by, summary=summary)
    return suggestion


@transaction.atomic
def discard_changes(suggestion: Suggestion, *, by: Actor | User) -> Suggestion:
    """Offer the proposed content of a waiting `suggestion` again, in place of what a person had changed.

    Raises:
        NotPermitted: `by` may not decide.
        IllegalTransition: it is not waiting, or nothing was changed.
    """
    Actor.of(by).require_permission(DECIDE_PERMISSION, "decide suggestions")
    now = timezone.now()
    lock_suggestion(suggestion, by=by)
    if suggestion.is_deleted or suggestion.status != SuggestionStatus.PENDING or is_expired(suggestion, now):
        raise IllegalTransition(explain_not_decidable(suggestion, now))
    if suggestion.edited_content is None:
        raise IllegalTransition("The suggestion already shows the original.")
    Suggestion.objects.filter(pk=suggestion.pk).update(edited_content=None, version=suggestion.version + 1)
    suggestion.refresh_from_db()
    summary = f"Changes discarded: {suggestion.get_type_display().lower()}"
    record(suggestion, "changes discarded", timeline_owner=timeline_owner(suggestion), by=by, summary=summary)
    return suggestion


@transaction.atomic
def snooze(suggestion: Suggestion, until: datetime, *, by: Actor | User) -> Suggestion:
    """Hide a waiting `suggestion` until `until`; its status stays.

    Raises:
        NotPermitted: `by` may not decide.
        InvalidInput: `until` is not in the future, or the suggestion will have expired by then.
        IllegalTransition: it is not waiting.
    """
    Actor.of(by).require_permission(DECIDE_PERMISSION, "decide suggestions")
    now = timezone.now()
    if until <= now:
        raise InvalidInput("Snooze until a time in the future.")
    lock_suggestion(suggestion, by=by)
    if suggestion.is_deleted or suggestion.status != SuggestionStatus.PENDING or is_expired(suggestion, now):
        raise IllegalTransition(explain_not_decidable(suggestion, now))
    if is_expired(suggestion, until):
        raise InvalidInput(f"It expires on {format_moment(suggestion.expires_at)}: decide it before then.")
    Suggestion.objects.filter(pk=suggestion.pk).update(snoozed_until=until)
    suggestion.refresh_from_db()
    record(
        suggestion,
        "snoozed",
        timeline_owner=timeline_owner(suggestion),
        by=by,
        summary=f"Snoozed until {format_agency_moment(until)}",
    )
    return suggestion
