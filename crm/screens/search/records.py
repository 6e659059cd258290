"""The search over all tables, each by the search of its own list, for the user who asks.

What is read is bounded: a few rows of each table are fetched as candidates, whatever number matches. A record that the
text names by an address or a number of its own is looked up by its index, and comes first.
"""

from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Any, NamedTuple
from urllib.parse import urlencode
from uuid import UUID

from django.apps import apps
from django.conf import settings
from django.contrib.admin import AdminSite
from django.core.exceptions import EmptyResultSet
from django.db import connection, models
from django.db.models.functions import Cast, Extract
from django.http import HttpRequest
from django.utils.text import capfirst

from crm.screens.paging import CappedCount, QueryTooSlow, time_limit
from crm.screens.search.recent import RecentRecord
from crm.screens.theme import places_in_navigation
from crm.text.letters import plain_letters

# Of each table: records that are shown, and rows that are fetched to choose and to count them.
MAX_SHOWN, MAX_CANDIDATES = 5, 100
MAX_SECONDS = 3
TOO_SLOW = "The search took too long. Type more of the word, or search one list."


class FoundRow(NamedTuple):
    """A row that was found: its key, its name, and its place among rows with names that fit as well."""

    key: UUID
    name: str
    place: float


@dataclass(frozen=True)
class Hit:
    """A line among the results: a link, or a button where it `is_post`."""

    name: str
    detail: str
    url: str
    icon: str
    is_post: bool = False


@dataclass(frozen=True)
class HitGroup:
    """Results under one heading; `more_url` leads to all of them."""

    title: str
    hits: list[Hit]
    more_label: str = ""
    more_url: str = ""
    is_exact: bool = False


@dataclass(frozen=True)
class FoundRecords:
    """The groups that were found, and what the user should know about the search in a sentence."""

    groups: list[HitGroup] = field(default_factory=list)
    notice: str = ""


def searched_screens(site: AdminSite, request: HttpRequest) -> list[Any]:
    """Return the admin classes of the searched tables that the user may read."""
    screens = (site.get_model_admin(apps.get_model(label)) for label in settings.SEARCHED_TABLES)
    return [screen for screen in screens if screen.has_view_permission(request)]


def find_records(site: AdminSite, request: HttpRequest, text: str) -> FoundRecords:
    """Return what is found of `text` in each table that the user may read, exact matches first."""
    screens = searched_screens(site, request)
    exact = fetch_candidates(
        [candidate_rows(screen, screen.exact_rows(request, text)) for screen in screens], MAX_SHOWN
    )
    notice, found = "", [[] for _ in screens]
    try:
        with time_limit(MAX_SECONDS):
            rows = [screen.get_search_results(request, screen.get_queryset(request), text)[0] for screen in screens]
            found = fetch_candidates(list(map(candidate_rows, screens, rows)), MAX_CANDIDATES + 1)
    except QueryTooSlow:
        notice = TOO_SLOW
    groups = [
        make_group(request, text, *each) for each in zip(screens, exact, found, strict=True) if each[1] or each[2]
    ]
    if not groups and not notice:
        notice = next(filter(None, (screen.search_error(request, text) for screen in screens)), "")
    return FoundRecords(sorted(groups, key=lambda group: not group.is_exact), notice)


def candidate_rows(screen: Any, rows: models.QuerySet) -> models.QuerySet:
    """Return key, name and place of each of `rows`: the place that the search gave it, else the newest first."""
    name = Cast(screen.found_name, models.TextField())
    if "place" in rows.query.annotations:
        return rows.order_by("place").values_list("pk", name, Cast("place", models.FloatField()))
    age = -Cast(Extract(screen.found_newest, "epoch"), models.FloatField())
    return rows.order_by().values_list("pk", name, age)


