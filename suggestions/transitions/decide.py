"""Deciding: of two people who press approve, one wins and the other is told who."""

from datetime import datetime
from typing import Any

from django.db import transaction
from django.utils import timezone

from crm.exceptions import IllegalTransition, InvalidInput, errors_as_invalid_input
from crm.models import User
from crm.records.activity import Actor, record
from suggestions.autonomy.rules import is_auto_approved
from suggestions.autonomy.transitions import adjust_autonomy
from suggestions.kinds import KINDS, Kind
from suggestions.models import ExecutionState, RejectCode, Suggestion, SuggestionExecution, SuggestionStatus
from suggestions.policy.findings import PolicyFinding, find_policy_findings
from suggestions.transitions.execute import enqueue_execution
from suggestions.transitions.state import (
    DECIDABLE_STATUSES,
    DECIDE_PERMISSION,
    StaleSuggestion,
    authorize_decision,
    content_digest,
    content_to_decide,
    explain_not_decidable,
    format_moment,
    is_expired,
    lock_suggestion,
    newer_messages,
    timeline_owner,
    was_modified,
)

REJECTABLE_STATUSES = (SuggestionStatus.DRAFT, *DECIDABLE_STATUSES)


class UnconfirmedFindings(InvalidInput):
    """Something was pointed out that whoever approves must confirm; `findings` are those."""

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
    """Let `suggestion` happen, with `content` in place of what was suggested where a person changed it.

    The decision and the order to carry it out commit together; of two people who approve at once the first wins.
    `as_of` is when whoever decides last looked at what it rests on; None or yet to come: not since it was written.
    `version` is the one that was looked at, None any; `confirmed` are the codes of the findings that were confirmed.

    Raises:
        NotPermitted: `by` may not decide, or not do what would be done.
        InvalidInput: the content is not what the type holds, or (Unconfirmed) something must be confirmed.
        StaleSuggestion: the world has moved on since `as_of`.
        IllegalTransition: already decided, expired, or no longer possible.
    """
    actor, kind = authorize_decision(by, suggestion)
    check_still_decidable(suggestion, version)
    payload = load_current_payload(kind, content, suggestion, as_of if as_of and as_of <= timezone.now() else None)
    acknowledged = check_confirmed(find_policy_findings(kind, payload, suggestion), confirmed)
    approved = payload.model_dump(mode="json")
    status = SuggestionStatus.MODIFIED if was_modified(suggestion, approved) else SuggestionStatus.APPROVED
    save_decision(
        suggestion,
        status,
        by=actor,
        note=note,
        approved_content=approved,
        content_hash=content_digest(approved),
        acknowledged=[finding.as_json() for finding in acknowledged],
        error_message="",
    )
    enqueue_execution(suggestion, by=actor, wait=kind.undo_window)
    return suggestion


def check_confirmed(findings: list[PolicyFinding], confirmed: tuple[str, ...]) -> list[PolicyFinding]:
    """Those of `findings` that had to be confirmed, and were."""
    acknowledged = [finding for finding in findings if finding.needs_confirmation]
    if missing := [finding for finding in acknowledged if finding.code not in confirmed]:
        raise UnconfirmedFindings(missing)
    return acknowledged


def check_still_decidable(suggestion: Suggestion, version: int | None) -> None:
    """Lock `suggestion` and see whether it can still be approved, so that nobody acts on what was."""
    locked, now = lock_suggestion(suggestion), timezone.now()
    if locked.is_deleted or locked.status not in DECIDABLE_STATUSES or is_expired(locked, now):
        raise IllegalTransition(explain_not_decidable(locked, now))
    if version is not None and locked.version != version:
        raise IllegalTransition("The suggestion has been worked on since you opened it. Look again.")
    if SuggestionExecution.objects.filter(suggestion=suggestion.pk, state=ExecutionState.UNKNOWN).exists():
        raise IllegalTransition("Nobody knows whether it went out: say whether it did, before it is tried again.")


def check_no_newer_messages(suggestion: Suggestion, as_of: datetime | None) -> None:
    message = newer_messages(suggestion, as_of).first()
    if message is not None:
        raise StaleSuggestion(
            f"The conversation has gone on since this was suggested ({format_moment(message.sent_at)}). "
            "Read what was said, and approve it again if it still holds."
        )


