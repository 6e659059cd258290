"""Proposing what a deed leads to, in the transaction that writes down that it is done."""

from typing import Any

from django.db import DatabaseError, transaction

from crm.exceptions import ActionRefused
from crm.records.activity import SYSTEM_ACTOR
from suggestions.models import Suggestion
from suggestions.transitions.outcome import register_outcome_hook
from suggestions.transitions.propose import propose
from suggestions.transitions.state import get_kind


@register_outcome_hook
def propose_follow_ons(payload: Any, suggestion: Suggestion, result: dict[str, Any]) -> dict[str, Any]:
    """Propose what the deed of `suggestion` leads to; a refusal is told in the result and undoes nothing."""
    proposed_keys: list[str] = []
    refusals: list[str] = []
    try:
        following = get_kind(suggestion).follow_ons(payload, suggestion, result)
    except ActionRefused as refusal:
        following, refusals = [], [str(refusal)]
    for one in following:
        # Taint survives: what follows from an outsider's words rests on them.
        one.suggestion.tainted = one.suggestion.tainted is True or suggestion.tainted
        try:
            with transaction.atomic():
                proposed_keys.append(str(propose(one.suggestion, by=SYSTEM_ACTOR, as_draft=one.as_draft).pk))
        except (ActionRefused, DatabaseError) as error:
            refusals.append(str(error))
    report = {"suggestions": proposed_keys, "not_suggested": " ".join(refusals)}
    return {**result, **{key: value for key, value in report.items() if value}}
