"""Promotion to a column: typed, in step with its key both ways, read by filters and orders, removed again."""

from datetime import UTC, date, datetime
from decimal import Decimal
from uuid import UUID

import pytest
from django.db import DatabaseError, IntegrityError, connection
from django.test.utils import CaptureQueriesContext

from crm.exceptions import IllegalTransition, InvalidInput
from crm.models import Client, SchemaChange
from crm.records.merging.transitions import merge, unmerge
from crm.records.privacy.person import Person
from crm.records.privacy.transitions import erase
from crm.runtime.bulk_copy import copy_rows
from crm.schema.promotion.columns import KeyColumn
from crm.schema.promotion.indexes import PromotedKey
from crm.schema.promotion.running import run_change
from crm.schema.promotion.transitions import undo_change
from crm.schema.requests.transitions import decide_request, request_change, withdraw_request
from tests.cast import browser, make_client, page_text
from tests.crm.schema.promotions import decided, fill_clients, make_field, our_objects, promote
from tests.query_plans import filtered_rows, has_sort, plan_indexes, vacuum_analyze

pytestmark = [pytest.mark.django_db(transaction=True), pytest.mark.usefixtures("no_indexes_left")]
CLIENT_LIST = "/crm/client/"
DIFFERENT = "were given different values. Write only one of them"
MOMENT = datetime(2026, 2, 1, 10, 0, 0, 250_000, tzinfo=UTC)
RECORD_KEY = UUID("0190b2c4-7a1e-7c3d-9f00-0123456789ab")
# JSON, its kind, and the value of the column.
STORED = [
    ("number", 10.50, Decimal("10.5")),
    ("number", 1e20, Decimal(10) ** 20),
    ("number", "10", None),
    ("money", True, None),
    ("text", "  Ärger 💶 ", "  Ärger 💶 "),
    ("text", "", ""),
    ("text", 10.0, "10"),
    ("long_text", "x" * 20_000, "x" * 20_000),
    ("email", ["a"], None),
    ("yes_no", False, False),
    ("yes_no", "false", None),
    ("date", "2026-02-01", date(2026, 2, 1)),
    ("date", "2026-02-30", None),
    ("date_time", "2026-02-01T11:00:00.25+01:00", MOMENT),
    ("date_time", "soon", None),
    ("choice", "gold", "gold"),
    ("choice", None, None),
    ("client", str(RECORD_KEY), RECORD_KEY),
    ("client", "Olga", None),
]


def sql(statement: str, *params):
    """Execute a statement in which @ stands for the promoted column."""
    column = KeyColumn.of(SchemaChange.objects.get(decision="column"))
    with connection.cursor() as cursor:
        cursor.execute(statement.replace("@", f'"{column.name}"'), params or None)
        return cursor.fetchall() if cursor.description else cursor.rowcount


def both_sides() -> list[tuple]:
    """Return column and JSON of each client."""
    return [(stored, fields.get("level")) for stored, fields in sql("SELECT @, custom_fields::text::json FROM clients")]


@pytest.mark.parametrize(("kind", "json", "stored"), STORED)
def test_column_has_the_value_of_the_kind_or_null(kind, json, stored):
    fill_clients([json])
    change = promote(make_field(kind=kind, choices=["gold"] if kind == "choice" else []), "column")
    assert (change.state, change.error_message) == ("APPLIED", "")
    fill_clients([json])
    assert both_sides() == [(stored, json)] * 2


@pytest.mark.parametrize(
    ("kind", "stored", "json"),
    [
        ("number", Decimal("12.50"), 12.5),
        ("text", "it's", "it's"),
        ("yes_no", True, True),
        ("date", date(2026, 12, 31), "2026-12-31"),
        ("client", RECORD_KEY, str(RECORD_KEY)),
        ("date_time", MOMENT, "2026-02-01T10:00:00.25+00:00"),
        ("date_time", MOMENT.replace(microsecond=0), "2026-02-01T10:00:00+00:00"),
    ],
)
def test_column_written_by_plain_sql_changes_the_json(kind, stored, json):
    promote(make_field(kind=kind), "column")
    fill_clients([[]])
    sql("UPDATE clients SET @ = %s", stored)
    assert both_sides() == [(stored, json)]
    sql("UPDATE clients SET @ = NULL")
    assert both_sides() == [(None, None)]
    sql("INSERT INTO clients (name, client_type, @) VALUES ('New', 'Business', %s)", stored)
    assert (stored, json) in both_sides()


