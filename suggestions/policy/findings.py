"""What is pointed out about a proposal before anything of it leaves the house, whoever made it.

No model is asked and no wording is trusted: who is written to, where links lead, whose names, addresses, numbers
and sums are told, and what a reader would not see. The same content always gives the same codes.
"""

import hashlib
import re
from collections.abc import Iterator
from dataclasses import dataclass
from decimal import Decimal
from typing import Any

from crm.text import outgoing_checks
from crm.text.links import find_link_faults, link_host
from suggestions.kinds import Kind
from suggestions.kinds.base import collect_texts
from suggestions.models import Suggestion
from suggestions.policy.context import OtherCustomer, PolicyContext, sender_domain

RECIPIENT_LIMIT, LINK_LIMIT, PROSE_LENGTH_LIMIT = 10, 10, 20_000
FIRST_CONTACT_PREFIX = "first:"
# Names of addresses behind which nobody sits.
NO_REPLY_PATTERN = re.compile(r"(?:do[-_.]?)?no[nt]?[-_.]?reply|mailer-daemon@|bounces?[-_.+@]", re.IGNORECASE)


@dataclass(frozen=True)
class PolicyFinding:
    """One thing that was found; where it `needs_confirmation`, whoever approves must confirm it by its code."""

    code: str
    sentence: str
    needs_confirmation: bool = True

    def as_json(self) -> dict[str, Any]:
        return {"code": self.code, "sentence": self.sentence, "asks": self.needs_confirmation}


def find_policy_findings(kind: type[Kind], payload: Any, suggestion: Suggestion) -> list[PolicyFinding]:
    """Everything that is to be pointed out about `payload`; the same for a person, an agent and a rule."""
    recipients = list(dict.fromkeys(kind.recipients(payload, suggestion)))
    text = kind.outgoing_text(payload, suggestion)
    if not recipients and not text:
        # It stays in the house: only what the person who reads it would not see.
        return list(hidden_text_findings(payload_text(payload)))
    context = PolicyContext(suggestion, recipients)
    found = [*recipient_findings(recipients, context), *hidden_text_findings(text)]
    text = outgoing_checks.visible_text(text)
    if len(text) > PROSE_LENGTH_LIMIT:
        return [*found, PolicyFinding("long", f"The text has {len(text):,} characters: nobody reads that to the end.")]
    found += link_findings(text, context)
    found += other_customer_findings(text, context)
    if suggestion.tainted:
        found += amount_findings(text, payload, context)
    return found


def recipient_findings(recipients: list[str], context: PolicyContext) -> Iterator[PolicyFinding]:
    """Recipients that are known neither from the lead or client nor from the conversation, or never written to."""
    for address in recipients:
        if address.lower() not in context.addresses:
            yield PolicyFinding(
                f"recipient:{address.lower()}", f"{address} is not a known address of {context.customer}."
            )
        elif address.lower() not in context.emailed_addresses:
            yield PolicyFinding(
                f"{FIRST_CONTACT_PREFIX}{address.lower()}",
                f"{address} has never been written to before.",
                needs_confirmation=False,
            )
        if NO_REPLY_PATTERN.match(address):
            yield PolicyFinding(
                f"unread:{address.lower()}", f"Nobody reads {address}, as its name says.", needs_confirmation=False
            )
    if len(recipients) > RECIPIENT_LIMIT:
        yield PolicyFinding(f"recipients:{len(recipients)}", f"It goes to {len(recipients)} people at once.")


def hidden_text_findings(text: str) -> Iterator[PolicyFinding]:
    """What the reader would not see, or could not read."""
    for code, sentence in outgoing_checks.find_hidden_content(text):
        yield PolicyFinding(f"hidden:{code}", sentence)
    if outgoing_checks.has_encoded_run(text):
        yield PolicyFinding("encoded", "It holds a long piece that only a program can read.")


