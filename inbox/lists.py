"""The list of conversations: where something was looked for, the best first, each with where it was found."""

from django.db import models
from django.http import HttpRequest

from crm.screens.lists import KeysetChangeList
from crm.screens.paging import Order
from inbox.search import MAX_NEWEST_SCANNED, MAX_THREADS_LISTED, SearchResult, build_excerpts

BEST_MATCH_FIRST = Order("Best first", {"place": models.F("place"), "id": models.F("id")}, descending=False)


class ThreadList(KeysetChangeList):
    """A list that knows what was found."""

    @property
    def search_result(self) -> SearchResult | None:
        return self.filterset.search_result

    def available_orders(self) -> dict[str, Order]:
        """Where something was looked for, also the best first."""
        return (
            {"best": BEST_MATCH_FIRST, **super().available_orders()}
            if self.search_result
            else super().available_orders()
        )

    def default_order(self) -> str:
        if self.search_result:
            return "best"
        # Whoever asks for somebody's conversations wants the latest.
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
                f"Very many messages hold these words: the newest {MAX_NEWEST_SCANNED:,} messages were looked through, and a part"
                " of the older ones. A rarer word or a filter looks further."
            )
        if self.search_result.has_more:
            notices.append(f"The best {MAX_THREADS_LISTED:,} conversations are listed.")
        return " ".join(notices)
