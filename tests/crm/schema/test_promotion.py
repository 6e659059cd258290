"""Promotion to an index: built while others work, used by filters and orders at once, removed again."""

import pytest
from django.db import connection

from crm.exceptions import IllegalTransition, InvalidInput, NotPermitted
from crm.models import Client, CustomField, FieldStatistic, SchemaChange
from crm.records.json_keys import key_path
from crm.schema.advice.figures import load_advice
from crm.schema.promotion.indexes import PromotedKey
from crm.schema.promotion.running import run_change
from crm.schema.promotion.transitions import RUN_CHANGE_TASK, pause_change, resume_change, undo_change
from crm.schema.requests.transitions import decide_request, request_change, withdraw_request
from tests.cast import browser, make_user, page_text
from tests.crm.schema.promotions import (
    decided_index,
    fill_clients,
    is_valid,
    make_field,
    needs_embedded_server,
    our_objects,
    promote,
    restored_from_dump,
)
from tests.query_plans import filtered_rows, has_sort, plan_indexes, plan_nodes, vacuum_analyze
from tests.queued_jobs import run_jobs

pytestmark = [pytest.mark.django_db(transaction=True), pytest.mark.usefixtures("no_indexes_left")]
CLIENT_LIST = "/crm/client/"
LONG = "Long " * 3_000
VALUES = [5, 10, 10.0, 10.5, -3, 1e30, "10", "10 ", "NaN", "", None, [], ["a"], {"a": 1}, True, False, "true", "a", "A"]
VALUES += ["2026-01-31", "2026-02-01", "2026-02-01T10:00:00+00:00", "2026-13-45", "soon", "b", "x" * 300, LONG]
VALUES += ["Blue house", "50%", 0, 1e300, 1e-300, 0.12345678901234568, 123456789012345678901234567891]
DAY = "cf.level=2026-02-01"
QUERIES = {
    "number": [
        "cf.level=10",
        "cf.level~op=from&cf.level=10",
        "cf.level~op=to&cf.level=10",
        "cf.level~op=between&cf.level=5&cf.level~to=10",
        "cf.level~op=not&cf.level=10",
    ],
    "date": [DAY, *(f"cf.level~op={operator}&{DAY}" for operator in ("from", "to", "not"))],
    "date_time": [DAY, *(f"cf.level~op={operator}&{DAY}" for operator in ("from", "to", "not"))],
    "text": [
        *(f"cf.level={value}" for value in ("10", "a", "10.0", "1e1", "true", "x" * 300, "-0", "1e300", "1e-300")),
        "cf.level=0.12345678901234567890123",
        "cf.level~op=contains&cf.level=BLUE",
        "cf.level~op=not&cf.level=a",
    ],
    "choice": [
        "cf.level=a",
        "cf.level~op=any&cf.level=a&cf.level=b",
        "cf.level~op=not&cf.level=a",
        "cf.level~op=empty",
    ],
    "yes_no": ["cf.level=true", "cf.level=false", "cf.level~op=not&cf.level=true", "cf.level~op=filled"],
}


def names(user, query: str) -> list[str]:
    return sorted(filtered_rows(Client, query, user).values_list("name", flat=True))


@pytest.mark.parametrize("decision", ["index", "column"])
@pytest.mark.parametrize("kind", QUERIES)
def test_filters_find_the_same_rows_before_and_after(ada, kind, decision):
    field = make_field(kind=kind, choices=["a", "b"] if kind == "choice" else [])
    fill_clients(VALUES)
    before = {query: names(ada, query) for query in QUERIES[kind]}
    assert all(before.values())
    change = promote(field, decision)
    assert (change.state, change.error_message) == ("APPLIED", "")
    assert {query: names(ada, query) for query in QUERIES[kind]} == before
    undo_change(change, by=ada)
    assert {query: names(ada, query) for query in QUERIES[kind]} == before
    run_change(change.pk)
    change.refresh_from_db()
    assert change.state == "UNDONE" and our_objects() == []


