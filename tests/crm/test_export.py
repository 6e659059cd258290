"""Tests of exporting lists as CSV files."""

import csv
import io
from decimal import Decimal
from urllib.parse import urlencode

import pytest
from django.db import connection
from django.test.utils import CaptureQueriesContext
from hypothesis import given
from hypothesis import strategies as st

from crm.models import ActivityLog
from crm.records.activity import SYSTEM_ACTOR
from crm.screens.export import columns
from crm.text.spreadsheet_cells import FORMULA_PREFIXES, escape_formula, unescape_formula
from leads.models import Task
from leads.transitions import add_task
from tests.cast import allow_export, browser, make_client, make_contact, make_lead, make_policy, make_ticket

pytestmark = pytest.mark.django_db
LISTS = ("/crm/client/", "/crm/contact/", "/leads/lead/", "/leads/policy/", "/leads/task/", "/support/supportticket/")


def exported_rows(page, list_url: str, **params) -> list[dict[str, str]]:
    response = page.post(f"{list_url}export/?{urlencode(params)}")
    assert response.status_code == 200
    assert response["Content-Type"] == "text/csv; charset=utf-8"
    text = b"".join(response.streaming_content).decode("utf-8-sig")
    return list(csv.DictReader(io.StringIO(text, newline="")))


@pytest.mark.parametrize("list_url", LISTS)
def test_export_needs_its_permission(as_ann, ann, list_url):
    assert as_ann.post(f"{list_url}export/").status_code == 403
    allow_export(ann)
    assert browser(ann).post(f"{list_url}export/").status_code == 200


def test_button_is_offered_with_permission_only(as_ann, as_max):
    make_client(name="Olin")
    assert "export/?order=name" in as_max.get("/crm/client/").content.decode()
    assert "export/?" not in as_ann.get("/crm/client/").content.decode()


def test_export_holds_the_filtered_rows_in_the_order_of_the_list(as_max):
    for name, tags in (("Zed", ["vip"]), ("Amy", ["vip"]), ("Bea", [])):
        make_client(name=name, tags=tags)
    assert [row["Name"] for row in exported_rows(as_max, "/crm/client/", tags="vip", order="name")] == ["Amy", "Zed"]
    assert [row["Name"] for row in exported_rows(as_max, "/crm/client/", order="newest")] == ["Bea", "Amy", "Zed"]


def test_export_holds_visible_rows_only(ann, bob):
    allow_export(ann)
    make_client(name="Hidden", assigned_to=bob)
    make_client(name="Mine", assigned_to=ann)
    assert [row["Name"] for row in exported_rows(browser(ann), "/crm/client/")] == ["Mine"]


def test_names_of_invisible_records_are_left_out(ann, bob):
    allow_export(ann)
    client, lead = make_client(name="Secret", assigned_to=bob), make_lead(contact_name="Hush", assigned_to=bob)
    make_ticket(client=client, assigned_to=ann)
    make_ticket(client=None, lead=lead, assigned_to=ann)
    add_task(Task(title="Call", assignee=ann, lead=lead, client=client), by=SYSTEM_ACTOR)
    tickets = exported_rows(browser(ann), "/support/supportticket/", state="all")
    tasks = exported_rows(browser(ann), "/leads/task/")
    assert [(row["Client"], row["Lead"]) for row in (*tickets, *tasks)] == [("", "")] * 3


def test_export_is_logged_before_the_rows_leave(as_max, max):
    make_client(tags=["vip"])
    as_max.post("/crm/client/export/?tags=vip")
    entry = ActivityLog.objects.for_target(max).get(verb="exported")
    assert entry.summary == "Exported 1 client as CSV (tags=vip)."
    assert entry.metadata["filters"] == {"tags": "vip"}


@pytest.mark.parametrize(
    ("params", "sentence"),
    [
        ({"owner": "nonsense"}, "The filter “owner” is unknown or invalid."),
        ({"colour": "red"}, "The filter “colour” is unknown or invalid."),
        ({"order": "nonsense"}, "Unknown sort order “nonsense”."),
    ],
)
def test_invalid_filter_exports_nothing(as_max, max, params, sentence):
    make_client()
    response = as_max.post(f"/crm/client/export/?{urlencode(params)}", follow=True)
    assert f"The list was not exported. {sentence}" in response.content.decode()
    assert not ActivityLog.objects.for_target(max).filter(verb="exported").exists()


def test_custom_fields_are_columns(as_max):
    make_contact(name="Amy", custom_fields={"Shoe size": 38, "Name": "Amelia", "Pets": ["cat", "dog"]})
    make_contact(name="Bea", custom_fields={"Member": True})
    amy, bea = exported_rows(as_max, "/crm/contact/", order="name")
    assert (amy["Shoe size"], amy["Custom field: Name"], amy["Pets"], amy["Member"]) == ("38", "Amelia", "cat, dog", "")
    assert (bea["Shoe size"], bea["Member"]) == ("", "yes")


def test_too_many_custom_fields_share_a_column(as_max, monkeypatch):
    monkeypatch.setattr(columns, "MAX_CUSTOM_FIELD_COLUMNS", 1)
    make_contact(custom_fields={"a": 1, "b": "é"})
    assert exported_rows(as_max, "/crm/contact/")[0]["Custom fields"] == '{"a": 1, "b": "é"}'


def test_address_and_numbers_are_written_plainly(as_max):
    make_client(address={"city": "Ulm"}, phone="+49 731 1", custom_fields={"Balance": -3.5})
    row = exported_rows(as_max, "/crm/client/")[0]
    assert (row["City"], row["Phone"], row["Balance"]) == ("Ulm", "'+49 731 1", "-3.5")


def test_lead_columns_show_labels(as_max, ann):
    make_lead(estimated_value=Decimal("1200.50"), assigned_to=ann, line="auto", communications={"do_not_contact": True})
    row = exported_rows(as_max, "/leads/lead/")[0]
    assert (row["Stage"], row["Insurance type"], row["Assigned to"]) == ("New opportunities", "Auto", "ann")
    assert (row["Estimated value"], row["Do not call"]) == ("1200.50", "yes")


@pytest.mark.parametrize("list_url", LISTS)
def test_query_count_is_constant(as_max, list_url):
    make = {
        "/crm/client/": make_client,
        "/crm/contact/": make_contact,
        "/leads/lead/": make_lead,
        "/leads/policy/": make_policy,
        "/leads/task/": make_task,
        "/support/supportticket/": make_ticket,
    }[list_url]
    make()
    with CaptureQueriesContext(connection) as one:
        assert len(exported_rows(as_max, list_url)) == 1
    for _ in range(9):
        make()
    with CaptureQueriesContext(connection) as ten:
        assert len(exported_rows(as_max, list_url)) == 10
    assert len(one) == len(ten)


def make_task() -> None:
    add_task(Task(title="Call", lead=make_lead(), client=make_client()), by=SYSTEM_ACTOR)


@given(st.text(alphabet=st.sampled_from([*FORMULA_PREFIXES, "'", " ", "a", "1"]), max_size=6))
def test_escaped_text_is_no_formula_and_comes_back(text):
    escaped = escape_formula(text)
    assert not escaped.lstrip(" ").startswith(FORMULA_PREFIXES)
    if not text.startswith('="'):
        assert unescape_formula(escaped) == text
