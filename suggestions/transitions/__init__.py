"""What can be done to a suggestion: proposing, deciding, carrying out, and holding back."""

from suggestions.transitions.decide import REJECTABLE, Unconfirmed, approve, put_back, reject, snooze
from suggestions.transitions.execute import carry_out, order
from suggestions.transitions.follow_on import follow
from suggestions.transitions.propose import PROPOSE, propose, submit
from suggestions.transitions.state import (
    DECIDABLE,
    DECIDE,
    POLICY,
    OldNews,
    about,
    differs,
    digest,
    expired,
    idempotency_key,
    kind_of,
    news,
    proposed,
    when,
)
from suggestions.transitions.undo import settle, undo

__all__ = [
    "DECIDABLE",
    "DECIDE",
    "POLICY",
    "PROPOSE",
    "REJECTABLE",
    "OldNews",
    "Unconfirmed",
    "about",
    "approve",
    "carry_out",
    "differs",
    "digest",
    "expired",
    "follow",
    "idempotency_key",
    "kind_of",
    "news",
    "order",
    "propose",
    "proposed",
    "put_back",
    "reject",
    "settle",
    "snooze",
    "submit",
    "undo",
    "when",
]
