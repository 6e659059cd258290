"""What to propose about an unlinked thread: its lead or client, or a new lead. Pure.

The database is read first (`agents/triage/triage_threads.py`) and passed in as an `UnlinkedThread`.
"""

from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from typing import Any
from uuid import UUID

from crm.records.local_time import agency_style, agency_time
from crm.text.addresses import is_no_reply_address
from crm.text.email_bodies.quotes import extract_signature, own_text
from crm.text.english.prospects import (
    ProspectScore,
    extract_company,
    extract_name,
    extract_phone,
    extract_yearly_value,
    score_prospect,
)
from crm.text.freemail import business_domain
from suggestions.models import SuggestionType

# Older senders have gone elsewhere, and an imported archive is full of them.
MAX_PROSPECT_AGE = timedelta(days=30)
MAX_DOMAIN_MATCHES = 3
# How a record was found and what it is, the best match first. An exact address beats a domain, a domain beats a name,
# and a client beats a lead. Those on one line are equally good.
MATCH_ORDER = (
    (("address", "client"),),
    (("contact", "client"),),
    (("address", "lead"),),
    (("contact", "lead"),),
    (("closed", "lead"),),
    (("domain", "client"), ("contact_domain", "client")),
    (("domain", "lead"), ("contact_domain", "lead"), ("website", "lead")),
    (("name", "client"),),
    (("name", "lead"),),
)
MATCH_RANKS = {match: rank for rank, matches in enumerate(MATCH_ORDER) for match in matches}
# One sentence for each match, which says only what was found.
MATCH_REASONS = {
    "address": "has the address {value}",
    "contact": "has a contact with the address {value}",
    "closed": "has the address {value}, and is closed",
    "domain": "has an address at {value}",
    "contact_domain": "has a contact with an address at {value}",
    "website": "has the website {value}",
    "name": "has the sender’s name, “{value}”, but another address",
}
DOMAIN_MATCHES = frozenset({"domain", "contact_domain", "website"})
MAX_CLOSING_LINES = 6


@dataclass(frozen=True)
class Match:
    """A lead or client that the thread could belong to, found by `matched_value`: an address, a domain or a name.

    `is_senders` says that the value is the sender's, not that of another participant.
    """

    record_type: str
    key: UUID
    name: str
    matched_by: str
    matched_value: str
    is_senders: bool = True

    @property
    def rank(self) -> int:
        """Return the place of this kind of match among all; 0 is the best."""
        return MATCH_RANKS[self.matched_by, self.record_type]

    @property
    def rule(self) -> str:
        """Return the kind of match, such as "client by address"."""
        return f"{self.record_type} by {self.matched_by.replace('_', ' ')}"

    @property
    def reason(self) -> str:
        """Return one sentence that says how the record was found."""
        reason = MATCH_REASONS[self.matched_by].format(value=self.matched_value)
        participant = "" if self.is_senders else "; this participant is not the sender"
        return f"The {self.record_type} {self.name} {reason}{participant}."


@dataclass(frozen=True)
class UnlinkedThread:
    """An unlinked thread: the newest message from outside, and the records it could belong to."""

    thread: UUID
    message: UUID
    subject: str
    sender: str
    display_name: str
    body: str
    sent_at: datetime
    matches: tuple[Match, ...] = ()
    insurance_lines: Mapping[str, str] = field(default_factory=dict)


@dataclass(frozen=True)
class TriageProposal:
    """What is proposed about the thread; it would be linked to `lead` or `client`. `rule` names what led to it."""

    type: SuggestionType
    content: dict[str, Any]
    rule: str
    reasoning: str
    evidence: list[dict[str, Any]]
    lead: UUID | None = None
    client: UUID | None = None


