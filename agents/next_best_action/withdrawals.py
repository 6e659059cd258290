"""Withdraw what the program proposed and events have settled since."""

from collections.abc import Iterable
from uuid import UUID

from django.db import transaction
from django.db.models import F
from django.db.models.fields.json import KeyTextTransform

from suggestions.models import UNDECIDED_STATUSES, Suggestion, SuggestionType
from suggestions.transitions.propose import supersede
from suggestions.transitions.state import NEXT_BEST_ACTION_AGENT


def withdraw_overtaken_moves(leads: Iterable[UUID]) -> None:
    """Withdraw the stage changes proposed about those of `leads` that have left the stage they were in."""
    moves = Suggestion.objects.filter(lead__in=leads, type=SuggestionType.CHANGE_STATUS, status__in=UNDECIDED_STATUSES)
    moves = moves.alias(was=KeyTextTransform("fromStatus", "suggested_content"))
    overtaken = moves.exclude(was=F("lead__status_id")).values_list("pk", "lead__status__label")
    for key, label in overtaken:
        withdraw_settled([key], reason=f"The lead has moved to {label}.")


def withdraw_settled(keys: Iterable[UUID], *, reason: str, also_by_people: bool = False) -> None:
    """Withdraw those of the suggestions `keys` that are undecided: the program's, and people's if they are done."""
    for key in keys:
        with transaction.atomic():
            waiting = Suggestion.objects.select_for_update(of=("self",)).filter(pk=key, status__in=UNDECIDED_STATUSES)
            one = waiting.first()
            if one is not None and (also_by_people or one.proposed_by_id is None):
                supersede(one, by=NEXT_BEST_ACTION_AGENT, reason=reason)
