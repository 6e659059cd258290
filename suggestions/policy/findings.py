"""What the approver must check before the content of a suggestion is sent.

The checks use no model and trust no wording. They look at the recipients, at where links lead, at the names, addresses,
telephone numbers and amounts in the text, and at what a reader would not see. They are the same for a person, an agent
and a rule, and the same content always gives the same codes.
"""

import hashlib
import re
from collections.abc import Iterator
from dataclasses import dataclass
from decimal import Decimal
from typing import Any

from crm.text.addresses import agency_domain, extract_addresses, is_no_reply_address
from crm.text.cleaning import collect_texts, shorten
from crm.text.hidden_characters import find_hidden_content, has_encoded_run, visible_text
from crm.text.links import extract_links, find_link_faults, is_host_within, link_host
from crm.text.names import MAX_NAMES, extract_names, extract_single_names
from crm.text.numbers import extract_amounts
from crm.text.phones import extract_phones
from inbox.incoming.parsing import normalize_subject
from suggestions.kinds import Kind
from suggestions.models import Suggestion
from suggestions.policy.context import OtherCustomer, PolicyContext

RECIPIENT_LIMIT, LINK_LIMIT, PROSE_LENGTH_LIMIT = 10, 10, 20_000
MAX_LINK_SHOWN = 80
FIRST_CONTACT_PREFIX = "first:"


@dataclass(frozen=True)
class PolicyFinding:
    """One result of the checks; where it `needs_confirmation`, the approver confirms it by its code."""

    code: str
    sentence: str
    needs_confirmation: bool = True

    def as_json(self) -> dict[str, Any]:
        return {"code": self.code, "sentence": self.sentence, "asks": self.needs_confirmation}


def find_policy_findings(kind: type[Kind], payload: Any, suggestion: Suggestion) -> list[PolicyFinding]:
    """Return what the approver must check in `payload`."""
    recipients = list(dict.fromkeys(kind.recipients(payload, suggestion)))
    text = kind.outgoing_text(payload, suggestion)
    if not recipients and not text:
        # Nothing is sent: what matters is on record, or would not be seen by its reader in the team.
        points = [PolicyFinding(code, sentence) for code, sentence in kind.points_to_check(payload, suggestion)]
        return [*points, *hidden_text_findings(payload_text(payload))]
    context = PolicyContext(suggestion, recipients)
    found = [*recipient_findings(recipients, context), *hidden_text_findings(text)]
    text = visible_text(text)
    if len(text) > PROSE_LENGTH_LIMIT:
        return [*found, PolicyFinding("long", f"The text is very long: {len(text):,} characters.")]
    text = without_quoted_subject(text, context.subject)
    found += link_findings(text, context)
    found += other_customer_findings(text, context)
    if suggestion.tainted:
        found += amount_findings(text, payload, context)
    return found


def without_quoted_subject(text: str, subject: str) -> str:
    """Return `text` without quotations of the whole `subject` of the conversation, which its participants know.

    The line of the subject of a reply is such a quotation, too.
    A link or a name elsewhere in the text counts, also if the subject has it. A subject that is a name and no more is
    left: quoting it could tell that the person is a customer.
    """
    quoted = normalize_subject(subject)
    names = {*extract_names(subject), *map(str.lower, extract_single_names(subject))}
    if not quoted or quoted in names:
        return text
    # With the prefixes that normalizing drops, such as “Re:” and the tag of a mailing list.
    whole = rf"(?:[a-z]{{1,6}}:\s*|\[[^\]\n]{{1,40}}\]\s*)*{re.escape(quoted)}".replace(r"\ ", r"\s+")
    quotation = rf"[“„\"«]\s*{whole}\s*[”“\"»]|^{whole}$"
    return re.sub(quotation, "“…”", text, flags=re.IGNORECASE | re.MULTILINE)


def recipient_findings(recipients: list[str], context: PolicyContext) -> Iterator[PolicyFinding]:
    """Yield recipients that are not known addresses, were never written to, or do not read replies."""
    for address in recipients:
        if address.lower() not in context.addresses:
            yield PolicyFinding(
                f"recipient:{address.lower()}", f"{address} is not a known address of {context.customer}."
            )
        elif address.lower() not in context.emailed_addresses:
            yield PolicyFinding(
                f"{FIRST_CONTACT_PREFIX}{address.lower()}",
                f"First email to {address}.",
                needs_confirmation=False,
            )
        if is_no_reply_address(address):
            yield PolicyFinding(
                f"unread:{address.lower()}", f"{address} is a no-reply address.", needs_confirmation=False
            )
    if len(recipients) > RECIPIENT_LIMIT:
        yield PolicyFinding(f"recipients:{len(recipients)}", f"The email goes to {len(recipients)} recipients.")


