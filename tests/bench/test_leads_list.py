"""`python -m bench leads` compares the same rows, and every target can be missed."""

from dataclasses import replace

import pytest
from django.core.management import call_command
from django.test import override_settings

from bench import stock
from bench.__main__ import SETTINGS
from bench.leads_list import LISTING, QUESTIONS
from bench.lists import MAX_PAGE_BYTES, MAX_QUERIES, BenchSite, Comparison, explain_query
from bench.measure import Page, PageFailed, fetch_page, fetch_with_statements, measure_page, next_link
from bench.table import render_table
from demo.management.commands.seed import SHARE_OPTIONS

FAST = Page(seconds=0.01, queries=9, size=90_000, rows=("a", "b"))
SLOW = replace(FAST, seconds=1.0)


@pytest.fixture(scope="module")
def seeded_site(module_transaction):
    """A site with a superuser, and more leads than the deepest query needs."""
    with override_settings(**SETTINGS):
        call_command("seed", leads=1_300, chunk=1_300, verbosity=0, **dict.fromkeys(SHARE_OPTIONS, 0.0))
        yield BenchSite(LISTING, "the one of this test")


@pytest.fixture
def site(seeded_site, db):
    return seeded_site


def test_our_list_and_stock_admin_show_same_rows(site):
    for question in QUESTIONS:
        ours = measure_page(site.browser, site.ours(question), repeat=1)
        with override_settings(TEMPLATES=stock.TEMPLATES):
            theirs = measure_page(site.browser, site.stock(question), repeat=1)
        assert ours.rows == theirs.rows, question
        assert ours.rows, question
        assert ours.queries <= MAX_QUERIES, question
        assert ours.size <= MAX_PAGE_BYTES, question


def test_stock_admin_uses_its_own_templates(site):
    with override_settings(TEMPLATES=stock.TEMPLATES):
        html = fetch_page(site.browser, site.stock("first page"))
    assert "Django administration" in html
    assert "unfold" not in html


def test_failing_page_is_named(site):
    with pytest.raises(PageFailed, match="/nowhere/ answers 404"):
        fetch_page(site.browser, "/nowhere/")


def test_every_statement_is_counted_and_has_a_plan(site):
    _, statements = fetch_with_statements(site.browser, site.ours("first page"))
    reading = [(sql, params) for sql, params in statements if 'FROM "leads"' in sql]
    assert len(reading) >= 2
    assert "Execution Time" in explain_query(*reading[0])


def test_page_within_limits_passes():
    assert Comparison("first page", FAST, FAST, SLOW).missed_bars() == []


@pytest.mark.parametrize(
    ("figures", "words"),
    [
        (Comparison("slow", SLOW, SLOW, SLOW), "of stock"),
        (Comparison("growing", FAST, replace(FAST, seconds=0.005), SLOW), "of 100,000"),
        (Comparison("asking", replace(FAST, queries=16), FAST, SLOW), "queries"),
        (Comparison("heavy", replace(FAST, size=300_001), FAST, SLOW), "kB"),
        (Comparison("other", FAST, FAST, replace(SLOW, rows=("b", "a"))), "other rows"),
        (Comparison("empty", replace(FAST, rows=()), FAST, replace(SLOW, rows=())), "no rows"),
    ],
)
def test_each_limit_can_be_missed(figures, words):
    (missed,) = figures.missed_bars()
    assert words in missed
    assert "MISSED" in figures.cells()[-1]


@pytest.mark.parametrize(
    ("html", "link"),
    [
        ('<a class="btn" rel="next" href="?after=abc&amp;state=all">Next</a>', "?after=abc&state=all"),
        ('<a href="?after=abc" rel="next">Next</a>', "?after=abc"),
        ('<a rel="prev" href="?before=abc">Previous</a>', None),
    ],
)
def test_next_page_link_is_found(html, link):
    assert next_link(html) == link


def test_table_is_aligned():
    assert render_table(["", "ms"], [["first", "1.0"], ["a", "10.0"]]) == (
        "         ms\n-----  ----\nfirst   1.0\na      10.0\n"
    )
