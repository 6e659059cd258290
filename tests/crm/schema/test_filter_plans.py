"""Filters by custom fields say how they find their rows, and a list that takes too long is stopped with a sentence."""

import pytest
from django.db import connection
from django.test.utils import CaptureQueriesContext
from django.utils import timezone

from crm.models import Client, SchemaChange
from crm.screens.custom_fields import filters
from crm.screens.custom_fields.filter_plans import reads_index
from tests.cast import browser, page_text
from tests.crm.schema.promotions import fill_clients, make_field, promote
from tests.query_plans import vacuum_analyze

CLIENT_LIST = "/crm/client/"
SLOW_KEY_SQL = """
CREATE OR REPLACE FUNCTION json_number_key(data jsonb, key text) RETURNS numeric LANGUAGE plpgsql IMMUTABLE AS
'BEGIN PERFORM pg_sleep(5); RETURN 1; END'
"""


def chip(page, query: str) -> dict:
    (chip,) = page.get(f"{CLIENT_LIST}?{query}").context["cl"].chips()
    return chip


@pytest.mark.django_db(transaction=True)
def test_chip_says_what_the_plan_says_before_and_after_promotion(ada, ann, no_indexes_left, monkeypatch):
    monkeypatch.setattr(filters, "SMALL_TABLE_ROWS", 1_000)
    field = make_field(kind="number")
    fill_clients([], rows=3_000)
    vacuum_analyze("clients")
    page = browser(ada)
    ranges = "cf.level~op=from&cf.level=2990"
    assert chip(page, ranges)["plan"].label == "reads all 3,000 records"
    assert chip(browser(ann), ranges)["plan"].label == "reads all records", "hidden records are not counted"
    assert chip(page, "cf.level=7")["plan"].label == "indexed", "the GIN index serves equality"
    assert chip(page, "cf.undefined=7")["plan"].label == "indexed"
    assert chip(page, "cf.level~op=not&cf.level=7")["plan"].label == "reads all 3,000 records"
    assert chip(page, "tags=vip")["plan"] is None
    promote(field)
    assert chip(page, ranges)["plan"].label == "indexed"
    assert '<span class="badge b-green">indexed</span>' in page_text(page.get(f"{CLIENT_LIST}?{ranges}"))
    assert '<span class="badge b-green">indexed</span>' in page_text(page.get(f"{CLIENT_LIST}?sheet=filter"))
    promote(field, "column")
    assert chip(page, ranges)["plan"].label == "column"
    assert '<span class="badge b-green">column</span>' in page_text(page.get(f"{CLIENT_LIST}?sheet=filter"))


@pytest.mark.parametrize(("node", "expected"), [("Index Scan", True), ("Seq Scan", False)])
def test_few_entries_that_are_all_read_count_as_a_look_up_of_their_records(node, expected):
    entries = {"Node Type": "Seq Scan", "Relation Name": "lead_other_vehicles", "Filter": "(vin = 'A')"}
    leads = {"Node Type": node, "Relation Name": "leads"}
    if node == "Index Scan":
        leads["Index Cond"] = "(id = entry.lead_id)"
    assert reads_index({"Node Type": "Nested Loop", "Plans": [entries, leads]}, "vin") is expected


@pytest.mark.django_db
def test_small_table_says_nothing_of_reading_it_whole(ada):
    make_field(kind="number")
    fill_clients([], rows=3)
    assert chip(browser(ada), "cf.level~op=from&cf.level=1")["plan"] is None


@pytest.mark.django_db
def test_only_the_first_filters_are_explained(ada, monkeypatch):
    monkeypatch.setattr(filters, "SMALL_TABLE_ROWS", 0)
    for number in range(5):
        make_field(key=f"f{number}", label=f"F{number}", kind="number")
    query = "&".join(f"cf.f{number}=7" for number in range(5))
    with CaptureQueriesContext(connection) as queries:
        chips = browser(ada).get(f"{CLIENT_LIST}?{query}").context["cl"].chips()
    assert sum(chip["plan"] is not None for chip in chips) == 3
    assert sum("EXPLAIN" in query["sql"] for query in queries) == 3
    # Inside the transaction of a test, a limit of time takes three more: its savepoint, and setting it back.
    assert len(queries) - 2 * 3 <= 15


@pytest.mark.django_db
def test_slow_list_is_stopped_with_a_sentence_that_offers_an_index(ann, vera, settings):
    settings.LIST_TIMEOUT = 0.05
    make_field(kind="number", label="Level & more")
    Client.objects.create(name="Ann", custom_fields={"level": 1})
    with connection.cursor() as cursor:
        cursor.execute(SLOW_KEY_SQL)
    page = browser(ann)
    text = page_text(page.get(f"{CLIENT_LIST}?cf.level~op=from&cf.level=1"))
    assert "This list was stopped after 0.05 seconds" in text
    link = "/crm/schemachange/request/?table=crm.client&amp;key=level&amp;decision=index"
    assert f'<a href="{link}">Request an index for “Level &amp; more”</a>' in text
    assert "0 results" not in text
    text_of_viewer = page_text(browser(vera).get(f"{CLIENT_LIST}?cf.level~op=from&cf.level=1"))
    assert "This list was stopped" in text_of_viewer and "Request an index" not in text_of_viewer
    assert "Stopped, because it took too long." in text and "Level &amp; more: <b>from 1</b>" in text
    with CaptureQueriesContext(connection) as queries:
        assert [row.name for row in page.get(CLIENT_LIST).context["cl"].page.rows] == ["Ann"]
    assert not any("statement_timeout" in query["sql"] for query in queries), "an unfiltered list has no limit"
    decided = {"decision": "index", "decision_reason": "Daily.", "decided_at": timezone.now(), "kind": "number"}
    applied = {**decided, "state": "APPLIED", "applied_at": timezone.now()}
    asked = {"table": "crm.client", "key": "level", "proposed": "index", "why": "Slow.", "expected_use": "Daily."}
    SchemaChange.objects.bulk_create([SchemaChange(**asked, **applied)])
    text = page_text(page.get(f"{CLIENT_LIST}?cf.level~op=from&cf.level=1"))
    assert "This list was stopped" in text and "Request an index" not in text, "it has one"
    with connection.cursor() as cursor:
        cursor.execute("SHOW statement_timeout")
        assert cursor.fetchone() == ("0",)


@pytest.mark.django_db
def test_rows_are_shown_without_a_total_if_only_counting_is_slow(ann, monkeypatch, settings):
    settings.LIST_TIMEOUT = 1
    make_field(kind="number")
    fill_clients([], rows=3)

    def slow_count(*arguments):
        with connection.cursor() as cursor:
            cursor.execute("SELECT pg_sleep(5)")

    monkeypatch.setattr("crm.screens.lists.capped_count", slow_count)
    listed = browser(ann).get(f"{CLIENT_LIST}?cf.level~op=from&cf.level=1").context["cl"]
    assert (len(listed.page.rows), str(listed.result_total)) == (2, "2+")
