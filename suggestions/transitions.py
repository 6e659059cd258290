"""Proposing and deciding. What is approved is carried out in the same transaction, once."""

import hashlib
import json
from datetime import datetime
from typing import Any

from django.db import DatabaseError, transaction
from django.db.models import Q
from django.utils import timezone

from crm.activity import Actor, record
from crm.models import User
from crm.models.base import Record
from crm.refusals import BadInput, IllegalMove, Refused, refusing
from suggestions.kinds import KINDS, Kind
from suggestions.models import Suggestion, SuggestionStatus

DECIDE = "suggestions.decide_suggestion"
DECIDABLE = (SuggestionStatus.PENDING, SuggestionStatus.FAILED)


def kind_of(suggestion: Suggestion) -> type[Kind]:
    """The kind that carries out `suggestion`.

    Raises:
        IllegalMove: this program cannot carry out its type.
    """
    if suggestion.type not in KINDS:
        raise IllegalMove(f"A suggestion of type {suggestion.get_type_display()} cannot be carried out here.")
    return KINDS[suggestion.type]


def digest(content: Any) -> str:
    """SHA-256 of `content` as canonical JSON: what was approved, byte for byte."""
    return hashlib.sha256(json.dumps(content, sort_keys=True, separators=(",", ":")).encode()).hexdigest()


def about(suggestion: Suggestion) -> Record:
    """Whose timeline a suggestion stands on."""
    return suggestion.lead or suggestion.client or suggestion


@transaction.atomic
def propose(suggestion: Suggestion, *, by: Actor | User) -> Suggestion:
    """Save `suggestion` as waiting for a person; the same one waiting already is returned instead.

    Raises:
        BadInput: its content is not what its type holds.
        IllegalMove: it could not be carried out anyway.
    """
    kind = kind_of(suggestion)
    payload = kind.check(suggestion.suggested_content)
    kind.guard(payload, suggestion)
    suggestion.suggested_content = payload.model_dump(mode="json")
    if suggestion.dedupe_key:
        twin = Suggestion.objects.filter(dedupe_key=suggestion.dedupe_key, status__in=DECIDABLE).first()
        if twin:
            return twin
    with refusing():
        suggestion.full_clean()
        suggestion.save(force_insert=True)
    record(suggestion, "proposed", about=about(suggestion), by=by, summary=kind.sentence(payload, suggestion))
    return suggestion


@transaction.atomic
def approve(
    suggestion: Suggestion, *, by: Actor | User, content: dict[str, Any] | None = None, note: str = ""
) -> Suggestion:
    """Let `suggestion` happen, with `content` in place of what was suggested where a person changed it.

    The deed is done here; one that is refused leaves the suggestion FAILED with the reason, and it can
    be approved again. Of two people who approve at once the first wins and the other is told who.

    Raises:
        NotAllowed: `by` may not decide.
        BadInput: the content is not what the type holds.
        IllegalMove: already decided, expired, or no longer possible.
    """
    actor = Actor.of(by)
    actor.require(DECIDE, "decide suggestions")
    kind = kind_of(suggestion)
    payload = kind.check(suggestion.suggested_content if content is None else content)
    approved = payload.model_dump(mode="json")
    changed = approved != kind.check(suggestion.suggested_content).model_dump(mode="json")
    kind.guard(payload, suggestion)
    decide(
        suggestion,
        DECIDABLE,
        SuggestionStatus.MODIFIED if changed else SuggestionStatus.APPROVED,
        by=actor,
        note=note,
        approved_content=approved,
        content_hash=digest(approved),
        error_message="",
    )
    execute(suggestion, by=actor)
    return suggestion


def decide(
    suggestion: Suggestion,
    expected: tuple[str, ...],
    to: str,
    *,
    by: Actor,
    note: str,
    **changes: Any,
) -> None:
    """Compare-and-set: from one of `expected`, live and not expired, to `to`."""
    now = timezone.now()
    open_still = Q(expires_at__isnull=True) | Q(expires_at__gt=now)
    with refusing():
        won = Suggestion.objects.filter(open_still, pk=suggestion.pk, status__in=expected).update(
            status=to,
            reviewed_by=by.user,
            reviewed_at=now,
            review_note=note.strip(),
            snoozed_until=None,
            **changes,
        )
    stands = Suggestion.everything.select_related("reviewed_by").get(pk=suggestion.pk)
    if won != 1:
        raise IllegalMove(why_not(stands, now))
    suggestion.refresh_from_db()


