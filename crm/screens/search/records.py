"""What the search over everything shows: groups of records, and the records opened last."""

from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Any
from urllib.parse import urlencode
from uuid import UUID

from django.apps import apps
from django.conf import settings
from django.contrib.admin import AdminSite
from django.db import models
from django.http import HttpRequest
from django.utils.text import capfirst

from crm.screens.filters import MIN_SEARCH_LENGTH
from crm.screens.paging import CappedCount, QueryTooSlow, time_limit
from crm.screens.search.candidates import FoundRow
from crm.screens.search.recent import RecentRecord
from crm.screens.search.tables import MAX_CANDIDATES, MAX_SHOWN, FoundRows, look_up, search_tables
from crm.screens.theme import places_in_navigation
from crm.text.letters import plain_letters

MAX_SECONDS = 3
TOO_SHORT = f"Type at least {MIN_SEARCH_LENGTH} characters to search for records."
TOO_SLOW = "The search took too long. Type more of the word, or search one list."


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
    """Return what is found of `text` in each table that the user may read, exact matches first.

    Fewer letters than the index of a search has in an entry are looked up as a number only: to find them within words,
    every row would be read.
    """
    screens, notice = searched_screens(site, request), ""
    if len(text) < MIN_SEARCH_LENGTH:
        found = look_up(screens, request, text)
        notice = "" if any(each.exact for each in found) else TOO_SHORT
    else:
        try:
            with time_limit(MAX_SECONDS):
                found = search_tables(screens, request, text)
        except QueryTooSlow:
            found, notice = look_up(screens, request, text), TOO_SLOW
    candidates = [each for each in zip(screens, found, strict=True) if each[1].exact or each[1].rows]
    groups = [make_group(request, text, *each) for each in candidates]
    error = "" if groups else next((each.error for each in found if each.error), "")
    return FoundRecords(sorted(groups, key=lambda group: not group.is_exact), notice or error)


def make_group(request: HttpRequest, text: str, screen: Any, found: FoundRows) -> HitGroup:
    """Return the best of the candidates of one table, with the link to its list where there are more."""
    ranked = sorted(found.rows, key=lambda row: rank(row, text))
    keys = [*dict.fromkeys(row.key for row in [*found.exact, *ranked])][:MAX_SHOWN]
    rows = load_rows(screen, request, keys)
    hits = [make_hit(screen, request, rows[key]) for key in keys if key in rows]
    is_exact = bool(found.exact)
    if len(found.rows) <= len(hits) and found.is_complete:
        return HitGroup(heading(screen), hits, is_exact=is_exact)
    count = f" {CappedCount(len(found.rows), MAX_CANDIDATES)}" if found.is_complete else ""
    url = f"{screen.list_url()}?{urlencode({'q': text})}"
    return HitGroup(heading(screen), hits, f"All{count} in {list_place(screen)['title']}", url, is_exact)


def rank(row: FoundRow, text: str) -> tuple[bool, bool, float]:
    """Return the sort key of a candidate: names that begin with the text first, then those with words that do."""
    name, sought = plain_letters(row.name), plain_letters(text)
    words = name.split()
    begins_words = all(any(word.startswith(part) for word in words) for part in sought.split())
    return not name.startswith(sought), not begins_words, row.place


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