def load_current_payload(kind: type[Kind], content: Any, suggestion: Suggestion, as_of: datetime | None) -> Any:
    """`content`, or what was proposed, as a payload for the world as it is, if whoever decides has seen that."""
    payload = kind.parse_content(content_to_decide(suggestion) if content is None else content)
    check_no_newer_messages(suggestion, as_of)
    if change_since_proposed := kind.change_since_proposed(payload, suggestion):
        at, explanation = change_since_proposed
        if as_of is None or at > as_of:
            raise StaleSuggestion(f"{explanation} Approve it again if it still holds.")
        payload = kind.refresh_payload(payload, suggestion)
    kind.guard(payload, suggestion)
    return payload


def save_decision(suggestion: Suggestion, to: str, *, by: Actor, note: str, **changes: Any) -> None:
    """Compare-and-set: from a state in which it is open for decision to `to`."""
    now = timezone.now()
    allowed_from = REJECTABLE_STATUSES if to == SuggestionStatus.REJECTED else DECIDABLE_STATUSES
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
    """Turn `suggestion` down, saying why; an expired one, too, to be rid of it.

    Raises:
        NotPermitted: `by` may not decide.
        InvalidInput: no such code, or the code says nothing and neither does `reason`.
        IllegalTransition: already decided.
    """
    actor = Actor.of(by)
    actor.require_permission(DECIDE_PERMISSION, "decide suggestions")
    reason = reason.strip()
    if code not in RejectCode.values or code == RejectCode.SUPERSEDED:
        raise InvalidInput("Choose why from the list.")
    if code == RejectCode.OTHER and not reason:
        raise InvalidInput("Say why: the next suggestion is better for it.")
    current = lock_suggestion(suggestion)
    if version is not None and current.version != version and current.status in REJECTABLE_STATUSES:
        raise IllegalTransition("The suggestion has been worked on since you opened it. Look again.")
    if SuggestionExecution.objects.filter(suggestion=suggestion.pk, state=ExecutionState.UNKNOWN).exists():
        raise IllegalTransition("Nobody knows whether it went out: say whether it did first.")
    save_decision(suggestion, SuggestionStatus.REJECTED, by=actor, note=reason, reject_code=code)
    if suggestion.type in KINDS:
        KINDS[suggestion.type].discard_failed_attempts(suggestion)
    reason_text = ": ".join(filter(None, ("" if code == RejectCode.OTHER else RejectCode(code).label, reason)))
    summary = f"Rejected: {suggestion.get_type_display().lower()} ({reason_text})"
    record(suggestion, "rejected", timeline_owner=timeline_owner(suggestion), by=by, summary=summary, code=code)
    adjust_autonomy(suggestion, f"{actor} rejected it", was_auto_approved=is_auto_approved(current))
    return suggestion


@transaction.atomic
def restore_rejected(suggestion: Suggestion, *, by: Actor | User) -> Suggestion:
    """Let a rejected `suggestion` wait again.

    Raises:
        NotPermitted: `by` may not decide.
        IllegalTransition: it is not rejected, or the same one waits already.
    """
    actor = Actor.of(by)
    actor.require_permission(DECIDE_PERMISSION, "decide suggestions")
    lock_suggestion(suggestion)
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
            content_hash="",
            acknowledged=[],
            error_message="",
        )
    suggestion.refresh_from_db()
    if updated != 1:
        current = "deleted" if suggestion.is_deleted else suggestion.get_status_display().lower()
        raise IllegalTransition(f"Only a rejected suggestion is put back; this one is {current}.")
    summary = f"Put back: {suggestion.get_type_display().lower()}"
    record(suggestion, "put back", timeline_owner=timeline_owner(suggestion), by=by, summary=summary)
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
    current = lock_suggestion(suggestion)
    if current.is_deleted or current.status != SuggestionStatus.PENDING or is_expired(current, now):
        raise IllegalTransition(explain_not_decidable(current, now))
    if is_expired(current, until):
        raise InvalidInput(f"It expires on {format_moment(current.expires_at)}: decide it before.")
    Suggestion.objects.filter(pk=suggestion.pk).update(snoozed_until=until)
    suggestion.refresh_from_db()
    record(
        suggestion,
        "snoozed",
        timeline_owner=timeline_owner(suggestion),
        by=by,
        summary=f"Snoozed until {format_moment(until)}",
    )
    return suggestion
