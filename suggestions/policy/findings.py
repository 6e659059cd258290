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
from crm.text.links import faults, host_of
from suggestions.kinds import Kind
from suggestions.kinds.base import texts_in
from suggestions.models import Suggestion
from suggestions.policy.context import Customer, Known, our_domain

MOST_RECIPIENTS, MOST_LINKS, LONGEST_PROSE = 10, 10, 20_000
FIRST = "first:"
# Names of addresses behind which nobody sits.
UNREAD = re.compile(r"(?:do[-_.]?)?no[nt]?[-_.]?reply|mailer-daemon@|bounces?[-_.+@]", re.IGNORECASE)


@dataclass(frozen=True)
class Finding:
    """One thing that was found; where it `asks`, whoever approves must confirm it by its code."""

    code: str
    sentence: str
    asks: bool = True

    def as_json(self) -> dict[str, Any]:
        return {"code": self.code, "sentence": self.sentence, "asks": self.asks}


def judge(kind: type[Kind], payload: Any, suggestion: Suggestion) -> list[Finding]:
    """Everything that is to be pointed out about `payload`; the same for a person, an agent and a rule."""
    recipients = list(dict.fromkeys(kind.recipients(payload, suggestion)))
    words = kind.prose(payload, suggestion)
    if not recipients and not words:
        # It stays in the house: only what the person who reads it would not see.
        return list(unseen(inner_texts(payload)))
    known = Known(suggestion, recipients)
    found = [*strangers(recipients, known), *unseen(words)]
    words = outgoing_checks.plain(words)
    if len(words) > LONGEST_PROSE:
        return [*found, Finding("long", f"The text has {len(words):,} characters: nobody reads that to the end.")]
    found += links(words, known)
    found += others(words, known)
    if suggestion.tainted is True:
        found += amounts(words, payload, known)
    return found


def strangers(recipients: list[str], known: Known) -> Iterator[Finding]:
    """Recipients that are known neither from the lead or client nor from the conversation, or never written to."""
    for address in recipients:
        if address.lower() not in known.addresses:
            yield Finding(f"recipient:{address.lower()}", f"{address} is not a known address of {known.whom}.")
        elif address.lower() not in known.written_to:
            yield Finding(f"{FIRST}{address.lower()}", f"{address} has never been written to before.", asks=False)
        if UNREAD.match(address):
            yield Finding(f"unread:{address.lower()}", f"Nobody reads {address}, as its name says.", asks=False)
    if len(recipients) > MOST_RECIPIENTS:
        yield Finding(f"recipients:{len(recipients)}", f"It goes to {len(recipients)} people at once.")


def unseen(words: str) -> Iterator[Finding]:
    """What the reader would not see, or could not read."""
    for code, sentence in outgoing_checks.hidden(words):
        yield Finding(f"hidden:{code}", sentence)
    if outgoing_checks.encoded(words):
        yield Finding("encoded", "It holds a long piece that only a program can read.")


def links(words: str, known: Known) -> Iterator[Finding]:
    """Links that lead anywhere but to a template's, the agency's or the customer's own host, or carry data."""
    found = outgoing_checks.links(words)
    for link in found:
        host = host_of(link)
        wrong = faults(link)
        if not belongs(host, known.hosts) and not belongs(host, known.template_hosts):
            wrong.insert(
                0, f"leads to {host or 'an unknown place'}, a host of neither a template nor anybody known here"
            )
        if wrong and link not in known.template_links:
            shown = link if len(link) <= 80 else f"{link[:80]}…"
            yield Finding(f"link:{short(link)}", f"The link {shown} {' and '.join(wrong)}.")
    if len(found) > MOST_LINKS:
        yield Finding(f"links:{len(found)}", f"It holds {len(found)} links.")


def belongs(host: str, hosts: set[str]) -> bool:
    """Whether `host` is one of `hosts` or below one of them."""
    return any(host == one or host.endswith(f".{one}") for one in hosts)


def others(words: str, known: Known) -> Iterator[Finding]:
    """Names, addresses and telephone numbers of anybody but whom it is for, as far as they are customers of ours."""
    names = [name for name in outgoing_checks.names(words) if not any(name in mine for mine in known.names)]
    if len(names) > outgoing_checks.MOST_NAMES:
        names = names[: outgoing_checks.MOST_NAMES]
        yield Finding("names", "It holds more names than can be looked up.")
    own = {word for name in known.names for word in name.split()}
    singles = [word for word in outgoing_checks.single_names(words) if word.lower() not in own]
    ours = f"@{our_domain()}"
    unknown = [one for one in outgoing_checks.addresses(words) if one not in known.addresses and not one.endswith(ours)]
    phones = [
        one
        for one in outgoing_checks.phones(words)
        if not any(one[-10:] in mine or mine in one for mine in known.phones)
    ]
    asked = (names, singles, unknown, phones)
    customers = known.others(*asked) if any(asked) else []
    for other in customers:
        for name in other.names & {*names, *(word.lower() for word in singles)}:
            yield Finding(f"name:{short(name)}", f"“{name.title()}” is the name of another {other.table}.")
    whose = {other.email: other.table for other in customers}
    for address in unknown:
        says = f"belongs to another {whose[address]}" if address in whose else f"is not known of {known.whom}"
        yield Finding(f"address:{address}", f"The address {address} in the text {says}.")
    yield from numbers(phones, customers, known)


def numbers(phones: list[str], customers: list[Customer], known: Known) -> Iterator[Finding]:
    """Telephone numbers of other customers; in what an outsider's words led to, also those that nobody has named."""
    for digits in phones:
        table = next((other.table for other in customers if digits[-10:] in other.search_text), "")
        if table:
            yield Finding(f"phone:{digits}", f"The telephone number {digits} in the text belongs to another {table}.")
        elif known.suggestion.tainted is True and digits[-10:] not in known.said_phones:
            yield Finding(f"phone:{digits}", f"The telephone number {digits} stands nowhere in what we know.")


def amounts(words: str, payload: Any, known: Known) -> Iterator[Finding]:
    """Sums of money that stand nowhere in what is known of the lead, in the conversation or in the payload's own."""
    told = outgoing_checks.amounts(words)
    own = {value.normalize() for value in figures(payload.model_dump())}
    for value, written in told.items():
        if value not in own and value not in known.amounts:
            yield Finding(f"amount:{value:f}", f"The sum {written} stands nowhere in what we know of {known.whom}.")


def figures(value: Any) -> Iterator[Decimal]:
    """The numbers that fields of their own hold."""
    if isinstance(value, dict | list | tuple):
        for one in value.values() if isinstance(value, dict) else value:
            yield from figures(one)
    elif isinstance(value, int | float | Decimal) and not isinstance(value, bool):
        yield Decimal(str(value))


def inner_texts(payload: Any) -> str:
    """What `payload` says in words; the key of a record is none, and is shown by the record's name."""
    return texts_in(payload.model_dump())


def short(text: str) -> str:
    """A name for `text` that is short enough to be sent back by a form."""
    return hashlib.sha256(text.encode()).hexdigest()[:12]
