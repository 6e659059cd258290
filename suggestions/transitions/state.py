"""What every transition of a suggestion needs: its kind, its content, who acts, and why it can no longer be decided."""

import hashlib
import json
from dataclasses import dataclass, replace
from datetime import datetime
from typing import Any

from django.db import IntegrityError, transaction
from django.db.models import QuerySet

from crm.exceptions import ActionRefused, IllegalTransition
from crm.models import ActorType, User
from crm.records.activity import DELETED_USER, Actor
from crm.records.base import Record
from crm.records.local_time import format_moment
from inbox.models import Message
from inbox.thread_state import DELIVERED_STATES
from suggestions.kinds import KINDS, Kind
from suggestions.models import (
    APPROVED_STATUSES,
    DECIDABLE_STATUSES,
    LIVE_STATES,
    Suggestion,
    SuggestionExecution,
    SuggestionStatus,
)

DECIDE_PERMISSION = "suggestions.decide_suggestion"
# Approves what the autonomy settings leave to the program.
POLICY_ACTOR = Actor(ActorType.SYSTEM, name="Policy")
# Our own agents: rules, whose wording a model may improve.
NEXT_BEST_ACTION_AGENT = Actor(ActorType.SYSTEM, name="Next best action")
TRIAGE_AGENT = Actor(ActorType.SYSTEM, name="Triage")

# The fields of a suggestion that is not decided yet.
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
    """What the suggestion is based on has changed since it was proposed; the approver must see the change first."""


@dataclass(frozen=True)
class Decision:
    """One suggestion with all that a transition needs of it, fetched once and passed along.

    `suggestion` and, where there is one, `execution` are locked until the transaction ends. `payload` is the
    validated content that is decided about or executed.
    """

    suggestion: Suggestion
    kind: type[Kind]
    actor: Actor
    payload: Any = None
    execution: SuggestionExecution | None = None

    def with_payload(self, payload: Any) -> "Decision":
        return replace(self, payload=payload)

    def with_actor(self, actor: Actor) -> "Decision":
        return replace(self, actor=actor)

    def with_execution(self, execution: SuggestionExecution) -> "Decision":
        return replace(self, execution=execution)

    def parse_approved(self) -> Any:
        """Return the approved content as a payload.

        Raises:
            InvalidContent: its type no longer accepts it.
        """
        return self.kind.parse_content(self.suggestion.approved_content)


def get_kind(suggestion: Suggestion) -> type[Kind]:
    """Return the kind of `suggestion`.

    Raises:
        IllegalTransition: this program cannot carry out its type.
    """
    if suggestion.type not in KINDS:
        raise IllegalTransition(f"A suggestion of type {suggestion.get_type_display()} cannot be carried out here.")
    return KINDS[suggestion.type]


def open_decision(suggestion: Suggestion, *, by: Actor | User) -> Decision:
    """Lock `suggestion` for a decision by `by`, who may decide about it and do what it does.

    Raises:
        NotPermitted: `by` may not decide, or may not do what the suggestion does.
        IllegalTransition: this program cannot carry out its type, or the suggestion no longer exists.
    """
    actor, kind = Actor.of(by), get_kind(suggestion)
    actor.require_permission(DECIDE_PERMISSION, "decide suggestions")
    actor.require_permission(kind.permission, kind.action_phrase)
    lock_suggestion(suggestion, by=actor)
    return Decision(suggestion, kind, actor)


def open_execution(execution_pk: Any) -> Decision | None:
    """Lock the execution `execution_pk` and its suggestion; None where there is no such execution.

    The suggestion is locked first, as every decision does: two transactions never wait for each other.
    """
    owner = SuggestionExecution.objects.filter(pk=execution_pk).values("suggestion")
    suggestion = Suggestion.everything.select_for_update(of=("self",)).filter(pk__in=owner).first()
    execution = SuggestionExecution.objects.select_for_update(of=("self",)).filter(pk=execution_pk).first()
    return None if suggestion is None or execution is None else decision_of(execution, suggestion)


def decision_of(execution: SuggestionExecution, suggestion: Suggestion) -> Decision:
    """Return the decision that `execution` carries out; the caller has locked both rows."""
    return Decision(suggestion, get_kind(suggestion), execution_actor(execution), execution=execution)


