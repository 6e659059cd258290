"""How the database reads the search over everything, on a table of some size."""

import json
from typing import Any

import pytest
from django.contrib import admin
from django.db import connection
from django.test import RequestFactory

from crm.models import User
from crm.screens.search import candidates, tables
from crm.screens.search.records import searched_screens
from leads.models import Lead
from tests.cast import make_user

ROLES = ["agent", "manager"]
ROWS = 4_000
FILL = """
    INSERT INTO leads (contact_name, contact_email, contact_phone, auto_data, notes)
    SELECT 'Person ' || md5(n::text), 'p' || n || '@example.com', '(415) 55' || lpad(n::text, 5, '0'),
           jsonb_build_object('vin', 'VIN' || lpad(n::text, 14, '0')), repeat('x', 1500)
      FROM generate_series(1, %s) AS n;
    INSERT INTO clients (name, assigned_to_id) SELECT 'Client ' || n, %s FROM generate_series(1, 200) AS n;
    INSERT INTO policies (client_id, insurance_type_id, number)
    SELECT id, (SELECT id FROM insurance_types LIMIT 1), 'PN-' || row_number() OVER ()
      FROM clients, generate_series(1, 10);
    INSERT INTO support_tickets (client_id, issue_description)
    SELECT id, 'Trouble ' || md5(id::text || n) FROM clients, generate_series(1, 10) AS n
"""


@pytest.fixture(scope="module")
def users(module_transaction) -> dict[str, User]:
    """An agent, who has all clients, and a manager, with tables large enough for realistic plans."""
    users = {role: make_user(f"seeking-{role}", role) for role in ROLES}
    with connection.cursor() as cursor:
        cursor.execute(FILL, [ROWS, users["agent"].pk])
        cursor.execute("ANALYZE leads, clients, policies, support_tickets")
    return users


def request_of(user: User) -> Any:
    request = RequestFactory().get("/search/")
    request.user = user
    return request


def plan_of(statement: candidates.Statement, *options: str) -> list[dict[str, Any]]:
    with connection.cursor() as cursor:
        cursor.execute(f"EXPLAIN ({', '.join((*options, 'FORMAT JSON'))}) {statement.sql}", statement.params)
        (plan,) = cursor.fetchone()
    return [*candidates.walk_plan((json.loads(plan) if isinstance(plan, str) else plan)[0]["Plan"])]


def indexes(plan: list[dict[str, Any]]) -> set[str]:
    return {node["Index Name"] for node in plan if "Index Name" in node}


def reads_all_leads(plan: list[dict[str, Any]]) -> bool:
    return any(node["Node Type"] == "Seq Scan" and node["Relation Name"] == "leads" for node in plan)


def lead_search(user: User, text: str) -> list:
    screen, request = admin.site.get_model_admin(Lead), request_of(user)
    found = screen.find_rows(request, screen.get_queryset(request), text)
    return [tables.candidate_rows(screen, found.rows)]


@pytest.mark.parametrize(
    ("text", "index"),
    [
        ("p777@example.com", "leads_by_address"),
        ("+1 (415) 550-0777", "leads_by_phone"),
        ("1HGCM82633A004352", "leads_vin"),
        ("#1003", "support_tickets_number_key"),
        ("PN-777", "policies_search"),
    ],
)
def test_exact_text_is_looked_up_by_an_index(users, text, index):
    for role in ROLES:
        request = request_of(users[role])
        querysets = tables.exact_querysets(searched_screens(admin.site, request), request, text)
        plan = plan_of(candidates.build_statement(querysets, [5] * len(querysets)))
        assert index in indexes(plan), (role, plan)
        assert not reads_all_leads(plan), (role, plan)


@pytest.mark.parametrize("text", ["xqz", "person 0f3a", "Person 7"])
def test_search_reads_its_index_whatever_the_planner_expects(users, text):
    for role in ROLES:
        querysets = lead_search(users[role], text)
        assert candidates.find_frequent(querysets) == set()
        plan = plan_of(candidates.build_statement(querysets, [101]))
        assert "leads_search" in indexes(plan), (role, plan)
        assert not reads_all_leads(plan), (role, plan)


def test_text_of_nearly_every_row_ends_after_the_rows_that_are_asked_for(users, monkeypatch):
    querysets = lead_search(users["manager"], "example.com")
    monkeypatch.setattr(candidates, "FREQUENT_ROWS", ROWS // 2)
    assert candidates.find_frequent(querysets) == {0}
    plan = plan_of(candidates.build_statement(querysets, [101], {0}), "ANALYZE")
    assert max(node["Actual Rows"] for node in plan) == 101


def test_only_tables_with_owners_elsewhere_are_asked_late_and_only_for_agents(users):
    screens = searched_screens(admin.site, request_of(users["agent"]))
    late = {screen.opts.label_lower for screen in screens if tables.is_asked_late(screen, users["agent"])}
    assert late == {"crm.contact", "leads.policy"}
    assert not any(tables.is_asked_late(screen, users["manager"]) for screen in screens)
