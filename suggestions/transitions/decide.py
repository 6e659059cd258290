"""Deciding: of two people who press approve, one wins and the other is told who."""

from datetime import datetime
from typing import Any

from django.db import transaction
from django.utils import timezone

from crm.exceptions import BadInput, IllegalMove, refusing
from crm.models import User
from crm.records.activity import Actor, record
from suggestions.autonomy.rules import by_policy
from suggestions.autonomy.transitions import learn
from suggestions.kinds import KINDS, Kind
from suggestions.models import ExecutionState, RejectCode, Suggestion, SuggestionExecution, SuggestionStatus
from suggestions.policy.findings import Finding, judge
from suggestions.transitions.execute import order
from suggestions.transitions.state import (
    DECIDABLE,
    DECIDE,
    OldNews,
    about,
    differs,
    digest,
    entitled,
    expired,
    lock,
    news,
    proposed,
    when,
    why_not,
)

REJECTABLE = (SuggestionStatus.DRAFT, *DECIDABLE)


class Unconfirmed(BadInput):
    """Something was pointed out that whoever approves must confirm; `findings` are those."""

    def __init__(self, findings: list[Finding]) -> None:
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
        NotAllowed: `by` may not decide, or not do what would be done.
        BadInput: the content is not what the type holds, or (Unconfirmed) something must be confirmed.
        OldNews: the world has moved on since `as_of`.
        IllegalMove: already decided, expired, or no longer possible.
    """
    actor, kind = entitled(by, suggestion)
    refuse_decided(suggestion, version)
    payload = up_to_date(kind, content, suggestion, as_of if as_of and as_of <= timezone.now() else None)
    asked = confirm(judge(kind, payload, suggestion), confirmed)
    approved = payload.model_dump(mode="json")
    status = SuggestionStatus.MODIFIED if differs(suggestion, approved) else SuggestionStatus.APPROVED
    decide(
        suggestion,
        status,
        by=actor,
        note=note,
        approved_content=approved,
        content_hash=digest(approved),
        acknowledged=[finding.as_json() for finding in asked],
        error_message="",
    )
    order(suggestion, by=actor, wait=kind.wait)
    return suggestion


def confirm(findings: list[Finding], confirmed: tuple[str, ...]) -> list[Finding]:
    """Those of `findings` that had to be confirmed, and were."""
    asked = [finding for finding in findings if finding.asks]
    if missing := [finding for finding in asked if finding.code not in confirmed]:
        raise Unconfirmed(missing)
    return asked


def refuse_decided(suggestion: Suggestion, version: int | None) -> None:
    """Lock `suggestion` and see whether it can still be approved, so that nobody acts on what was."""
    locked, now = lock(suggestion), timezone.now()
    if locked.is_deleted or locked.status not in DECIDABLE or expired(locked, now):
        raise IllegalMove(why_not(locked, now))
    if version is not None and locked.version != version:
        raise IllegalMove("The suggestion has been worked on since you opened it. Look again.")
    if SuggestionExecution.objects.filter(suggestion=suggestion.pk, state=ExecutionState.UNKNOWN).exists():
        raise IllegalMove("Nobody knows whether it went out: say whether it did, before it is tried again.")


def refuse_old_news(suggestion: Suggestion, as_of: datetime | None) -> None:
    message = news(suggestion, as_of).first()
    if message is not None:
        raise OldNews(
            f"The conversation has gone on since this was suggested ({when(message.sent_at)}). "
            "Read what was said, and approve it again if it still holds."
        )


def up_to_date(kind: type[Kind], content: Any, suggestion: Suggestion, as_of: datetime | None) -> Any:
    """`content`, or what was proposed, as a payload for the world as it is, if whoever decides has seen that."""
    payload = kind.check(proposed(suggestion) if content is None else content)
    refuse_old_news(suggestion, as_of)
    if overtaken := kind.overtaken(payload, suggestion):
        at, said = overtaken
        if as_of is None or at > as_of:
            raise OldNews(f"{said} Approve it again if it still holds.")
        payload = kind.renewed(payload, suggestion)
    kind.guard(payload, suggestion)
    return payload


def decide(suggestion: Suggestion, to: str, *, by: Actor, note: str, **changes: Any) -> None:
    """Compare-and-set: from a state in which it is open for decision to `to`."""
    now = timezone.now()
    open_to = REJECTABLE if to == SuggestionStatus.REJECTED else DECIDABLE
    with refusing():
        won = Suggestion.objects.filter(pk=suggestion.pk, status__in=open_to, version=suggestion.version).update(
            status=to,
            version=suggestion.version + 1,
            reviewed_by=by.user,
            reviewed_at=now,
            review_note=note.strip().replace("\x00", ""),
            snoozed_until=None,
            **changes,
        )
    if won != 1:
        stands = Suggestion.everything.select_related("reviewed_by").filter(pk=suggestion.pk).first()
        raise IllegalMove(why_not(stands, now))
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
        NotAllowed: `by` may not decide.
        BadInput: no such code, or the code says nothing and neither does `reason`.
        IllegalMove: already decided.
    """
    actor = Actor.of(by)
    actor.require(DECIDE, "decide suggestions")
    reason = reason.strip()
    if code not in RejectCode.values or code == RejectCode.SUPERSEDED:
        raise BadInput("Choose why from the list.")
    if code == RejectCode.OTHER and not reason:
        raise BadInput("Say why: the next suggestion is better for it.")
    stands = lock(suggestion)
    if version is not None and stands.version != version and stands.status in REJECTABLE:
        raise IllegalMove("The suggestion has been worked on since you opened it. Look again.")
    if SuggestionExecution.objects.filter(suggestion=suggestion.pk, state=ExecutionState.UNKNOWN).exists():
        raise IllegalMove("Nobody knows whether it went out: say whether it did first.")
    decide(suggestion, SuggestionStatus.REJECTED, by=actor, note=reason, reject_code=code)
    if suggestion.type in KINDS:
        KINDS[suggestion.type].clear_away(suggestion)
    told = ": ".join(filter(None, ("" if code == RejectCode.OTHER else RejectCode(code).label, reason)))
    summary = f"Rejected: {suggestion.get_type_display().lower()} ({told})"
    record(suggestion, "rejected", about=about(suggestion), by=by, summary=summary, code=code)
    learn(suggestion, f"{actor} rejected it", let=by_policy(stands))
    return suggestion


