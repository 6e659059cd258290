"""What an erasure would do: which rows are deleted, which stay without the person, which stay and why."""

from collections.abc import Iterator
from dataclasses import dataclass
from datetime import date
from typing import Any, NamedTuple

from django.db import models
from django.utils.text import capfirst

from crm.models import ActivityLog, Client
from crm.records.local_time import format_day
from crm.records.privacy.erasure_rules import ANONYMISED, KEEPERS, OBSTACLES, KeptRows
from crm.records.privacy.footprint import Footprint, chunks, trace
from crm.records.privacy.person import Person
from crm.records.privacy.tables import PERSON_TABLES, audited_table

HISTORY_NAME = "earlier versions of rows"


class PlannedTable(NamedTuple):
    """The rows of one table that share a fate, and why they stay; the count is None where it is unknown."""

    name: str
    count: int | None
    reason: str = ""


ALWAYS_KEPT = (
    PlannedTable(
        "Digests of the addresses and numbers",
        None,
        "A new lead or client with one of them is marked “Do not contact”. Fetched emails do not come back.",
    ),
    PlannedTable("Other people’s records that mention the person", None, "Search for the name, and decide there."),
)


@dataclass
class ErasurePlan:
    """The fate of all rows about a person. What stays in `shared` belongs to another record as well."""

    person: Person
    deleted: Footprint
    anonymised: Footprint
    kept: list[KeptRows]
    shared: Footprint
    obstacles: list[str]

    @property
    def kept_clients(self) -> set[Any]:
        return {key for rows in self.kept for key in rows.clients}

    @property
    def keep_until(self) -> date | None:
        return max((rows.keep_until for rows in self.kept), default=None)

    def deleted_tables(self) -> list[PlannedTable]:
        counts: dict[str, int] = {}
        for model, keys in self.deleted.items():
            name = HISTORY_NAME if audited_table(model) is not model else table_name(model, len(keys))
            counts[name] = counts.get(name, 0) + len(keys)
        return [PlannedTable(name, count) for name, count in counts.items() if count]

    def anonymised_tables(self) -> list[PlannedTable]:
        tables = [
            PlannedTable(table_name(model, len(keys)), len(keys), ANONYMISED[model].reason)
            for model, keys in self.anonymised.items()
            if keys
        ]
        if clients := self.kept_clients:
            reason = "Name, addresses and notes are removed. The kept policies need a client."
            tables.append(PlannedTable(table_name(Client, len(clients)), len(clients), reason))
        return tables

    def kept_tables(self) -> list[PlannedTable]:
        kept = [
            PlannedTable(
                table_name(rows.model, len(rows.keys)),
                len(rows.keys),
                f"{rows.reason} Deleted after {format_day(rows.keep_until)}.",
            )
            for rows in self.kept
        ]
        reason = "Also of another record: open it there to decide. The link to the person is removed."
        shared = [PlannedTable(table_name(model, len(keys)), len(keys), reason) for model, keys in self.shared.items()]
        return [*kept, *shared, *ALWAYS_KEPT]

    def counts(self) -> dict[str, int]:
        """Return the number of deleted rows by table, for the log."""
        return {model._meta.db_table: len(keys) for model, keys in self.deleted.items() if keys}


def table_name(model: type[models.Model], count: int) -> str:
    return capfirst(str(model._meta.verbose_name if count == 1 else model._meta.verbose_name_plural))


def plan_erasure(person: Person) -> ErasurePlan:
    """Return what an erasure of `person` would do now."""
    shared = find_shared(person, trace(person))
    footprint = trace(person, without=shared)
    found = [rows for keeper in KEEPERS if (rows := keeper(footprint))]
    obstacles = [sentence for find in OBSTACLES for sentence in find(footprint)]
    anonymised = {model: footprint.pop(model, set()) for model in ANONYMISED}
    deleted = dict(footprint)
    for rows in found:
        deleted[rows.model] = deleted.get(rows.model, set()) - rows.keys
        deleted[Client] = deleted.get(Client, set()) - rows.clients
    return ErasurePlan(person, deleted, anonymised, found, shared, obstacles)


def find_shared(person: Person, footprint: Footprint) -> Footprint:
    """Return the rows that also belong to a record of another person.

    Such a row refers to the person by keys that may be empty, and to another person as well.
    """
    own = {(type(record), record.pk) for record in person.records}
    shared: Footprint = {}
    for model, keys in footprint.items():
        fields = person_keys(model)
        if audited_table(model) is model and model is not ActivityLog and fields:
            for chunk in chunks(keys):
                rows = model._base_manager.filter(pk__in=chunk).values_list("pk", *(field.attname for field in fields))
                found = {key for key, *values in rows if is_shared(fields, values, own)}
                if found:
                    shared.setdefault(model, set()).update(found)
    return shared


def is_shared(fields: list[models.ForeignKey], values: list[Any], own: set[tuple[Any, Any]]) -> bool:
    pairs = [(field, (field.related_model, value)) for field, value in zip(fields, values, strict=True) if value]
    needs_person = any(not field.null for field, place in pairs if place in own)
    return not needs_person and any(place not in own for _, place in pairs)


def person_keys(model: type[models.Model]) -> list[models.ForeignKey]:
    """Return the foreign keys of `model` to tables of people; those of a table of people do not count."""
    if model in PERSON_TABLES:
        return []
    return [
        field
        for field in model._meta.local_concrete_fields
        if isinstance(field, models.ForeignKey) and field.related_model in PERSON_TABLES
    ]


def erased_models(plan: ErasurePlan) -> Iterator[type[models.Model]]:
    """Yield the tables with rows to delete, those that refer to others first; the row audit last."""
    waiting = [model for model, keys in plan.deleted.items() if keys]
    while waiting:
        free = [one for one in waiting if not any(refers_to(other, one) for other in waiting if other is not one)]
        # A ring of tables ends with the one that is least referred to; the database clears its keys.
        model = min(free or waiting, key=lambda one: (audited_table(one) is not one, waiting.index(one)))
        waiting.remove(model)
        yield model


def refers_to(model: type[models.Model], target: type[models.Model]) -> bool:
    keys = (field for field in model._meta.local_concrete_fields if isinstance(field, models.ForeignKey))
    return audited_table(model) is model and any(field.related_model is target for field in keys)
