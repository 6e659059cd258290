"""Proposing and deciding. What is approved is carried out in the same transaction, once."""

import hashlib
import json
from datetime import datetime
from typing import Any

from django.db import DatabaseError, transaction
from django.db.models import QuerySet
from django.utils import timezone

from crm.activity import Actor, record
from crm.models import User
from crm.models.base import Record
from crm.refusals import BadInput, IllegalMove, Refused, refusing
from inbox.models import Message
from suggestions.kinds import KINDS, Kind
from suggestions.models import Suggestion, SuggestionStatus

DECIDE = "suggestions.decide_suggestion"
DECIDABLE = (SuggestionStatus.PENDING, SuggestionStatus.FAILED)


class OldNews(IllegalMove):
    """What the suggestion rests on has changed since it was written; whoever decides must see that first."""


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


def when(moment: datetime) -> str:
    return f"{timezone.localtime(moment):%-d %b %Y, %H:%M}"


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
    # One that was not given is the database's default, an expression and no text: every other would be its twin.
    key = suggestion.dedupe_key if isinstance(suggestion.dedupe_key, str) else ""
    twin = Suggestion.objects.filter(dedupe_key=key, status__in=DECIDABLE).first() if key else None
    if twin:
        return twin
    with refusing():
        suggestion.full_clean()
        suggestion.save(force_insert=True)
    record(suggestion, "proposed", about=about(suggestion), by=by, summary=kind.sentence(payload, suggestion))
    return suggestion


@transaction.atomic
def approve(
    suggestion: Suggestion,
    *,
    by: Actor | User,
    content: dict[str, Any] | None = None,
    note: str = "",
    as_of: datetime | None = None,
) -> Suggestion:
    """Let `suggestion` happen, with `content` in place of what was suggested where a person changed it.

    The deed is done here; one that is refused leaves the suggestion FAILED with the reason, and it can
    be approved again. Of two people who approve at once the first wins and the other is told who. `as_of`
    is when whoever decides last looked at its conversation; None: not since the suggestion was written.

    Raises:
        NotAllowed: `by` may not decide.
        BadInput: the content is not what the type holds.
        OldNews: the conversation has gone on since `as_of`.
        IllegalMove: already decided, expired, or no longer possible.
    """
    actor = Actor.of(by)
    actor.require(DECIDE, "decide suggestions")
    kind = kind_of(suggestion)
    refuse_decided(suggestion)
    payload = kind.check(proposed(suggestion) if content is None else content)
    approved = payload.model_dump(mode="json")
    refuse_old_news(suggestion, as_of)
    kind.guard(payload, suggestion)
    decide(
        suggestion,
        SuggestionStatus.MODIFIED if differs(suggestion, approved) else SuggestionStatus.APPROVED,
        by=actor,
        note=note,
        approved_content=approved,
        content_hash=digest(approved),
        error_message="",
    )
    execute(suggestion, by=actor)
    return suggestion


def proposed(suggestion: Suggestion) -> dict[str, Any]:
    """The content that is up for decision: what was let through before, where that has failed."""
    if suggestion.status == SuggestionStatus.FAILED and suggestion.approved_content is not None:
        return suggestion.approved_content
    return suggestion.suggested_content


def differs(suggestion: Suggestion, approved: dict[str, Any]) -> bool:
    """Whether `approved` is anything but what was suggested."""
    try:
        suggested = kind_of(suggestion).check(suggestion.suggested_content).model_dump(mode="json")
    except BadInput:
        return True
    return approved != suggested


def refuse_decided(suggestion: Suggestion) -> None:
    """Lock `suggestion` and see whether it can still be approved, so that nobody acts on what was."""
    locked = Suggestion.everything.select_for_update(of=("self",)).filter(pk=suggestion.pk).first()
    if locked is None:
        raise IllegalMove("The suggestion no longer exists.")
    now = timezone.now()
    if locked.is_deleted or locked.status not in DECIDABLE or expired(locked, now):
        raise IllegalMove(why_not(locked, now))
    suggestion.refresh_from_db()


def expired(suggestion: Suggestion, now: datetime) -> bool:
    return suggestion.expires_at is not None and suggestion.expires_at <= now


def news(suggestion: Suggestion, since: datetime | None = None) -> QuerySet[Message]:
    """What was said in the conversation later than `suggestion` and has come in after `since`, the latest first."""
    later = Message.objects.filter(thread=suggestion.thread_id, sent_at__gt=suggestion.created_at)
    if since is not None:
        later = later.filter(created_at__gt=since)
    return (later if suggestion.thread_id else later.none()).order_by("-sent_at", "-id")


def refuse_old_news(suggestion: Suggestion, as_of: datetime | None) -> None:
    message = news(suggestion, as_of).first()
    if message is not None:
        raise OldNews(
            f"The conversation has gone on since this was suggested ({when(message.sent_at)}). "
            "Read what was said, and approve it again if it still holds."
        )


def decide(suggestion: Suggestion, to: str, *, by: Actor, note: str, **changes: Any) -> None:
    """Compare-and-set: from a state in which it is open for decision to `to`."""
    now = timezone.now()
    with refusing():
        won = Suggestion.objects.filter(pk=suggestion.pk, status__in=DECIDABLE).update(
            status=to,
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


def why_not(stands: Suggestion | None, now: datetime) -> str:
    """Why `stands` can no longer be decided."""
    if stands is None:
        return "The suggestion no longer exists."
    if stands.is_deleted:
        return "The suggestion has been deleted."
    if stands.status in DECIDABLE and expired(stands, now):
        return f"The suggestion expired on {when(stands.expires_at)}."
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
    Suggestion.objects.filter(pk=suggestion.pk).update(status=SuggestionStatus.FAILED, error_message=why or "Unknown.")
    suggestion.refresh_from_db()
    summary = f"{suggestion.get_type_display()} failed: {suggestion.error_message}"
    record(suggestion, "failed", about=about(suggestion), by=by, summary=summary)


@transaction.atomic
def reject(suggestion: Suggestion, *, reason: str, by: Actor | User) -> Suggestion:
    """Turn `suggestion` down, saying why; an expired one, too, to be rid of it.

    Raises:
        NotAllowed: `by` may not decide.
        BadInput: no reason.
        IllegalMove: already decided.
    """
    actor = Actor.of(by)
    actor.require(DECIDE, "decide suggestions")
    if not reason.strip():
        raise BadInput("Say why: the next suggestion is better for it.")
    decide(suggestion, SuggestionStatus.REJECTED, by=actor, note=reason)
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
            approved_content=None,
            content_hash="",
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
    stands = Suggestion.everything.select_for_update(of=("self",)).filter(pk=suggestion.pk).first()
    if stands is None or stands.is_deleted or stands.status != SuggestionStatus.PENDING or expired(stands, now):
        raise IllegalMove(why_not(stands, now))
    if expired(stands, until):
        raise BadInput(f"It expires on {when(stands.expires_at)}: decide it before.")
    Suggestion.objects.filter(pk=suggestion.pk).update(snoozed_until=until)
    suggestion.refresh_from_db()
    record(suggestion, "snoozed", about=about(suggestion), by=by, summary=f"Snoozed until {when(until)}")
    return suggestion
