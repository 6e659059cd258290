"""What can be done to a suggestion: proposing, deciding, carrying out, and holding back."""

from suggestions.transitions.asking import ask_later, ask_model
from suggestions.transitions.autonomy import follow_house, set_level
from suggestions.transitions.considering import consider
from suggestions.transitions.deciding import REJECTABLE, Unconfirmed, approve, put_back, reject, snooze
from suggestions.transitions.executing import carry_out, order
from suggestions.transitions.following import follow
from suggestions.transitions.proposing import PROPOSE, propose, submit
from suggestions.transitions.returning import settle, undo
from suggestions.transitions.standing import (
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
from suggestions.transitions.switches import held, pause, paused_types, resume
from suggestions.transitions.triaging import look_again, triage

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
    "ask_later",
    "ask_model",
    "carry_out",
    "consider",
    "differs",
    "digest",
    "expired",
    "follow",
    "follow_house",
    "held",
    "idempotency_key",
    "kind_of",
    "look_again",
    "news",
    "order",
    "pause",
    "paused_types",
    "propose",
    "proposed",
    "put_back",
    "reject",
    "resume",
    "set_level",
    "settle",
    "snooze",
    "submit",
    "triage",
    "undo",
    "when",
]