def fetch_candidates(querysets: Sequence[models.QuerySet], limit: int) -> list[list[FoundRow]]:
    """Return up to `limit` rows of each of `querysets`, in one statement. Which ones is left to the database.

    A materialised subquery is planned to be read whole, so by the index of the search; with a limit of its own it would
    be planned as a walk through the table. But it is run no further than its rows are asked for.
    """
    subqueries, parts, params = [], [], []
    for number, queryset in enumerate(querysets):
        try:
            sql, values = queryset.query.sql_with_params()
        except EmptyResultSet:
            continue
        subqueries.append(f"found{number} (key, name, place) AS MATERIALIZED ({sql})")
        parts.append(f"(SELECT {number}, key, name, place FROM found{number} LIMIT {limit})")
        params += values
    candidates: list[list[FoundRow]] = [[] for _ in querysets]
    if parts:
        with connection.cursor() as cursor:
            cursor.execute(f"WITH {', '.join(subqueries)} {' UNION ALL '.join(parts)}", params)
            for number, *row in cursor.fetchall():
                candidates[number].append(FoundRow(*row))
    return candidates


def make_group(request: HttpRequest, text: str, screen: Any, exact: list[FoundRow], found: list[FoundRow]) -> HitGroup:
    """Return the best of the candidates of one table, with the link to its list where there are more."""
    ranked = sorted(found, key=lambda candidate: rank(candidate, text))
    keys = [*dict.fromkeys(candidate.key for candidate in [*exact, *ranked])][:MAX_SHOWN]
    rows = load_rows(screen, request, keys)
    hits = [make_hit(screen, request, rows[key]) for key in keys if key in rows]
    if len(found) <= len(hits):
        return HitGroup(heading(screen), hits, is_exact=bool(exact))
    count, place = CappedCount(len(found), MAX_CANDIDATES), list_place(screen)
    url = f"{screen.list_url()}?{urlencode({'q': text})}"
    return HitGroup(heading(screen), hits, f"All {count} in {place['title']}", url, bool(exact))


def rank(candidate: FoundRow, text: str) -> tuple[bool, bool, float]:
    """Return the sort key of a candidate: names that begin with the text first, then those with words that do."""
    name, sought = plain_letters(candidate.name), plain_letters(text)
    words = name.split()
    begins_words = all(any(word.startswith(part) for word in words) for part in sought.split())
    return not name.startswith(sought), not begins_words, candidate.place


def load_rows(screen: Any, request: HttpRequest, keys: Sequence[UUID]) -> dict[UUID, models.Model]:
    """Return the live records with these keys that the user may see, with what their lines name."""
    rows = screen.get_queryset(request).filter(deleted_at__isnull=True)
    return rows.select_related(*(screen.list_select_related or ())).defer(*screen.list_defer).in_bulk(keys)


def load_recent(site: AdminSite, request: HttpRequest, records: Sequence[RecentRecord]) -> list[Hit]:
    """Return a line for each of `records` that the user may still open, in their order."""
    screens = {screen.opts.label_lower: screen for screen in searched_screens(site, request)}
    keys: dict[str, list[UUID]] = {}
    for record in records:
        if record.table in screens:
            keys.setdefault(record.table, []).append(record.key)
    rows = {
        RecentRecord(table, key): row
        for table, wanted in keys.items()
        for key, row in load_rows(screens[table], request, wanted).items()
    }
    return [make_hit(screens[record.table], request, rows[record]) for record in records if record in rows]


def make_hit(screen: Any, request: HttpRequest, row: models.Model) -> Hit:
    detail = " · ".join(str(part) for part in screen.found_details(row, request.user) if part)
    return Hit(str(row), detail, screen.page_url(row), list_place(screen)["icon"])


def heading(screen: Any) -> str:
    return capfirst(screen.opts.verbose_name_plural)


def list_place(screen: Any) -> dict[str, str]:
    """Return the entry of the navigation that leads to the list of `screen`."""
    return places_in_navigation()[screen.list_url()][-1]
