"""Whether the lead of a suggestion may be contacted as the suggestion wants to."""

from typing import Any

from crm.exceptions import IllegalTransition
from leads.consent import CHANNEL_LABELS, closed_channels
from suggestions.kinds import Kind
from suggestions.models import Suggestion


class ContactNotPermitted(IllegalTransition):
    """The lead has opted out of a channel that the suggestion uses."""


def check_consent(kind: type[Kind], payload: Any, suggestion: Suggestion) -> None:
    """Refuse a suggestion that uses a channel its lead has opted out of.

    Raises:
        ContactNotPermitted: the message names the channel.
    """
    channels = kind.contact_channels(payload)
    lead = suggestion.lead
    if not channels or lead is None:
        return
    closed = channels & closed_channels(lead.communications, is_answer=kind.answers_a_message)
    if closed:
        names = " or ".join(CHANNEL_LABELS[name] for name in sorted(closed))
        raise ContactNotPermitted(f"{lead} does not want to be contacted by {names}.")


def check_possible(kind: type[Kind], payload: Any, suggestion: Suggestion) -> None:
    """Refuse what could not be executed, or what the consent of the lead forbids.

    Raises:
        ActionRefused: the message says why.
    """
    kind.guard(payload, suggestion)
    check_consent(kind, payload, suggestion)