def test_statement_that_writes_both_is_refused_unless_they_agree():
    promote(make_field(kind="number"), "column")
    fill_clients([1])
    both = "UPDATE clients SET @ = %s, custom_fields = jsonb_build_object('level', %s::int)"
    with pytest.raises(IntegrityError, match=DIFFERENT):
        sql(both, 2, 3)
    with pytest.raises(IntegrityError, match=DIFFERENT):
        sql("INSERT INTO clients (name, client_type, @, custom_fields) VALUES ('N', 'Business', 2, '{\"level\": 3}')")
    assert both_sides() == [(1, 1)]
    sql(both, 4, 4)
    assert both_sides() == [(4, 4)]
    sql("UPDATE clients SET @ = 4, custom_fields = '{\"level\": 5}'")
    assert both_sides() == [(5, 5)], "a column that is given its old value was not written"


@pytest.mark.parametrize(
    ("kind", "value"), [("number", "NaN"), ("number", "Infinity"), ("date", "infinity"), ("date", "0044-03-15 BC")]
)
def test_value_that_json_cannot_hold_is_refused(kind, value):
    promote(make_field(kind=kind), "column")
    fill_clients([None])
    with pytest.raises(DatabaseError, match="cannot be stored under “level” in custom_fields"):
        sql("UPDATE clients SET @ = %s", value)


def test_lists_find_sort_and_show_the_same_before_during_and_after(ada):
    field = make_field(kind="number", is_on_list=True)
    fill_clients([3, 1, "none", 2, None, 1e30, -5])
    page = browser(ada)
    expected = ["1e+30", "3", "2", "1", "-5", "None", "'none'"]
    index = promote(field)
    change = decided(field, "column")

    def look() -> list[str]:
        answer = page.get(f"{CLIENT_LIST}?order=cf.level&cf.level~op=not&cf.level=77")
        assert answer.context["cl"].order_name == "cf.level"
        return [row.name for row in answer.context["cl"].page.rows]

    assert look() == expected
    run_change(change.pk)
    assert look() == expected
    undo_change(change, by=ada)
    assert look() == expected
    run_change(change.pk)
    assert look() == expected
    index.refresh_from_db()
    assert index.state == "APPLIED", "the index on the key stays"


def test_filter_and_order_read_the_index_of_the_column(ada):
    field = make_field(kind="number")
    fill_clients([], rows=5_000)
    promote(field)
    column = KeyColumn.of(promote(field, "column"))
    vacuum_analyze("clients")
    page = browser(ada)
    with CaptureQueriesContext(connection) as queries:
        listed = page.get(f"{CLIENT_LIST}?order=cf.level&cf.level~op=between&cf.level=77&cf.level~to=79").context["cl"]
    assert sorted(row.name for row in listed.page.rows) == ["C77", "C78", "C79"]
    assert any(column.name in query["sql"] for query in queries)
    assert not any("json_number_key" in query["sql"] for query in queries)
    assert plan_indexes(filtered_rows(Client, "cf.level=77", ada)) == {f"{column.name}_sort"}
    order = listed.available_orders()["cf.level"]
    page = order.sort(order.annotate_keys(Client.objects.all()))[:50]
    assert plan_indexes(page) == {f"{column.name}_sort"} and not has_sort(page)
    assert order.json_keys() == [("custom_fields", "level")], "the use of the key is counted"


def test_contains_reads_the_words_of_the_column(ada):
    field = make_field(kind="text")
    fill_clients(["Blue house", ["blue"]], rows=3_000)
    column = KeyColumn.of(promote(field, "column"))
    rows = filtered_rows(Client, "cf.level~op=contains&cf.level=BLUE", ada)
    assert [row.name for row in rows] == ["'Blue house'"]
    assert plan_indexes(rows) == {f"{column.name}_words"}


def test_copying_the_values_leaves_no_trace_in_the_rows():
    fill_clients([1, "x", None])
    Client.objects.update(updated_at=datetime(2020, 1, 1, tzinfo=UTC))
    before = list(Client.objects.order_by("pk").values())
    events = Client.events.rel.related_model.objects
    assert not events.exists()
    promote(make_field(kind="number"), "column")
    assert list(Client.objects.order_by("pk").values()) == before
    assert not events.exists()


def test_rows_that_are_copied_into_the_table_get_the_column():
    promote(make_field(kind="number"), "column")
    copy_rows([Client(name="Copied", custom_fields={"level": 7})], ["id", "name", "client_type", "custom_fields"])
    assert both_sides() == [(7, 7)]


