"""What the checks of a suggestion compare it with: its lead or client, the conversation, and other customers.

Each fact is loaded at most once, and only when something in the text makes it matter.
"""

import json
from collections.abc import Iterable
from dataclasses import dataclass
from decimal import Decimal
from functools import cached_property, reduce
from operator import or_
from typing import Any

from django.conf import settings
from django.db.models import CharField, F, Func, Q, QuerySet, TextField, Value
from django.db.models.functions import Cast, Lower

from crm.models import Client, Contact, ContactClient
from crm.text.addresses import agency_domain
from crm.text.freemail import business_domain
from crm.text.links import extract_links, link_host, normalize_host
from crm.text.numbers import extract_numbers
from crm.text.phones import extract_phones, phone_digits
from inbox.models import Direction, Message, MessageState
from inbox.models.email_template import EmailTemplate
from leads.models import ContactLead, Lead
from suggestions.models import Suggestion

# Limits: the newest messages of a conversation, templates, and rows of a search.
MAX_MESSAGES_READ, MAX_TEMPLATES_READ, MAX_CUSTOMER_MATCHES = 50, 200, 50
LEAD_FACT_FIELDS = ("auto_data", "home_data", "line_data", "additional_insureds", "communications", "custom_fields")


@dataclass(frozen=True)
class OtherCustomer:
    """A lead, client or contact (`table`) other than the one that the suggestion is for."""

    table: str
    names: frozenset[str]
    email: str
    search_text: str


