"""The participants of emails: which addresses are ours, and which belong to leads or clients."""

import re
from collections.abc import Collection, Iterable
from dataclasses import replace
from functools import lru_cache

from django.db.models.functions import Lower

from crm.models import Client, Contact, ContactClient, User
from crm.records.base import Record
from crm.text.addresses import agency_sender
from crm.text.freemail import business_domain
from inbox.incoming.parsing import ParsedEmail
from inbox.models import Mailbox, Message
from leads.models import Lead

# Addresses that forms send from: no person reads what is sent to them.
FORM_SENDER = re.compile(
    r"(?:(?:no|do[-_.]?not)[-_.]?reply|wordpress|(?:web|contact)?[-_.]?forms?|form[-_.]?(?:submissions?|mailer)"
    r"|notifications?|webserver|apache|www-data)(?:[-_.+][^@]*)?@",
    re.IGNORECASE,
)
NO_REPLY_SENDER = re.compile(r"(?:no|do[-_.]?not)[-_.]?reply", re.IGNORECASE)


def our_addresses() -> frozenset[str]:
    """Return, in lower case, the addresses of the mailboxes, the staff and the agency."""
    boxes = Mailbox.everything.annotate(low=Lower("address")).values_list("low", flat=True)
    staff = User.objects.exclude(email="").annotate(low=Lower("email")).values_list("low", flat=True)
    return frozenset([*boxes, *staff, agency_sender()[1].lower()])


def attribute_sender(mail: ParsedEmail, own_addresses: frozenset[str]) -> ParsedEmail:
    """Return `mail` with the person to be answered as its sender, if a form sent it for that person.

    A form sends to us from our own address or from one that no person reads, with the person in Reply-To. What goes
    from our own address to an outside person is our own email, and keeps its sender.
    """
    person = mail.reply_to
    if not person or person == mail.from_email or person in own_addresses or NO_REPLY_SENDER.match(person):
        return mail
    recipients = {*mail.to, *mail.cc} - {person}
    is_to_us_alone = bool(recipients) and recipients <= own_addresses
    if mail.from_email in own_addresses or business_domain(mail.from_email) in business_domains(own_addresses):
        is_form = is_to_us_alone
    else:
        is_form = bool(FORM_SENDER.match(mail.from_email)) and not {"list-id", "list-unsubscribe"} & mail.headers.keys()
    if not is_form:
        return mail
    return replace(mail, from_email=person, from_name=mail.reply_to_name, form_address=mail.from_email)


@lru_cache(8)
def business_domains(addresses: frozenset[str]) -> frozenset[str]:
    """Return the company domains of `addresses`; free email domains belong to no company."""
    return frozenset(map(business_domain, addresses)) - {""}


def external_participants(message: Message, own_addresses: frozenset[str]) -> list[str]:
    """Return the participants of `message` outside the agency."""
    people = dict.fromkeys((message.from_email, *message.to_emails, *message.cc_emails))
    return [one for one in people if one and one not in own_addresses]


class OwnerLookup:
    """The live leads and clients that own addresses, loaded for many addresses at once."""

    def __init__(self, addresses: Collection[str]) -> None:
        self.owners_by_address: dict[str, dict[Record, None]] = {}
        # An empty address belongs to no one, though many records have one.
        addresses = {one for one in addresses if one}
        if not addresses:
            return
        clients, contacts = Client.objects.with_addresses(addresses), Contact.objects.with_addresses(addresses)
        through = ContactClient.objects.filter(contact__in=list(contacts), client__deleted_at=None)
        leads = Lead.objects.open().with_addresses(addresses)
        for client in clients:
            self.add_owner(client.email, client)
        for row in through.select_related("contact", "client"):
            self.add_owner(row.contact.email, row.client)
        for lead in leads:
            self.add_owner(lead.contact_email, lead)

    def add_owner(self, address: str, owner: Record) -> None:
        self.owners_by_address.setdefault(address.lower(), {})[owner] = None

    def find_owner(self, addresses: Iterable[str]) -> Record | None:
        """Return the only owner of `addresses`; None if there is no owner or more than one."""
        owners = {owner for one in addresses for owner in self.owners_by_address.get(one, ())}
        return owners.pop() if len(owners) == 1 else None
