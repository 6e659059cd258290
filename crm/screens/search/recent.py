"""Which records a user opened last.

The browser keeps their keys in a cookie, and nothing else: the page of a record needs no statement for it, and opens
while the database takes no changes. Names and rights are read anew whenever the records are shown.
"""

from typing import NamedTuple
from uuid import UUID

from django.conf import settings
from django.db import models
from django.http import HttpRequest, HttpResponse

from crm.models import User

COOKIE_NAME, COOKIE_SECONDS = "crm_recent", 60 * 24 * 3600
MAX_RECENT = 8


class RecentRecord(NamedTuple):
    """A record by the label of its table, such as `leads.lead`, and its key."""

    table: str
    key: UUID


def recent_records(request: HttpRequest) -> list[RecentRecord]:
    """Return the records that the user opened last in this browser, the last first.

    A cookie that another user left, or that is none of ours, counts as empty.
    """
    owner, *entries = request.COOKIES.get(COOKIE_NAME, "").split("|")
    if owner != user_key(request.user):
        return []
    parsed = map(parse_entry, entries[:MAX_RECENT])
    return [*dict.fromkeys(record for record in parsed if record)]


def parse_entry(entry: str) -> RecentRecord | None:
    table, _, key = entry.partition(":")
    try:
        return RecentRecord(table, UUID(hex=key)) if table in settings.SEARCHED_TABLES else None
    except ValueError:
        return None


def user_key(user: User) -> str:
    return user.pk.hex


def remember_opened(request: HttpRequest, response: HttpResponse, row: models.Model) -> HttpResponse:
    """Return `response`, with which the browser notes that the user opened `row`, if its table is searched."""
    opened, before = RecentRecord(row._meta.label_lower, row.pk), recent_records(request)
    if opened.table not in settings.SEARCHED_TABLES or before[:1] == [opened]:
        return response
    kept = [opened, *(record for record in before if record != opened)][:MAX_RECENT]
    entries = (f"{record.table}:{record.key.hex}" for record in kept)
    response.set_cookie(
        COOKIE_NAME,
        "|".join([user_key(request.user), *entries]),
        max_age=COOKIE_SECONDS,
        secure=settings.SESSION_COOKIE_SECURE,
        httponly=True,
        samesite="Lax",
    )
    return response
