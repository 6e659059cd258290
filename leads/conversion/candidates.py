"""Find the existing clients that a lead may be already.

A lead is compared by its address and those of its stakeholders, its phone number in any notation, the domain of a
business address, and its names. Each comparison reads a bounded number of rows by an index.
"""

from collections.abc import Iterable
from dataclasses import dataclass
from typing import Any

from django.conf import settings
from django.db import models
from django.db.models.functions import Lower

from crm.models import Client, Contact, ContactClient
from crm.text.freemail import business_domain
from crm.text.letters import plain_letters
from crm.text.phones import phone_digits, phone_key
from leads.models import Lead
from leads.models.lead import PHONE_TAIL_LENGTH

MAX_ROWS_PER_RULE = 25
MAX_CANDIDATES = 8
MIN_NAME_LENGTH = 3


@dataclass(frozen=True)
class ClientCandidate:
    """An existing client, and what it shares with the lead: “same address”."""

    client: Client
    reasons: tuple[str, ...]

    @property
    def description(self) -> str:
        """Return such as "Same address · lee@example.com"."""
        details = (", ".join(self.reasons).capitalize(), self.client.email, self.client.phone)
        return " · ".join(detail for detail in details if detail)


def find_client_candidates(user: Any, lead: Lead) -> list[ClientCandidate]:
    """Return the clients that `user` may see and that may be `lead`, best match first."""
    clients = Client.objects.visible_to(user)
    rules = {
        "same address": clients_by_address(clients, lead),
        "same phone": clients_by_phone(clients, lead),
        "same name": clients_by_name(clients, lead),
        "same email domain": clients_by_domain(clients, lead),
    }
    found: dict[Any, tuple[Client, list[str]]] = {}
    for reason, rows in rules.items():
        for row in rows:
            found.setdefault(row.pk, (row, []))[1].append(reason)
    candidates = [ClientCandidate(client, tuple(reasons)) for client, reasons in found.values()]
    # The order of the rules is that of their strength, and sorting keeps it.
    return sorted(candidates, key=lambda one: -len(one.reasons))[:MAX_CANDIDATES]


def clients_by_address(clients: models.QuerySet[Client], lead: Lead) -> list[Client]:
    """Return the clients with an address of the lead or of a stakeholder, their own or that of a contact."""
    stakeholders = Contact.objects.filter(lead_links__lead=lead, lead_links__deleted_at=None).exclude(email="")
    addresses = {address.lower() for address in (lead.contact_email, *stakeholders.values_list("email", flat=True))}
    addresses.discard("")
    if not addresses:
        return []
    contacts = Contact.objects.alias(lower=Lower("email")).filter(lower__in=addresses).exclude(email="")
    links = ContactClient.objects.filter(contact__in=list(contacts.values_list("pk", flat=True)[:MAX_ROWS_PER_RULE]))
    linked = list(links.values_list("client", flat=True)[:MAX_ROWS_PER_RULE])
    own = clients.alias(lower=Lower("email")).filter(lower__in=addresses)
    return [*own[:MAX_ROWS_PER_RULE], *clients.filter(pk__in=linked).exclude(pk__in=own.values("pk"))]


def clients_by_phone(clients: models.QuerySet[Client], lead: Lead) -> list[Client]:
    key = phone_key(lead.contact_phone, settings.PHONE_REGION)
    tail = (key or phone_digits(lead.contact_phone))[-PHONE_TAIL_LENGTH:]
    if len(tail) < PHONE_TAIL_LENGTH:
        return []
    # The text that is searched ends with the digits of the phone number.
    rows = clients.filter(search_text__contains=tail)[:MAX_ROWS_PER_RULE]
    return [row for row in rows if is_same_phone(row.phone, lead.contact_phone, key)]


def is_same_phone(phone: str, other: str, other_key: str) -> bool:
    if other_key:
        return phone_key(phone, settings.PHONE_REGION) == other_key
    return phone_digits(phone) == phone_digits(other)


def clients_by_name(clients: models.QuerySet[Client], lead: Lead) -> list[Client]:
    """Return the clients named as the company or the person of the lead, without regard to accents and case."""
    names = {plain_letters(name).strip() for name in (lead.company_name, lead.contact_name)}
    return [
        row
        for name in sorted(names)
        if len(name) >= MIN_NAME_LENGTH
        for row in clients.filter(search_text__contains=name)[:MAX_ROWS_PER_RULE]
        if plain_letters(row.name).strip() == name
    ]


def clients_by_domain(clients: models.QuerySet[Client], lead: Lead) -> Iterable[Client]:
    """Return the clients with an address of the same company; free email says nothing."""
    domain = business_domain(lead.contact_email)
    if not domain:
        return []
    rows = clients.filter(search_text__contains=f"@{domain}")[:MAX_ROWS_PER_RULE]
    return [row for row in rows if business_domain(row.email) == domain]
