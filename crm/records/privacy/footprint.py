"""All rows about a person, by table: what refers to the person's records, what refers to those rows, and so on."""

from collections.abc import Iterable, Iterator
from typing import Any

from django.apps import apps
from django.db import models

from crm.records.privacy.person import Person
from crm.records.privacy.tables import (
    FINDERS,
    NAMED_ROWS,
    PERSON_TABLES,
    UNFOLLOWED_KEYS,
    WITHOUT_PERSONS,
    NamedRow,
    audited_table,
    column_name,
)

CHUNK_SIZE = 1_000
# The keys of the rows of each table, those of the person's own records first.
Footprint = dict[type[models.Model], set[Any]]


def trace(person: Person, *, without: Footprint | None = None) -> Footprint:
    """Return the footprint of `person`, apart from the rows in `without` and what refers to them.

    A few statements a foreign key, however many rows.
    """
    footprint, left_out = {}, without or {}
    for record in person.records:
        footprint.setdefault(type(record), set()).add(record.pk)
    queue = list(footprint.items())
    found = [rows for finder in FINDERS for rows in finder(person)]
    while queue or found:
        if found:
            add_rows(footprint, queue, *found.pop(), left_out)
            continue
        model, keys = queue.pop()
        for field in referring_keys(model):
            for chunk in chunks(keys):
                rows = field.model._base_manager.filter(**{f"{field.name}__in": chunk})
                add_rows(footprint, queue, field.model, rows.values_list("pk", flat=True), left_out)
    for name in NAMED_ROWS:
        footprint.setdefault(name.model, set()).update(rows_that_name(footprint, name))
    return footprint


def rows_that_name(footprint: Footprint, name: NamedRow) -> Iterator[Any]:
    """Yield the keys of the rows that name a row of `footprint` in the columns of `name`."""
    for model, keys in list(footprint.items()):
        if isinstance(model._meta.pk, models.UUIDField) and audited_table(model) is model:
            for chunk in chunks(keys):
                place = {name.table_column: model._meta.label_lower, f"{name.key_column}__in": chunk}
                yield from name.model._base_manager.filter(**place).values_list("pk", flat=True)


def add_rows(
    footprint: Footprint, queue: list, model: type[models.Model], keys: Iterable[Any], left_out: Footprint
) -> None:
    known = footprint.setdefault(model, set())
    if new := set(keys) - known - left_out.get(model, set()):
        known |= new
        queue.append((model, new))


def referring_keys(target: type[models.Model]) -> list[models.ForeignKey]:
    """Return the foreign keys that make a row part of the record of a row of `target`.

    One table of people does not follow from another: the linked contact of a client is another person.
    """
    return [
        field
        for model in traced_models()
        if model not in PERSON_TABLES
        for field in model._meta.local_concrete_fields
        if isinstance(field, models.ForeignKey) and field.related_model is target
        if column_name(model, field) not in UNFOLLOWED_KEYS
    ]


def traced_models() -> list[type[models.Model]]:
    """Return the tables that may hold something about a person, the row audit too."""
    models_of_apps = apps.get_models(include_auto_created=True)
    return [
        one
        for one in models_of_apps
        if one._meta.managed and not one._meta.proxy and audited_table(one)._meta.label_lower not in WITHOUT_PERSONS
    ]


def chunks(keys: Iterable[Any]) -> Iterator[list[Any]]:
    ordered = sorted(keys)
    return (ordered[start : start + CHUNK_SIZE] for start in range(0, len(ordered), CHUNK_SIZE))


def reachable_models() -> set[type[models.Model]]:
    """Return the tables that a footprint can have by foreign keys alone."""
    reached, queue = set(PERSON_TABLES), list(PERSON_TABLES)
    while queue:
        for field in referring_keys(queue.pop()):
            if field.model not in reached:
                reached.add(field.model)
                queue.append(field.model)
    return reached
