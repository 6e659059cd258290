"""The first page: the list of what to do, the figures of the week, and larger panels that are fetched afterwards."""

from collections.abc import Iterator
from datetime import datetime
from typing import Any
from urllib.parse import urlencode

from django.conf import settings
from django.contrib.admin import AdminSite
from django.http import HttpRequest, HttpResponse
from django.template.response import TemplateResponse
from django.urls import URLPattern, path
from django.utils import timezone
from django.utils.module_loading import import_string

from crm.models import User
from crm.screens.notifications.badges import MAX_BADGE_COUNT, format_badge
from crm.screens.paging import capped_counts
from crm.screens.panels import Panel, count_figures
from crm.screens.today.items import TodaySource, merge_sources

PAGE_SIZE, MAX_ITEMS = 20, 100


def today_urls(site: AdminSite) -> list[URLPattern]:
    return [path("today/panels/", site.admin_view(today_panels_view), {"site": site}, name="today_panels")]


def load_sources(user: User, now: datetime) -> Iterator[TodaySource]:
    """Yield the sources that `user` may see, in the order of their chips."""
    for name in settings.TODAY_SOURCES:
        source = import_string(name)(user, now)
        if source is not None:
            yield source


def today_context(request: HttpRequest) -> dict[str, Any]:
    """Return what the first page shows, as far as its address says: one kind or all, and how many."""
    user, now = request.user, timezone.now()
    sources = list(load_sources(user, now))
    counts = capped_counts({source.kind: source.rows for source in sources}, MAX_BADGE_COUNT)
    chosen = next((source for source in sources if source.kind == request.GET.get("kind")), None)
    size = parse_size(request.GET.get("show", ""))
    shown = [chosen] if chosen else [source for source in sources if counts[source.kind]]
    found = merge_sources(shown, size)
    figures = [import_string(name)(user, now) for name in settings.TODAY_FIGURES]
    kind = {"kind": chosen.kind} if chosen else {}
    next_size = min(size + PAGE_SIZE, MAX_ITEMS)
    return {
        "groups": found.groups,
        "chips": make_chips(sources, counts, chosen),
        "chosen": chosen,
        "more": f"?{urlencode({**kind, 'show': next_size})}#more" if found.has_more and size < MAX_ITEMS else "",
        "lists": shown if found.has_more and size >= MAX_ITEMS else [],
        "has_sources": bool(sources),
        "figures": count_figures(figures),
        "has_panels": bool(settings.TODAY_PANELS) and bool(sources),
        "after_first_page": size - PAGE_SIZE,
    }


def make_chips(sources: list[TodaySource], counts: dict[str, int], chosen: TodaySource | None) -> list[dict[str, Any]]:
    """Return the filters: all, and each kind with its number."""
    total = sum(counts.values())
    everything = {"label": "All", "icon": "", "query": "", "count": format_badge(total), "is_chosen": chosen is None}
    kinds = [
        {
            "label": source.label,
            "icon": source.icon,
            "query": f"?kind={source.kind}",
            "count": format_badge(counts[source.kind]),
            "is_chosen": source is chosen,
        }
        for source in sources
        if counts[source.kind] or source is chosen or not source.is_rare
    ]
    return [everything, *kinds]


def parse_size(text: str) -> int:
    """Return how many items the address asks for: a multiple of a page, at most a hundred."""
    wanted = int(text) if text.isascii() and text.isdigit() and len(text) < 4 else PAGE_SIZE
    return min(max(wanted // PAGE_SIZE, 1) * PAGE_SIZE, MAX_ITEMS)


def today_panels_view(request: HttpRequest, site: AdminSite) -> HttpResponse:
    """Return the panels that take longer than the first page may; without scripts as a page of their own."""
    now = timezone.now()
    found = [import_string(name)(request.user, now) for name in settings.TODAY_PANELS]
    panels: list[Panel] = [panel for panel in found if panel is not None]
    if request.headers.get("HX-Request"):
        return TemplateResponse(request, "crm/today/panels.html", {"panels": panels})
    context = {**site.each_context(request), "title": "Pipeline", "panels": panels}
    return TemplateResponse(request, "crm/today/panels_page.html", context)
