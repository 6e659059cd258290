"""What is pointed out about a proposal before anything of it leaves the house, whoever made it."""

from dataclasses import dataclass
from typing import Any

from django.db.models import Q
from django.db.models.functions import Lower

from crm.models import Client, Contact
from leads.models import Lead
from suggestions.kinds import Kind
from suggestions.models import Suggestion


@dataclass(frozen=True)
class Finding:
    """One thing that was found; where it `asks`, whoever approves must confirm it by its code."""

    code: str
    sentence: str
    asks: bool = True

    def as_json(self) -> dict[str, Any]:
        return {"code": self.code, "sentence": self.sentence, "asks": self.asks}


def judge(kind: type[Kind], payload: Any, suggestion: Suggestion) -> list[Finding]:
    """Everything that is to be pointed out about `payload`; the same for a person, an agent and a rule."""
    return strangers(kind, payload, suggestion)


def strangers(kind: type[Kind], payload: Any, suggestion: Suggestion) -> list[Finding]:
    """Recipients that are known neither from the lead or client nor from the conversation."""
    recipients = kind.recipients(payload, suggestion)
    known = known_addresses(suggestion) if recipients else set()
    return [
        Finding(f"recipient:{address.lower()}", f"{address} is not a known address of {whom(suggestion)}.")
        for address in recipients
        if address.lower() not in known
    ]


def known_addresses(suggestion: Suggestion) -> set[str]:
    """In lower case: those of the lead or client, of their contacts, and of who takes part in the conversation."""
    known: set[str] = set()
    for who, field in ((suggestion.lead, "contact_email"), (suggestion.client, "email")):
        if who is not None and getattr(who, field):
            known.add(getattr(who, field).lower())
    mine = Q()
    if suggestion.lead_id:
        mine |= Q(lead_links__lead=suggestion.lead_id)
    if suggestion.client_id:
        mine |= Q(client_links__client=suggestion.client_id)
    if mine:
        known.update(Contact.objects.filter(mine).values_list(Lower("email"), flat=True))
    if suggestion.thread_id:
        known.update(address.lower() for address in suggestion.thread.participant_emails)
    return known


def whom(suggestion: Suggestion) -> Lead | Client | str:
    return suggestion.lead or suggestion.client or "anybody here"
