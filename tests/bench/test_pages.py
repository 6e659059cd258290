"""`python -m bench pages` opens every page for every role, and every bar can be missed."""

from dataclasses import replace

import pytest
from django.core.management import call_command
from django.db import models
from django.test import Client, override_settings

from bench import pages
from bench.__main__ import SETTINGS
from bench.pages import PAGES, RECORDS, ROLES, RolePage, bench_users, cells, make_bench_rows, page_values
from bench.web_server import POST, PageTime
from demo.management.commands.seed import SHARE_OPTIONS

FAST = PageTime(median=0.04, p95=0.05, queries=9, query_seconds=0.01, size=90_000)


@pytest.fixture(scope="module")
def values_by_role(module_transaction):
    """The users of the roles, with what stands in the braces of their addresses."""
    with override_settings(**SETTINGS):
        call_command("seed", leads=300, chunk=300, verbosity=0, **dict.fromkeys(SHARE_OPTIONS, 0.9))
        make_bench_rows()
        yield {role: page_values(user) for role, user in bench_users().items()}


@pytest.fixture
def no_truth_of_tables(monkeypatch):
    """Let the truth of an unsliced queryset of a big table fail: it reads the whole table."""

    def refuse(rows: models.QuerySet) -> bool:
        is_read = rows._result_cache is not None or rows.query.is_sliced
        assert is_read or rows.model not in RECORDS.values(), f"{rows.model.__name__}: use exists(), or slice the rows"
        rows._fetch_all()
        return bool(rows._result_cache)

    monkeypatch.setattr(models.QuerySet, "__bool__", refuse)


@pytest.mark.parametrize("page", PAGES)
def test_every_page_opens_for_its_roles(values_by_role, db, no_truth_of_tables, page):
    statuses = {role: open_page(role, page, values) for role, values in values_by_role.items()}
    assert set(statuses.values()) <= {200, 403}, statuses
    assert statuses["administrator"] == 200


def open_page(role: str, page: str, values: dict[str, str]) -> int:
    client, url = Client(), PAGES[page].format_map(values)
    client.force_login(bench_users()[role])
    return (client.post(url.removeprefix(POST)) if url.startswith(POST) else client.get(url)).status_code


def test_page_within_bars_passes():
    assert RolePage(FAST, FAST).missed_bars() == []
    assert cells("leads", {"manager": RolePage(FAST, FAST)})[-1] == "OK"


@pytest.mark.parametrize(
    ("large", "small", "bar"),
    [
        (replace(FAST, median=0.151), replace(FAST, median=0.15), "time"),
        (replace(FAST, queries=16), FAST, "queries"),
        (replace(FAST, size=300_001), FAST, "size"),
        (replace(FAST, median=0.07), FAST, "growth"),
    ],
)
def test_each_bar_can_be_missed(large, small, bar):
    figures = RolePage(large, small)
    assert figures.missed_bars() == [bar]
    row = cells("leads", {"manager": figures})
    assert row[-1] == f"MISSED ({bar})"
    assert row[1 + list(ROLES).index("manager")].startswith("!")


def test_run_fails_on_a_missed_bar(monkeypatch, capsys):
    for name in ("fill_databases", "collect_static_files"):
        monkeypatch.setattr(pages, name, lambda: None)
    monkeypatch.setattr(pages, "open_site", lambda stack, name: name)
    for figures, is_met in ((FAST, True), (replace(FAST, queries=16), False)):
        monkeypatch.setattr(pages, "measure_roles", lambda *args, found=figures: [("manager", RolePage(found, FAST))])
        assert pages.run(1) is is_met
    assert f"{len(PAGES)} of {len(PAGES)} pages and roles miss a bar." in capsys.readouterr().out
