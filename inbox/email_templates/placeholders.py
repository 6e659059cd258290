"""The gaps of a mail: `{{lead_name}}` and the like are filled in, once, for whom it is written to.

Plain substitution from a fixed list. What is filled in is never looked through again, and an unknown gap, or one for
which there is nothing, keeps the mail from going out.
"""

import re
from collections.abc import Mapping

from django.utils import timezone

from crm.exceptions import BadInput
from crm.models import Client, ClientType, User
from crm.templatetags.crm import money
from crm.text.addresses import house
from leads.models import Lead

MEANINGS = {
    "lead_name": "The name of the lead or client",
    "first_name": "Their first name",
    "company_name": "The name of their company",
    "line": "The line of insurance they want",
    "estimated_value": "What the lead may be worth, such as $1,240",
    "sender_name": "The name of whoever lets the mail go out",
    "sender_email": "The mail address of whoever lets the mail go out",
    "agency_name": "The name of our agency",
    "today": "The day on which it is approved, such as 3 November 2026",
}
OF_SENDER = frozenset({"sender_name", "sender_email"})
GAP = re.compile(r"\{\{([^{}]*)\}\}")
TITLES = frozenset({"mr", "mrs", "ms", "miss", "dr", "prof"})
LONGEST_NAMED, MOST_NAMED = 40, 5


def filled(text: str, values: Mapping[str, str]) -> str:
    """`text` with its gaps filled in from `values`, which holds every placeholder that is known.

    Raises:
        BadInput: a gap is unknown, or there is nothing to fill it with; the sentence names each.
    """
    refuse_unknown(text)
    empty = [name for name in names_in(text) if not values.get(name, "").strip()]
    if empty:
        known = ", ".join(f"{{{{{name}}}}} ({MEANINGS[name].lower()})" for name in empty)
        raise BadInput(f"There is nothing to fill in for {known}.")
    return GAP.sub(lambda found: values[found[1].strip()], text)


def as_far_as_known(text: str, values: Mapping[str, str]) -> str:
    """`text` with those gaps filled in for which there is something; the others stay, to be seen."""
    return GAP.sub(lambda found: values.get(found[1].strip(), "").strip() or found[0], text)


def refuse_unknown(text: str) -> None:
    """Refuse a text with a gap that nobody could fill in.

    Raises:
        BadInput: the sentence names the gaps.
    """
    unknown = [name for name in names_in(text) if name not in MEANINGS]
    if unknown:
        shown = ", ".join(f"“{{{{{name[:LONGEST_NAMED]}}}}}”" for name in unknown[:MOST_NAMED])
        raise BadInput(f"There is no placeholder {shown}. There are {', '.join(MEANINGS)}.")
    if "{{" in GAP.sub("", text):
        raise BadInput("A “{{” has no “}}” behind it.")


def names_in(text: str) -> list[str]:
    """What stands in the gaps of `text`, each once."""
    return list(dict.fromkeys(found[1].strip() for found in GAP.finditer(text)))


def values_for(whom: Lead | Client, sender: User | None) -> dict[str, str]:
    """What the gaps are filled in with, in a mail from `sender` to `whom`."""
    return {**(of_lead(whom) if isinstance(whom, Lead) else of_client(whom)), **of_sender(sender)}


def of_sender(sender: User | None) -> dict[str, str]:
    return {
        "sender_name": str(sender) if sender else house()[0],
        "sender_email": (sender.email if sender else "") or house()[1],
        "agency_name": house()[0],
        "today": f"{timezone.localdate():%-d %B %Y}",
    }


def of_lead(lead: Lead) -> dict[str, str]:
    return {
        "lead_name": lead.contact_name or lead.company_name,
        "first_name": first_name(lead.contact_name),
        "company_name": lead.company_name,
        "line": lead.insurance_type.name if lead.insurance_type else "",
        "estimated_value": money(lead.estimated_value),
    }


def of_client(client: Client) -> dict[str, str]:
    business = client.client_type == ClientType.BUSINESS
    return {
        "lead_name": client.name,
        "first_name": "" if business else first_name(client.name),
        "company_name": client.name if business else "",
        "line": "",
        "estimated_value": "",
    }


def first_name(name: str) -> str:
    """The first word of `name` that is no title."""
    words = name.split()
    while len(words) > 1 and words[0].lower().rstrip(".") in TITLES:
        words.pop(0)
    return words[0] if words else ""
