"""The list of conversations. Search results come best match first, each with an excerpt."""

from django.db import models
from django.http import HttpRequest

from crm.screens.lists import KeysetChangeList
from crm.screens.paging import Order
from inbox.search import MAX_NEWEST_SCANNED, MAX_THREADS_LISTED, SearchResult, build_excerpts

BEST_MATCH_FIRST = Order("Best match first", {"place": models.F("place"), "id": models.F("id")}, descending=False)


class ThreadList(KeysetChangeList):
    """A list that shows the excerpts of a search."""

    @property
    def search_result(self) -> SearchResult | None:
        return self.filterset.search_result

    def available_orders(self) -> dict[str, Order]:
        """Offer "Best match first" for search results."""
        return (
            {"best": BEST_MATCH_FIRST, **super().available_orders()}
            if self.search_result
            else super().available_orders()
        )

    def default_order(self) -> str:
        if self.search_result:
            return "best"
        # A filter by lead, client or participant usually asks for the latest conversations.
        return "newest" if self.current_tab() is None and self.filterset.searches_all_tabs else super().default_order()

    def get_results(self, request: HttpRequest) -> None:
        super().get_results(request)
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
