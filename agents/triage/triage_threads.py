"""Triage: propose to which lead or client an unlinked thread belongs, or a new lead for it."""

import logging
from collections.abc import Iterator
from dataclasses import replace
from datetime import datetime, timedelta
from uuid import UUID

from django.db import transaction
from django.db.models.functions import Lower
from django.utils import timezone

from agents.drafting.improve_draft import queue_improvement
from agents.triage.rules import Match, TriageProposal, UnlinkedThread, choose_proposal, company_domain
from crm.exceptions import IllegalTransition, InvalidInput
from crm.models import Client, Contact, ContactClient
from crm.text.english.prospects import PERSON_NAME
from inbox.incoming.participants import OwnerLookup, our_addresses
from inbox.models import Thread, ThreadQuerySet
from inbox.thread_state import MAX_LOADED_BODY, newest_inbound_messages
from inbox.transitions import link
from leads.models import ContactLead, InsuranceType, Lead
from suggestions.models import UNDECIDED_STATUSES, RejectCode, Suggestion, SuggestionStatus, SuggestionType
from suggestions.transitions.propose import propose
from suggestions.transitions.state import TRIAGE_AGENT

logger = logging.getLogger(__name__)

MAX_WAITING_PROPOSALS, MAX_MATCHES, MAX_OTHER_PARTICIPANTS = 100, 10, 20
MAX_NEW_RECORDS, NEW_RECORD_AGE = 2_000, timedelta(hours=25)
WEBSITE_PREFIXES = ("https://", "https://www.", "http://", "http://www.")


def has_room_for_proposals() -> bool:
    """Whether fewer proposals of triage wait for a decision than people can take in."""
    waiting = Suggestion.objects.undecided(timezone.now()).filter(agent=str(TRIAGE_AGENT))
    return waiting.values("pk")[:MAX_WAITING_PROPOSALS].count() < MAX_WAITING_PROPOSALS


@transaction.atomic
def triage_thread(key: UUID) -> bool:
    """Link one unlinked thread if its sender is known, else propose whose it is; return whether it proposed."""
    # One at a time: a second job for the thread sees what the first proposed.
    thread = Thread.objects.unlinked().select_for_update(of=("self",), no_key=True).filter(pk=key).first()
    if thread is None:
        return False
    now, own_addresses = timezone.now(), our_addresses()
    insurance_lines = dict(InsuranceType.objects.filter(is_active=True).order_by("code").values_list("code", "name"))
    others = [one for one in map(str.lower, thread.participant_emails) if one not in own_addresses]
    owner = OwnerLookup(others).find_owner(others)
    if owner is not None:  # the sender became a lead or client after the email arrived
        link(thread, **{"lead" if isinstance(owner, Lead) else "client": owner}, by=TRIAGE_AGENT)
        return False
    unlinked_thread = load_unlinked_thread(thread, own_addresses, insurance_lines)
    new_proposal = choose_proposal(unlinked_thread, now) if unlinked_thread else None
    if new_proposal is None or was_already_proposed(thread, new_proposal, unlinked_thread):
        return False
    suggestion = suggestion_from_proposal(thread, unlinked_thread, new_proposal)
    try:
        if propose(suggestion, by=TRIAGE_AGENT) is suggestion:
            queue_improvement(suggestion)
    except IllegalTransition:  # three suggestions wait for the lead already, or the type is switched off
        return False
    except InvalidInput:  # what the email says does not fit into a lead
        logger.exception("Triage could not propose anything about thread %s.", key)
        return False
    return True


def load_unlinked_thread(
    thread: Thread, own_addresses: frozenset[str], insurance_lines: dict[str, str]
) -> UnlinkedThread | None:
    """Return what triage needs of `thread`; None if no outside person has written in it."""
    message = newest_inbound_messages([thread.pk]).defer("body_html").first()
    if message is None or message.from_email.lower() in own_addresses:
        return None
    sender = message.from_email.lower()
    others = [one.lower() for one in thread.participant_emails if one.lower() not in {sender, *own_addresses}]
    found = [
        *match_by_address([sender]),
        *match_by_domain(company_domain(sender, frozenset(one.rpartition("@")[2] for one in own_addresses))),
    ]
    if not any(match.matched_by in {"address", "contact"} for match in found):
        by_others = match_by_address(others[:MAX_OTHER_PARTICIPANTS])
        found = [*found, *(replace(match, is_senders=False) for match in by_others)]
    found += [] if found else match_by_name(message.from_name)
    matches: dict[UUID, Match] = {}
    for match in sorted(found, key=lambda match: match.rank):
        matches.setdefault(match.key, match)
    return UnlinkedThread(
        thread=thread.pk,
        message=message.pk,
        subject=thread.subject,
        sender=sender,
        display_name=message.from_name,
        body=message.body_text[:MAX_LOADED_BODY],
        sent_at=message.sent_at,
        matches=tuple(matches.values()),
        insurance_lines=insurance_lines,
    )