def why_not(stands: Suggestion, now: datetime) -> str:
    """Why `stands` can no longer be decided."""
    if stands.is_deleted:
        return "The suggestion has been deleted."
    if stands.expires_at and stands.expires_at <= now and stands.status == SuggestionStatus.PENDING:
        return f"The suggestion expired on {timezone.localtime(stands.expires_at):%-d %b %Y, %H:%M}."
    by = f" by {stands.reviewed_by}" if stands.reviewed_by else ""
    return f"The suggestion is already {stands.get_status_display().lower()}{by}."


def execute(suggestion: Suggestion, *, by: Actor) -> None:
    """Carry out exactly what was approved; a refusal is kept on the suggestion as FAILED."""
    kind = kind_of(suggestion)
    try:
        with transaction.atomic():
            if digest(suggestion.approved_content) != suggestion.content_hash:
                raise IllegalMove("The approved content has been altered since it was approved.")
            result = kind.execute(kind.check(suggestion.approved_content), suggestion, by=by)
    except (Refused, DatabaseError) as error:
        fail(suggestion, str(error), by=by)
        return
    Suggestion.objects.filter(pk=suggestion.pk).update(executed_at=timezone.now(), result=result)
    suggestion.refresh_from_db()
    said = kind.sentence(kind.check(suggestion.approved_content), suggestion)
    verb = "approved" if suggestion.status == SuggestionStatus.APPROVED else "approved with changes"
    record(suggestion, verb, about=about(suggestion), by=by, summary=f"{verb.capitalize()}: {said}")


def fail(suggestion: Suggestion, why: str, *, by: Actor) -> None:
    """Keep why the deed was not done; the suggestion can be tried again or rejected."""
    Suggestion.objects.filter(pk=suggestion.pk).update(
        status=SuggestionStatus.FAILED, error_message=why or "Unknown."
    )
    suggestion.refresh_from_db()
    summary = f"{suggestion.get_type_display()} failed: {suggestion.error_message}"
    record(suggestion, "failed", about=about(suggestion), by=by, summary=summary)


@transaction.atomic
def reject(suggestion: Suggestion, *, reason: str, by: Actor | User) -> Suggestion:
    """Turn `suggestion` down, saying why.

    Raises:
        NotAllowed: `by` may not decide.
        BadInput: no reason.
        IllegalMove: already decided.
    """
    actor = Actor.of(by)
    actor.require(DECIDE, "decide suggestions")
    if not reason.strip():
        raise BadInput("Say why: the next suggestion is better for it.")
    decide(suggestion, DECIDABLE, SuggestionStatus.REJECTED, by=actor, note=reason)
    summary = f"Rejected: {suggestion.get_type_display().lower()} ({reason.strip()})"
    record(suggestion, "rejected", about=about(suggestion), by=by, summary=summary)
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
    with refusing():
        won = Suggestion.objects.filter(pk=suggestion.pk, status=SuggestionStatus.REJECTED).update(
            status=SuggestionStatus.PENDING,
            reviewed_by=None,
            reviewed_at=None,
            review_note="",
            expires_at=None,
        )
    if won != 1:
        raise IllegalMove(
            f"Only a rejected suggestion is put back; this one is {suggestion.get_status_display()}."
        )
    suggestion.refresh_from_db()
    summary = f"Put back: {suggestion.get_type_display().lower()}"
    record(suggestion, "put back", about=about(suggestion), by=by, summary=summary)
    return suggestion


@transaction.atomic
def snooze(suggestion: Suggestion, until: datetime, *, by: Actor | User) -> Suggestion:
    """Hide a waiting `suggestion` until `until`; its status stays.

    Raises:
        NotAllowed: `by` may not decide.
        BadInput: `until` is not in the future.
        IllegalMove: it is not waiting.
    """
    Actor.of(by).require(DECIDE, "decide suggestions")
    if until <= timezone.now():
        raise BadInput("Snooze until a time in the future.")
    waiting = Suggestion.objects.filter(pk=suggestion.pk, status=SuggestionStatus.PENDING)
    if waiting.update(snoozed_until=until) != 1:
        raise IllegalMove(why_not(Suggestion.everything.get(pk=suggestion.pk), timezone.now()))
    suggestion.refresh_from_db()
    until_text = f"{timezone.localtime(until):%-d %b %Y, %H:%M}"
    record(suggestion, "snoozed", about=about(suggestion), by=by, summary=f"Snoozed until {until_text}")
    return suggestion
