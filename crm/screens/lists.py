"""Lists of records: filtered by a FilterSet, paged by key, and never counted or sorted whole."""

from collections.abc import Callable, Iterable
from contextlib import AbstractContextManager, nullcontext
from dataclasses import dataclass, field
from typing import Any
from urllib.parse import parse_qsl, urlencode

from django.conf import settings
from django.contrib import messages
from django.contrib.admin.options import IS_POPUP_VAR, TO_FIELD_VAR
from django.contrib.admin.views.main import ALL_VAR, ERROR_FLAG, PAGE_VAR
from django.db import models
from django.http import HttpRequest
from unfold.views import ChangeList

from crm.exceptions import InvalidInput
from crm.models import SavedView, User
from crm.screens.columns.change_list import ORDER_PARAM, ColumnsMixin
from crm.screens.columns.choice import COLUMN_PARAM
from crm.screens.columns.column import Column as Column
from crm.screens.columns.column import optional_column as optional_column
from crm.screens.custom_fields.schema_requests import describe_slow_list
from crm.screens.filter_bar.chips import FILTER_SHEET_PARAM, FilterBarMixin
from crm.screens.filter_bar.sheet import QUESTIONS_PARAM
from crm.screens.filters import describe_unknown_filters
from crm.screens.paging import (
    CappedCount,
    Order,
    Page,
    QueryTooSlow,
    capped_count,
    capped_counts,
    exact_count,
    fetch_page,
    time_limit,
)

AFTER_PARAM, BEFORE_PARAM, COUNT_PARAM, COUNT_ALL = "after", "before", "count", "all"
# Django's own parameters of a list, and those of the record pages that a list opens.
LIST_PARAMS = frozenset(
    {AFTER_PARAM, BEFORE_PARAM, ORDER_PARAM, COLUMN_PARAM, COUNT_PARAM, FILTER_SHEET_PARAM, QUESTIONS_PARAM}
    | {ERROR_FLAG, PAGE_VAR, ALL_VAR}
    | {IS_POPUP_VAR, TO_FIELD_VAR, "_source_model", "_changelist_filters", "edit"}
)
# Counting a filtered list reads its rows, so the count stops at what a page can wait for.
MAX_FILTERED_COUNT = 1_000


@dataclass(frozen=True)
class Tab:
    """A named part of a list: the query string that shows it and the rows that it counts.

    Without `rows_to_count` it shows no count: the size of an archive says little and costs much. `order` names its
    default Order; empty is the list's first.
    """

    label: str
    params: dict[str, str] = field(default_factory=dict)
    rows_to_count: Callable[[models.QuerySet, User], models.QuerySet] | None = lambda rows, user: rows.live()
    permission: str = ""
    order: str = ""


