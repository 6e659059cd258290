"""The participants of emails: which addresses are ours, and which belong to leads or clients."""

from collections.abc import Collection, Iterable

from django.db.models.functions import Lower

from crm.models import Client, Contact, ContactClient, User
from crm.records.base import Record
from crm.text.addresses import agency_sender
from inbox.models import Mailbox, Message
from leads.models import Lead


def our_addresses() -> frozenset[str]:
    """Return, in lower case, the addresses of the mailboxes, the staff and the agency."""
    boxes = Mailbox.everything.annotate(low=Lower("address")).values_list("low", flat=True)
    staff = User.objects.exclude(email="").annotate(low=Lower("email")).values_list("low", flat=True)
    return frozenset([*boxes, *staff, agency_sender()[1].lower()])


def external_participants(message: Message, own_addresses: frozenset[str]) -> list[str]:
    """Return the participants of `message` outside the agency."""
    people = dict.fromkeys((message.from_email, *message.to_emails, *message.cc_emails))
    return [one for one in people if one and one not in own_addresses]


class OwnerLookup:
    """The live leads and clients that own addresses, loaded for many addresses at once."""

    def __init__(self, addresses: Collection[str]) -> None:
        self.owners_by_address: dict[str, dict[Record, None]] = {}
        if not addresses:
            return
        clients = Client.objects.alias(low=Lower("email")).filter(low__in=addresses)
        # The indexes leave out empty addresses, so only a query that excludes them can use the indexes.
        contacts = Contact.objects.exclude(email="").alias(low=Lower("email")).filter(low__in=addresses)
        through = ContactClient.objects.filter(contact__in=list(contacts), client__deleted_at=None)
        leads = Lead.objects.open().exclude(contact_email="").alias(low=Lower("contact_email"))
        leads = leads.filter(low__in=addresses)
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
