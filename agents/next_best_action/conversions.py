"""Won leads that are not clients yet: propose their conversion, once for each time that a lead is won."""

import logging
from collections.abc import Iterable
from uuid import UUID

from django.db import transaction

from agents.next_best_action.withdrawals import withdraw_settled
from crm.exceptions import ActionRefused
from leads.models import Lead
from leads.models.conversion import conversion_key
from suggestions.models import Suggestion, SuggestionType
from suggestions.transitions.propose import propose
from suggestions.transitions.state import NEXT_BEST_ACTION_AGENT

logger = logging.getLogger(__name__)

CONVERSION_RULE = "won lead"


def propose_conversions(keys: Iterable[UUID]) -> int:
    """Propose the conversion of those of the leads `keys` that are won and no client; return how many proposals.

    What was proposed about the others is withdrawn.
    """
    keys = list(keys)
    won = list(Lead.objects.to_convert().filter(pk__in=keys).order_by("pk"))
    wanted = {conversion_key(lead) for lead in won}
    conversions = Suggestion.everything.filter(lead__in=keys, type=SuggestionType.CONVERT_LEAD)
    settled = conversions.exclude(dedupe_key__in=wanted).values_list("pk", flat=True)
    done = conversions.exclude(lead__converted_at=None).values_list("pk", flat=True)
    withdraw_settled(done, reason="The lead is a client already.", also_by_people=True)
    withdraw_settled(settled, reason="The lead needs no conversion any more.")
    proposed = set(conversions.filter(dedupe_key__in=wanted).values_list("dedupe_key", flat=True))
    return sum(propose_conversion(lead) for lead in won if conversion_key(lead) not in proposed)


def propose_conversion(lead: Lead) -> bool:
    """Propose the conversion of `lead`; return False if it is refused, for example because its type is off."""
    suggestion = Suggestion(
        type=SuggestionType.CONVERT_LEAD,
        lead=lead,
        suggested_content={},
        rule=CONVERSION_RULE,
        reasoning=f"{lead} is won and not a client yet.",
        dedupe_key=conversion_key(lead),
    )
    try:
        with transaction.atomic():
            propose(suggestion, by=NEXT_BEST_ACTION_AGENT)
    except ActionRefused as error:
        logger.info("No proposal to convert lead %s: %s", lead.pk, error)
        return False
    return True
