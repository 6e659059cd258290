"""Triage: looking at conversations that belong to nobody, and proposing whose they are."""

import logging
import time
from collections.abc import Iterator
from datetime import datetime, timedelta
from decimal import Decimal
from functools import reduce
from operator import or_
from uuid import UUID

from django.db import transaction
from django.db.models import Q
from django.db.models.functions import Lower
from django.utils import timezone

from agents.drafting.improve_draft import let_ask
from agents.triage.rules import Match, Proposal, Unlinked, domain_of, proposal
from crm.exceptions import BadInput, IllegalMove
from crm.models import Client, Contact, ContactClient
from inbox.incoming.participants import Owners, our_addresses
from inbox.models import Thread
from inbox.thread_state import LONGEST_JUDGED, newest_words
from inbox.transitions import link
from leads.models import ContactLead, InsuranceType, Lead
from suggestions.models import RejectCode, Suggestion, SuggestionStatus, SuggestionType
from suggestions.transitions.propose import propose
from suggestions.transitions.state import TRIAGE

logger = logging.getLogger(__name__)

MOST_LOOKED_AT, MOST_PROPOSED, MOST_WAITING, MOST_MATCHES, MOST_OTHERS = 500, 20, 100, 10, 20
MOST_NEW, NEW_FOR = 2_000, timedelta(hours=25)
# Seconds, of a job that is queued each minute.
LONGEST_RUN = 20.0
SITES = ("https://", "https://www.", "http://", "http://www.")
WAITING = (SuggestionStatus.PENDING, SuggestionStatus.DRAFT)


def triage(*, most: int = MOST_LOOKED_AT) -> tuple[int, int]:
    """Look at the newest `most` unlinked conversations in which there is news; how many were looked at, and proposed.

    At most twenty things are proposed at a time, and none while a hundred wait: the rest is looked at next time.
    """
    waiting = Suggestion.objects.undecided(timezone.now()).filter(agent=str(TRIAGE))
    room = min(MOST_PROPOSED, MOST_WAITING - waiting.values("pk")[:MOST_WAITING].count())
    looked_at, proposed, ours, began = 0, 0, our_addresses(), time.monotonic()
    lines = dict(InsuranceType.objects.filter(is_active=True).order_by("code").values_list("code", "name"))
    for key in Thread.objects.untriaged().values_list("pk", flat=True)[:most] if room > 0 else ():
        looked_at += 1
        proposed += look_at(key, ours, lines)
        if proposed >= room or time.monotonic() - began > LONGEST_RUN:
            break
    return looked_at, proposed


@transaction.atomic
def look_at(key: UUID, ours: frozenset[str], lines: dict[str, str]) -> bool:
    """Look at one conversation, unless somebody else has; whether something was proposed."""
    now = timezone.now()
    if Thread.objects.untriaged().order_by().filter(pk=key).update(triaged_at=now) != 1:
        return False
    thread = Thread.objects.get(pk=key)
    others = [one for one in map(str.lower, thread.participant_emails) if one not in ours]
    whose = Owners(others).of(others)
    if whose is not None:  # who has come to be known since the mail came in
        link(thread, **{"lead" if isinstance(whose, Lead) else "client": whose}, by=TRIAGE)
        return False
    about = unlinked(thread, ours, lines)
    found = proposal(about, now) if about else None
    if found is None or said_already(thread, found, about):
        return False
    suggestion = suggestion_of(thread, about, found)
    try:
        if propose(suggestion, by=TRIAGE) is suggestion:
            let_ask(suggestion)
    except IllegalMove:  # three wait for the lead already, or the type is switched off
        return False
    except BadInput:  # what the mail says does not fit into a lead: nobody else's conversation waits for that
        logger.exception("Nothing could be proposed about the conversation %s.", key)
        return False
    return True


def unlinked(thread: Thread, ours: frozenset[str], lines: dict[str, str]) -> Unlinked | None:
    """All that is to be known about `thread`; None where no person outside has written in it."""
    message = newest_words([thread.pk]).defer("body_html").first()
    if message is None or message.from_email.lower() in ours:
        return None
    sender = message.from_email.lower()
    others = [one.lower() for one in thread.participant_emails if one.lower() not in {sender, *ours}]
    found = [*by_address([sender]), *by_domain(domain_of(sender, frozenset(one.rpartition("@")[2] for one in ours)))]
    if not any(match.how in {"address", "contact"} for match in found):
        found = [*by_address(others[:MOST_OTHERS]), *found]
    matches: dict[UUID, Match] = {}
    for match in found:
        matches.setdefault(match.key, match)
    return Unlinked(
        thread=thread.pk,
        message=message.pk,
        subject=thread.subject,
        sender=sender,
        shown_name=message.from_name,
        body=message.body_text[:LONGEST_JUDGED],
        said_at=message.sent_at,
        matches=tuple(matches.values()),
        lines=lines,
    )


