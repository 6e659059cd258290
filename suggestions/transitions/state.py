"""Where a suggestion stands: who carries it out, what was approved, why it can no longer be decided."""

import hashlib
import json
from datetime import datetime
from typing import Any

from django.db import IntegrityError, transaction
from django.db.models import QuerySet
from django.utils import timezone

from crm.exceptions import BadInput, IllegalMove
from crm.models import ActorType, User
from crm.records.activity import Actor
from crm.records.base import Record
from inbox.models import Message
from inbox.thread_state import SAID
from suggestions.kinds import KINDS, Kind
from suggestions.models import Suggestion, SuggestionStatus

DECIDE = "suggestions.decide_suggestion"
DECIDABLE = (SuggestionStatus.PENDING, SuggestionStatus.FAILED)
# Who lets happen what a person has left to the program.
POLICY = Actor(ActorType.SYSTEM, name="Policy")
# The agents of the house: rules, whose words a model may better.
NEXT_BEST = Actor(ActorType.SYSTEM, name="Next best action")
TRIAGE = Actor(ActorType.SYSTEM, name="Triage")
# Who decided and has no account any more: such a one may do nothing.
GONE = Actor(ActorType.USER, name="Somebody who has left")

# What a suggestion holds before anybody has decided about it.
UNDECIDED = {
    "status": SuggestionStatus.PENDING,
    "reviewed_by": None,
    "reviewed_at": None,
    "review_note": "",
    "approved_content": None,
    "content_hash": "",
    "acknowledged": [],
    "executed_at": None,
    "result": None,
    "error_message": "",
    "expires_at": None,
}


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


def entitled(by: Actor | User, suggestion: Suggestion) -> tuple[Actor, type[Kind]]:
    """Whoever decides about `suggestion`, and the kind that carries it out.

    Raises:
        NotAllowed: `by` may not decide, or not do what would be done.
        IllegalMove: this program cannot carry out its type.
    """
    actor, kind = Actor.of(by), kind_of(suggestion)
    actor.require(DECIDE, "decide suggestions")
    actor.require(kind.permission, kind.deed)
    return actor, kind


def digest(content: Any) -> str:
    """SHA-256 of `content` as canonical JSON: what was approved, byte for byte."""
    return hashlib.sha256(json.dumps(content, sort_keys=True, separators=(",", ":")).encode()).hexdigest()


def idempotency_key(pk: Any, content_hash: str) -> str:
    """What every attempt at the same content of the suggestion `pk` is known by, here and outside."""
    return f"{pk}.{content_hash[:16]}"


def when(moment: datetime) -> str:
    return f"{timezone.localtime(moment):%-d %b %Y, %H:%M}"


def about(suggestion: Suggestion) -> Record:
    """Whose timeline a suggestion stands on."""
    return suggestion.lead or suggestion.client or suggestion


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


def expired(suggestion: Suggestion, now: datetime) -> bool:
    return suggestion.expires_at is not None and suggestion.expires_at <= now


def news(suggestion: Suggestion, since: datetime | None = None) -> QuerySet[Message]:
    """What was said in the conversation later than `suggestion` and has come in after `since`, the latest first."""
    later = Message.objects.filter(thread=suggestion.thread_id, state__in=SAID, sent_at__gt=suggestion.created_at)
    if since is not None:
        later = later.filter(created_at__gt=since)
    return (later if suggestion.thread_id else later.none()).order_by("-sent_at", "-id")


def lock(suggestion: Suggestion) -> Suggestion:
    """The row as it stands, held until the transaction ends; `suggestion` itself is brought up to date.

    Raises:
        IllegalMove: it no longer exists.
    """
    locked = Suggestion.everything.select_for_update(of=("self",)).filter(pk=suggestion.pk).first()
    if locked is None:
        raise IllegalMove("The suggestion no longer exists.")
    suggestion.refresh_from_db()
    return locked


def open_again(suggestion: Suggestion, **changes: Any) -> None:
    """Write `changes` that let `suggestion`, which the caller holds, be decided again.

    Where the same one has been proposed anew since, both can be decided, and only the newer keeps the key.
    """
    rows = Suggestion.everything.filter(pk=suggestion.pk)
    changes["version"] = suggestion.version + 1
    try:
        with transaction.atomic():
            rows.update(**changes)
    except IntegrityError:
        rows.update(**changes, dedupe_key="")
    suggestion.refresh_from_db()


def why_not(stands: Suggestion | None, now: datetime) -> str:
    """Why `stands` can no longer be decided."""
    if stands is None:
        return "The suggestion no longer exists."
    if stands.is_deleted:
        return "The suggestion has been deleted."
    if stands.status in DECIDABLE and expired(stands, now):
        return f"The suggestion expired on {when(stands.expires_at)}."
    if stands.superseded_by_id:
        return "The suggestion was replaced by a newer one."
    by = f" by {stands.reviewed_by}" if stands.reviewed_by else ""
    return f"The suggestion is already {stands.get_status_display().lower()}{by}."
