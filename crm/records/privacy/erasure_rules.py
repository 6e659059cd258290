"""What an erasure does with each table. Apps to the right add theirs at start (`<app>/privacy.py`).

A row of a person is deleted, unless a rule here keeps it without the person, or something stands in the way.
"""

from collections.abc import Callable, Iterable
from dataclasses import dataclass
from datetime import date
from typing import Any

from django.db import models

from crm.models import ActivityLog, Client
from crm.records.consent import CHANNELS
from crm.records.privacy.footprint import Footprint, chunks
from crm.records.privacy.person import Person
from crm.records.references import allow_changes

ERASED_NAME = "Erased person"
ERASED_TEXT = "Erased."
MIN_NAME_WORDS = 2


@dataclass(frozen=True)
class Anonymising:
    """Keeps the rows of a table without the person: `apply(keys)` removes every text about the person from them."""

    reason: str
    apply: Callable[[set[Any]], None]


@dataclass(frozen=True)
class KeptRows:
    """Rows that the law wants to be kept until a date, and the clients that they need, without their names."""

    model: type[models.Model]
    keys: set[Any]
    clients: set[Any]
    keep_until: date
    reason: str
    apply: Callable[[set[Any]], None]


# Tables with rows that stay without the person.
ANONYMISED: dict[type[models.Model], Anonymising] = {}
# Functions that return what is kept: `find(footprint)`.
KEEPERS: list[Callable[[Footprint], KeptRows | None]] = []
# Functions that yield a sentence for each thing that must be settled first: `find(footprint)`.
OBSTACLES: list[Callable[[Footprint], Iterable[str]]] = []
# Functions that remove the person from rows about many people: `clean(person, footprint)`.
CLEANERS: list[Callable[[Person, Footprint], None]] = []
ERASED_CLIENT_VALUES = {
    "name": ERASED_NAME,
    "email": "",
    "phone": "",
    "address": {},
    "notes": "",
    "tags": [],
    "custom_fields": {},
    "communications": {channel: {"do_not_contact": True} for channel in CHANNELS},
    "merged_into": None,
}


def clear_activity(keys: set[Any]) -> None:
    """Remove the texts of lines of the activity log; who did what when stays."""
    with allow_changes([ActivityLog]):
        for chunk in chunks(keys):
            ActivityLog.objects.filter(pk__in=chunk).update(summary=ERASED_TEXT, metadata={})


def clear_mentions(person: Person, footprint: Footprint) -> None:
    """Clear the lines of the activity log elsewhere that name the person, such as an export with a search."""
    condition = models.Q()
    for text in identifying_texts(person):
        condition |= models.Q(summary__icontains=text) | models.Q(metadata__icontains=text)
    if condition:
        clear_activity(set(ActivityLog.objects.filter(condition).values_list("pk", flat=True)))


def identifying_texts(person: Person) -> list[str]:
    """Return the addresses, numbers and full names of `person`; one word alone may be the name of many."""
    names = [name for name in person.values("name") if len(name.split()) >= MIN_NAME_WORDS]
    return [*person.addresses, *person.values("phone"), *names]


def clear_clients(keys: set[Any]) -> None:
    Client.everything.filter(pk__in=keys).update(**ERASED_CLIENT_VALUES)


ANONYMISED[ActivityLog] = Anonymising("Who did what and when stays; the texts are removed.", clear_activity)
CLEANERS.append(clear_mentions)
