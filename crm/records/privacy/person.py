"""Which records are one person: those with the same address, merged into each other, or converted."""

from collections.abc import Iterable, Iterator
from typing import NamedTuple

from django.db import models
from django.utils.text import capfirst

from crm.records.base import Record
from crm.records.duplicates.finding import find_duplicates
from crm.records.duplicates.matching import Identity, Reason
from crm.records.privacy.tables import PERSON_TABLES, SAME_PERSON_KEYS

MAX_RECORDS, MAX_COMPARED, MAX_SUGGESTED = 200, 5, 20


class Person:
    """The records of one person, and the names, addresses and numbers in them."""

    def __init__(self, records: Iterable[Record]) -> None:
        self.records = list(records)

    def values(self, part: str) -> list[str]:
        """Return the values of `part` (name, email or phone) of all records, each once and none empty."""
        found = (getattr(one, getattr(PERSON_TABLES[type(one)], part)).strip() for one in self.records)
        return list({value.casefold(): value for value in found if value}.values())

    @property
    def addresses(self) -> list[str]:
        return [address.lower() for address in self.values("email")]

    def __str__(self) -> str:
        """Return the name of the person, without the company that the name of a lead has beside it."""
        first = self.records[0]
        return getattr(first, PERSON_TABLES[type(first)].name).strip()


class RelatedRecord(NamedTuple):
    """A record that is, or may be, the same person, and why."""

    record: Record
    reason: str
    is_certain: bool

    @property
    def kind(self) -> str:
        return str(self.record._meta.verbose_name)

    @property
    def label(self) -> str:
        return self.record._meta.label_lower


def find_same_person(start: Record) -> list[RelatedRecord]:
    """Return the other records of the person of `start`: first the certain ones, then those that a person must judge.

    Deleted records count. At most 200 certain records and 20 others.
    """
    certain: dict[tuple[str, object], RelatedRecord] = {}
    queue, seen = [start], {key_of(start)}
    while queue and len(certain) < MAX_RECORDS:
        for found in certainly_same(queue.pop()):
            if key_of(found.record) not in seen:
                seen.add(key_of(found.record))
                certain[key_of(found.record)] = found
                queue.append(found.record)
    person = Person([start, *(found.record for found in certain.values())])
    others = [found for found in possibly_same(person) if key_of(found.record) not in seen]
    return [*certain.values(), *{key_of(found.record): found for found in others}.values()]


def key_of(record: Record) -> tuple[str, object]:
    return record._meta.label_lower, record.pk


def certainly_same(record: Record) -> Iterator[RelatedRecord]:
    """Yield the records with the address of `record`, merged with it, or converted from or to it."""
    model = type(record)
    if address := getattr(record, PERSON_TABLES[model].email):
        for row in records_with_address(address):
            yield RelatedRecord(row, f"Same email address: {address}", True)
    merged = model.everything.filter(models.Q(merged_into=record.pk) | models.Q(pk=record.merged_into_id))
    for row in merged[:MAX_RECORDS]:
        yield RelatedRecord(row, "Merged", True)
    for row in converted_records(record):
        yield RelatedRecord(row, "Converted", True)


def records_with_address(address: str) -> Iterator[Record]:
    """Yield the records of all tables of people with `address`, in any case. Indexes have those of live rows."""
    for model in PERSON_TABLES:
        for rows in (model.objects.all(), model.everything.deleted()):
            yield from rows.with_addresses([address])[:MAX_RECORDS]


def converted_records(record: Record) -> Iterator[Record]:
    """Yield what `record` was converted to, and what was converted to it."""
    for source, name in SAME_PERSON_KEYS:
        target = source._meta.get_field(name).related_model
        if isinstance(record, source):
            yield from target.everything.filter(pk=getattr(record, f"{name}_id"))
        elif isinstance(record, target):
            yield from source.everything.filter(**{name: record.pk})[:MAX_RECORDS]


def possibly_same(person: Person) -> Iterator[RelatedRecord]:
    """Yield the live records that may be the same by the rules for duplicates; a shared company is not enough."""
    for record in person.records[:MAX_COMPARED]:
        for found in find_duplicates(Identity.of(record), None, excluded=record, limit=MAX_SUGGESTED):
            if {*found.match.reasons} - {Reason.COMPANY}:
                yield RelatedRecord(found.record, capfirst(found.description), False)