def execution_actor(execution: SuggestionExecution) -> Actor:
    """Return who approved what `execution` carries out."""
    if execution.by_policy:
        return POLICY_ACTOR
    return Actor.of(execution.ordered_by) if execution.ordered_by else DELETED_USER


def find_live_execution(suggestion: Suggestion) -> SuggestionExecution | None:
    """Lock and return the attempt of `suggestion` that is queued, running, done or unconfirmed."""
    rows = SuggestionExecution.objects.select_for_update(of=("self",))
    return rows.filter(suggestion=suggestion.pk, state__in=LIVE_STATES).first()


def content_digest(content: Any) -> str:
    """Return the SHA-256 of `content` as canonical JSON: what was approved, byte for byte."""
    return hashlib.sha256(json.dumps(content, sort_keys=True, separators=(",", ":")).encode()).hexdigest()


def idempotency_key(pk: Any, content_hash: str) -> str:
    """Return the key of every attempt at the same content of the suggestion `pk`, here and in other systems."""
    return f"{pk}.{content_hash[:16]}"


def timeline_owner(suggestion: Suggestion) -> Record:
    """Return the record that has `suggestion` on its timeline."""
    return suggestion.lead or suggestion.client or suggestion


def content_to_decide(suggestion: Suggestion) -> dict[str, Any]:
    """Return the content to decide about: after a failure or an undo, what was approved with changes."""
    if suggestion.status == SuggestionStatus.FAILED and suggestion.approved_content is not None:
        return suggestion.approved_content
    return suggestion.suggested_content if suggestion.edited_content is None else suggestion.edited_content


def content_to_offer_again(suggestion: Suggestion) -> dict[str, Any] | None:
    """Return a person's changed content, which a decision that is taken back must not lose; None if there is none."""
    approved = suggestion.approved_content
    if approved is None:
        return suggestion.edited_content
    return approved if was_modified(suggestion, approved) else None


def was_modified(suggestion: Suggestion, approved: dict[str, Any]) -> bool:
    """Return whether `approved` differs from the suggested content."""
    try:
        original = get_kind(suggestion).parse_content(suggestion.suggested_content).model_dump(mode="json")
    except ActionRefused:
        return True
    return approved != original


def approved_status(suggestion: Suggestion, approved: dict[str, Any]) -> str:
    """Return the status of `suggestion` once `approved` is its approved content."""
    return SuggestionStatus.MODIFIED if was_modified(suggestion, approved) else SuggestionStatus.APPROVED


def is_approved(suggestion: Suggestion) -> bool:
    return suggestion.status in APPROVED_STATUSES and not suggestion.is_deleted


def is_expired(suggestion: Suggestion, now: datetime) -> bool:
    return suggestion.expires_at is not None and suggestion.expires_at <= now


def newer_messages(suggestion: Suggestion, since: datetime | None = None) -> QuerySet[Message]:
    """Return the messages of the thread that are newer than `suggestion` and arrived after `since`, newest first."""
    newer = Message.objects.filter(
        thread=suggestion.thread_id, state__in=DELIVERED_STATES, sent_at__gt=suggestion.created_at
    )
    if since is not None:
        newer = newer.filter(created_at__gt=since)
    return (newer if suggestion.thread_id else newer.none()).order_by("-sent_at", "-id")


def lock_suggestion(suggestion: Suggestion, *, by: Actor | User) -> Suggestion:
    """Lock the row until the transaction ends and return it; `suggestion` itself is refreshed.

    Raises:
        IllegalTransition: it no longer exists.
        NotPermitted: `by` may not see it.
    """
    locked = Suggestion.everything.select_for_update(of=("self",)).filter(pk=suggestion.pk).first()
    if locked is None:
        raise IllegalTransition("The suggestion no longer exists.")
    Actor.of(by).require_visible(locked)
    suggestion.refresh_from_db()
    return locked


def reopen_suggestion(suggestion: Suggestion, **changes: Any) -> None:
    """Write `changes` that make `suggestion`, which the caller has locked, decidable again.

    If the same one has been proposed again since, both can be decided, and only the newer one keeps the key.
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
    """Return the sentence that says why `current` can no longer be decided."""
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
