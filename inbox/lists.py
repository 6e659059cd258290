"""The list of conversations: where something was looked for, the best first, each with where it was found."""

from django.db import models
from django.http import HttpRequest

from crm.screens.lists import KeysetChangeList
from crm.screens.paging import Order
from inbox.search import LISTED, NEWEST, Found, excerpts

BEST = Order("Best first", {"place": models.F("place"), "id": models.F("id")}, descending=False)


class ThreadList(KeysetChangeList):
    """A list that knows what was found."""

    @property
    def found(self) -> Found | None:
        return self.filterset.found

    def offered(self) -> dict[str, Order]:
        """Where something was looked for, also the best first."""
        return {"best": BEST, **super().offered()} if self.found else super().offered()

    def natural_order(self) -> str:
        if self.found:
            return "best"
        # Whoever asks for somebody's conversations wants the latest.
        return "newest" if self.open_tab() is None and self.filterset.looks_beyond else super().natural_order()

    def get_results(self, request: HttpRequest) -> None:
        super().get_results(request)
        if self.found is None:
            return
        best = {row.pk: self.found.best[row.pk] for row in self.page.rows if row.pk in self.found.best}
        shown = excerpts(self.filterset.form.cleaned_data["q"], best.values()) if best else {}
        for row in self.page.rows:
            row.excerpt = shown.get(best.get(row.pk), [])

    def remark(self) -> str:
        if self.found is None:
            return ""
        said = []
        if not self.found.whole:
            said.append(
                f"Very many messages hold these words: the newest {NEWEST:,} messages were looked through, and a part"
                " of the older ones. A rarer word or a filter looks further."
            )
        if self.found.more:
            said.append(f"The best {LISTED:,} conversations are listed.")
        return " ".join(said)
