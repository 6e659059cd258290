"""A list of ours beside the stock admin's on the same rows, and beside itself where there are fewer of them."""

import sys
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import Any
from urllib.parse import parse_qs, urlencode, urlsplit

from django.contrib import admin
from django.db import connection, models
from django.test import Client, override_settings
from django.urls import reverse

from bench import stock
from bench.databases import SIZES, make_ready, using
from bench.measure import Page, PageFailed, asked, fetch, measured, next_link
from bench.table import duration, kilobytes, rendered, verdict
from crm.models import User
from crm.screens.paging import Order

# The bars of the design, section 7.
MOST_OF_STOCK = 0.1
MOST_QUERIES = 15
MOST_BYTES = 300_000
MOST_GROWTH = 1.5
MANY_PAGES = 20

# What is asked of us, and of the stock admin; what stands in braces is looked up.
Question = tuple[dict[str, str], dict[str, str]]


# A question that asks for this asks for the page of one record instead of for the list.
OF = "of"
# One that asks for this asks for the screen of that name, with the rest as its query string.
PAGE = "page"


@dataclass(frozen=True)
class Listing:
    """A list to be measured."""

    says: str
    model: type[models.Model]
    questions: dict[str, Question]
    # What the questions need to know of a database, asked there.
    look_up: Callable[["Site"], dict[str, str]]
    # Makes the database hold what the list is about; called with its name and how many leads it has.
    fill: Callable[[str, int], None] = make_ready
    # Questions to which the stock admin has no answer of the same rows.
    unlike: frozenset[str] = frozenset()
    # The databases, and how large each is; and how many times as long the larger may take, where that is promised.
    sizes: Mapping[str, int] = field(default_factory=lambda: SIZES)
    most_growth: float | None = MOST_GROWTH

    @property
    def url(self) -> str:
        return f"{self.model._meta.app_label}_{self.model._meta.model_name}_changelist"

    @property
    def page_url(self) -> str:
        return f"{self.model._meta.app_label}_{self.model._meta.model_name}_change"

    @property
    def table(self) -> str:
        return self.model._meta.db_table


@dataclass(frozen=True)
class Figures:
    """One question, measured three ways."""

    question: str
    ours: Page
    small: Page
    stock: Page
    same_rows: bool = True
    most_growth: float | None = MOST_GROWTH

    def missed(self) -> list[str]:
        """Which bars are missed, in words."""
        checks = {
            f"> {MOST_OF_STOCK:g} of stock": self.ours.seconds > MOST_OF_STOCK * self.stock.seconds,
            f"> {MOST_QUERIES} queries": self.ours.queries > MOST_QUERIES,
            f"> {MOST_BYTES // 1000} kB": self.ours.size > MOST_BYTES,
            f"> {self.most_growth} of 100,000": self.most_growth is not None
            and self.ours.seconds > self.most_growth * self.small.seconds,
            "other rows": self.same_rows and self.ours.rows != self.stock.rows,
            "no rows": self.same_rows and not self.ours.rows,
        }
        return [words for words, is_missed in checks.items() if is_missed]

    def cells(self) -> list[str]:
        return [
            self.question,
            duration(self.ours.seconds),
            str(self.ours.queries),
            kilobytes(self.ours.size),
            duration(self.stock.seconds),
            str(self.stock.queries),
            kilobytes(self.stock.size),
            f"1 : {self.stock.seconds / self.ours.seconds:,.1f}",
            f"{self.ours.seconds / self.small.seconds:.2f}",
            verdict(self.missed()),
        ]


class Site:
    """Somebody who may see everything, with a browser, in one of the databases."""

    def __init__(self, listing: Listing, database: str) -> None:
        self.listing, self.database = listing, database
        self.browser = Client()
        self.browser.force_login(somebody())
        self.found = listing.look_up(self)

    def ours(self, question: str) -> str:
        return self._url("admin", self.listing.questions[question][0])

    def stock(self, question: str) -> str:
        return self._url("stock", self.listing.questions[question][1])

    def _url(self, site: str, params: dict[str, str]) -> str:
        filled = {key: value.format_map(self.found) for key, value in params.items()}
        if OF in filled:
            return reverse(f"{site}:{self.listing.page_url}", args=[filled[OF]])
        page = filled.pop(PAGE, self.listing.url)
        return f"{reverse(f'{site}:{page}')}?{urlencode(filled)}"

    def deep(self, order: Order) -> dict[str, str]:
        """Where the 21st page and the page half way begin, in `order`."""
        rows = self.listing.model.objects
        size = admin.site.get_model_admin(self.listing.model).list_per_page
        pages = rows.count() // 2 // size
        half = order.sorted(order.annotated(rows.all()))[pages * size - 1]
        return {
            "21st": self._cursor_after(MANY_PAGES),
            "half": order.cursor_for(half, pages * size),
            "half page": str(pages + 1),
        }

    def _cursor_after(self, pages: int) -> str:
        """The cursor that people get who click on the next page `pages` times."""
        here = reverse(f"admin:{self.listing.url}") + "?state=all"
        for _ in range(pages):
            link = next_link(fetch(self.browser, here))
            if link is None:
                raise PageFailed(f"{here} has no next page.")
            here = f"{urlsplit(here).path}{link}"
        return parse_qs(urlsplit(here).query)["after"][0]


def somebody() -> User:
    """Whoever looks: somebody who may see everything."""
    user, _ = User.objects.get_or_create(
        username="bench", defaults={"is_staff": True, "is_superuser": True, "password": "!"}
    )
    return user


def compare(large: Site, small: Site, question: str, repeat: int) -> Figures:
    """`question`, asked of our list in both databases and of the stock admin in the large one."""
    with using(large.database):
        ours = measured(large.browser, large.ours(question), repeat)
    with using(small.database):
        at_small = measured(small.browser, small.ours(question), repeat)
    with using(large.database), override_settings(TEMPLATES=stock.TEMPLATES):
        theirs = measured(large.browser, large.stock(question), repeat)
    listing = large.listing
    return Figures(question, ours, at_small, theirs, question not in listing.unlike, listing.most_growth)


def run(listing: Listing, repeat: int) -> bool:
    """Print the table; returns whether every bar was reached."""
    large, small = sites(listing)
    figures = []
    for question in listing.questions:
        sys.stderr.write(f"{question} ...\n")
        figures.append(compare(large, small, question, repeat))
    sys.stdout.write(f"\n{listing.says}\nMedian of {repeat} after a warm-up.\n\n")
    heading = ["", "ours", "queries", "page", "stock", "queries", "page", "faster", "large : small", ""]
    sys.stdout.write(rendered(heading, [row.cells() for row in figures]))
    return not any(row.missed() for row in figures)


def plans(listing: Listing) -> None:
    """Print how the large database answers each statement of our list that reads its table."""
    large, _ = sites(listing)
    with using(large.database):
        for question in listing.questions:
            _, statements = asked(large.browser, large.ours(question))
            for sql, params in statements:
                if f'FROM "{listing.table}"' in sql:
                    sys.stdout.write(f"\n{question}\n{plan(sql, params)}\n")


def plan(sql: str, params: Any) -> str:
    with connection.cursor() as cursor:
        cursor.execute(f"EXPLAIN (ANALYZE, BUFFERS) {sql}", params)
        return "\n".join(line for (line,) in cursor.fetchall())


def sites(listing: Listing) -> tuple[Site, Site]:
    """The large database and the small one, ready to be asked."""
    made = {}
    for name, size in listing.sizes.items():
        listing.fill(name, size)
        with using(name):
            made[size] = Site(listing, name)
    return made[max(made)], made[min(made)]
