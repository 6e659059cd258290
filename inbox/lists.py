"""The list of conversations, alone and beside the conversation that is read.

Search results come best match first, each with an excerpt.
"""

from collections.abc import Sequence
from typing import Any
from urllib.parse import urlencode, urlsplit
from uuid import UUID

from django.conf import settings
from django.db import models
from django.http import HttpRequest, HttpResponse, QueryDict
from django.template.response import TemplateResponse
from django.urls import path
from django.views.decorators.http import require_safe

from crm.screens.lists import KeysetChangeList
from crm.screens.paging import Order, QueryTooSlow, capped_counts, format_capped_count, time_limit
from crm.screens.record_page.neighbours import LIST_PARAM, list_query
from crm.text.hidden_characters import strip_hidden_characters
from inbox.action_forms import ArchiveThread, ResolveThread, SnoozeThread
from inbox.filters import ThreadFilter
from inbox.models import Direction, Message, Thread
from inbox.search import MAX_NEWEST_SCANNED, MAX_THREADS_LISTED, SearchResult, build_excerpts

MAX_BEFORE, MAX_AFTER = 8, 24
NEWEST_MESSAGE = Message.objects.filter(thread=models.OuterRef("pk")).order_by("-sent_at", "-id").values("pk")[:1]
# Actions that finish a conversation for now, after which the next one of the list comes.
FINISHING_VERBS = {ResolveThread.verb, ArchiveThread.verb, SnoozeThread.verb}
# The name of the order by the end of the snooze.
BACK_SOONEST = "back"
BEST_MATCH_FIRST = Order("Best match first", {"place": models.F("place"), "id": models.F("id")}, descending=False)


def add_newest_words(threads: Sequence[Thread]) -> list[Thread]:
    """Return `threads`, each with the `snippet` of its newest message and the `writer`, in one statement."""
    keys = [thread.pk for thread in threads]
    newest = Thread.everything.filter(pk__in=keys).values(newest=models.Subquery(NEWEST_MESSAGE))
    rows = Message.objects.filter(pk__in=newest).values_list(
        "thread", "snippet", "direction", "from_name", "from_email"
    )
    found = {thread: words for thread, *words in rows} if keys else {}
    for thread in threads:
        snippet, direction, name, address = found.get(thread.pk, ("", Direction.IN, "", ""))
        writer = strip_hidden_characters(name).strip() or address
        thread.snippet, thread.writer = snippet, "We" if direction == Direction.OUT else writer
    return list(threads)


class ThreadList(KeysetChangeList):
    """A list that shows the excerpts of a search."""

    @property
    def search_result(self) -> SearchResult | None:
        return self.filterset.search_result

    def available_orders(self) -> dict[str, Order]:
        """Offer "Best match first" for search results."""
        orders = super().available_orders()
        return {"best": BEST_MATCH_FIRST, **orders} if self.search_result else orders

    def default_order(self) -> str:
        if self.search_result:
            return "best"
        # A filter by lead, client or participant usually asks for the latest conversations.
        return "newest" if self.current_tab() is None and self.filterset.searches_all_tabs else super().default_order()

    def get_results(self, request: HttpRequest) -> None:
        super().get_results(request)
        add_newest_words(self.page.rows)
        if self.search_result is None:
            return
        best = {
            row.pk: self.search_result.best_messages[row.pk]
            for row in self.page.rows
            if row.pk in self.search_result.best_messages
        }
        excerpts_by_message = build_excerpts(self.filterset.form.cleaned_data["q"], best.values()) if best else {}
        for row in self.page.rows:
            row.excerpt = excerpts_by_message.get(best.get(row.pk), [])

    def notice(self) -> str:
        if self.search_result is None:
            return ""
        notices = []
        if not self.search_result.is_complete:
            notices.append(
                f"Very many messages match. Only the newest {MAX_NEWEST_SCANNED:,} and some older ones were searched."
                " Use a rarer word or a filter to search further."
            )
        if self.search_result.has_more:
            notices.append(f"Showing the best {MAX_THREADS_LISTED:,} matches.")
        return " ".join(notices)


class ReadingListMixin:
    """For the admin class of conversations: a wide screen shows the list beside the conversation."""

    def get_urls(self) -> list[Any]:
        beside = self.admin_site.admin_view(require_safe(self.beside_view))
        return [path("<uuid:pk>/beside/", beside, name="inbox_thread_beside"), *super().get_urls()]

    def list_orders(self, filterset: ThreadFilter) -> dict[str, Order]:
        """Return the orders of the list; by the end of the snooze only for snoozed conversations."""
        orders = super().list_orders(filterset)
        if filterset.data.get("snoozed"):
            return orders
        return {name: order for name, order in orders.items() if name != BACK_SOONEST}

    def beside_view(self, request: HttpRequest, pk: UUID) -> HttpResponse:
        """Return the part of the list around a conversation, which its page fetches where there is room for it."""
        row, query = self.get_visible_object(request, pk), QueryDict(list_query(request) or "")
        context = {"row": row, "list_param": urlencode({LIST_PARAM: query.urlencode()}), "threads": [], "queues": []}
        try:
            with time_limit(settings.LIST_TIMEOUT):
                context["threads"] = self.threads_beside(request, row, query)
                context["queues"] = self.queues_beside(request, query)
        except QueryTooSlow:
            context["is_too_slow"] = True
        return TemplateResponse(request, "inbox/beside.html", context)

    def queues_beside(self, request: HttpRequest, query: QueryDict) -> list[dict[str, Any]]:
        """Return label, size and address of each queue; the one of the list `query` is `current`."""
        names = {name for tab in self.tabs for name in tab.params}
        chosen = {name: query[name] for name in names if query.get(name)}
        tabs = {
            str(place): tab
            for place, tab in enumerate(self.tabs)
            if tab.rows_to_count and (not tab.permission or request.user.has_perm(tab.permission))
        }
        rows = self.get_queryset(request)
        counts = capped_counts({place: tab.rows_to_count(rows, request.user) for place, tab in tabs.items()})
        return [
            {
                "label": tab.label,
                "count": format_capped_count(counts[place]),
                "url": f"{self.list_url()}?{urlencode(tab.params)}",
                "current": tab.params == chosen,
            }
            for place, tab in tabs.items()
        ]

    def threads_beside(self, request: HttpRequest, row: Thread, query: QueryDict) -> list[Thread]:
        """Return the conversations around `row` and `row` itself, each with its newest words."""
        return add_newest_words(self.rows_beside(request, row, query, before=MAX_BEFORE, after=MAX_AFTER))

    def success_url(self, request: HttpRequest, row: Thread, verb: str) -> str:
        """After a conversation is finished, open the next one of the list that it was opened from."""
        url = super().success_url(request, row, verb)
        query = QueryDict(urlsplit(url).query).get(LIST_PARAM)
        if verb not in FINISHING_VERBS or query is None or urlsplit(url).path != self.page_url(row):
            return url
        try:
            with time_limit(settings.LIST_TIMEOUT):
                following = self.find_neighbour(request, row, QueryDict(query), is_next=True)
        except QueryTooSlow:
            following = None
        if following is None:
            return f"{self.list_url()}?{query}"
        return f"{self.page_url(following)}?{urlencode({LIST_PARAM: query})}"
