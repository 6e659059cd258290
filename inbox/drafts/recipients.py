"""Whom a person writes to: addresses as people type them, and which of them nobody knows yet."""

import re
from collections.abc import Iterable, Mapping

from django.db.models import CharField, F, Func
from django.db.models.functions import Lower

from crm.models import Client, Contact, ContactClient
from crm.text.addresses import addresses
from inbox.drafts.replies import ours_among
from inbox.models import Direction, Message, MessageState, Thread
from leads.models import ContactLead, Lead

# A comma within quotation marks belongs to a name.
PARTS = re.compile(r'(?:"[^"]*"|[^,;\n"]|")+')
NAMED = re.compile(r"[^<>]*<([^<>]*)>\s*")


def addresses_in(text: str) -> list[str]:
    """The addresses in `text`, with commas, semicolons or line ends between them; names before them are left out.

    Raises:
        BadInput: one of them is none, or there are too many.
    """
    parts = (part.strip(" \t\r") for part in PARTS.findall(text))
    return addresses(named[1] if (named := NAMED.fullmatch(part)) else part for part in parts if part)


def unknown(
    asked: Iterable[str], *, thread: Thread | None = None, lead: Lead | None = None, client: Client | None = None
) -> list[str]:
    """Those of `asked` that were never written to, and are known neither of whom it is for nor in the conversation."""
    left = {one.lower(): one for one in asked}
    known = {lead.contact_email if lead else "", client.email if client else ""}
    known.update(thread.participant_emails if thread else ())
    # Each is asked of the database only for what those before it have left.
    for more in (lambda: (), lambda: contacts_of(lead, client), lambda: ours_among(left), lambda: written_to(left)):
        known.update(more())
        for one in known:
            left.pop(one.lower(), None)
        if not left:
            break
    return list(left.values())


def contacts_of(lead: Lead | None, client: Client | None) -> set[str]:
    """The addresses of whoever belongs to the lead or the client."""
    links = []
    if lead is not None:
        links.append(ContactLead.objects.filter(lead=lead).values_list("contact"))
    if client is not None:
        links.append(ContactClient.objects.filter(client=client).values_list("contact"))
    if not links:
        return set()
    theirs = links[0] if len(links) == 1 else links[0].union(links[1])
    return set(Contact.objects.filter(pk__in=theirs).values_list("email", flat=True))


def written_to(asked: Mapping[str, str]) -> set[str]:
    """Those of `asked`, addresses by how they are in lower case, to which something was ever sent."""
    sent = Message.objects.filter(
        direction=Direction.OUT,
        state=MessageState.SENT,
        thread__deleted_at__isnull=True,
        thread__participant_emails__overlap=[*asked, *asked.values()],
    )
    each = Func(Func(F("to_emails"), F("cc_emails"), function="array_cat"), function="unnest", output_field=CharField())
    return set(asked) & set(sent.annotate(each=Lower(each)).values_list("each", flat=True).distinct())
