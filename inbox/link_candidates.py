"""To whom a conversation could belong, and with which it could be one: by who takes part, or by a search."""

from dataclasses import dataclass

from django.db.models import Q, QuerySet
from django.db.models.functions import Lower
from django.http import HttpRequest

from crm.filters import SHORTEST_SEARCH, ClientFilter
from crm.models import Client, Contact, ContactClient
from inbox.filters import ThreadFilter
from inbox.models import LAST_SAID, Thread
from inbox.transitions.split_join import why_not_one
from leads.filters import LeadFilter
from leads.models import ContactLead, Lead

SHOWN = 10


@dataclass(frozen=True)
class Candidate:
    """A lead or client to link to; `kind` is the name of the column that would point to it."""

    kind: str
    record: Lead | Client
    about: str


def candidates(request: HttpRequest, thread: Thread, words: str) -> list[Candidate]:
    """Whom `words` find, or without words whose address takes part; only what the user may see and is not linked."""
    clients = Client.objects.visible_to(request.user)
    leads = Lead.objects.visible_to(request.user).select_related("status", "assigned_to")
    if words:
        clients, leads = searched(request, clients, leads, words)
    else:
        clients, leads = by_address(thread, clients, leads)
    clients, leads = clients.exclude(pk=thread.client_id), leads.exclude(pk=thread.lead_id)
    return [
        *(Candidate("client", one, f"Client · {one.email}".strip(" ·")) for one in clients[:SHOWN]),
        *(Candidate("lead", one, " · ".join(about(one))) for one in leads[:SHOWN]),
    ]


def about(lead: Lead) -> list[str]:
    """What tells `lead` from another of the same name."""
    owner = f"owner {lead.assigned_to}" if lead.assigned_to else "nobody's"
    return [part for part in ("Lead", str(lead.status), lead.contact_email, owner) if part]


def searched(
    request: HttpRequest, clients: QuerySet[Client], leads: QuerySet[Lead], words: str
) -> tuple[QuerySet[Client], QuerySet[Lead]]:
    if len(words) < SHORTEST_SEARCH:
        return clients.none(), leads.none()
    return (
        ClientFilter({"q": words}, clients, request=request).qs,
        LeadFilter({"q": words}, leads, request=request).qs,
    )


def by_address(
    thread: Thread, clients: QuerySet[Client], leads: QuerySet[Lead]
) -> tuple[QuerySet[Client], QuerySet[Lead]]:
    """Clients and open leads to whom, or to whose contacts, an address that takes part belongs."""
    addresses = [address.lower() for address in thread.participant_emails]
    contacts = Contact.objects.alias(mail=Lower("email")).filter(mail__in=addresses).values("pk")
    # As lists, so that the database looks each up by its index instead of joining whole tables.
    their_clients = list(ContactClient.objects.filter(contact__in=contacts).values_list("client", flat=True))
    their_leads = list(ContactLead.objects.filter(contact__in=contacts).values_list("lead", flat=True))
    return (
        clients.alias(mail=Lower("email")).filter(Q(mail__in=addresses) | Q(pk__in=their_clients)),
        leads.open().alias(mail=Lower("contact_email")).filter(Q(mail__in=addresses) | Q(pk__in=their_leads)),
    )


def to_join(request: HttpRequest, thread: Thread, words: str) -> list[Thread]:
    """Conversations that could be joined to `thread`: what `words` find, or without words those of the same people."""
    others = Thread.objects.visible_to(request.user).filter(source=thread.source).exclude(pk=thread.pk)
    if thread.mailbox_id:
        others = others.filter(Q(mailbox=thread.mailbox_id) | Q(mailbox=None))
    others = others.select_related("lead", "client", "mailbox")
    if words:
        return found_to_join(request, others, words)
    sets = [others.filter(participant_emails__overlap=thread.participant_emails)] if thread.participant_emails else []
    sets += [others.filter(lead=thread.lead_id)] if thread.lead_id else []
    sets += [others.filter(client=thread.client_id)] if thread.client_id else []
    rows = {row.pk: row for some in sets for row in some.order_by(LAST_SAID.desc(), "-id")[:SHOWN]}
    near = sorted(rows.values(), key=lambda row: row.last_message_at or row.created_at, reverse=True)
    return [row for row in near if not why_not_one(thread, row)][:SHOWN]


def found_to_join(request: HttpRequest, others: QuerySet[Thread], words: str) -> list[Thread]:
    asked = ThreadFilter({"q": words}, others, request=request)
    if asked.form.errors:
        return []
    rows = asked.qs
    return list(rows.order_by("place")[:SHOWN] if asked.found else rows[:SHOWN])
