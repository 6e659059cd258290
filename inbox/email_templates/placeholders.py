"""Placeholders in an email, such as `{{lead_name}}`, their values for a recipient, and gaps such as `[[your answer]]`.

Plain substitution from a fixed list and the definitions of custom fields. The values are not searched for placeholders
again. An unknown placeholder, or one without a value, blocks sending, and so does a gap: a person fills it in.
"""

import re
from collections.abc import Iterable, Mapping

from crm.exceptions import InvalidInput
from crm.models import Client, ClientType, User
from crm.records.local_time import agency_style, agency_today
from crm.templatetags.crm import money
from crm.text.addresses import agency_sender
from crm.text.names import first_name
from inbox.email_templates.custom_placeholders import CUSTOM_PREFIX, custom_meanings, custom_values
from leads.models import Lead

PLACEHOLDER_MEANINGS = {
    "lead_name": "The name of the lead or client",
    "first_name": "Their first name",
    "company_name": "The name of their company",
    "line": "The line of insurance they want",
    "estimated_value": "The estimated value of the lead, such as $1,240",
    "sender_name": "The name of the sender",
    "sender_email": "The email address of the sender",
    "agency_name": "The name of our agency",
    "today": "The date of approval, such as 3 November 2026",
}
PLACEHOLDER_PATTERN = re.compile(r"\{\{([^{}]*)\}\}")
GAP_PATTERN = re.compile(r"\[\[([^\[\]\n]{1,100})\]\]")
MAX_SHOWN_PLACEHOLDER_LENGTH, MAX_SHOWN_PLACEHOLDERS = 40, 5


def fill_placeholders(text: str, values: Mapping[str, str]) -> str:
    """Return `text` with its placeholders replaced by `values`.

    Raises:
        InvalidInput: a placeholder is unknown or has no value; the message names each.
    """
    check_placeholders(text)
    empty = [name for name in find_placeholders(text) if not values.get(name, "").strip()]
    if empty:
        meanings = known_meanings(empty)
        missing = ", ".join(f"{{{{{name}}}}} ({meanings[name].lower()})" for name in empty)
        raise InvalidInput(f"No value for {missing}. Fill it in by hand, or remove the placeholder.")
    return PLACEHOLDER_PATTERN.sub(lambda match: values[match[1].strip()], text)


def fill_known_placeholders(text: str, values: Mapping[str, str]) -> str:
    """Return `text` with the placeholders that have a value replaced; the others stay visible."""
    return PLACEHOLDER_PATTERN.sub(lambda match: values.get(match[1].strip(), "").strip() or match[0], text)


def check_placeholders(text: str) -> None:
    """Check that every placeholder in `text` exists.

    Raises:
        InvalidInput: one does not; the message names it.
    """
    names = find_placeholders(text)
    known = known_meanings(names)
    unknown = [name for name in names if name not in known]
    if unknown:
        shown = ", ".join(
            f"“{{{{{name[:MAX_SHOWN_PLACEHOLDER_LENGTH]}}}}}”" for name in unknown[:MAX_SHOWN_PLACEHOLDERS]
        )
        offered = f"{', '.join(PLACEHOLDER_MEANINGS)}, or {CUSTOM_PREFIX} with the key of a custom field"
        raise InvalidInput(f"Unknown placeholder {shown}. Use one of: {offered}.")
    if "{{" in PLACEHOLDER_PATTERN.sub("", text):
        raise InvalidInput("A “{{” is not closed by “}}”.")


def known_meanings(names: Iterable[str]) -> dict[str, str]:
    """Return what those of `names` that are placeholders stand for."""
    return {**PLACEHOLDER_MEANINGS, **custom_meanings(names)}


def find_placeholders(text: str) -> list[str]:
    """Return the names of the placeholders in `text`, each once."""
    return list(dict.fromkeys(match[1].strip() for match in PLACEHOLDER_PATTERN.finditer(text)))


def find_gaps(text: str) -> list[str]:
    """Return what `text` leaves for a person to fill in, each once."""
    return list(dict.fromkeys(match[1].strip() for match in GAP_PATTERN.finditer(text)))


def placeholder_values(recipient: Lead | Client, sender: User | None) -> dict[str, str]:
    """Return the value of every placeholder, for an email from `sender` to `recipient`."""
    return {
        **(lead_values(recipient) if isinstance(recipient, Lead) else client_values(recipient)),
        **custom_values(recipient, sender),
        **sender_values(sender),
    }


def sender_values(sender: User | None) -> dict[str, str]:
    """Return the values that do not depend on the recipient; without a `sender` the agency is the sender."""
    return {
        "sender_name": str(sender) if sender else agency_sender()[0],
        "sender_email": (sender.email if sender else "") or agency_sender()[1],
        "agency_name": agency_sender()[0],
        "today": agency_style().long_day(agency_today()),
    }


def lead_values(lead: Lead) -> dict[str, str]:
    return {
        "lead_name": lead.contact_name or lead.company_name,
        "first_name": lead_first_name(lead),
        "company_name": lead.company_name,
        "line": lead.insurance_type.name if lead.insurance_type else "",
        "estimated_value": money(lead.estimated_value),
    }


def lead_first_name(lead: Lead) -> str:
    """Return the first name of the contact person; "" where none is certain."""
    is_company = lead.contact_name.casefold() == lead.company_name.casefold()
    return "" if is_company else first_name(lead.contact_name)


def client_values(client: Client) -> dict[str, str]:
    business = client.client_type == ClientType.BUSINESS
    return {
        "lead_name": client.name,
        "first_name": "" if business else first_name(client.name),
        "company_name": client.name if business else "",
        "line": "",
        "estimated_value": "",
    }
