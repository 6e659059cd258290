"""Lists of records: a FilterSet asks, a key pages, and nothing counts or sorts a whole table."""

from collections.abc import Callable, Iterable
from dataclasses import dataclass, field
from typing import Any
from urllib.parse import urlencode

from django.contrib import messages
from django.db import models
from django.http import HttpRequest, QueryDict
from unfold.views import ChangeList

from crm.exceptions import BadInput
from crm.filters import CUSTOM
from crm.models import SavedView, User
from crm.screens.filter_sheet import filter_sheet
from crm.screens.paging import Count, Order, Page, capped_count, capped_counts, page, whole_count
from crm.text.cleaning import without_nul

AFTER, BEFORE, ORDER, COUNT, ALL, SHEET = "after", "before", "order", "count", "all", "sheet"
# No index alone counts a narrowed list: its rows are read, so only as many as a page can wait for.
MOST_COUNTED_NARROWED = 1_000


@dataclass(frozen=True)
class Tab:
    """A named part of a list: the query string that shows it and the set whose size it bears.

    Without `narrow` it bears none: the size of an archive says little and costs much. `order` names the Order
    in which it is read unless a person asks for another; empty is the list's first.
    """

    label: str
    params: dict[str, str] = field(default_factory=dict)
    narrow: Callable[[models.QuerySet, User], models.QuerySet] | None = lambda rows, user: rows.live()
    permission: str = ""
    order: str = ""


@dataclass(frozen=True)
class Column:
    """A column's heading; `order` names the Order that its heading switches to."""

    label: str
    order: str = ""
    css: str = ""


