"""Whether the lead or client of a suggestion may be contacted as the suggestion wants to."""

from typing import Any

from crm.exceptions import IllegalTransition
from crm.records.consent import CHANNEL_LABELS, closed_channels
from suggestions.kinds import Kind
from suggestions.models import Suggestion


class ContactNotPermitted(IllegalTransition):
    """The lead or client has opted out of a channel that the suggestion uses."""


def check_consent(kind: type[Kind], payload: Any, suggestion: Suggestion) -> None:
    """Refuse a suggestion that uses a channel its lead or client has opted out of.

    Raises:
        ContactNotPermitted: the message names the channel.
    """
    channels = kind.contact_channels(payload)
    if not channels:
        return
    closed: set[str] = set()
    for preferences in contact_preferences(suggestion):
        closed |= channels & closed_channels(preferences, is_answer=kind.answers_a_message)
    if closed:
        names = " or ".join(CHANNEL_LABELS[name] for name in sorted(closed))
        customer = "lead" if suggestion.lead else "client"
        raise ContactNotPermitted(f"The {customer} does not want to be contacted by {names}.")


def contact_preferences(suggestion: Suggestion) -> list[dict[str, Any]]:
    """Return the preferences of the lead and the client of the suggestion; a converted lead's are its client's too."""
    lead, client = suggestion.lead, suggestion.client
    if lead is not None and lead.converted_to_client is not None:
        client = lead.converted_to_client
    return [row.communications for row in (lead, client) if row is not None]


def check_possible(kind: type[Kind], payload: Any, suggestion: Suggestion) -> None:
    """Refuse what could not be executed, or what the consent of the lead forbids.

    Raises:
        ActionRefused: the message says why.
    """
    kind.guard(payload, suggestion)
    check_consent(kind, payload, suggestion)
