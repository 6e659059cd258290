"""The bell: how many notifications are unread, asked again while a page is open, with a toast for new ones."""

from datetime import UTC, datetime
from typing import Any

from django.contrib.admin import AdminSite
from django.http import HttpRequest, HttpResponse
from django.template.response import TemplateResponse
from django.utils import timezone
from django.utils.dateparse import parse_datetime

from crm.models import Notification
from crm.records.notifications.reading import describe
from crm.screens.notifications.badges import MAX_BADGE_COUNT, format_badge

MAX_TOASTS = 3


def bell_context(count: str) -> dict[str, Any]:
    """Return what the bell shows, with the time from which on its next question counts a notification as new."""
    return {"count": count, "since": timezone.now().isoformat()}


def bell_view(request: HttpRequest, site: AdminSite) -> HttpResponse:
    """Return the bell as it is now, and a toast for each of the latest notifications since the given time.

    Without new ones this costs one statement, which reads a hundred entries of one index at most.
    """
    since, context = parse_since(request.GET.get("since", "")), bell_context("")
    unread = Notification.objects.shown_to(request.user).unread()
    changes = list(unread.values_list("changed_at", flat=True)[: MAX_BADGE_COUNT + 1])
    is_new = since is not None and bool(changes) and changes[0] > since
    newest = unread.filter(changed_at__gt=since)[:MAX_TOASTS] if is_new else []
    toasts = [line for line in describe(newest, request.user) if line.url]
    context = {"bell": {**context, "count": format_badge(len(changes))}, "toasts": toasts}
    answer = TemplateResponse(request, "crm/notifications/bell_answer.html", context)
    answer.headers["Cache-Control"] = "no-store"
    return answer


def parse_since(text: str) -> datetime | None:
    """Return the time in an address; None if there is none."""
    try:
        since = parse_datetime(text.replace(" ", "+"))  # as browsers send a plus
        return since.astimezone(UTC) if since is not None and since.tzinfo is not None else None
    except (ValueError, OverflowError):
        return None