@pytest.mark.parametrize(
    ("kind", "query", "index"),
    [
        ("number", "cf.level=77", "_sort"),
        ("number", "cf.level~op=between&cf.level=77&cf.level~to=79", "_sort"),
        ("text", "cf.level=77", "_sort"),
        ("text", "cf.level~op=contains&cf.level=blue", "_words"),
        ("choice", "cf.level~op=any&cf.level=77&cf.level=78", "_sort"),
        ("date", "cf.level~op=from&cf.level=2026-01-01", "_sort"),
        ("yes_no", "cf.level=true", "_sort"),
        ("client", "cf.level=0190b2c4-7a1e-7c3d-9f00-0123456789ab", "_sort"),
    ],
)
def test_list_uses_the_index_without_a_release(ada, kind, query, index):
    field = make_field(kind=kind, choices=["77", "78"] if kind == "choice" else [])
    fill_clients(["2026-02-01", True, "Blue house"], rows=3_000)
    assert not any(name.startswith("cf_") for name in plan_indexes(filtered_rows(Client, query, ada)))
    change = promote(field)
    rows = filtered_rows(Client, query, ada)
    assert f"{PromotedKey.of(change).base_name}{index}" in plan_indexes(rows)
    (bitmap_or_index,) = [node for node in plan_nodes(rows) if "Index Name" in node]
    assert bitmap_or_index["Plan Rows"] < 100, "the planner knows the values"


def test_list_sorts_by_an_indexed_field_page_by_page(ada):
    make_field(kind="number", is_on_list=True)
    other = make_field(key='it\'s "50%" (big)', label="Big", is_on_list=True)
    fill_clients([3, 1, "none", 2], rows=0)
    page = browser(ada)
    assert "order=cf.level" not in page_text(page.get(CLIENT_LIST))
    promote(CustomField.objects.get(key="level"))
    promote(other)
    answer = page.get(f"{CLIENT_LIST}?order=cf.level")
    assert "order=cf.level" in page_text(answer)
    assert [row.name for row in answer.context["cl"].page.rows] == ["3", "2", "1", "'none'"]
    Client.objects.bulk_create(Client(name=f"C{n}", custom_fields={"level": n}) for n in range(10, 130))
    rows, url = [], f"{CLIENT_LIST}?order=cf.level"
    while url:
        listed = page.get(url).context["cl"]
        rows += [row.custom_fields["level"] for row in listed.page.rows]
        url = listed.next_url() and CLIENT_LIST + listed.next_url()
    assert rows == [*range(129, 9, -1), 3, 2, 1, "none"]
    assert page.get(CLIENT_LIST, {"order": f"cf.{other.key}"}).context["cl"].order_name == f"cf.{other.key}"


def test_list_says_why_it_is_not_sorted_by_a_custom_field(ada):
    make_field(is_on_list=True)
    make_field(key="pets", label="Pets", kind="choices", choices=[], is_on_list=True)
    make_field(key="friend", label="Friend", kind="client", is_on_list=True)
    listed = browser(ada).get(CLIENT_LIST)
    friend, (level, reason, address), pets = listed.context["cl"].columns_without_order()
    assert (level, reason) == ("Level", "needs an index")
    assert friend == ("Friend", "references have no order", "")
    assert pets == ("Pets", "several choices have no order", "")
    assert 'value="level"' in page_text(browser(ada).get(address))
    assert "Not by Level: needs an index" in page_text(listed)
    promote(CustomField.objects.get(key="level"))
    assert "Not by Level" not in page_text(browser(ada).get(CLIENT_LIST))


def test_order_by_an_indexed_field_reads_its_index_and_sorts_nothing(ada):
    change = promote(make_field(kind="number"))
    fill_clients([], rows=5_000)
    vacuum_analyze("clients")
    listed = browser(ada).get(f"{CLIENT_LIST}?order=cf.level").context["cl"]
    order = listed.available_orders()["cf.level"]
    page = order.sort(order.annotate_keys(listed.queryset))[:50]
    assert f"{PromotedKey.of(change).base_name}_sort" in plan_indexes(page)
    assert not has_sort(page)


