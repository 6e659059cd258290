"""Some of the rows that each of several searches finds, in one statement that costs the same whatever matches."""

import json
from collections.abc import Collection, Iterable, Iterator, Sequence
from typing import Any, NamedTuple
from uuid import UUID

from django.contrib.postgres.fields import ArrayField
from django.core.exceptions import EmptyResultSet
from django.db import connection, models

# From this many expected rows on, a walk through the table meets enough of them sooner than an index lists them all.
FREQUENT_ROWS = 20_000
SUBQUERY_NAME = "found"


def as_array(keys: Iterable[UUID]) -> models.Value:
    """Return `keys` as one parameter: a statement with one for each takes longer to build than to run."""
    return models.Value(list(keys), output_field=ArrayField(models.UUIDField()))


def is_one_of(keys: Iterable[UUID]) -> models.Func:
    """Return the condition that the key of a row is one of `keys`."""
    return models.Func(
        models.F("pk"),
        as_array(keys),
        template="%(expressions)s)",
        arg_joiner=" = ANY(",
        output_field=models.BooleanField(),
    )


class FoundRow(NamedTuple):
    """A row that was found: its key, its name, and its place among rows with names that fit as well."""

    key: UUID
    name: str
    place: float


class Statement(NamedTuple):
    """A statement that reads from each of several querysets, and its parameters."""

    sql: str
    params: list[Any]


def fetch_candidates(
    querysets: Sequence[models.QuerySet], limits: Sequence[int], frequent: Collection[int] = ()
) -> list[list[FoundRow]]:
    """Return the rows (key, name, place) of each of `querysets`, up to its limit. Which ones is left to the database.

    `frequent` are the numbers of the querysets with very many rows.
    """
    candidates: list[list[FoundRow]] = [[] for _ in querysets]
    statement = build_statement(querysets, limits, frequent)
    if statement.sql:
        with connection.cursor() as cursor:
            cursor.execute(*statement)
            for number, *row in cursor.fetchall():
                candidates[number].append(FoundRow(*row))
    return candidates


def build_statement(
    querysets: Sequence[models.QuerySet], limits: Sequence[int], frequent: Collection[int] = ()
) -> Statement:
    """Return the statement of `fetch_candidates`; empty if no queryset can have rows.

    A materialised subquery is planned to be read whole, so by the index of the search. With a limit of its own it would
    be planned as a walk through the table, which reads all of it where the guess of the planner is wrong. It is run no
    further than its rows are asked for. Only where very many rows are expected, a walk is sure to end soon.
    """
    subqueries, parts, params = [], [], []
    for number, (queryset, limit) in enumerate(zip(querysets, limits, strict=True)):
        try:
            sql, values = queryset.query.sql_with_params()
        except EmptyResultSet:
            continue
        name, kind = f"{SUBQUERY_NAME}{number}", "NOT MATERIALIZED" if number in frequent else "MATERIALIZED"
        subqueries.append(f"{name} (key, name, place) AS {kind} ({sql})")
        parts.append(f"(SELECT {number}, key, name, place FROM {name} LIMIT {limit})")
        params += values
    return Statement(f"WITH {', '.join(subqueries)} {' UNION ALL '.join(parts)}" if parts else "", params)


def find_frequent(querysets: Sequence[models.QuerySet]) -> set[int]:
    """Return the numbers of the querysets for which the database expects very many rows."""
    statement = build_statement(querysets, [1] * len(querysets))
    if not statement.sql:
        return set()
    with connection.cursor() as cursor:
        cursor.execute(f"EXPLAIN (FORMAT JSON) {statement.sql}", statement.params)
        (plan,) = cursor.fetchone()
    root = (json.loads(plan) if isinstance(plan, str) else plan)[0]["Plan"]
    prefix = f"CTE {SUBQUERY_NAME}"
    return {
        int(node["Subplan Name"].removeprefix(prefix))
        for node in walk_plan(root)
        if node.get("Subplan Name", "").startswith(prefix) and node["Plan Rows"] >= FREQUENT_ROWS
    }


def walk_plan(node: dict[str, Any]) -> Iterator[dict[str, Any]]:
    yield node
    for child in node.get("Plans", ()):
        yield from walk_plan(child)
