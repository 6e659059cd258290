"""From the page of a record to the next or previous one of the list that it was opened from."""

from typing import Any
from uuid import UUID

from django.conf import settings
from django.contrib import messages
from django.db import models
from django.http import HttpRequest, HttpResponseRedirect, QueryDict
from django.urls import path
from django.utils.http import urlencode
from django.views.decorators.http import require_safe

from crm.screens.lists import ORDER_PARAM, KeysetChangeList
from crm.screens.paging import Order, QueryTooSlow, fetch_page, time_limit

# On the page of a record: the query string of the list that it was opened from.
LIST_PARAM = "list"
MAX_LIST_QUERY = 2_000


class NeighbourMixin:
    """For the admin class of a record: its page leads on through the list."""

    def get_urls(self) -> list[Any]:
        name, wrap = f"{self.opts.app_label}_{self.opts.model_name}", self.admin_site.admin_view
        return [
            path("<uuid:pk>/following/", wrap(require_safe(self.following_view)), name=f"{name}_following"),
            path("<uuid:pk>/preceding/", wrap(require_safe(self.preceding_view)), name=f"{name}_preceding"),
            *super().get_urls(),
        ]

    def following_view(self, request: HttpRequest, pk: UUID) -> HttpResponseRedirect:
        return self.neighbour_view(request, pk, is_next=True)

    def preceding_view(self, request: HttpRequest, pk: UUID) -> HttpResponseRedirect:
        return self.neighbour_view(request, pk, is_next=False)

    def neighbour_view(self, request: HttpRequest, pk: UUID, *, is_next: bool) -> HttpResponseRedirect:
        """Open the record beside this one in the list; at its end, or if the filters take too long, the list."""
        row, query = self.get_visible_object(request, pk), list_query(request) or ""
        try:
            with time_limit(settings.LIST_TIMEOUT):
                neighbour = self.find_neighbour(request, row, QueryDict(query), is_next=is_next)
        except QueryTooSlow:
            messages.error(request, "The filters of the list take too long to find the next one.")
            return HttpResponseRedirect(f"{self.list_url()}?{query}")
        if neighbour is None:
            messages.info(request, f"That was the {'last' if is_next else 'first'} of the list.")
            return HttpResponseRedirect(f"{self.list_url()}?{query}")
        return HttpResponseRedirect(f"{self.page_url(neighbour)}?{urlencode({LIST_PARAM: query})}")

    def find_neighbour(
        self, request: HttpRequest, row: models.Model, query: QueryDict, *, is_next: bool
    ) -> models.Model | None:
        """Return the record after or before `row` in the list of `query`, whether or not `row` is still in it."""
        found = self.rows_beside(request, row, query, before=int(not is_next), after=int(is_next))
        return next((one for one in found if one.pk != row.pk), None)

    def rows_beside(
        self, request: HttpRequest, row: models.Model, query: QueryDict, *, before: int, after: int
    ) -> list[models.Model]:
        """Return up to `before` and `after` records around `row` in the list of `query`, with `row` in its place."""
        filterset = self.filterset_class(query, self.get_queryset(request), request=request)
        order = self.order_of(filterset, query)
        here = order.make_cursor(order.annotate_keys(self.get_queryset(request)).get(pk=row.pk), 0)
        listed = filterset.qs.select_related(*self.list_select_related or ()).defer(*self.list_defer)
        earlier = fetch_page(listed, order, size=before, before=here).rows if before else []
        return [*earlier, row, *(fetch_page(listed, order, size=after, after=here).rows if after else [])]

    def order_of(self, filterset: Any, query: QueryDict) -> Order:
        """Return the order in which the list of `query` is shown."""
        orders = self.list_orders(filterset)
        named = {name for tab in self.tabs for name in tab.params}
        chosen = {name: query[name] for name in named if query.get(name)}
        tab_order = next((tab.order for tab in self.tabs if tab.params == chosen), "")
        names = (query.get(ORDER_PARAM), tab_order, next(iter(orders)))
        return orders[next(name for name in names if name in orders)]

    def neighbours_context(self, request: HttpRequest, row: models.Model) -> dict[str, Any]:
        """Return the query string of the list that the page was opened from; None if it was opened otherwise."""
        query = list_query(request)
        return {
            "list_query": query,
            "list_param": urlencode({LIST_PARAM: query}) if query is not None else "",
            "list_url": f"{self.list_url()}?{query}" if query else self.list_url(),
        }


def record_query(cl: KeysetChangeList) -> str:
    """Return the query string of the links from a list to its records: their pages then lead on through the list."""
    if not isinstance(cl, KeysetChangeList) or cl.is_popup:
        return ""
    if not hasattr(cl, "record_query"):  # once a page, whatever number of rows it has
        cl.record_query = "?" + urlencode({LIST_PARAM: cl.address_query()})
    return cl.record_query


def list_query(request: HttpRequest) -> str | None:
    """Return the query string of a list that a page names; None if it names none, or one that is too long."""
    query = request.GET.get(LIST_PARAM)
    return query if query is not None and len(query) <= MAX_LIST_QUERY and "\x00" not in query else None