def by_address(addresses: list[str]) -> Iterator[Match]:
    """Clients and leads that have one of `addresses`, themselves or through a contact, the newest first."""
    if not addresses:
        return
    clients = Client.objects.annotate(low=Lower("email")).filter(low__in=addresses)
    # Of closed ones, too, which the index of addresses does not hold: that of the search finds those.
    whose = reduce(or_, (Q(search_text__contains=one, contact_email__iexact=one) for one in addresses))
    leads = Lead.objects.annotate(low=Lower("contact_email")).filter(whose).select_related("status")
    yield from (Match("client", one.pk, str(one), "address", one.low) for one in clients.order_by("-pk")[:MOST_MATCHES])
    for one in leads.order_by("-pk")[:MOST_MATCHES]:
        yield Match("lead", one.pk, str(one), "address" if one.is_open else "closed", one.low)
    contacts = Contact.objects.exclude(email="").annotate(low=Lower("email")).filter(low__in=addresses)
    yield from through(dict(contacts.values_list("pk", "low")), "contact")


def by_domain(domain: str) -> Iterator[Match]:
    """Clients and open leads with an address or a website of `domain`, the newest first."""
    if not domain:
        return
    at = f"@{domain}"
    clients = Client.objects.filter(search_text__contains=at, email__iendswith=at)
    leads = Lead.objects.open().filter(search_text__contains=at, contact_email__iendswith=at)
    sites = [f"{start}{domain}{end}" for start in SITES for end in ("", "/")]
    known = Lead.objects.open().alias(site=Lower("company_website")).filter(site__in=sites).exclude(company_website="")
    yield from (Match("client", one.pk, str(one), "domain", domain) for one in clients.order_by("-pk")[:MOST_MATCHES])
    for rows in (leads, known):
        yield from (Match("lead", one.pk, str(one), "domain", domain) for one in rows.order_by("-pk")[:MOST_MATCHES])
    contacts = Contact.objects.filter(search_text__contains=at, email__iendswith=at).order_by("-pk")
    yield from through(dict.fromkeys(contacts.values_list("pk", flat=True)[:MOST_MATCHES], domain), "domain")


def through(contacts: dict[UUID, str], how: str) -> Iterator[Match]:
    """The live clients and open leads that `contacts` belong to."""
    if not contacts:
        return
    clients = ContactClient.objects.filter(contact__in=contacts, client__deleted_at=None).select_related("client")
    leads = ContactLead.objects.filter(contact__in=contacts, lead__in=Lead.objects.open()).select_related("lead")
    for one in clients.order_by("-client")[:MOST_MATCHES]:
        yield Match("client", one.client_id, str(one.client), how, contacts[one.contact_id])
    for one in leads.order_by("-lead")[:MOST_MATCHES]:
        yield Match("lead", one.lead_id, str(one.lead), how, contacts[one.contact_id])


def said_already(thread: Thread, found: Proposal, about: Unlinked) -> bool:
    """Whether somebody has turned `found` down on the same words, or it waits for the same writer elsewhere."""
    same = Suggestion.everything.filter(type=found.type, thread=thread, lead=found.lead, client=found.client)
    turned_down = same.filter(status=SuggestionStatus.REJECTED, message=about.message)
    if turned_down.exclude(reject_code=RejectCode.SUPERSEDED).exists():
        return True
    if found.type != SuggestionType.CREATE_LEAD:
        return False
    waiting = Suggestion.objects.filter(status__in=WAITING, type=found.type).exclude(thread=thread)
    return waiting.filter(suggested_content__contactEmail__iexact=about.sender).exists()


def suggestion_of(thread: Thread, about: Unlinked, found: Proposal) -> Suggestion:
    return Suggestion(
        type=found.type,
        thread=thread,
        message_id=about.message,
        lead_id=found.lead,
        client_id=found.client,
        suggested_content=found.content,
        confidence=Decimal(f"{found.confidence:.2f}"),
        reasoning=found.reasoning,
        evidence=found.evidence,
        dedupe_key=f"triage:{thread.pk}",
    )


def look_again(now: datetime) -> int:
    """Have the conversations looked at anew in which somebody takes part who has become known lately; how many."""
    addresses: set[str] = set()
    for model, column in ((Lead, "contact_email"), (Client, "email"), (Contact, "email")):
        # The keys are in the order of time: the newest are at the end of their index.
        newest = model.objects.order_by("-pk").values_list(column, "created_at")[:MOST_NEW]
        addresses |= {address.lower() for address, made in newest if address and made > now - NEW_FOR}
    taking_part = Q(participant_emails__overlap=sorted(addresses))
    return Thread.objects.unlinked().filter(taking_part).update(triaged_at=None) if addresses else 0