def choose_proposal(unlinked_thread: UnlinkedThread, now: datetime) -> TriageProposal | None:
    """Propose the record that the thread belongs to, else a new lead; None if neither is likely."""
    ranked = sorted(unlinked_thread.matches, key=lambda match: match.rank)
    best = [match for match in ranked if match.rank == ranked[0].rank] if ranked else []
    if best and not is_ambiguous(best):
        return build_link_proposal(unlinked_thread, best)
    if (
        (best and best[0].matched_by in DOMAIN_MATCHES)
        or is_no_reply_address(unlinked_thread.sender)
        or not unlinked_thread.sender
        or now - unlinked_thread.sent_at > MAX_PROSPECT_AGE
    ):
        return None
    verdict = score_prospect(unlinked_thread.subject, own_text(unlinked_thread.body), unlinked_thread.insurance_lines)
    return build_lead_proposal(unlinked_thread, verdict) if verdict.is_prospect else None


def is_ambiguous(best: list[Match]) -> bool:
    """Return whether `best` are too many to choose from: a domain that several share, or a name of two."""
    if best[0].matched_by == "name":
        return len(best) > 1
    return best[0].matched_by in DOMAIN_MATCHES and len(best) > MAX_DOMAIN_MATCHES


def build_link_proposal(unlinked_thread: UnlinkedThread, best: list[Match]) -> TriageProposal:
    """Propose to link the thread to the first of `best`, which are equally likely."""
    # Who may see the suggestion may see the first one; the others may belong to other owners, so they are not named.
    first, more = best[0], len(best) - 1
    reasons = [first.reason]
    if more > 0:
        reasons.append(f"{more} more {'matches' if more == 1 else 'match'} as well.")
    return TriageProposal(
        SuggestionType.LINK_THREAD,
        {"thread": str(unlinked_thread.thread), first.record_type: str(first.key)},
        first.rule if len(best) == 1 else f"{first.rule}, one of several",
        " ".join(reasons),
        message_evidence(unlinked_thread, [f"From: {unlinked_thread.sender}"]),
        **{first.record_type: first.key},
    )


def build_lead_proposal(unlinked_thread: UnlinkedThread, verdict: ProspectScore) -> TriageProposal:
    """Propose a lead for the sender, with the details that the email states."""
    words, signature = own_text(unlinked_thread.body), signature_lines(unlinked_thread.body)
    name = extract_name(unlinked_thread.display_name, unlinked_thread.sender, signature)
    text = "\n".join([words, *signature])
    value = extract_yearly_value(words)
    content = {
        "contactName": name,
        "contactEmail": unlinked_thread.sender,
        "contactPhone": extract_phone(text),
        "companyName": extract_company(text, signature, name),
        "insuranceType": verdict.line,
        "sourceDetail": f"Mail of {agency_style().day(agency_time(unlinked_thread.sent_at))}"[:200],
        "notes": "\n\n".join(verdict.quotes),
        **({"estimatedValue": str(value)} if value is not None else {}),
    }
    reasoning = f"The sender is unknown, and the email {join_reasons(verdict.reasons)}."
    return TriageProposal(
        SuggestionType.CREATE_LEAD,
        content,
        "prospect",
        reasoning,
        message_evidence(unlinked_thread, verdict.quotes),
    )


def signature_lines(body: str) -> list[str]:
    """Return the lines that name the sender: the signature, else the last paragraph."""
    signature = extract_signature(body[-4_000:]) or own_text(body).rpartition("\n\n")[2]
    lines = [line.strip() for line in signature.splitlines() if line.strip(" -_=")]
    return [line for line in lines if len(line) <= 100][:MAX_CLOSING_LINES]


def join_reasons(reasons: tuple[str, ...]) -> str:
    return ", ".join(reasons[:-1]) + f" and {reasons[-1]}" if len(reasons) > 1 else "".join(reasons)


def message_evidence(unlinked_thread: UnlinkedThread, quotes: list[str] | tuple[str, ...]) -> list[dict[str, Any]]:
    at = unlinked_thread.sent_at.isoformat()
    return [{"source": "message", "id": str(unlinked_thread.message), "quote": quote, "at": at} for quote in quotes]


def company_domain(address: str, ours: frozenset[str]) -> str:
    """Return the domain by which the company of `address` can be found; empty for free mail and for us."""
    domain = business_domain(address)
    return "" if domain in ours or "." not in domain else domain