def test_advice_names_the_index_of_a_promoted_key():
    keys = ["level", 'it\'s "a".b\\']
    for key in keys:
        promote(make_field(kind="number", key=key))
    rows = [
        FieldStatistic.objects.create(
            table="crm.client", column="custom_fields", key=key_path(key), row_count=50_000, filled_count=50_000
        )
        for key in [*keys, "other"]
    ]
    reasons = [one.advice.reason for one in load_advice(rows)]
    names = [PromotedKey("crm.client", "custom_fields", key, "number").base_name for key in keys]
    assert reasons[:2] == [f"The index {name}_sort serves this key already." for name in names]
    assert "an index needs" in reasons[2]


@pytest.mark.parametrize(
    "key", ['it\'s "a"', "a.b\\", "💶", "'; DROP TABLE clients; --", "50% {x} %s", "ADHD Support $1"]
)
def test_any_key_can_be_promoted(ada, key):
    fill_clients([7, "x"], key=key, rows=50)
    change = promote(make_field(key=key, kind="number"))
    assert (change.state, is_valid(change)) == ("APPLIED", [True])
    condition = PromotedKey.of(change)
    with connection.cursor() as cursor:
        cursor.execute("SELECT pg_get_indexdef(%s::regclass)", [f'"{condition.indexes[0].name}"'])
        assert "json_number_key" in cursor.fetchone()[0]
    found = browser(ada).get(CLIENT_LIST, {f"cf.{key}": "7"}).context["cl"].page.rows
    assert sorted(client.name for client in found) == ["7", "C7"]


def test_names_of_indexes_fit_and_differ():
    keys = ["k" * 1_000, "k" * 999, "K" * 1_000, "k", "k ", "💶" * 1_000, "a\x1fb"]
    names = {
        index.name
        for key in keys
        for table in ("leads.lead", "crm.client")
        for kind in ("text", "number")
        for index in PromotedKey(table, "custom_fields", key, kind).indexes
    }
    assert len(names) == len(keys) * 2 * 3
    assert max(len(name) for name in names) < 64
    key = PromotedKey("crm.client", "custom_fields", "💶'\"\\" * 250, "text")
    with connection.cursor() as cursor:
        for index in key.indexes:
            cursor.execute(index.create)
            assert index.is_valid()


def test_decision_needs_a_field_that_an_index_helps(theo):
    def request(key, **kw):
        change = SchemaChange(table="leads.lead", key=key, proposed="index", why="Slow.", expected_use="Daily.", **kw)
        request_change(change, by=theo)
        return change

    make_field(table="leads.lead", key="many", kind="choices", choices=["a"])
    make_field(table="leads.lead", key="level")
    for change, sentence in (
        (request("unknown"), "Define “unknown” as a custom field"),
        (request("many"), "use the index of the whole column"),
        (request("level", column="auto_data"), "No line asks for “level”"),
    ):
        with pytest.raises(InvalidInput, match=sentence):
            decide_request(change, decision="index", reason="Used daily.", by=theo)
        change.refresh_from_db()
        assert change.state == "OPEN"


def test_key_is_promoted_once_and_its_new_kind_is_not_served_by_the_old_index(ada, theo):
    field = make_field(kind="number")
    promote(field)
    again = SchemaChange(table=field.table, key=field.key, proposed="index", why="Slow.", expected_use="Daily.")
    request_change(again, by=theo)
    with pytest.raises(IllegalTransition, match="has an index already"):
        decide_request(again, decision="index", reason="Used daily.", by=theo)
    field.delete()
    make_field(kind="text")
    fill_clients(["10"])
    assert names(ada, "cf.level=10") == ["'10'"]
    assert "json_text_key" not in str(filtered_rows(Client, "cf.level=10", ada).query)


