"""The recipients of a draft: parsing typed addresses, and finding unknown ones."""

import re
from collections.abc import Iterable, Mapping

from django.db.models import CharField, F, Func
from django.db.models.functions import Lower

from crm.models import Client, Contact, ContactClient
from crm.text.addresses import clean_addresses, sendable_address
from inbox.drafts.replies import find_our_addresses
from inbox.models import Direction, Message, MessageState, Thread
from leads.models import ContactLead, Lead

# A comma within quotation marks is part of a name.
RECIPIENT_PARTS = re.compile(r'(?:"[^"]*"|[^,;\n"]|")+')
NAME_AND_ADDRESS = re.compile(r"[^<>]*<([^<>]*)>\s*")


def parse_typed_addresses(text: str) -> list[str]:
    """Return the addresses in `text`, separated by commas, semicolons or line breaks, without names.

    Raises:
        InvalidInput: an address is not valid, or there are too many.
    """
    parts = (part.strip(" \t\r") for part in RECIPIENT_PARTS.findall(text))
    return clean_addresses(match[1] if (match := NAME_AND_ADDRESS.fullmatch(part)) else part for part in parts if part)


def find_unknown_addresses(
    recipients: Iterable[str], *, thread: Thread | None = None, lead: Lead | None = None, client: Client | None = None
) -> list[str]:
    """Return the recipients that were never emailed and do not belong to the thread, the lead, the client or us."""
    remaining = {one.lower(): one for one in recipients}
    known = {lead.contact_email if lead else "", client.email if client else ""}
    known.update(map(sendable_address, thread.participant_emails if thread else ()))
    # Each query runs only for the addresses that the previous ones left unknown.
    for load_known in (
        lambda: (),
        lambda: contact_addresses(lead, client),
        lambda: find_our_addresses(remaining),
        lambda: previously_emailed(remaining),
    ):
        known.update(map(sendable_address, load_known()))
        for one in known:
            remaining.pop(one.lower(), None)
        if not remaining:
            break
    return list(remaining.values())


def contact_addresses(lead: Lead | None, client: Client | None) -> set[str]:
    """Return the addresses of the contacts of the lead and the client."""
    links = []
    if lead is not None:
        links.append(ContactLead.objects.filter(lead=lead).values_list("contact"))
    if client is not None:
        links.append(ContactClient.objects.filter(client=client).values_list("contact"))
    if not links:
        return set()
    contact_ids = links[0] if len(links) == 1 else links[0].union(links[1])
    return set(Contact.objects.filter(pk__in=contact_ids).values_list("email", flat=True))


def previously_emailed(recipients: Mapping[str, str]) -> set[str]:
    """Return those of `recipients` (keys in lower case) that were emailed before."""
    sent_messages = Message.objects.filter(
        direction=Direction.OUT,
        state=MessageState.SENT,
        thread__deleted_at__isnull=True,
        thread__participant_emails__overlap=[*recipients, *recipients.values()],
    )
    each = Func(Func(F("to_emails"), F("cc_emails"), function="array_cat"), function="unnest", output_field=CharField())
    return set(recipients) & set(sent_messages.annotate(each=Lower(each)).values_list("each", flat=True).distinct())
