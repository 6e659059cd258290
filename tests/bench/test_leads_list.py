"""`python -m bench leads`: what it compares is the same, and every bar can be missed."""

from dataclasses import replace

import pytest
from django.core.management import call_command
from django.test import override_settings

from bench import stock
from bench.__main__ import SETTINGS
from bench.leads_list import LISTING, QUESTIONS
from bench.lists import MOST_BYTES, MOST_QUERIES, Figures, Site, plan
from bench.measure import Page, PageFailed, asked, fetch, measured, next_link
from bench.table import rendered
from demo.management.commands.seed import SHARES

FAST = Page(seconds=0.01, queries=9, size=90_000, rows=("a", "b"))
SLOW = replace(FAST, seconds=1.0)


@pytest.fixture
def site(db):
    """Somebody who may see everything, and more leads than the deepest question needs."""
    with override_settings(**SETTINGS):
        call_command("seed", leads=1_300, chunk=1_300, verbosity=0, **dict.fromkeys(SHARES, 0.0))
        yield Site(LISTING, "the one of this test")


def test_our_list_and_the_stock_admin_show_the_same_rows(site):
    for question in QUESTIONS:
        ours = measured(site.browser, site.ours(question), repeat=1)
        with override_settings(TEMPLATES=stock.TEMPLATES):
            theirs = measured(site.browser, site.stock(question), repeat=1)
        assert ours.rows == theirs.rows, question
        assert ours.rows, question
        assert ours.queries <= MOST_QUERIES, question
        assert ours.size <= MOST_BYTES, question


def test_the_stock_admin_is_dressed_in_its_own_templates(site):
    with override_settings(TEMPLATES=stock.TEMPLATES):
        html = fetch(site.browser, site.stock("first page"))
    assert "Django administration" in html
    assert "unfold" not in html


def test_a_page_that_fails_is_named(site):
    with pytest.raises(PageFailed, match="/nowhere/ answers 404"):
        fetch(site.browser, "/nowhere/")


def test_every_statement_is_counted_and_has_a_plan(site):
    _, statements = asked(site.browser, site.ours("first page"))
    reading = [(sql, params) for sql, params in statements if 'FROM "leads"' in sql]
    assert len(reading) >= 2
    assert "Execution Time" in plan(*reading[0])


def test_a_page_within_every_bar_is_ok():
    assert Figures("first page", FAST, FAST, SLOW).missed() == []


@pytest.mark.parametrize(
    ("figures", "words"),
    [
        (Figures("slow", SLOW, SLOW, SLOW), "of stock"),
        (Figures("growing", FAST, replace(FAST, seconds=0.005), SLOW), "of 100,000"),
        (Figures("asking", replace(FAST, queries=16), FAST, SLOW), "queries"),
        (Figures("heavy", replace(FAST, size=300_001), FAST, SLOW), "kB"),
        (Figures("other", FAST, FAST, replace(SLOW, rows=("b", "a"))), "other rows"),
        (Figures("empty", replace(FAST, rows=()), FAST, replace(SLOW, rows=())), "no rows"),
    ],
)
def test_each_bar_can_be_missed(figures, words):
    (missed,) = figures.missed()
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
def test_the_next_page_is_found(html, link):
    assert next_link(html) == link


def test_a_table_is_lined_up():
    assert rendered(["", "ms"], [["first", "1.0"], ["a", "10.0"]]) == (
        "         ms\n-----  ----\nfirst   1.0\na      10.0\n"
    )
