"""What to propose about a conversation that belongs to nobody yet: whose it is, or that somebody might buy. Pure.

Everything is asked of the database first (`transitions.triaging`) and handed over as an `Unlinked`.
"""

from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from typing import Any
from uuid import UUID

from crm.text.english.prospects import Verdict, company_of, judged, name_of, phone_of, value_of
from crm.text.freemail import own_domain
from crm.text.quotes import own_words, signature_of
from suggestions.models import SuggestionType
from suggestions.policy.findings import UNREAD

# Whoever wrote longer ago has gone elsewhere, and an imported archive is full of them.
OLDEST_PROSPECT = timedelta(days=30)
MOST_OF_A_DOMAIN = 3
SUREST = 0.95
# How sure a match is: how it was found, and whether of a client or a lead. A client beats a lead.
SURE = {
    ("address", "client"): 0.95,
    ("contact", "client"): 0.92,
    ("address", "lead"): 0.9,
    ("contact", "lead"): 0.85,
    ("closed", "lead"): 0.7,
    ("domain", "client"): 0.7,
    ("domain", "lead"): 0.6,
}
HOW = {
    "address": "has the address {what}",
    "contact": "has a contact with the address {what}",
    "closed": "had the address {what}, and is closed",
    "domain": "has the mail domain {what}",
}
CLOSING_LINES = 6


@dataclass(frozen=True)
class Match:
    """A lead or client that the conversation could belong to: `how` it was found, and by what address or domain."""

    table: str
    key: UUID
    name: str
    how: str
    what: str

    @property
    def sure(self) -> float:
        return SURE[self.how, self.table]


@dataclass(frozen=True)
class Unlinked:
    """A conversation that belongs to nobody: the newest that a person outside wrote in it, and who could be meant."""

    thread: UUID
    message: UUID
    subject: str
    sender: str
    shown_name: str
    body: str
    said_at: datetime
    matches: tuple[Match, ...] = ()
    lines: Mapping[str, str] = field(default_factory=dict)


@dataclass(frozen=True)
class Proposal:
    """What is proposed about it; `lead` or `client` is whom it would be linked to."""

    type: SuggestionType
    content: dict[str, Any]
    confidence: float
    reasoning: str
    evidence: list[dict[str, Any]]
    lead: UUID | None = None
    client: UUID | None = None


def proposal(about: Unlinked, now: datetime) -> Proposal | None:
    """Whose the conversation is, else that its writer becomes a lead; None where neither can be told."""
    ranked = sorted(about.matches, key=lambda match: -match.sure)
    best = [match for match in ranked if match.sure == ranked[0].sure] if ranked else []
    if best and not (best[0].how == "domain" and len(best) > MOST_OF_A_DOMAIN):
        return linked(about, best)
    if best or UNREAD.match(about.sender) or not about.sender or now - about.said_at > OLDEST_PROSPECT:
        return None
    verdict = judged(about.subject, own_words(about.body), about.lines)
    return lead_of(about, verdict) if verdict.likely else None


def linked(about: Unlinked, best: list[Match]) -> Proposal:
    """That the conversation is linked to the first of `best`, which are equally likely."""
    first, others = best[0], best[1:]
    reasoning = f"The {first.table} {first.name} {HOW[first.how].format(what=first.what)}."
    if others:
        names = ", ".join(f"{match.table} {match.name}" for match in others[:3])
        reasoning += f" So {'do' if len(others) > 1 else 'does'} {names}{' and more' if len(others) > 3 else ''}."
    return Proposal(
        SuggestionType.LINK_THREAD,
        {"thread": str(about.thread), first.table: str(first.key)},
        first.sure / len(best),
        reasoning,
        evidence(about, [f"From: {about.sender}"]),
        **{first.table: first.key},
    )


def lead_of(about: Unlinked, verdict: Verdict) -> Proposal:
    """That whoever wrote becomes a lead, with what can be read of them in the mail."""
    words, closing = own_words(about.body), closing_of(about.body)
    name = name_of(about.shown_name, about.sender, closing)
    text = "\n".join([words, *closing])
    value = value_of(words)
    content = {
        "contactName": name,
        "contactEmail": about.sender,
        "contactPhone": phone_of(text),
        "companyName": company_of(text, closing, name),
        "insuranceType": verdict.line,
        "sourceDetail": f"Mail of {about.said_at:%-d %b %Y}"[:200],
        "notes": "\n\n".join(verdict.quotes),
        **({"estimatedValue": str(value)} if value is not None else {}),
    }
    reasoning = f"Nobody we know, and the mail {listed(verdict.reasons)}."
    return Proposal(
        SuggestionType.CREATE_LEAD,
        content,
        min(verdict.score, SUREST),
        reasoning,
        evidence(about, verdict.quotes),
    )


def closing_of(body: str) -> list[str]:
    """The lines in which the writer says who they are: the signature, else the last paragraph."""
    signature = signature_of(body[-4_000:]) or own_words(body).rpartition("\n\n")[2]
    lines = [line.strip() for line in signature.splitlines() if line.strip(" -_=")]
    return [line for line in lines if len(line) <= 100][:CLOSING_LINES]


def listed(reasons: tuple[str, ...]) -> str:
    return ", ".join(reasons[:-1]) + f" and {reasons[-1]}" if len(reasons) > 1 else "".join(reasons)


def evidence(about: Unlinked, quotes: list[str] | tuple[str, ...]) -> list[dict[str, Any]]:
    at = about.said_at.isoformat()
    return [{"source": "message", "id": str(about.message), "quote": quote, "at": at} for quote in quotes]


def domain_of(address: str, ours: frozenset[str]) -> str:
    """The mail domain by which the company of `address` can be found; empty for free mail and for us."""
    domain = own_domain(address)
    return "" if domain in ours or "." not in domain else domain