class PolicyContext:
    """What is known about the customer of `suggestion`; `recipients` are the addresses it would write to."""

    def __init__(self, suggestion: Suggestion, recipients: Iterable[str] = ()) -> None:
        self.suggestion = suggestion
        self.recipients = sorted({address.lower() for address in recipients})

    @property
    def customer(self) -> str:
        """The customer, without a name: a reader of the sentence may not be allowed to see the record."""
        return "the lead" if self.suggestion.lead else "the client" if self.suggestion.client else "the customer"

    @property
    def subject(self) -> str:
        """Return the subject of the conversation; empty if there is none."""
        return self.suggestion.thread.subject if self.suggestion.thread else ""

    # The customer

    @cached_property
    def contacts(self) -> list[dict[str, Any]]:
        """Return the contacts of the lead and the client: key, name, email address, telephone number."""
        links = []
        if self.suggestion.lead_id:
            links.append(ContactLead.objects.filter(lead=self.suggestion.lead_id).values_list("contact"))
        if self.suggestion.client_id:
            links.append(ContactClient.objects.filter(client=self.suggestion.client_id).values_list("contact"))
        if not links:
            return []
        own_contacts = links[0] if len(links) == 1 else links[0].union(links[1])
        return list(Contact.objects.filter(pk__in=own_contacts).values("pk", "name", "email", "phone"))

    @cached_property
    def addresses(self) -> set[str]:
        """Return the addresses of the lead, the client, their contacts and the participants, in lower case."""
        lead, client, thread = self.suggestion.lead, self.suggestion.client, self.suggestion.thread
        found = [lead.contact_email if lead else "", client.email if client else ""]
        found += [contact["email"] for contact in self.contacts]
        found += thread.participant_emails if thread else []
        return {address.lower() for address in found if address}

    @cached_property
    def names(self) -> set[str]:
        """Return the names of the lead, the client and their contacts, in lower case."""
        lead, client = self.suggestion.lead, self.suggestion.client
        found = [lead.contact_name, lead.company_name] if lead else []
        found += [client.name] if client else []
        return {" ".join(name.lower().split()) for name in [*found, *(c["name"] for c in self.contacts)] if name}

    @cached_property
    def phones(self) -> set[str]:
        """Return the digits of the telephone numbers of the lead, the client and their contacts."""
        lead, client = self.suggestion.lead, self.suggestion.client
        found = [lead.contact_phone if lead else "", client.phone if client else ""]
        found += [contact["phone"] for contact in self.contacts]
        return {phone_digits(phone) for phone in found if phone}

    # The texts on record

    @cached_property
    def texts_by_source(self) -> dict[str, list[str]]:
        """Return the texts of templates in use ("template") and of the conversation ("messages"), in one query.

        "emailed" holds the recipients that have been written to before.
        """
        templates = EmailTemplate.objects.filter(is_active=True).annotate(kind=Value("template"), text=F("body"))
        parts = [templates.values_list("kind", "text")[:MAX_TEMPLATES_READ]]
        if self.suggestion.thread_id:
            messages = Message.objects.filter(thread=self.suggestion.thread_id).order_by("-sent_at", "-id")
            parts.append(messages.annotate(kind=Value("messages"), text=F("body_text")).values_list("kind", "text"))
            parts[-1] = parts[-1][:MAX_MESSAGES_READ]
        if self.recipients:
            parts.append(self.emailed_addresses_query())
        found: dict[str, list[str]] = {"template": [], "messages": [], "emailed": []}
        for kind, text in parts[0].union(*parts[1:], all=True):
            found[kind].append(text)
        return found

    def emailed_addresses_query(self) -> QuerySet:
        """Return a query for the recipients' addresses to which a message was sent before, each once."""
        addresses = [*self.recipients, *(one for one in self.raw_recipients if one not in self.recipients)]
        sent = Message.objects.filter(
            direction=Direction.OUT,
            state=MessageState.SENT,
            thread__deleted_at__isnull=True,
            thread__participant_emails__overlap=addresses,
        )
        each = Func(Func(F("to_emails"), F("cc_emails"), function="array_cat"), function="unnest")
        rows = sent.annotate(kind=Value("emailed"), text=Lower(Cast(each, TextField())))
        return rows.values_list("kind", "text").distinct()

    @property
    def raw_recipients(self) -> list[str]:
        """Return the recipients as the conversation spells them, which may be in upper case."""
        thread = self.suggestion.thread
        return [one for one in (thread.participant_emails if thread else []) if one.lower() in self.recipients]

    @cached_property
    def emailed_addresses(self) -> set[str]:
        return set(self.texts_by_source["emailed"])

    @cached_property
    def known_numbers(self) -> set[Decimal]:
        """Return every number on the lead, on the client, in the conversation and in the templates."""
        lead, client = self.suggestion.lead, self.suggestion.client
        texts = list(self.texts_by_source["messages"]) + self.texts_by_source["template"]
        if lead is not None:
            facts = [getattr(lead, name) for name in LEAD_FACT_FIELDS]
            texts += [lead.notes, str(lead.estimated_value or ""), json.dumps(facts, default=str)]
        if client is not None:
            texts += [client.notes, json.dumps(client.custom_fields, default=str)]
        return set().union(*(extract_numbers(text) for text in texts))

    @cached_property
    def mentioned_phones(self) -> str:
        """Return the digits of every telephone number in the conversation and the templates, one a line."""
        texts = [*self.texts_by_source["messages"], *self.texts_by_source["template"]]
        return "\n".join("\n".join(extract_phones(text)) for text in texts)

    # Known hosts

    @cached_property
    def template_links(self) -> set[str]:
        return {link for text in self.texts_by_source["template"] for link in extract_links(text)}

    @cached_property
    def hosts(self) -> set[str]:
        """Return the hosts of the agency and of the customer, which need no query."""
        lead, client = self.suggestion.lead, self.suggestion.client
        addresses = [lead.contact_email if lead else "", client.email if client else ""]
        domains = [*settings.KNOWN_HOSTS, agency_domain(), *map(business_domain, addresses)]
        website = link_host(lead.company_website) if lead and lead.company_website else ""
        return {website, *map(normalize_host, domains)} - {""}

    @cached_property
    def template_hosts(self) -> set[str]:
        return set(map(link_host, self.template_links)) - {""}

    # Other customers

    def find_other_customers(
        self, names: list[str], singles: list[str], addresses: list[str], phones: list[str]
    ) -> list[OtherCustomer]:
        """Return the other leads, clients and contacts that have one of these; the search index finds them."""
        own_keys = {"lead": self.suggestion.lead_id, "client": self.suggestion.client_id}
        parts = []
        for table, model, fields in (
            ("lead", Lead, ("contact_name", "company_name")),
            ("client", Client, ("name",)),
            ("contact", Contact, ("name",)),
        ):
            condition = matches_any(fields, email_field_of(model), names, addresses, phones)
            if table == "client" and singles:
                condition |= Q(name__in=singles)
            rows = model.objects.filter(condition)
            if own_keys.get(table):
                rows = rows.exclude(pk=own_keys[table])
            parts.append(as_customer_rows(rows, table, fields, email_field_of(model))[:MAX_CUSTOMER_MATCHES])
        found = [
            OtherCustomer(table, frozenset({one.lower(), two.lower()} - {""}), address, text)
            for table, one, two, address, text in parts[0].union(*parts[1:], all=True)
        ]
        # An older lead of the same person is not another customer.
        return [other for other in found if other.email not in self.addresses or not other.email]


def email_field_of(model: type[Lead | Client | Contact]) -> str:
    return "contact_email" if model is Lead else "email"


def matches_any(fields: tuple[str, ...], email: str, names: list[str], addresses: list[str], phones: list[str]) -> Q:
    """Return the condition that a row has one of these in full; the search index serves each part."""
    conditions = []
    for name in names:
        exact_name = reduce(or_, (Q(**{f"{field}__iexact": name}) for field in fields))
        conditions.append(Q(search_text__contains=name) & exact_name)
    conditions += [Q(search_text__contains=address) & Q(**{f"{email}__iexact": address}) for address in addresses]
    conditions += [Q(search_text__contains=digits[-10:]) for digits in phones]
    return reduce(or_, conditions, Q(pk__in=[]))


def as_customer_rows(rows: QuerySet, table: str, fields: tuple[str, ...], email: str) -> QuerySet:
    second = F(fields[1]) if len(fields) > 1 else Value("", output_field=CharField())
    rows = rows.annotate(
        table=Value(table), one=F(fields[0]), two=second, lower_email=Lower(email), text=F("search_text")
    )
    return rows.values_list("table", "one", "two", "lower_email", "text").order_by()
