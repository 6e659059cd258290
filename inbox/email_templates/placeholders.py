"""The gaps of a mail: `{{lead_name}}` and the like are filled in, once, for whom it is written to.

Plain substitution from a fixed list. What is filled in is never looked through again, and an unknown gap, or one for
which there is nothing, keeps the mail from going out.
"""

import re
from collections.abc import Mapping

from django.utils import timezone

from crm.exceptions import InvalidInput
from crm.models import Client, ClientType, User
from crm.templatetags.crm import money
from crm.text.addresses import agency_sender
from leads.models import Lead

PLACEHOLDER_MEANINGS = {
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
SENDER_PLACEHOLDERS = frozenset({"sender_name", "sender_email"})
PLACEHOLDER_PATTERN = re.compile(r"\{\{([^{}]*)\}\}")
HONORIFICS = frozenset({"mr", "mrs", "ms", "miss", "dr", "prof"})
MAX_SHOWN_PLACEHOLDER_LENGTH, MAX_SHOWN_PLACEHOLDERS = 40, 5


def fill_placeholders(text: str, values: Mapping[str, str]) -> str:
    """`text` with its gaps filled in from `values`, which holds every placeholder that is known.

    Raises:
        InvalidInput: a gap is unknown, or there is nothing to fill it with; the sentence names each.
    """
    check_placeholders(text)
    empty = [name for name in find_placeholders(text) if not values.get(name, "").strip()]
    if empty:
        missing = ", ".join(f"{{{{{name}}}}} ({PLACEHOLDER_MEANINGS[name].lower()})" for name in empty)
        raise InvalidInput(f"There is nothing to fill in for {missing}.")
    return PLACEHOLDER_PATTERN.sub(lambda match: values[match[1].strip()], text)


def fill_known_placeholders(text: str, values: Mapping[str, str]) -> str:
    """`text` with those gaps filled in for which there is something; the others stay, to be seen."""
    return PLACEHOLDER_PATTERN.sub(lambda match: values.get(match[1].strip(), "").strip() or match[0], text)


def check_placeholders(text: str) -> None:
    """Refuse a text with a gap that nobody could fill in.

    Raises:
        InvalidInput: the sentence names the gaps.
    """
    unknown = [name for name in find_placeholders(text) if name not in PLACEHOLDER_MEANINGS]
    if unknown:
        shown = ", ".join(
            f"“{{{{{name[:MAX_SHOWN_PLACEHOLDER_LENGTH]}}}}}”" for name in unknown[:MAX_SHOWN_PLACEHOLDERS]
        )
        raise InvalidInput(f"There is no placeholder {shown}. There are {', '.join(PLACEHOLDER_MEANINGS)}.")
    if "{{" in PLACEHOLDER_PATTERN.sub("", text):
        raise InvalidInput("A “{{” has no “}}” behind it.")


def find_placeholders(text: str) -> list[str]:
    """What stands in the gaps of `text`, each once."""
    return list(dict.fromkeys(match[1].strip() for match in PLACEHOLDER_PATTERN.finditer(text)))


def placeholder_values(recipient: Lead | Client, sender: User | None) -> dict[str, str]:
    """What the gaps are filled in with, in a mail from `sender` to `recipient`."""
    return {
        **(lead_values(recipient) if isinstance(recipient, Lead) else client_values(recipient)),
        **sender_values(sender),
    }


def sender_values(sender: User | None) -> dict[str, str]:
    return {
        "sender_name": str(sender) if sender else agency_sender()[0],
        "sender_email": (sender.email if sender else "") or agency_sender()[1],
        "agency_name": agency_sender()[0],
        "today": f"{timezone.localdate():%-d %B %Y}",
    }


def lead_values(lead: Lead) -> dict[str, str]:
    return {
        "lead_name": lead.contact_name or lead.company_name,
        "first_name": first_name(lead.contact_name),
        "company_name": lead.company_name,
        "line": lead.insurance_type.name if lead.insurance_type else "",
        "estimated_value": money(lead.estimated_value),
    }


def client_values(client: Client) -> dict[str, str]:
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
    while len(words) > 1 and words[0].lower().rstrip(".") in HONORIFICS:
        words.pop(0)
    return words[0] if words else ""
