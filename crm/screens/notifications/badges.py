"""The numbers that every page shows: those of the navigation and of the bell, counted in one statement."""

from collections.abc import Iterable
from typing import Any

from django.conf import settings
from django.http import HttpRequest
from django.utils.module_loading import import_string

from crm.models import Notification
from crm.screens.paging import CappedCount, capped_counts
from crm.screens.theme import allows

MAX_BADGE_COUNT = 99
BELL = "bell"


def badge_counts(request: HttpRequest) -> dict[str, str]:
    """Return the numbers by the names of badges, and that of the bell; empty where there is nothing to count."""
    if not hasattr(request, "badge_counts"):  # a page asks several times
        querysets = {name: import_string(name)(request.user) for name in badge_names(request)}
        if request.user.is_authenticated and request.user.is_staff:
            querysets[BELL] = Notification.objects.shown_to(request.user).unread()
        counts = capped_counts({name: rows for name, rows in querysets.items() if rows is not None}, MAX_BADGE_COUNT)
        request.badge_counts = {name: format_badge(count) for name, count in counts.items()}
    return request.badge_counts


def badge_names(request: HttpRequest) -> Iterable[str]:
    entries: Iterable[dict[str, Any]] = (
        entry for group in settings.UNFOLD["SIDEBAR"]["navigation"] for entry in group["items"]
    )
    return [entry["badge"] for entry in entries if entry["badge"] and allows(request, entry)]


def format_badge(count: int, limit: int = MAX_BADGE_COUNT) -> str:
    """Return a count that stopped at `limit`, such as `7` or `99+`; empty for none."""
    return str(CappedCount(count, limit)) if count else ""
