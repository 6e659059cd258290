"""What other modules call back, registered once at start (`suggestions/apps.py`)."""

from inbox.models import EmailOrigin
from inbox.outgoing.delivery_owners import register_owner
from suggestions.transitions.email_delivery import ExecutionOwner
from suggestions.transitions.follow_on import propose_follow_ons
from suggestions.transitions.outcome import register_follow_ons


def register_callbacks() -> None:
    register_owner(EmailOrigin.SUGGESTION, ExecutionOwner)
    register_follow_ons(propose_follow_ons)