def match_by_address(addresses: list[str]) -> Iterator[Match]:
    """Yield the clients and leads with one of `addresses`, their own or a contact's, the newest first."""
    clients = Client.objects.with_addresses(addresses).order_by("-pk")
    leads = Lead.objects.with_addresses(addresses).select_related("status").order_by("-pk")
    yield from (Match("client", one.pk, str(one), "address", one.email.lower()) for one in clients[:MAX_MATCHES])
    for one in leads[:MAX_MATCHES]:
        yield Match("lead", one.pk, str(one), "address" if one.is_open else "closed", one.contact_email.lower())
    contacts = Contact.objects.with_addresses(addresses).annotate(low=Lower("email"))
    yield from match_through_contacts(dict(contacts.values_list("pk", "low")), "contact")


def match_by_domain(domain: str) -> Iterator[Match]:
    """Yield the clients and open leads with an address or website in `domain`, the newest first."""
    if not domain:
        return
    at = f"@{domain}"
    clients = Client.objects.filter(search_text__contains=at, email__iendswith=at)
    leads = Lead.objects.open().filter(search_text__contains=at, contact_email__iendswith=at)
    sites = [f"{start}{domain}{end}" for start in WEBSITE_PREFIXES for end in ("", "/")]
    known = Lead.objects.open().alias(site=Lower("company_website")).filter(site__in=sites).exclude(company_website="")
    yield from (Match("client", one.pk, str(one), "domain", domain) for one in clients.order_by("-pk")[:MAX_MATCHES])
    for rows, how in ((leads, "domain"), (known, "website")):
        yield from (Match("lead", one.pk, str(one), how, domain) for one in rows.order_by("-pk")[:MAX_MATCHES])
    contacts = Contact.objects.filter(search_text__contains=at, email__iendswith=at).order_by("-pk")
    yield from match_through_contacts(
        dict.fromkeys(contacts.values_list("pk", flat=True)[:MAX_MATCHES], domain), "contact_domain"
    )


def match_by_name(name: str) -> Iterator[Match]:
    """Yield the clients and open leads of a person called `name`, the newest first; one word is no full name."""
    name = " ".join(name.split())
    if not PERSON_NAME.fullmatch(name):
        return
    low = name.lower()
    clients = Client.objects.filter(search_text__contains=low, name__iexact=name)
    leads = Lead.objects.open().filter(search_text__contains=low, contact_name__iexact=name)
    yield from (Match("client", one.pk, str(one), "name", name) for one in clients.order_by("-pk")[:MAX_MATCHES])
    yield from (Match("lead", one.pk, str(one), "name", name) for one in leads.order_by("-pk")[:MAX_MATCHES])


def match_through_contacts(contacts: dict[UUID, str], how: str) -> Iterator[Match]:
    """Yield the live clients and open leads that `contacts` belong to."""
    if not contacts:
        return
    clients = ContactClient.objects.filter(contact__in=contacts, client__deleted_at=None).select_related("client")
    leads = ContactLead.objects.filter(contact__in=contacts, lead__in=Lead.objects.open()).select_related("lead")
    for one in clients.order_by("-client")[:MAX_MATCHES]:
        yield Match("client", one.client_id, str(one.client), how, contacts[one.contact_id])
    for one in leads.order_by("-lead")[:MAX_MATCHES]:
        yield Match("lead", one.lead_id, str(one.lead), how, contacts[one.contact_id])


def was_already_proposed(thread: Thread, new_proposal: TriageProposal, unlinked_thread: UnlinkedThread) -> bool:
    """Whether a person rejected `new_proposal` for the same message, or its sender is proposed as a lead already."""
    same = Suggestion.everything.filter(
        type=new_proposal.type, thread=thread, lead=new_proposal.lead, client=new_proposal.client
    )
    turned_down = same.filter(status=SuggestionStatus.REJECTED, message=unlinked_thread.message)
    if turned_down.exclude(reject_code=RejectCode.SUPERSEDED).exists():
        return True
    if new_proposal.type != SuggestionType.CREATE_LEAD:
        return False
    waiting = Suggestion.objects.filter(status__in=UNDECIDED_STATUSES, type=new_proposal.type).exclude(thread=thread)
    return waiting.filter(suggested_content__contactEmail__iexact=unlinked_thread.sender).exists()


def suggestion_from_proposal(
    thread: Thread, unlinked_thread: UnlinkedThread, new_proposal: TriageProposal
) -> Suggestion:
    return Suggestion(
        type=new_proposal.type,
        thread=thread,
        message_id=unlinked_thread.message,
        lead_id=new_proposal.lead,
        client_id=new_proposal.client,
        suggested_content=new_proposal.content,
        rule=new_proposal.rule,
        reasoning=new_proposal.reasoning,
        evidence=new_proposal.evidence,
        dedupe_key=f"triage:{thread.pk}",
    )


def threads_of_new_contacts(now: datetime) -> ThreadQuerySet:
    """Return the unlinked threads in which a lead, client or contact takes part who was added within the last day."""
    addresses: set[str] = set()
    for model, column in ((Lead, "contact_email"), (Client, "email"), (Contact, "email")):
        # Keys are in order of time: the newest are at the end of their index.
        newest = model.objects.order_by("-pk").values_list(column, "created_at")[:MAX_NEW_RECORDS]
        addresses |= {address.lower() for address, made in newest if address and made > now - NEW_RECORD_AGE}
    if not addresses:
        return Thread.objects.none()
    return Thread.objects.unlinked().filter(participant_emails__overlap=sorted(addresses))