class KeysetChangeList(ColumnsMixin, FilterBarMixin, ChangeList):
    """Django's change list with our filters and pages. `own_params` are parameters of the address beside filters."""

    own_params = LIST_PARAMS
    # Whether the filters took too long, so that there are no rows to show.
    was_stopped = False

    def get_queryset(self, request: HttpRequest, exclude_parameters: Any = None) -> models.QuerySet:
        self.get, self.request = request.GET, request
        self.filterset = self.model_admin.filterset_class(request.GET, self.root_queryset, request=request)
        queryset = self.filterset.qs
        self.has_filters = self.has_active_filters = False
        self.clear_all_filters_qs = self.date_hierarchy = None
        self.filter_specs: list[Any] = []
        for name, errors in self.filterset.form.errors.items():
            label = self.filterset.form.fields[name].label if name in self.filterset.form.fields else name
            messages.error(request, f"{label}: {' '.join(errors)} This filter was left out.")
        custom_fields = getattr(self.filterset, "custom_fields", None)
        errors = custom_fields.errors.values() if custom_fields else ()
        custom_errors = [f"{error} This filter was left out." for error in errors]
        for sentence in [*custom_errors, *describe_unknown_filters(self.filterset, self.own_params)]:
            messages.error(request, sentence)
        if self.model_admin.list_select_related:
            queryset = queryset.select_related(*self.model_admin.list_select_related)
        shown = self.column_choice.json_columns()
        return queryset.defer(*(name for name in self.model_admin.list_defer if name not in shown))

    def get_results(self, request: HttpRequest) -> None:
        orders = self.available_orders()
        requested_order = request.GET.get(ORDER_PARAM, "")
        self.order_name = requested_order if requested_order in orders else self.default_order()
        if requested_order and requested_order not in orders:
            messages.error(request, f"Unknown sort order “{requested_order[:40]}”.")
        self.read_in_time(request, orders[self.order_name])
        self.result_list, self.links = self.page.rows, self.get_links(request)
        self.result_count = self.full_result_count = self.result_total.number
        self.show_full_result_count = self.can_show_all = False
        self.multi_page = bool(self.page.next or self.page.previous)
        self.count_uses(orders[self.order_name], request.user)
        self.paginator = self.formset = None
        self.views = list(
            SavedView.objects.visible_to(request.user).filter(table=self.opts.label_lower).order_by("name", "id")[:50]
        )

    def available_orders(self) -> dict[str, Order]:
        """Return the orders that this list offers, the default first."""
        return self.model_admin.list_orders(self.filterset)

    def notice(self) -> str:
        """Return a note about the rows in one sentence; empty if there is none."""
        return ""

    def count_results(self, request: HttpRequest) -> CappedCount:
        """Return the count of the open tab, else a count capped for speed; the exact one if the user asks for it."""
        if request.GET.get(COUNT_PARAM) == COUNT_ALL:
            number = exact_count(self.queryset)
            if number is not None:
                return CappedCount(number, number)
            messages.error(request, "There are too many rows to count. Narrow the list down with a filter.")
        tab = next((tab for tab in self.tabs if tab["current"]), None)
        if tab and tab["size"]:
            return tab["size"]
        return CappedCount(capped_count(self.queryset, MAX_FILTERED_COUNT), MAX_FILTERED_COUNT)

    def get_links(self, request: HttpRequest) -> Iterable[tuple[str, str, str]]:
        """Return the links above the list (page, icon, label), which may depend on the user."""
        return self.model_admin.get_list_links(request)

    def menu_links(self) -> list[tuple[str, str, str]]:
        """Return the links in the menu "More" above the list: page, icon and label."""
        return self.model_admin.get_menu_links(self.request)

    def export_url(self) -> str:
        """Return the address that exports these rows in this order; empty if the user may not."""
        if not self.result_list or not self.model_admin.can_export(self.request):
            return ""
        return "export/?" + urlencode([*self.link_params(), (ORDER_PARAM, self.order_name)])

    def has_filters_beyond_tab(self) -> bool:
        """Whether any filter is in force besides the tab's own."""
        return any(key not in self.tab_param_names() for key, _ in self.active_params())

    def count_all_url(self) -> str:
        """Return the address of this page with an exact count; empty if the count is exact."""
        return (
            "?" + urlencode([*self.link_params(ORDER_PARAM, AFTER_PARAM, BEFORE_PARAM), (COUNT_PARAM, COUNT_ALL)])
            if self.result_total.is_capped
            else ""
        )

    def time_limit(self) -> AbstractContextManager[None]:
        """Return the limit of time for the rows of a filtered list; an unfiltered one always has an index."""
        return time_limit(settings.LIST_TIMEOUT) if self.has_filters_beyond_tab() else nullcontext()

    def read_in_time(self, request: HttpRequest, order: Order) -> None:
        """Read the page, the tabs and the count. Filters that take too long leave out the count, or give a sentence."""
        self.page = self.tabs = None
        try:
            # One block, because each begins and ends a transaction.
            with self.time_limit():
                self.page = self.fetch_page_or_first(request, order)
                self.tabs = self.build_tabs(request)
                self.result_total = self.count_results(request)
        except QueryTooSlow:
            if self.page is None:
                self.was_stopped, self.page, self.result_total = True, Page(), CappedCount(0)
                custom_fields = getattr(self.filterset, "custom_fields", None)
                fields = [one.field for one in custom_fields.conditions.values()] if custom_fields else []
                messages.error(request, describe_slow_list(fields, settings.LIST_TIMEOUT, request.user))
            else:
                self.result_total = CappedCount(self.last_row_number() + 1, self.last_row_number())
            self.tabs = self.build_tabs(request) if self.tabs is None else self.tabs

    def fetch_page_or_first(self, request: HttpRequest, order: Order) -> Page:
        size = self.model_admin.list_per_page
        after, before = request.GET.get(AFTER_PARAM), request.GET.get(BEFORE_PARAM)
        try:
            result_page = fetch_page(self.queryset, order, size=size, after=after, before=before)
            if (after or before) and not result_page.rows:
                raise InvalidInput("That page is empty now.")
        except InvalidInput as error:
            messages.error(request, f"{error} Here is the first page.")
            return fetch_page(self.queryset, order, size=size)
        return result_page

    def build_tabs(self, request: HttpRequest) -> list[dict[str, Any]]:
        """Return the tabs that this user may open, each with its capped count and whether it is the current one.

        Filters are carried over to the other tabs, so tabs show no counts of their own while one is in force.
        """
        tabs = [tab for tab in self.model_admin.tabs if not tab.permission or request.user.has_perm(tab.permission)]
        names, current = self.tab_param_names(), self.current_tab()
        active_params = [(k, v) for k, v in self.link_params(ORDER_PARAM) if k not in names]
        counted = (
            {} if self.has_filters_beyond_tab() else {str(n): tab for n, tab in enumerate(tabs) if tab.rows_to_count}
        )
        limit = {"limit": self.model_admin.max_count} if self.model_admin.max_count else {}
        rows = {n: tab.rows_to_count(self.root_queryset, request.user) for n, tab in counted.items()}
        counts = capped_counts(rows, **limit)
        sizes = [CappedCount(counts[str(n)], **limit) if str(n) in counts else None for n in range(len(tabs))]
        return [
            {
                "label": tab.label,
                "count": str(size or ""),
                "size": size,
                "url": "?" + urlencode([*tab.params.items(), *active_params]),
                "current": tab is current,
            }
            for tab, size in zip(tabs, sizes, strict=True)
        ]

    def tab_param_names(self) -> set[str]:
        return {name for tab in self.model_admin.tabs for name in tab.params}

    def current_tab(self) -> Tab | None:
        """Return the tab with exactly the tab parameters of the address.

        None if there is none, or if the FilterSet says that a filter, such as a search, covers all tabs.
        """
        now = {name: self.get[name] for name in self.tab_param_names() if self.get.get(name)}
        if not now and getattr(self.filterset, "searches_all_tabs", False):
            return None
        return next((tab for tab in self.model_admin.tabs if tab.params == now), None)

    def default_order(self) -> str:
        """Return the order of the open tab, else the list's first."""
        tab = self.current_tab()
        return tab.order if tab and tab.order else next(iter(self.available_orders()))

    def active_params(self, *extra_names: str) -> list[tuple[str, str]]:
        """Return the filters in force, and the parameters in `extra_names`, as pairs for a link."""
        return [
            (key, value)
            for key, values in self.get.lists()
            for value in (values if self.is_custom_filter(key) else values[-1:])
            if value and ((key in extra_names and self.is_valid_param(key, value)) or self.is_active_filter(key))
        ]

    def is_valid_param(self, key: str, value: str) -> bool:
        """Whether links may carry `value` on: an unknown sort order is dropped."""
        return key != ORDER_PARAM or value in self.available_orders()

    def is_active_filter(self, key: str) -> bool:
        """Whether the parameter `key` filters the list: an unknown or invalid one does not."""
        form = self.filterset.form
        if key in form.fields:
            return key not in form.errors
        custom_fields = getattr(self.filterset, "custom_fields", None)
        return custom_fields is not None and custom_fields.is_active(key)

    def is_custom_filter(self, key: str) -> bool:
        """Whether the parameter `key` is part of a filter by a custom field, which may have several values."""
        custom_fields = getattr(self.filterset, "custom_fields", None)
        return custom_fields is not None and key in custom_fields.data

    def orders(self) -> list[dict[str, Any]]:
        return [
            {
                "label": order.label,
                "current": name == self.order_name,
                "url": "?" + urlencode([*self.link_params(), (ORDER_PARAM, name)]),
            }
            for name, order in self.available_orders().items()
        ]

    def next_url(self) -> str:
        return (
            "?" + urlencode([*self.link_params(ORDER_PARAM), (AFTER_PARAM, self.page.next)]) if self.page.next else ""
        )

    def previous_url(self) -> str:
        return (
            "?" + urlencode([*self.link_params(ORDER_PARAM), (BEFORE_PARAM, self.page.previous)])
            if self.page.previous
            else ""
        )

    def has_search(self) -> bool:
        return "q" in self.filterset.form.fields

    def last_row_number(self) -> int:
        return self.page.offset + len(self.page.rows)

    def current_view(self) -> SavedView | None:
        """Return the saved view with the same filters, order and columns, if there is one."""
        here = [sorted(self.link_params(ORDER_PARAM)), sorted(parse_qsl(self.query_to_save()))]
        return next((view for view in self.views if sorted(parse_qsl(view.query)) in here), None)
