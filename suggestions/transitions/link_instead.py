"""Link a conversation to an existing record, in place of the new lead that was suggested for it."""

from django.db import transaction

from crm.exceptions import IllegalTransition
from crm.models import Client, User
from leads.models import Lead
from suggestions.models import Suggestion, SuggestionType
from suggestions.transitions.decide import approve, check_still_decidable, reject
from suggestions.transitions.propose import propose
from suggestions.transitions.state import lock_suggestion


@transaction.atomic
def link_instead(suggestion: Suggestion, record: Lead | Client, *, by: User) -> Suggestion:
    """Reject the new lead and link its conversation to `record`, which undoing unlinks again. Return the link.

    Raises:
        NotPermitted: `by` may not decide, propose, or link conversations.
        IllegalTransition: it is no suggestion of a lead, is decided already, has no conversation, or `by` may not see
            `record`.
    """
    lock_suggestion(suggestion, by=by)
    check_still_decidable(suggestion, None)
    if suggestion.type != SuggestionType.CREATE_LEAD or suggestion.thread is None:
        raise IllegalTransition("There is no conversation to link: approve or reject the suggestion.")
    kind = "lead" if isinstance(record, Lead) else "client"
    if not type(record).objects.visible_to(by).filter(pk=record.pk).exists():
        raise IllegalTransition(f"The {kind} is gone, or you do not have access to it.")
    reject(suggestion, reason=f"Linked to an existing {kind} instead.", by=by)
    link = Suggestion(
        type=SuggestionType.LINK_THREAD,
        thread=suggestion.thread,
        message=suggestion.message,
        suggested_content={},
        reasoning=f"The sender is an existing {kind}.",
        **{kind: record},
    )
    return approve(propose(link, by=by), by=by)
