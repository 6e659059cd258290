"""Where a suggestion stands: who carries it out, what was approved, why it can no longer be decided."""

import hashlib
import json
from datetime import datetime
from typing import Any

from django.db import IntegrityError, transaction
from django.db.models import QuerySet
from django.utils import timezone

from crm.exceptions import IllegalTransition, InvalidInput
from crm.models import ActorType, User
from crm.records.activity import Actor
from crm.records.base import Record
from inbox.models import Message
from inbox.thread_state import DELIVERED_STATES
from suggestions.kinds import KINDS, Kind
from suggestions.models import Suggestion, SuggestionStatus

DECIDE_PERMISSION = "suggestions.decide_suggestion"
DECIDABLE_STATUSES = (SuggestionStatus.PENDING, SuggestionStatus.FAILED)
# Who lets happen what a person has left to the program.
POLICY_ACTOR = Actor(ActorType.SYSTEM, name="Policy")
# The agents of the house: rules, whose words a model may better.
NEXT_BEST_ACTION_AGENT = Actor(ActorType.SYSTEM, name="Next best action")
TRIAGE_AGENT = Actor(ActorType.SYSTEM, name="Triage")
# Who decided and has no account any more: such a one may do nothing.
DELETED_USER = Actor(ActorType.USER, name="Somebody who has left")

# What a suggestion holds before anybody has decided about it.
CLEARED_DECISION = {
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


class StaleSuggestion(IllegalTransition):
    """What the suggestion rests on has changed since it was written; whoever decides must see that first."""


def get_kind(suggestion: Suggestion) -> type[Kind]:
    """The kind that carries out `suggestion`.

    Raises:
        IllegalTransition: this program cannot carry out its type.
    """
    if suggestion.type not in KINDS:
        raise IllegalTransition(f"A suggestion of type {suggestion.get_type_display()} cannot be carried out here.")
    return KINDS[suggestion.type]


def authorize_decision(by: Actor | User, suggestion: Suggestion) -> tuple[Actor, type[Kind]]:
    """Whoever decides about `suggestion`, and the kind that carries it out.

    Raises:
        NotPermitted: `by` may not decide, or not do what would be done.
        IllegalTransition: this program cannot carry out its type.
    """
    actor, kind = Actor.of(by), get_kind(suggestion)
    actor.require_permission(DECIDE_PERMISSION, "decide suggestions")
    actor.require_permission(kind.permission, kind.action_phrase)
    return actor, kind


def content_digest(content: Any) -> str:
    """SHA-256 of `content` as canonical JSON: what was approved, byte for byte."""
    return hashlib.sha256(json.dumps(content, sort_keys=True, separators=(",", ":")).encode()).hexdigest()


def idempotency_key(pk: Any, content_hash: str) -> str:
    """What every attempt at the same content of the suggestion `pk` is known by, here and outside."""
    return f"{pk}.{content_hash[:16]}"


def format_moment(moment: datetime) -> str:
    return f"{timezone.localtime(moment):%-d %b %Y, %H:%M}"


def timeline_owner(suggestion: Suggestion) -> Record:
    """Whose timeline a suggestion stands on."""
    return suggestion.lead or suggestion.client or suggestion


def content_to_decide(suggestion: Suggestion) -> dict[str, Any]:
    """The content that is up for decision: what was let through before, where that has failed."""
    if suggestion.status == SuggestionStatus.FAILED and suggestion.approved_content is not None:
        return suggestion.approved_content
    return suggestion.suggested_content


def was_modified(suggestion: Suggestion, approved: dict[str, Any]) -> bool:
    """Whether `approved` is anything but what was suggested."""
    try:
        original = get_kind(suggestion).parse_content(suggestion.suggested_content).model_dump(mode="json")
    except InvalidInput:
        return True
    return approved != original


def is_expired(suggestion: Suggestion, now: datetime) -> bool:
    return suggestion.expires_at is not None and suggestion.expires_at <= now


def newer_messages(suggestion: Suggestion, since: datetime | None = None) -> QuerySet[Message]:
    """What was said in the conversation later than `suggestion` and has come in after `since`, the latest first."""
    newer = Message.objects.filter(
        thread=suggestion.thread_id, state__in=DELIVERED_STATES, sent_at__gt=suggestion.created_at
    )
    if since is not None:
        newer = newer.filter(created_at__gt=since)
    return (newer if suggestion.thread_id else newer.none()).order_by("-sent_at", "-id")


def lock_suggestion(suggestion: Suggestion) -> Suggestion:
    """The row as it stands, held until the transaction ends; `suggestion` itself is brought up to date.

    Raises:
        IllegalTransition: it no longer exists.
    """
    locked = Suggestion.everything.select_for_update(of=("self",)).filter(pk=suggestion.pk).first()
    if locked is None:
        raise IllegalTransition("The suggestion no longer exists.")
    suggestion.refresh_from_db()
    return locked


def reopen_suggestion(suggestion: Suggestion, **changes: Any) -> None:
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


def explain_not_decidable(current: Suggestion | None, now: datetime) -> str:
    """Why `current` can no longer be decided."""
    if current is None:
        return "The suggestion no longer exists."
    if current.is_deleted:
        return "The suggestion has been deleted."
    if current.status in DECIDABLE_STATUSES and is_expired(current, now):
        return f"The suggestion expired on {format_moment(current.expires_at)}."
    if current.superseded_by_id:
        return "The suggestion was replaced by a newer one."
    by = f" by {current.reviewed_by}" if current.reviewed_by else ""
    return f"The suggestion is already {current.get_status_display().lower()}{by}."