def hidden_text_findings(text: str) -> Iterator[PolicyFinding]:
    """Yield what a reader would not see, or could not read."""
    for code, sentence in find_hidden_content(text):
        yield PolicyFinding(f"hidden:{code}", sentence)
    if has_encoded_run(text):
        yield PolicyFinding("encoded", "The text contains a long code that only a program can read.")


def link_findings(text: str, context: PolicyContext) -> Iterator[PolicyFinding]:
    """Yield links that have a fault, or lead to a host other than the templates', the agency's or the customer's."""
    found = extract_links(text)
    for link in found:
        host = link_host(link)
        faults = find_link_faults(link)
        if not is_host_within(host, context.hosts) and not is_host_within(host, context.template_hosts):
            faults.insert(0, f"leads to {host} (unknown host)" if host else "leads nowhere")
        if faults and link not in context.template_links:
            shown = shorten(link, MAX_LINK_SHOWN)
            yield PolicyFinding(f"link:{short_hash(link)}", f"The link {shown} {' and '.join(faults)}.")
    if len(found) > LINK_LIMIT:
        yield PolicyFinding(f"links:{len(found)}", f"The text contains {len(found)} links.")


def other_customer_findings(text: str, context: PolicyContext) -> Iterator[PolicyFinding]:
    """Yield names, addresses and telephone numbers of customers other than the one that the suggestion is for."""
    names = [name for name in extract_names(text) if not any(name in mine for mine in context.names)]
    if len(names) > MAX_NAMES:
        names = names[:MAX_NAMES]
        yield PolicyFinding("names", "The text contains more names than can be checked.")
    own = {word for name in context.names for word in name.split()}
    singles = [word for word in extract_single_names(text) if word.lower() not in own]
    ours = f"@{agency_domain()}"
    unknown = [one for one in extract_addresses(text) if one not in context.addresses and not one.endswith(ours)]
    phones = [
        one for one in extract_phones(text) if not any(one[-10:] in mine or mine in one for mine in context.phones)
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
            else f"is not a known address of {context.customer}"
        )
        yield PolicyFinding(f"address:{address}", f"The address {address} in the text {problem}.")
    yield from phone_findings(phones, customers, context)


def phone_findings(
    phones: list[str], customers: list[OtherCustomer], context: PolicyContext
) -> Iterator[PolicyFinding]:
    """Yield telephone numbers of other customers, and in untrusted content those that are not on record."""
    for digits in phones:
        table = next((other.table for other in customers if digits[-10:] in other.search_text), "")
        if table:
            yield PolicyFinding(
                f"phone:{digits}", f"The telephone number {digits} in the text belongs to another {table}."
            )
        elif context.suggestion.tainted and digits[-10:] not in context.mentioned_phones:
            yield PolicyFinding(f"phone:{digits}", f"The telephone number {digits} in the text is not on record.")


def amount_findings(text: str, payload: Any, context: PolicyContext) -> Iterator[PolicyFinding]:
    """Yield amounts of money that are neither on record, nor in the conversation, nor in the payload's own fields."""
    sums = extract_amounts(text)
    own = {value.normalize() for value in payload_numbers(payload.model_dump())}
    for value, as_written in sums.items():
        if value not in own and value not in context.known_numbers:
            yield PolicyFinding(
                f"amount:{value:f}", f"The amount {as_written} is not on record for {context.customer}."
            )


def payload_numbers(value: Any) -> Iterator[Decimal]:
    """Yield the numbers in the fields of a payload."""
    if isinstance(value, dict | list | tuple):
        for one in value.values() if isinstance(value, dict) else value:
            yield from payload_numbers(one)
    elif isinstance(value, int | float | Decimal) and not isinstance(value, bool):
        yield Decimal(str(value))


def payload_text(payload: Any) -> str:
    """Return the texts of `payload`; a record's key is not text."""
    return collect_texts(payload.model_dump())


def short_hash(text: str) -> str:
    """Return a code for `text` that is short enough for a form to send back."""
    return hashlib.sha256(text.encode()).hexdigest()[:12]
