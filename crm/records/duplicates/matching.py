"""What two records have in common: whether they may be the same person or company, and why. Pure.

This is the one comparison of the warning on a form, of an email that asks for a new lead, of the list of pairs and of
the clients that are offered for a conversion.
"""

from dataclasses import dataclass, replace
from functools import cached_property
from typing import Any, NamedTuple

from django.conf import settings
from django.db import models

from crm.models import Client, Contact, ContactClient
from crm.records.duplicates.spelling import (
    SAME,
    SIMILAR,
    company_words,
    compare_names,
    edit_distance,
    is_same_company,
    person_words,
)
from crm.text.phones import comparable_phone

MAX_ADDRESS_ERRORS, MAX_SCORE = 1, 100


class Reason(models.TextChoices):
    """What two records share, strongest first."""

    EMAIL = "email", "same email address"
    PHONE = "phone", "same phone number"
    NAME = "name", "same name"
    SIMILAR_NAME = "similar_name", "similar name"
    COMPANY = "company", "same company"
    SIMILAR_EMAIL = "similar_email", "similar email address"


SCORES = {
    Reason.EMAIL: 60,
    Reason.PHONE: 45,
    Reason.NAME: 30,
    Reason.SIMILAR_NAME: 20,
    Reason.COMPANY: 20,
    Reason.SIMILAR_EMAIL: 20,
}
CONTRADICTION_SCORE = 15


class IdentityColumns(NamedTuple):
    """The columns of a table that say who a record is; `company` is empty where a table has none."""

    name: str
    email: str
    phone: str
    company: str = ""


COLUMNS: dict[type[models.Model], IdentityColumns] = {
    Client: IdentityColumns("name", "email", "phone"),
    Contact: IdentityColumns("name", "email", "phone"),
}


# The rows that make pairs with others; a closed lead of a customer is an earlier deal, not a duplicate.
PAIRED_ROWS: dict[type[models.Model], models.Q] = {Client: models.Q(), Contact: models.Q()}
# Tables that link two records, with the column of each: such records are no duplicates of each other.
LINKS: dict[type[models.Model], dict[type[models.Model], str]] = {
    ContactClient: {Contact: "contact_id", Client: "client_id"}
}


def register_identity(
    model: type[models.Model],
    columns: IdentityColumns,
    *,
    paired_rows: models.Q,
    links: dict[type[models.Model], dict[type[models.Model], str]],
) -> None:
    """Let the records of another table be compared too; called once at start."""
    COLUMNS[model], PAIRED_ROWS[model] = columns, paired_rows
    LINKS.update(links)


@dataclass(frozen=True)
class Identity:
    """Who a record is about, stored or still being typed."""

    name: str = ""
    email: str = ""
    phone: str = ""
    company: str = ""
    # Whether the name may be that of a company, as of a client.
    is_company: bool = False

    @classmethod
    def of(cls, row: models.Model) -> "Identity":
        return cls.from_values(type(row), {name: getattr(row, name) for name in stored_columns(type(row))})

    @classmethod
    def from_values(cls, model: type[models.Model], values: dict[str, Any]) -> "Identity":
        """Return the identity in `values`, by the names of the columns of `model`."""
        columns = COLUMNS[model]
        texts = [str(values.get(name) or "").strip() for name in columns]
        identity = cls(*texts)
        return replace(identity, company=identity.name, is_company=True) if model is Client else identity

    @cached_property
    def email_key(self) -> str:
        return self.email.lower()

    @cached_property
    def phone_key(self) -> str:
        return comparable_phone(self.phone, settings.PHONE_REGION)


def stored_columns(model: type[models.Model]) -> list[str]:
    """Return the columns of `model` that are compared."""
    return [name for name in COLUMNS[model] if name]


class Match(NamedTuple):
    """Why two records may be the same, strongest reason first, and how likely that is, from 1 to 100."""

    reasons: tuple[Reason, ...]
    score: int

    @property
    def description(self) -> str:
        """Return such as "same phone number, similar name"."""
        return ", ".join(reason.label for reason in self.reasons)


def compare(one: Identity, other: Identity) -> Match | None:
    """Return why two records may be the same, or None.

    An address or a phone number is enough. A name needs the same company, an address with a typing error, or that
    nothing contradicts it: many people have the same name.
    """
    found = list(shared_details(one, other))
    contradictions = count_contradictions(one, other, found)
    if not is_enough(one, other, found, contradictions):
        return None
    score = sum(SCORES[reason] for reason in found) - CONTRADICTION_SCORE * contradictions
    return Match(tuple(sorted(found, key=list(Reason).index)), max(1, min(score, MAX_SCORE)))


def shared_details(one: Identity, other: Identity) -> list[Reason]:
    names = compare_names(one.name, other.name)
    tests = {
        Reason.EMAIL: one.email_key and one.email_key == other.email_key,
        Reason.PHONE: one.phone_key and one.phone_key == other.phone_key,
        Reason.NAME: names == SAME,
        Reason.SIMILAR_NAME: names == SIMILAR,
        Reason.COMPANY: is_same_company(one.company, other.company) and not (one.is_company and other.is_company),
        Reason.SIMILAR_EMAIL: names and is_similar_email(one.email_key, other.email_key),
    }
    return [reason for reason, is_shared in tests.items() if is_shared]


def shared_values(one: Identity, other: Identity, match: Match) -> list[str]:
    """Return what the reasons of `match` rest on, as texts."""
    names = sorted(" ".join(sorted(person_words(side.name))) for side in (one, other))
    values = {
        Reason.EMAIL: [one.email_key],
        Reason.PHONE: [one.phone_key],
        Reason.NAME: names,
        Reason.SIMILAR_NAME: names,
        Reason.COMPANY: sorted(" ".join(company_words(side.company)) for side in (one, other)),
        Reason.SIMILAR_EMAIL: sorted((one.email_key, other.email_key)),
    }
    return [f"{reason}: {value}" for reason in match.reasons for value in values[reason]]


def is_similar_email(one: str, other: str) -> bool:
    """Whether two addresses differ by one letter; a digit tells many addresses apart."""
    if not one or not other or one == other or abs(len(one) - len(other)) > MAX_ADDRESS_ERRORS:
        return False
    letters = ["".join(char for char in text if not char.isdigit()) for text in (one, other)]
    return letters[0] != letters[1] and edit_distance(one, other) <= MAX_ADDRESS_ERRORS


def count_contradictions(one: Identity, other: Identity, found: list[Reason]) -> int:
    """Return how many details both records have and do not share."""
    emails = one.email_key and other.email_key and not {Reason.EMAIL, Reason.SIMILAR_EMAIL} & {*found}
    phones = one.phone_key and other.phone_key and Reason.PHONE not in found
    names = one.name and other.name and not {Reason.NAME, Reason.SIMILAR_NAME, Reason.COMPANY} & {*found}
    return sum(map(bool, (emails, phones, names)))


def is_enough(one: Identity, other: Identity, found: list[Reason], contradictions: int) -> bool:
    reasons = {*found}
    if reasons & {Reason.EMAIL, Reason.PHONE}:
        return True
    if reasons & {Reason.NAME, Reason.SIMILAR_NAME}:
        is_full_name = one.is_company or other.is_company or len(person_words(one.name)) > 1
        return bool(reasons & {Reason.COMPANY, Reason.SIMILAR_EMAIL}) or (is_full_name and not contradictions)
    # The client is the company itself.
    return Reason.COMPANY in reasons and (one.is_company or other.is_company)