@transaction.atomic
def put_back(suggestion: Suggestion, *, by: Actor | User) -> Suggestion:
    """Let a rejected `suggestion` wait again.

    Raises:
        NotAllowed: `by` may not decide.
        IllegalMove: it is not rejected, or the same one waits already.
    """
    actor = Actor.of(by)
    actor.require(DECIDE, "decide suggestions")
    lock(suggestion)
    with refusing():
        won = Suggestion.objects.filter(pk=suggestion.pk, status=SuggestionStatus.REJECTED).update(
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
    if won != 1:
        stands = "deleted" if suggestion.is_deleted else suggestion.get_status_display().lower()
        raise IllegalMove(f"Only a rejected suggestion is put back; this one is {stands}.")
    summary = f"Put back: {suggestion.get_type_display().lower()}"
    record(suggestion, "put back", about=about(suggestion), by=by, summary=summary)
    return suggestion


@transaction.atomic
def snooze(suggestion: Suggestion, until: datetime, *, by: Actor | User) -> Suggestion:
    """Hide a waiting `suggestion` until `until`; its status stays.

    Raises:
        NotAllowed: `by` may not decide.
        BadInput: `until` is not in the future, or the suggestion will have expired by then.
        IllegalMove: it is not waiting.
    """
    Actor.of(by).require(DECIDE, "decide suggestions")
    now = timezone.now()
    if until <= now:
        raise BadInput("Snooze until a time in the future.")
    stands = lock(suggestion)
    if stands.is_deleted or stands.status != SuggestionStatus.PENDING or expired(stands, now):
        raise IllegalMove(why_not(stands, now))
    if expired(stands, until):
        raise BadInput(f"It expires on {when(stands.expires_at)}: decide it before.")
    Suggestion.objects.filter(pk=suggestion.pk).update(snoozed_until=until)
    suggestion.refresh_from_db()
    record(suggestion, "snoozed", about=about(suggestion), by=by, summary=f"Snoozed until {when(until)}")
    return suggestion
