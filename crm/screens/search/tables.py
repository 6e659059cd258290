"""The searches of all tables for one user, each by the search of its own list.

What is read is bounded: a few rows of each table are fetched as candidates, whatever number matches.
"""

from collections.abc import Sequence
from dataclasses import dataclass, field, replace
from typing import Any

from django.db import models
from django.db.models.functions import Cast, Extract
from django.http import HttpRequest

from crm.records.base import can_see_everyone
from crm.screens.search.candidates import FoundRow, fetch_candidates, find_frequent, is_one_of

# Of each table: records that are shown, and rows that are fetched to choose and to count them.
MAX_SHOWN, MAX_CANDIDATES = 5, 100
# Of a table without the owners of its rows: rows that are found before the database is asked who may see them.
MAX_MATCHES = 500


@dataclass(frozen=True)
class FoundRows:
    """What was found in one table: the rows that the text names exactly, and those that its search finds.

    `error` says why nothing could be searched for; `is_complete` whether every row of the table was searched.
    """

    exact: list[FoundRow] = field(default_factory=list)
    rows: list[FoundRow] = field(default_factory=list)
    error: str = ""
    is_complete: bool = True


def look_up(screens: Sequence[Any], request: HttpRequest, text: str) -> list[FoundRows]:
    """Return the rows of each table that `text` names by an address or a number of their own."""
    querysets = exact_querysets(screens, request, text)
    exact = fetch_candidates(querysets, [MAX_SHOWN] * len(querysets))
    return [FoundRows(rows, is_complete=len(rows) < MAX_SHOWN) for rows in exact]


def search_tables(screens: Sequence[Any], request: HttpRequest, text: str) -> list[FoundRows]:
    """Return some of the rows that the search of each list finds for the user, and those named exactly.

    Where an address names a row, no others are searched for: its ending is a part of too many other addresses.
    """
    named = look_up(screens, request, text)
    left = [screen for screen, each in zip(screens, named, strict=True) if not (each.exact and "@" in text)]
    searched = dict(zip(left, search_by_words(left, request, text), strict=True))
    return [
        replace(searched[screen], exact=each.exact) if screen in searched else each
        for screen, each in zip(screens, named, strict=True)
    ]


def search_by_words(screens: Sequence[Any], request: HttpRequest, text: str) -> list[FoundRows]:
    """Return some of the rows that the search of each list finds for the user."""
    late = [is_asked_late(screen, request.user) for screen in screens]
    scopes = [
        screen.model.objects.all() if is_late else screen.get_queryset(request)
        for screen, is_late in zip(screens, late, strict=True)
    ]
    searched = [screen.find_rows(request, rows, text) for screen, rows in zip(screens, scopes, strict=True)]
    querysets = [candidate_rows(screen, each.rows) for screen, each in zip(screens, searched, strict=True)]
    limits = [MAX_MATCHES if is_late else MAX_CANDIDATES + 1 for is_late in late]
    rows = fetch_candidates(querysets, limits, find_frequent(querysets))
    asked = [some if is_late else [] for some, is_late in zip(rows, late, strict=True)]
    visible = fetch_visible(screens, request, asked)
    return [
        FoundRows([], shown, each.error, each.is_complete and len(some) < MAX_MATCHES)
        if is_late
        else FoundRows([], some, each.error, each.is_complete)
        for some, shown, each, is_late in zip(rows, visible, searched, late, strict=True)
    ]


def is_asked_late(screen: Any, user: Any) -> bool:
    """Whether to ask only of the rows that were found which of them `user` may see.

    Where other tables have the owner of a row, asking them for every row that matches takes long.
    """
    path = screen.model.objects.all().owner_path
    return not can_see_everyone(user) and (not path or "__" in path)


def fetch_visible(
    screens: Sequence[Any], request: HttpRequest, rows: Sequence[Sequence[FoundRow]]
) -> list[list[FoundRow]]:
    """Return those of the `rows` of each table that the user may see, as many as are shown and counted."""
    querysets = [
        candidate_rows(screen, screen.get_queryset(request).filter(is_one_of(row.key for row in some)))
        if some
        else screen.model.objects.none()
        for screen, some in zip(screens, rows, strict=True)
    ]
    return fetch_candidates(querysets, [MAX_CANDIDATES + 1] * len(querysets))


def exact_querysets(screens: Sequence[Any], request: HttpRequest, text: str) -> list[models.QuerySet]:
    return [candidate_rows(screen, screen.exact_rows(request, text)) for screen in screens]


def candidate_rows(screen: Any, rows: models.QuerySet) -> models.QuerySet:
    """Return key, name and place of each of `rows`: the place that the search gave it, else the newest first."""
    name = Cast(screen.found_name, models.TextField())
    if "place" in rows.query.annotations:
        return rows.order_by("place").values_list("pk", name, Cast("place", models.FloatField()))
    age = -Cast(Extract(screen.found_newest, "epoch"), models.FloatField())
    return rows.order_by().values_list("pk", name, age)
