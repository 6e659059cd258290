"""What can be done to a suggestion: proposing, deciding, carrying out, and holding back."""

from suggestions.transitions.decide import (
    REJECTABLE_STATUSES,
    UnconfirmedFindings,
    approve,
    reject,
    restore_rejected,
    snooze,
)
from suggestions.transitions.execute import enqueue_execution, run_execution
from suggestions.transitions.follow_on import propose_follow_ons
from suggestions.transitions.propose import PROPOSE_PERMISSION, propose, submit
from suggestions.transitions.state import (
    DECIDABLE_STATUSES,
    DECIDE_PERMISSION,
    POLICY_ACTOR,
    StaleSuggestion,
    content_digest,
    content_to_decide,
    format_moment,
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
    "REJECTABLE_STATUSES",
    "StaleSuggestion",
    "UnconfirmedFindings",
    "timeline_owner",
    "approve",
    "run_execution",
    "was_modified",
    "content_digest",
    "is_expired",
    "propose_follow_ons",
    "idempotency_key",
    "get_kind",
    "newer_messages",
    "enqueue_execution",
    "propose",
    "content_to_decide",
    "restore_rejected",
    "reject",
    "settle_unknown_outcome",
    "snooze",
    "submit",
    "undo",
    "format_moment",
]
