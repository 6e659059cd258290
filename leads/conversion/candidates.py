"""Find the existing clients that a lead may be already.

A lead is compared by its address and those of its stakeholders, its phone number in any notation, the domain of a
business address, and its names. Each comparison reads a bounded number of rows by an index.
"""

from collections.abc import Iterable
from dataclasses import dataclass
from typing import Any

from django.db import models

from crm.models import Client, Contact, ContactClient
from crm.records.duplicates.matching import Identity
from crm.records.duplicates.spelling import SAME, compare_names, is_same_company
from crm.records.duplicates.spelling import name_key as key_of_name
from crm.records.people import name_key, phone_tail
from crm.text.freemail import business_domain
from crm.text.phones import PHONE_TAIL_LENGTH
from leads.models import Lead

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
    addresses = [lead.contact_email, *stakeholders.values_list("email", flat=True)]
    contacts = Contact.objects.with_addresses(addresses)
    links = ContactClient.objects.filter(contact__in=list(contacts.values_list("pk", flat=True)[:MAX_ROWS_PER_RULE]))
    linked = list(links.values_list("client", flat=True)[:MAX_ROWS_PER_RULE])
    own = clients.with_addresses(addresses)
    return [*own[:MAX_ROWS_PER_RULE], *clients.filter(pk__in=linked).exclude(pk__in=own.values("pk"))]


def clients_by_phone(clients: models.QuerySet[Client], lead: Lead) -> list[Client]:
    key = Identity.of(lead).phone_key
    if not key:
        return []
    rows = clients.alias(tail=phone_tail("phone")).filter(tail=key[-PHONE_TAIL_LENGTH:]).exclude(phone="")
    return [row for row in rows[:MAX_ROWS_PER_RULE] if Identity.of(row).phone_key == key]


def clients_by_name(clients: models.QuerySet[Client], lead: Lead) -> list[Client]:
    """Return the clients named as the company or the person of the lead, without regard to accents and case."""
    names = [name for name in (lead.contact_name, lead.company_name) if len(name) >= MIN_NAME_LENGTH]
    rows = clients.alias(key=name_key("name")).filter(key__in={key_of_name(name) for name in names})
    return [
        row
        for row in rows[:MAX_ROWS_PER_RULE]
        if any(compare_names(row.name, name) == SAME or is_same_company(row.name, name) for name in names)
    ]


def clients_by_domain(clients: models.QuerySet[Client], lead: Lead) -> Iterable[Client]:
    """Return the clients with an address of the same company; free email says nothing."""
    domain = business_domain(lead.contact_email)
    if not domain:
        return []
    rows = clients.filter(search_text__contains=f"@{domain}")[:MAX_ROWS_PER_RULE]
    return [row for row in rows if business_domain(row.email) == domain]
