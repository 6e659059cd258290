"""Find the records that may be the same as one that is stored or being typed.

Each table is read in one statement of three parts, each by its own index and bounded: the address, the last digits of
the phone number, and the key of the name, most similar names first. `matching.compare` decides about the rows.
"""

from collections.abc import Iterator
from typing import Any, NamedTuple

from django.contrib.postgres.fields import ArrayField
from django.contrib.postgres.search import TrigramSimilarity
from django.db import models
from django.db.models.functions import Greatest
from django.db.models.lookups import Exact, GreaterThan

from crm.models import Client, User
from crm.records.base import Record
from crm.records.duplicates.matching import COLUMNS, LINKS, Identity, IdentityColumns, Match, compare, stored_columns
from crm.records.duplicates.spelling import company_words, likely_keys
from crm.records.duplicates.spelling import name_key as key_of_name
from crm.records.people import name_key, phone_tail
from crm.text.phones import PHONE_TAIL_LENGTH

MAX_ROWS_PER_DETAIL, MAX_DUPLICATES = 25, 8
# Of two names or addresses, by trigrams: below it, `compare` finds nothing in common.
MIN_LIKENESS = 0.3


class Duplicate(NamedTuple):
    """A stored record that may be the same, and why."""

    record: Record
    match: Match

    @property
    def description(self) -> str:
        return self.match.description


def find_duplicates(
    identity: Identity,
    user: User | None,
    *,
    excluded: Record | None = None,
    tables: tuple[type[Record], ...] = (),
    limit: int = MAX_DUPLICATES,
) -> list[Duplicate]:
    """Return the live records that may be the same as `identity`, the most likely first.

    Args:
        user: only what this user may see; None, for programs, means all records.
        excluded: the record that `identity` belongs to, if it is stored; what is linked to it is left out too.
        tables: the tables to search; all of them if empty.
    """
    found: list[tuple[Match, type[Record], Any]] = []
    linked = {excluded.pk, *linked_keys(excluded)} if excluded is not None else set()
    for model in tables or tuple(COLUMNS):
        rows = visible_rows(model, user)
        if rows is None:
            continue
        for values in candidate_values(rows.exclude(pk__in=linked) if linked else rows, identity):
            if match := compare(identity, Identity.from_values(model, values)):
                found.append((match, model, values["pk"]))
    # Sorting keeps the order of equals: the newest row of a table first.
    best = sorted(found, key=lambda one: -one[0].score)[:limit]
    return list(load_duplicates(best))


def linked_keys(row: Record) -> set[Any]:
    """Return the keys of the records that `row` is linked to, such as the contacts of a lead."""
    keys: set[Any] = set()
    for table, columns in LINKS.items():
        if own := columns.get(type(row)):
            (other,) = set(columns.values()) - {own}
            keys |= set(table._default_manager.filter(**{own: row.pk}).values_list(other, flat=True))
    return keys - {None}


def visible_rows(model: type[Record], user: User | None) -> models.QuerySet | None:
    """Return the live rows that `user` may see; None if the user may not view the table."""
    rows = model._default_manager.all()
    if user is None:
        return rows
    meta = model._meta
    return rows.visible_to(user) if user.has_perm(f"{meta.app_label}.view_{meta.model_name}") else None


def candidate_values(rows: models.QuerySet, identity: Identity) -> list[dict[str, Any]]:
    """Return the columns to compare of the rows that share a detail with `identity`, each row once."""
    fields = ["pk", *stored_columns(rows.model)]
    sets = [part.values(*fields) for part in candidate_sets(rows, identity)]
    if not sets:
        return []
    found = sets[0].union(*sets[1:], all=True) if len(sets) > 1 else sets[0]
    unique = {values["pk"]: values for values in found}
    return sorted(unique.values(), key=lambda values: values["pk"], reverse=True)


def candidate_sets(rows: models.QuerySet, identity: Identity) -> Iterator[models.QuerySet]:
    columns = COLUMNS[rows.model]
    if identity.email_key:
        yield rows.with_addresses([identity.email_key])[:MAX_ROWS_PER_DETAIL]
    if identity.phone_key:
        tail = identity.phone_key[-PHONE_TAIL_LENGTH:]
        same = rows.alias(phone_tail=phone_tail(columns.phone)).filter(phone_tail=tail)
        yield same.exclude(**{columns.phone: ""})[:MAX_ROWS_PER_DETAIL]
    if keys := name_keys(rows.model, identity):
        names = (identity.name, identity.company or identity.name)
        likeness = Greatest(*(TrigramSimilarity(columns.name, name) for name in names))
        same = rows.alias(likeness=likeness).filter(is_one_of(name_key(columns.name), keys))
        same = same.filter(uncontradicted(columns, identity), likeness__gte=MIN_LIKENESS)
        yield same.order_by("-likeness", "-pk")[:MAX_ROWS_PER_DETAIL]


def is_one_of(expression: models.Func, texts: list[str]) -> models.Func:
    """Return the condition that `expression` is one of `texts`, sent as one array: hundreds of parameters take long."""
    array = models.Value(texts, ArrayField(models.TextField()))
    return models.Func(
        expression, array, template="%(expressions)s)", arg_joiner=" = ANY(", output_field=models.BooleanField()
    )


def uncontradicted(columns: IdentityColumns, identity: Identity) -> models.Q:
    """Return the condition that a row of the same name may match: as `compare` does, but by likeness.

    It keeps the rows of a frequent name, which have other addresses and numbers, from filling the answer.
    """
    agreed = models.Q()
    if identity.email_key:
        similar = GreaterThan(TrigramSimilarity(columns.email, identity.email_key), MIN_LIKENESS)
        agreed &= models.Q(**{columns.email: ""}) | models.Q(similar)
    if identity.phone_key:
        same = Exact(phone_tail(columns.phone), models.Value(identity.phone_key[-PHONE_TAIL_LENGTH:]))
        agreed &= models.Q(**{columns.phone: ""}) | models.Q(same)
    if identity.company:
        company = TrigramSimilarity(columns.company or columns.name, identity.company)
        agreed |= models.Q(GreaterThan(company, MIN_LIKENESS))
    return agreed


def name_keys(model: type[Record], identity: Identity) -> list[str]:
    """Return the keys by which to search for a name, and in the table of clients for a company too."""
    keys = likely_keys(identity.name)
    if model is Client and identity.company and not identity.is_company:
        keys += [key_of_name(identity.company), key_of_name(" ".join(company_words(identity.company)))]
    return [key for key in keys if key]


def load_duplicates(best: list[tuple[Match, type[Record], Any]]) -> Iterator[Duplicate]:
    """Yield the records of `best` in order; one statement a table."""
    stored: dict[Any, Record] = {}
    for model in {model for _, model, _ in best}:
        stored |= model._default_manager.in_bulk([key for _, table, key in best if table is model])
    for match, _, key in best:
        # A row may have been deleted in the meantime.
        if key in stored:
            yield Duplicate(stored[key], match)
