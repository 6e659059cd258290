"""Compare a list with the stock admin's on the same rows, and with itself on fewer rows."""

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
from bench.databases import DATABASE_SIZES, prepare_database, use_database
from bench.measure import Page, PageFailed, fetch_page, fetch_with_statements, measure_page, next_link
from bench.table import format_duration, format_kilobytes, format_verdict, render_table
from crm.models import User
from crm.screens.paging import Order

# The targets of the design.
MAX_SHARE_OF_STOCK = 0.1
MAX_QUERIES = 15
MAX_PAGE_BYTES = 300_000
MAX_GROWTH = 1.5
DEEP_PAGE = 20

# The queries of the CRM and of the stock admin; values in braces are looked up.
Question = tuple[dict[str, str], dict[str, str]]


# A query with this key requests a record page instead of the list.
RECORD_KEY = "of"
# A query with this key requests the named screen; the rest is its query string.
SCREEN_KEY = "page"


@dataclass(frozen=True)
class Listing:
    """A list to be measured."""

    description: str
    model: type[models.Model]
    questions: dict[str, Question]
    # Looks up the values in a database that the queries need.
    look_up: Callable[["BenchSite"], dict[str, str]]
    # Fills the database with the rows of the list; called with its name and number of leads.
    fill: Callable[[str, int], None] = prepare_database
    # Queries for which the stock admin cannot show the same rows.
    not_comparable: frozenset[str] = frozenset()
    # The databases with their sizes, and how many times longer the larger may take, if limited.
    sizes: Mapping[str, int] = field(default_factory=lambda: DATABASE_SIZES)
    max_growth: float | None = MAX_GROWTH

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
class Comparison:
    """One query, measured three ways."""

    question: str
    ours: Page
    ours_small: Page
    stock: Page
    same_rows: bool = True
    max_growth: float | None = MAX_GROWTH

    def missed_bars(self) -> list[str]:
        """Return the missed targets as text."""
        checks = {
            f"> {MAX_SHARE_OF_STOCK:g} of stock": self.ours.seconds > MAX_SHARE_OF_STOCK * self.stock.seconds,
            f"> {MAX_QUERIES} queries": self.ours.queries > MAX_QUERIES,
            f"> {MAX_PAGE_BYTES // 1000} kB": self.ours.size > MAX_PAGE_BYTES,
            f"> {self.max_growth} of 100,000": self.max_growth is not None
            and self.ours.seconds > self.max_growth * self.ours_small.seconds,
            "other rows": self.same_rows and self.ours.rows != self.stock.rows,
            "no rows": self.same_rows and not self.ours.rows,
        }
        return [words for words, is_missed in checks.items() if is_missed]

    def cells(self) -> list[str]:
        return [
            self.question,
            format_duration(self.ours.seconds),
            str(self.ours.queries),
            format_kilobytes(self.ours.size),
            format_duration(self.stock.seconds),
            str(self.stock.queries),
            format_kilobytes(self.stock.size),
            f"1 : {self.stock.seconds / self.ours.seconds:,.1f}",
            f"{self.ours.seconds / self.ours_small.seconds:.2f}",
            format_verdict(self.missed_bars()),
        ]


class BenchSite:
    """A superuser's browser in one of the databases."""

    def __init__(self, listing: Listing, database: str) -> None:
        self.listing, self.database = listing, database
        self.browser = Client()
        self.browser.force_login(bench_user())
        self.placeholder_values = listing.look_up(self)

    def ours(self, question: str) -> str:
        return self._url("admin", self.listing.questions[question][0])

    def stock(self, question: str) -> str:
        return self._url("stock", self.listing.questions[question][1])

    def _url(self, site: str, params: dict[str, str]) -> str:
        parameters = {key: value.format_map(self.placeholder_values) for key, value in params.items()}
        if RECORD_KEY in parameters:
            return reverse(f"{site}:{self.listing.page_url}", args=[parameters[RECORD_KEY]])
        page = parameters.pop(SCREEN_KEY, self.listing.url)
        return f"{reverse(f'{site}:{page}')}?{urlencode(parameters)}"

    def deep_page_values(self, order: Order) -> dict[str, str]:
        """Return the start of the 21st and the middle page in `order`."""
        rows = self.listing.model.objects
        size = admin.site.get_model_admin(self.listing.model).list_per_page
        pages = rows.count() // 2 // size
        half = order.sort(order.annotate_keys(rows.all()))[pages * size - 1]
        return {
            "21st": self._cursor_after(DEEP_PAGE),
            "half": order.make_cursor(half, pages * size),
            "half page": str(pages + 1),
        }

    def _cursor_after(self, pages: int) -> str:
        """Return the cursor reached by clicking Next `pages` times."""
        url = reverse(f"admin:{self.listing.url}") + "?state=all"
        for _ in range(pages):
            link = next_link(fetch_page(self.browser, url))
            if link is None:
                raise PageFailed(f"{url} has no next page.")
            url = f"{urlsplit(url).path}{link}"
        return parse_qs(urlsplit(url).query)["after"][0]


def bench_user() -> User:
    """Return the viewing user, who may see everything."""
    user, _ = User.objects.get_or_create(
        username="bench", defaults={"is_staff": True, "is_superuser": True, "password": "!"}
    )
    return user


def compare(large: BenchSite, small: BenchSite, question: str, repeat: int) -> Comparison:
    """Measure `question` on the list in both databases and on the stock admin in the large one."""
    with use_database(large.database):
        ours = measure_page(large.browser, large.ours(question), repeat)
    with use_database(small.database):
        our_small_page = measure_page(small.browser, small.ours(question), repeat)
    with use_database(large.database), override_settings(TEMPLATES=stock.TEMPLATES):
        stock_page = measure_page(large.browser, large.stock(question), repeat)
    listing = large.listing
    return Comparison(
        question, ours, our_small_page, stock_page, question not in listing.not_comparable, listing.max_growth
    )


def run(listing: Listing, repeat: int) -> bool:
    """Print the table; return whether every target was met."""
    large, small = prepare_sites(listing)
    figures = []
    for question in listing.questions:
        sys.stderr.write(f"{question} ...\n")
        figures.append(compare(large, small, question, repeat))
    sys.stdout.write(f"\n{listing.description}\nMedian of {repeat} after a warm-up.\n\n")
    heading = ["", "ours", "queries", "page", "stock", "queries", "page", "faster", "large : small", ""]
    sys.stdout.write(render_table(heading, [row.cells() for row in figures]))
    return not any(row.missed_bars() for row in figures)


def plans(listing: Listing) -> None:
    """Print the large database's plan for each statement of the list that reads its table."""
    large, _ = prepare_sites(listing)
    with use_database(large.database):
        for question in listing.questions:
            _, statements = fetch_with_statements(large.browser, large.ours(question))
            for sql, params in statements:
                if f'FROM "{listing.table}"' in sql:
                    sys.stdout.write(f"\n{question}\n{explain_query(sql, params)}\n")


def explain_query(sql: str, params: Any) -> str:
    with connection.cursor() as cursor:
        cursor.execute(f"EXPLAIN (ANALYZE, BUFFERS) {sql}", params)
        return "\n".join(line for (line,) in cursor.fetchall())


def prepare_sites(listing: Listing) -> tuple[BenchSite, BenchSite]:
    """Return the large and the small database, prepared."""
    sites_by_size = {}
    for name, size in listing.sizes.items():
        listing.fill(name, size)
        with use_database(name):
            sites_by_size[size] = BenchSite(listing, name)
    return sites_by_size[max(sites_by_size)], sites_by_size[min(sites_by_size)]
