"""The transitions of a suggestion: proposing, deciding, executing, undoing."""

from suggestions.models import DECIDABLE_STATUSES
from suggestions.transitions.decide import (
    UnconfirmedFindings,
    approve,
    discard_changes,
    reject,
    restore_rejected,
    snooze,
)
from suggestions.transitions.execute import enqueue_execution
from suggestions.transitions.follow_on import propose_follow_ons
from suggestions.transitions.outward import run_execution
from suggestions.transitions.propose import PROPOSE_PERMISSION, propose, submit
from suggestions.transitions.state import (
    DECIDE_PERMISSION,
    POLICY_ACTOR,
    StaleSuggestion,
    content_digest,
    content_to_decide,
    get_kind,
    idempotency_key,
    is_expired,
    newer_messages,
    timeline_owner,
    was_modified,
)
from suggestions.transitions.undo import settle_unknown_outcome, undo

__all__ = [
    "DECIDABLE_STATUSES",
    "DECIDE_PERMISSION",
    "POLICY_ACTOR",
    "PROPOSE_PERMISSION",
    "StaleSuggestion",
    "UnconfirmedFindings",
    "approve",
    "content_digest",
    "content_to_decide",
    "discard_changes",
    "enqueue_execution",
    "get_kind",
    "idempotency_key",
    "is_expired",
    "newer_messages",
    "propose",
    "propose_follow_ons",
    "reject",
    "restore_rejected",
    "run_execution",
    "settle_unknown_outcome",
    "snooze",
    "submit",
    "timeline_owner",
    "undo",
    "was_modified",
]