def link_findings(text: str, context: PolicyContext) -> Iterator[PolicyFinding]:
    """Links that lead anywhere but to a template's, the agency's or the customer's own host, or carry data."""
    found = outgoing_checks.extract_links(text)
    for link in found:
        host = link_host(link)
        faults_found = find_link_faults(link)
        if not is_host_within(host, context.hosts) and not is_host_within(host, context.template_hosts):
            faults_found.insert(
                0, f"leads to {host or 'an unknown place'}, a host of neither a template nor anybody known here"
            )
        if faults_found and link not in context.template_links:
            shown = link if len(link) <= 80 else f"{link[:80]}…"
            yield PolicyFinding(f"link:{short_hash(link)}", f"The link {shown} {' and '.join(faults_found)}.")
    if len(found) > LINK_LIMIT:
        yield PolicyFinding(f"links:{len(found)}", f"It holds {len(found)} links.")


def is_host_within(host: str, hosts: set[str]) -> bool:
    """Whether `host` is one of `hosts` or below one of them."""
    return any(host == one or host.endswith(f".{one}") for one in hosts)


def other_customer_findings(text: str, context: PolicyContext) -> Iterator[PolicyFinding]:
    """Names, addresses and telephone numbers of anybody but whom it is for, as far as they are customers of ours."""
    names = [name for name in outgoing_checks.extract_names(text) if not any(name in mine for mine in context.names)]
    if len(names) > outgoing_checks.MAX_NAMES:
        names = names[: outgoing_checks.MAX_NAMES]
        yield PolicyFinding("names", "It holds more names than can be looked up.")
    own = {word for name in context.names for word in name.split()}
    singles = [word for word in outgoing_checks.extract_single_names(text) if word.lower() not in own]
    ours = f"@{sender_domain()}"
    unknown = [
        one
        for one in outgoing_checks.extract_addresses(text)
        if one not in context.addresses and not one.endswith(ours)
    ]
    phones = [
        one
        for one in outgoing_checks.extract_phones(text)
        if not any(one[-10:] in mine or mine in one for mine in context.phones)
    ]
    search_terms = (names, singles, unknown, phones)
    customers = context.find_other_customers(*search_terms) if any(search_terms) else []
    for other in customers:
        for name in other.names & {*names, *(word.lower() for word in singles)}:
            yield PolicyFinding(f"name:{short_hash(name)}", f"“{name.title()}” is the name of another {other.table}.")
    table_by_email = {other.email: other.table for other in customers}
    for address in unknown:
        problem = (
            f"belongs to another {table_by_email[address]}"
            if address in table_by_email
            else f"is not known of {context.customer}"
        )
        yield PolicyFinding(f"address:{address}", f"The address {address} in the text {problem}.")
    yield from phone_findings(phones, customers, context)


def phone_findings(
    phones: list[str], customers: list[OtherCustomer], context: PolicyContext
) -> Iterator[PolicyFinding]:
    """Telephone numbers of other customers; in what an outsider's words led to, also those that nobody has named."""
    for digits in phones:
        table = next((other.table for other in customers if digits[-10:] in other.search_text), "")
        if table:
            yield PolicyFinding(
                f"phone:{digits}", f"The telephone number {digits} in the text belongs to another {table}."
            )
        elif context.suggestion.tainted and digits[-10:] not in context.mentioned_phones:
            yield PolicyFinding(f"phone:{digits}", f"The telephone number {digits} stands nowhere in what we know.")


def amount_findings(text: str, payload: Any, context: PolicyContext) -> Iterator[PolicyFinding]:
    """Sums of money that stand nowhere in what is known of the lead, in the conversation or in the payload's own."""
    sums = outgoing_checks.extract_amounts(text)
    own = {value.normalize() for value in payload_numbers(payload.model_dump())}
    for value, as_written in sums.items():
        if value not in own and value not in context.known_numbers:
            yield PolicyFinding(
                f"amount:{value:f}", f"The sum {as_written} stands nowhere in what we know of {context.customer}."
            )


def payload_numbers(value: Any) -> Iterator[Decimal]:
    """The numbers that fields of their own hold."""
    if isinstance(value, dict | list | tuple):
        for one in value.values() if isinstance(value, dict) else value:
            yield from payload_numbers(one)
    elif isinstance(value, int | float | Decimal) and not isinstance(value, bool):
        yield Decimal(str(value))


def payload_text(payload: Any) -> str:
    """What `payload` says in words; the key of a record is none, and is shown by the record's name."""
    return collect_texts(payload.model_dump())


def short_hash(text: str) -> str:
    """A name for `text` that is short enough to be sent back by a form."""
    return hashlib.sha256(text.encode()).hexdigest()[:12]
