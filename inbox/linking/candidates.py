"""Finds the leads and clients to link a conversation to, and the conversations to join it with."""

from dataclasses import dataclass

from django.db.models import Q, QuerySet
from django.http import HttpRequest

from crm.filters import ClientFilter
from crm.models import Client, Contact, ContactClient
from crm.screens.filters import MIN_SEARCH_LENGTH
from inbox.filters import ThreadFilter
from inbox.models import LAST_ACTIVITY, Thread
from inbox.transitions.split_join import reason_not_joinable
from leads.filters import LeadFilter
from leads.models import ContactLead, Lead

MAX_LINK_CANDIDATES = 10


@dataclass(frozen=True)
class Candidate:
    """A lead or client to link to; `kind` is the column of the thread that would point to it."""

    kind: str
    record: Lead | Client
    description: str


def find_link_candidates(request: HttpRequest, thread: Thread, query: str) -> list[Candidate]:
    """Return what `query` finds, or without one the matches of the participants; visible and not linked yet."""
    clients = Client.objects.visible_to(request.user)
    leads = Lead.objects.visible_to(request.user).select_related("status", "assigned_to")
    if query:
        clients, leads = search_clients_and_leads(request, clients, leads, query)
    else:
        clients, leads = match_participants(thread, clients, leads)
    clients, leads = clients.exclude(pk=thread.client_id), leads.exclude(pk=thread.lead_id)
    return [
        *(Candidate("client", one, f"Client · {one.email}".strip(" ·")) for one in clients[:MAX_LINK_CANDIDATES]),
        *(Candidate("lead", one, " · ".join(describe_lead(one))) for one in leads[:MAX_LINK_CANDIDATES]),
    ]


def describe_lead(lead: Lead) -> list[str]:
    """Return what distinguishes `lead` from another of the same name."""
    owner = f"owner {lead.assigned_to}" if lead.assigned_to else "unassigned"
    return [part for part in ("Lead", str(lead.status), lead.contact_email, owner) if part]


def search_clients_and_leads(
    request: HttpRequest, clients: QuerySet[Client], leads: QuerySet[Lead], query: str
) -> tuple[QuerySet[Client], QuerySet[Lead]]:
    if len(query) < MIN_SEARCH_LENGTH:
        return clients.none(), leads.none()
    return (
        ClientFilter({"q": query}, clients, request=request).qs,
        LeadFilter({"q": query}, leads, request=request).qs,
    )


def match_participants(
    thread: Thread, clients: QuerySet[Client], leads: QuerySet[Lead]
) -> tuple[QuerySet[Client], QuerySet[Lead]]:
    """Return the clients and open leads with a participant's address, their own or that of a contact."""
    addresses = thread.participant_emails
    contacts = Contact.objects.with_addresses(addresses).values("pk")
    # Lists, so that the database looks each key up by its index instead of joining whole tables.
    their_clients = list(ContactClient.objects.filter(contact__in=contacts).values_list("client", flat=True))
    their_leads = list(ContactLead.objects.filter(contact__in=contacts).values_list("lead", flat=True))
    their_clients += Client.objects.with_addresses(addresses).values_list("pk", flat=True)
    their_leads += Lead.objects.open().with_addresses(addresses).values_list("pk", flat=True)
    return clients.filter(pk__in=their_clients), leads.open().filter(pk__in=their_leads)


def find_joinable_threads(request: HttpRequest, thread: Thread, query: str) -> list[Thread]:
    """Return threads that can be joined to `thread`: what `query` finds, or without one those of the same people."""
    others = Thread.objects.visible_to(request.user).filter(source=thread.source).exclude(pk=thread.pk)
    if thread.mailbox_id:
        others = others.filter(Q(mailbox=thread.mailbox_id) | Q(mailbox=None))
    others = others.select_related("lead", "client", "mailbox")
    if query:
        return search_joinable_threads(request, others, query)
    querysets = (
        [others.filter(participant_emails__overlap=thread.participant_emails)] if thread.participant_emails else []
    )
    querysets += [others.filter(lead=thread.lead_id)] if thread.lead_id else []
    querysets += [others.filter(client=thread.client_id)] if thread.client_id else []
    rows = {
        row.pk: row for some in querysets for row in some.order_by(LAST_ACTIVITY.desc(), "-id")[:MAX_LINK_CANDIDATES]
    }
    related = sorted(rows.values(), key=lambda row: row.last_message_at or row.created_at, reverse=True)
    return [row for row in related if not reason_not_joinable(thread, row)][:MAX_LINK_CANDIDATES]


def search_joinable_threads(request: HttpRequest, others: QuerySet[Thread], query: str) -> list[Thread]:
    filterset = ThreadFilter({"q": query}, others, request=request)
    if filterset.form.errors:
        return []
    rows = filterset.qs
    return list(rows.order_by("place")[:MAX_LINK_CANDIDATES] if filterset.search_result else rows[:MAX_LINK_CANDIDATES])
