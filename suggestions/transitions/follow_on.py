"""Proposing what follows from an execution, in the transaction that records it as done."""

from typing import Any

from django.db import DatabaseError, transaction

from crm.exceptions import ActionRefused
from crm.models import ActorType
from crm.records.activity import SYSTEM_ACTOR, Actor
from suggestions.transitions.propose import propose
from suggestions.transitions.state import Decision


def propose_follow_ons(decision: Decision, result: dict[str, Any]) -> dict[str, Any]:
    """Propose what follows from `result`; a refusal is reported in the result and undoes nothing."""
    proposed_keys: list[str] = []
    refusals: list[str] = []
    suggestion = decision.suggestion
    try:
        follow_ons = decision.kind.follow_ons(decision.payload, suggestion, result)
    except ActionRefused as refusal:
        follow_ons, refusals = [], [str(refusal)]
    for one in follow_ons:
        # What follows from untrusted content is based on it, too.
        one.suggestion.tainted = one.suggestion.tainted or suggestion.tainted
        try:
            with transaction.atomic():
                by = Actor(ActorType.SYSTEM, name=one.agent) if one.agent else SYSTEM_ACTOR
                proposed_keys.append(str(propose(one.suggestion, by=by, as_draft=one.as_draft).pk))
        except (ActionRefused, DatabaseError) as error:
            refusals.append(str(error))
    report = {"suggestions": proposed_keys, "not_suggested": " ".join(refusals)}
    return {**result, **{key: value for key, value in report.items() if value}}