def test_worker_applies_and_undoes_what_the_screen_says(theo, ann):
    field = make_field(kind="number")
    page = browser(theo)
    change = SchemaChange(table=field.table, key=field.key, proposed="index", why="Slow.", expected_use="Daily.")
    request_change(change, by=theo)
    url = f"/crm/schemachange/{change.pk}/"
    page.post(f"{url}do/decide/", {"decision": "index", "reason": "Used daily."})
    assert "Waiting for a worker." in page_text(page.get(f"{url}change/"))
    assert browser(ann).post(f"{url}do/undo/").status_code == 403
    assert run_jobs(RUN_CHANGE_TASK) == 1
    text = page_text(page.get(f"{url}change/"))
    assert "Applied" in text and "_sort" in text and "Applied: Index" in text and "<dt>Size</dt>" in text
    text = page_text(browser(ann).get(f"{url}change/"))
    assert "_sort" in text and "<dt>Size</dt>" not in text, "it would tell how many records have a value"
    assert [row.pk for row in page.get("/crm/schemachange/?show=applied").context["cl"].page.rows] == [change.pk]
    page.post(f"{url}do/undo/")
    run_jobs(RUN_CHANGE_TASK)
    assert "The index is removed." in page_text(page.get(f"{url}change/"))
    assert page.post(f"{url}do/undo/").status_code == 422


def test_undoing_and_repair_wait_for_another_request_for_the_key(theo, ann):
    field = make_field(kind="number")
    change = promote(field, "column")
    other = SchemaChange(table=field.table, key=field.key, proposed="stay", why="Unused.", expected_use="None.")
    request_change(other, by=ann)
    for act in (undo_change, resume_change):
        with pytest.raises(
            IllegalTransition, match=r"Another request for “level” \(Stay in JSON\) is open\. Withdraw it"
        ):
            act(change, by=theo)
    withdraw_request(other, by=theo)
    undo_change(change, by=theo)
    assert change.state == "UNDOING"


def test_pausing_before_the_job_keeps_it_from_building(theo, ann):
    change = decided_index(make_field(kind="number"))
    with pytest.raises(NotPermitted):
        pause_change(change, by=ann)
    pause_change(change, by=theo)
    run_change(change.pk)
    assert our_objects() == []
    with pytest.raises(IllegalTransition, match="is paused, so it cannot be paused"):
        pause_change(change, by=theo)
    resume_change(change, by=theo)
    run_change(change.pk)
    change.refresh_from_db()
    assert (change.state, is_valid(change)) == ("APPLIED", [True])
    with pytest.raises(IllegalTransition, match="is applied, so it cannot be paused"):
        pause_change(change, by=make_user("thea", "schema admin"))
    undo_change(change, by=theo)
    with pytest.raises(IllegalTransition, match="being undone already"):
        undo_change(change, by=theo)
    run_change(change.pk)
    change.refresh_from_db()
    with pytest.raises(IllegalTransition, match="is undone, so it cannot be undone"):
        undo_change(change, by=theo)
    with pytest.raises(IllegalTransition, match="is undone, so it cannot be resumed"):
        resume_change(change, by=theo)


@needs_embedded_server
def test_dump_restores_indexes_statistics_and_functions():
    change = promote(make_field(kind="text", key="it's"))
    own = our_objects()
    with restored_from_dump("--schema-only"):
        assert (our_objects(), is_valid(change)) == (own, [True, True])


def test_a_promoted_reference_filters_and_does_not_sort(ada):
    olga = Client.objects.create(name="Olga")
    field = make_field(kind="client", is_on_list=True)
    fill_clients([str(olga.pk), str(olga.pk).upper(), "Olga", None, 5])
    page, query = browser(ada), f"cf.level={olga.pk}"
    before = [row.pk for row in page.get(f"{CLIENT_LIST}?{query}").context["cl"].page.rows]
    for decision in ("index", "column"):
        assert promote(field, decision).state == "APPLIED"
        listed = page.get(f"{CLIENT_LIST}?{query}").context["cl"]
        assert [row.pk for row in listed.page.rows] == before and len(before) == 2
        assert "cf.level" not in listed.available_orders()