class KeysetChangeList(ChangeList):
    """Django's change list with our filters and pages."""

    def get_queryset(self, request: HttpRequest, exclude_parameters: Any = None) -> models.QuerySet:
        self.get = request.GET
        self.filterset = self.model_admin.filterset_class(request.GET, self.root_queryset, request=request)
        queryset = self.filterset.qs
        self.has_filters = self.has_active_filters = False
        self.clear_all_filters_qs = self.date_hierarchy = None
        self.filter_specs: list[Any] = []
        for name, errors in self.filterset.form.errors.items():
            label = self.filterset.form.fields[name].label if name in self.filterset.form.fields else name
            messages.error(request, f"{label}: {' '.join(errors)} This filter was left out.")
        if self.model_admin.list_select_related:
            queryset = queryset.select_related(*self.model_admin.list_select_related)
        return queryset.defer(*self.model_admin.list_defer)

    def get_results(self, request: HttpRequest) -> None:
        orders = self.offered()
        wanted = request.GET.get(ORDER, "")
        self.order_name = wanted if wanted in orders else self.natural_order()
        if wanted and wanted not in orders:
            messages.error(request, f"There is no order “{wanted[:40]}”.")
        self.page = self.page_of(request, orders[self.order_name])
        self.result_list = self.page.rows
        self.tabs, self.links = self.shown_tabs(request), self.links_for(request)
        self.counted = self.how_many(request)
        self.result_count = self.full_result_count = self.counted.number
        self.show_full_result_count = self.can_show_all = False
        self.multi_page = bool(self.page.next or self.page.previous)
        self.paginator = self.formset = None
        self.views = list(
            SavedView.objects.visible_to(request.user).filter(table=self.opts.label_lower).order_by("name", "id")[:50]
        )

    def offered(self) -> dict[str, Order]:
        """The orders in which what is asked for can be read, the natural one first."""
        return self.model_admin.orders

    def remark(self) -> str:
        """What is to be known of the rows, in a sentence; empty if nothing is."""
        return ""

    def how_many(self, request: HttpRequest) -> Count:
        """What the open tab says, else few more than a page needs; all of them when that is asked for."""
        if request.GET.get(COUNT) == ALL:
            number = whole_count(self.queryset)
            if number is not None:
                return Count(number, number)
            messages.error(request, "There are too many to count them all: narrow the list down.")
        tab = next((tab for tab in self.tabs if tab["current"]), None)
        if tab and tab["size"]:
            return tab["size"]
        return Count(capped_count(self.queryset, MOST_COUNTED_NARROWED), MOST_COUNTED_NARROWED)

    def links_for(self, request: HttpRequest) -> Iterable[tuple[str, str, str]]:
        """What leads elsewhere from above the list (page, icon, words); a screen may have it depend on the user."""
        own = getattr(self.model_admin, "links", None)
        return own(request) if own else self.model_admin.list_links

    def is_narrowed(self) -> bool:
        """Whether there is more in force than what the tabs ask."""
        return any(key not in self.tab_names() for key, _ in self.kept())

    def count_url(self) -> str:
        """This page again, with all counted; empty where they are."""
        return "?" + urlencode([*self.kept(ORDER, AFTER, BEFORE), (COUNT, ALL)]) if self.counted.goes_on else ""

    def page_of(self, request: HttpRequest, order: Order) -> Page:
        size, after, before = self.model_admin.list_per_page, request.GET.get(AFTER), request.GET.get(BEFORE)
        try:
            found = page(self.queryset, order, size=size, after=after, before=before)
            if (after or before) and not found.rows:
                raise BadInput("Nothing stands on that page any more.")
        except BadInput as refusal:
            messages.error(request, f"{refusal} This is the first.")
            return page(self.queryset, order, size=size)
        return found

    def shown_tabs(self, request: HttpRequest) -> list[dict[str, Any]]:
        """The tabs this user may open, each with its capped size and whether it is the current one.

        What the list is narrowed to goes along to the other tabs, so their own sizes would say nothing then.
        """
        tabs = [tab for tab in self.model_admin.tabs if not tab.permission or request.user.has_perm(tab.permission)]
        names, current = self.tab_names(), self.open_tab()
        kept = [(k, v) for k, v in self.kept(ORDER) if k not in names]
        counted = [] if self.is_narrowed() else [(n, tab) for n, tab in enumerate(tabs) if tab.narrow]
        counts = capped_counts({str(n): tab.narrow(self.root_queryset, request.user) for n, tab in counted})
        sizes = [Count(counts[str(n)]) if str(n) in counts else None for n in range(len(tabs))]
        return [
            {
                "label": tab.label,
                "count": str(size or ""),
                "size": size,
                "url": "?" + urlencode([*tab.params.items(), *kept]),
                "current": tab is current,
            }
            for tab, size in zip(tabs, sizes, strict=True)
        ]

    def tab_names(self) -> set[str]:
        return {name for tab in self.model_admin.tabs for name in tab.params}

    def open_tab(self) -> Tab | None:
        """The tab of which the address has every parameter, and none of another's.

        None too where the FilterSet says that what was asked, a search say, looks beyond the list's first tab.
        """
        now = {name: self.get[name] for name in self.tab_names() if self.get.get(name)}
        if not now and getattr(self.filterset, "looks_beyond", False):
            return None
        return next((tab for tab in self.model_admin.tabs if tab.params == now), None)

    def natural_order(self) -> str:
        """The order of the open tab, else the list's first."""
        tab = self.open_tab()
        return tab.order if tab and tab.order else next(iter(self.offered()))

    def kept(self, *also: str) -> list[tuple[str, str]]:
        """The filters in force, and the parameters in `also`, as pairs for a link."""
        return [
            (key, value)
            for key, value in self.get.items()
            if value and ((key in also and self.is_known(key, value)) or self.in_force(key))
        ]

    def is_known(self, key: str, value: str) -> bool:
        """Whether `value` may go on standing in links: an order that does not exist may not."""
        return key != ORDER or value in self.offered()

    def in_force(self, key: str) -> bool:
        """Whether the parameter `key` narrows the list: one that nobody reads, or that was refused, does not."""
        form = self.filterset.form
        if key in form.fields:
            return key not in form.errors
        custom = getattr(self.filterset, "custom", {})
        return key.startswith(CUSTOM) and without_nul(key.removeprefix(CUSTOM)) in custom

    def chips(self) -> list[dict[str, str]]:
        """Each filter in force in words, with the link that takes it away."""
        found, tab = [], self.open_tab()
        for key, value in self.kept():
            if key == "tags_mode" or (tab and key in tab.params):
                continue
            without = [(k, v) for k, v in self.kept(ORDER) if k != key]
            found.append(
                {
                    "label": self.label_of(key),
                    "value": self.value_of(key, value),
                    "url": "?" + urlencode(without),
                }
            )
        return found

    def label_of(self, key: str) -> str:
        if key.startswith(CUSTOM):
            return key.removeprefix(CUSTOM)
        known = self.filterset.form.fields.get(key)
        return str(known.label) if known is not None else key

    def value_of(self, key: str, value: str) -> str:
        known = self.filterset.form.fields.get(key)
        for code, label in getattr(known, "choices", ()):
            if str(code) == value:
                return str(label)
        return value

    def columns(self) -> list[dict[str, Any]]:
        """The headings, those with an order of their own as links."""
        kept = self.kept()
        return [
            {
                "label": column.label,
                "css": column.css,
                "current": bool(column.order) and column.order == self.order_name,
                "url": "?" + urlencode([*kept, (ORDER, column.order)]) if column.order else "",
            }
            for column in self.model_admin.columns
        ]

    def orders(self) -> list[dict[str, Any]]:
        return [
            {
                "label": order.label,
                "current": name == self.order_name,
                "url": "?" + urlencode([*self.kept(), (ORDER, name)]),
            }
            for name, order in self.offered().items()
        ]

    def next_url(self) -> str:
        return "?" + urlencode([*self.kept(ORDER), (AFTER, self.page.next)]) if self.page.next else ""

    def previous_url(self) -> str:
        return "?" + urlencode([*self.kept(ORDER), (BEFORE, self.page.previous)]) if self.page.previous else ""

    def sheet(self) -> dict[str, Any] | None:
        """The filter sheet, where it is asked for with the page: without scripts it is not fetched later."""
        return filter_sheet(self.filterset) if SHEET in self.get else None

    def sheet_url(self) -> str:
        return "?" + urlencode([*self.kept(ORDER), (SHEET, "filter")])

    def last_shown(self) -> int:
        return self.page.offset + len(self.page.rows)

    def query_to_save(self) -> str:
        return urlencode(self.kept(ORDER))

    def current_view(self) -> SavedView | None:
        """The saved view that shows just this, if one does."""
        here = sorted(self.kept(ORDER))
        return next((view for view in self.views if sorted(QueryDict(view.query).items()) == here), None)
