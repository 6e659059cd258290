"""Proposing what a deed leads to, in the transaction that writes down that it is done."""

from typing import Any

from django.db import DatabaseError, transaction

from crm.exceptions import Refused
from crm.records.activity import SYSTEM
from suggestions.models import Suggestion
from suggestions.transitions.outcome import afterwards
from suggestions.transitions.propose import propose
from suggestions.transitions.state import kind_of


@afterwards
def follow(payload: Any, suggestion: Suggestion, result: dict[str, Any]) -> dict[str, Any]:
    """Propose what the deed of `suggestion` leads to; a refusal is told in the result and undoes nothing."""
    made: list[str] = []
    refused: list[str] = []
    try:
        following = kind_of(suggestion).leads_to(payload, suggestion, result)
    except Refused as refusal:
        following, refused = [], [str(refusal)]
    for one in following:
        # Taint survives: what follows from an outsider's words rests on them.
        one.suggestion.tainted = one.suggestion.tainted is True or suggestion.tainted
        try:
            with transaction.atomic():
                made.append(str(propose(one.suggestion, by=SYSTEM, as_draft=one.as_draft).pk))
        except (Refused, DatabaseError) as error:
            refused.append(str(error))
    told = {"suggestions": made, "not_suggested": " ".join(refused)}
    return {**result, **{key: value for key, value in told.items() if value}}