def test_merge_before_the_promotion_is_undone_after_it_and_stores_no_column(ada):
    winner, loser = make_client(custom_fields={"level": 1}), make_client(custom_fields={"level": 2})
    earlier = merge(winner, loser, {}, by=ada)
    promote(make_field(kind="number"), "column")
    unmerge(earlier, by=ada)
    assert sorted(both_sides()) == [(1, 1), (2, 2)]
    later = merge(winner, loser, {"custom_fields/level": "loser"}, by=ada)
    assert not [name for name in {*later.winner_before, *later.loser_after} if name.startswith("cf_")]
    assert both_sides() == [(2, 2)] * 2
    unmerge(later, by=ada)
    assert sorted(both_sides()) == [(1, 1), (2, 2)]


def test_erased_person_leaves_nothing_in_the_column(ada):
    promote(make_field(kind="text"), "column")
    client = make_client(name="Nora", custom_fields={"level": "Nora's level"})
    assert both_sides() == [("Nora's level", "Nora's level")]
    erase(Person([client]), reason="Request of 3 November", by=ada)
    assert [stored for stored, _ in both_sides()] in ([], [None])


@pytest.mark.parametrize(
    "key", ['it\'s "a"', "a.b\\", "💶", "$$; DROP TABLE clients; --", "50% {x} %s", "select", "id"]
)
def test_any_key_can_become_a_column(ada, key):
    fill_clients([7, "x"], key=key, rows=50)
    change = promote(make_field(key=key, kind="number"), "column")
    assert (change.state, change.error_message) == ("APPLIED", "")
    fill_clients([7.5], key=key)
    found = browser(ada).get(CLIENT_LIST, {f"cf.{key}": "7"}).context["cl"].page.rows
    assert sorted(client.name for client in found) == ["7", "C7"]
    with pytest.raises(IntegrityError, match=DIFFERENT):
        sql("UPDATE clients SET @ = 1, custom_fields = jsonb_build_object(%s::text, 2)", key)


def test_names_of_columns_fit_differ_and_are_readable():
    keys = ["k" * 1_000, "k" * 999, "K" * 1_000, "k", "k ", "💶" * 1_000, "Premium (yearly)"]
    columns = [KeyColumn(PromotedKey("crm.client", "custom_fields", key, "text")) for key in keys]
    names = {name for one in columns for name in (one.name, one.trigger_name, one.check_name, one.statistics_name)}
    assert len(names) == 4 * len(keys)
    assert max(map(len, [*names, *(index.name for one in columns for index in one.indexes)])) < 64
    assert columns[-1].name.startswith("cf_premium_yearly_")
    with connection.cursor() as cursor:
        for column in columns:
            cursor.execute(column.create)
            assert column.state().fires


def test_decision_is_refused_where_a_column_makes_no_sense(theo):
    def refuse(decision, sentence, error=InvalidInput, **kw):
        change = SchemaChange(**{"table": "crm.client", "proposed": "column", "why": "x", "expected_use": "x", **kw})
        request_change(change, by=theo)
        with pytest.raises(error, match=sentence):
            decide_request(change, decision=decision, reason="Used daily.", by=theo)
        withdraw_request(change, by=theo)

    make_field(key="many", kind="choices", choices=["a"])
    field = make_field(key="level")
    promote(field, "column")
    refuse("column", "Several choices stay in JSON", key="many")
    refuse("column", "Define “unknown” as a custom field", key="unknown")
    refuse("column", "Only a custom field becomes a column", table="leads.lead", column="auto_data", key="vin")
    refuse("column", "has a column already", IllegalTransition, key="level")
    refuse("index", "has a column with an index already", IllegalTransition, key="level")


def test_page_says_what_a_column_does(theo):
    change = decided(make_field(kind="number"), "column")
    page, url = browser(theo), f"/crm/schemachange/{change.pk}/change/"
    assert "a trigger that keeps column and JSON in step" in page_text(page.get(url))
    run_change(change.pk)
    text = page_text(page.get(url))
    assert "Filters and orders read the column." in text
    assert f'<dt>Column</dt> <dd><code class="wrap">{KeyColumn.of(change).name}</code>' in " ".join(text.split())
    undo_change(change, by=theo)
    run_change(change.pk)
    assert "The column is removed." in page_text(page.get(url))
    assert our_objects() == []
