"""Who takes part in mails: which of them are we, and which are leads or clients."""

from collections.abc import Collection, Iterable

from django.db.models.functions import Lower

from crm.models import Client, Contact, ContactClient, User
from crm.records.base import Record
from crm.text.addresses import agency_sender
from inbox.models import Mailbox, Message
from leads.models import Lead


def our_addresses() -> frozenset[str]:
    """In lower case: the mailboxes, the staff, and the house."""
    boxes = Mailbox.everything.annotate(low=Lower("address")).values_list("low", flat=True)
    staff = User.objects.exclude(email="").annotate(low=Lower("email")).values_list("low", flat=True)
    return frozenset([*boxes, *staff, agency_sender()[1].lower()])


def external_participants(message: Message, own_addresses: frozenset[str]) -> list[str]:
    """Who takes part in `message` and is not one of us."""
    people = dict.fromkeys((message.from_email, *message.to_emails, *message.cc_emails))
    return [one for one in people if one and one not in own_addresses]


class OwnerLookup:
    """The live leads and clients to whom addresses belong; asked once for many."""

    def __init__(self, addresses: Collection[str]) -> None:
        self.owners_by_address: dict[str, dict[Record, None]] = {}
        if not addresses:
            return
        clients = Client.objects.alias(low=Lower("email")).filter(low__in=addresses)
        # Their indexes hold no empty addresses, and are used only by a query that asks for none.
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
        """The one that has one of `addresses`; None where nobody has, or more than one."""
        owners = {owner for one in addresses for owner in self.owners_by_address.get(one, ())}
        return owners.pop() if len(owners) == 1 else None
