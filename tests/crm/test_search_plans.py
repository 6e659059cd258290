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

pytestmark = pytest.mark.django_db
ROWS = 20_000
FILL = """
    INSERT INTO leads (contact_name, contact_email, contact_phone, auto_data, loss_reason)
    SELECT 'Person ' || md5(n::text), 'p' || n || '@example.com', '(415) 55' || lpad(n::text, 5, '0'),
           jsonb_build_object('vin', 'VIN' || lpad(n::text, 14, '0')), ''
      FROM generate_series(1, %s) AS n;
    INSERT INTO clients (name, assigned_to_id) SELECT 'Client ' || n, %s FROM generate_series(1, 500) AS n;
    INSERT INTO policies (client_id, insurance_type_id, number)
    SELECT id, (SELECT id FROM insurance_types LIMIT 1), 'PN-' || row_number() OVER ()
      FROM clients, generate_series(1, 20);
    INSERT INTO support_tickets (client_id, issue_description)
    SELECT id, 'Trouble ' || md5(id::text || n) FROM clients, generate_series(1, 20) AS n
"""


@pytest.fixture
def filled(ann) -> User:
    """Fill tables large enough for realistic plans; the clients are Ann's."""
    with connection.cursor() as cursor:
        cursor.execute(FILL, [ROWS, ann.pk])
        cursor.execute("ANALYZE leads, clients, policies, support_tickets")
    return ann


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


def scanned_whole(plan: list[dict[str, Any]]) -> set[str]:
    return {node["Relation Name"] for node in plan if node["Node Type"] == "Seq Scan"} & {"leads", "policies"}


def lead_search(user: User, text: str) -> list:
    screen, request = admin.site.get_model_admin(Lead), request_of(user)
    found = screen.find_rows(request, screen.get_queryset(request), text)
    return [tables.candidate_rows(screen, found.rows)]


@pytest.mark.parametrize(
    ("text", "index"),
    [
        ("p777@example.com", "leads_by_address"),
        ("+1 (415) 550-0777", "leads_by_phone"),
        ("VIN00000000000777", None),
        ("1HGCM82633A004352", "leads_vin"),
        ("#1003", "support_tickets_number_key"),
        ("PN-777", "policies_search"),
    ],
)
@pytest.mark.parametrize("role", ["agent", "manager"])
def test_exact_text_is_looked_up_by_an_index(filled, role, text, index):
    request = request_of(filled if role == "agent" else make_user("manny", role))
    querysets = tables.exact_querysets(searched_screens(admin.site, request), request, text)
    plan = plan_of(candidates.build_statement(querysets, [5] * len(querysets)))
    assert index is None or index in indexes(plan), plan
    assert not scanned_whole(plan), plan


@pytest.mark.parametrize("role", ["agent", "manager"])
@pytest.mark.parametrize("text", ["xqz", "person 0000", "Person 7"])
def test_search_reads_its_index_whatever_the_planner_expects(filled, role, text):
    user = filled if role == "agent" else make_user("manny", role)
    querysets = lead_search(user, text)
    assert candidates.find_frequent(querysets) == set()
    plan = plan_of(candidates.build_statement(querysets, [101]))
    assert "leads_search" in indexes(plan), plan
    assert not scanned_whole(plan), plan


def test_text_of_nearly_every_row_ends_after_the_rows_that_are_asked_for(filled, monkeypatch):
    querysets = lead_search(make_user("manny", "manager"), "example.com")
    monkeypatch.setattr(candidates, "FREQUENT_ROWS", ROWS // 2)
    assert candidates.find_frequent(querysets) == {0}
    plan = plan_of(candidates.build_statement(querysets, [101], {0}), "ANALYZE")
    assert max(node["Actual Rows"] for node in plan) == 101


def test_only_tables_with_owners_elsewhere_are_asked_late_and_only_for_agents(filled):
    screens, manager = searched_screens(admin.site, request_of(filled)), make_user("manny", "manager")
    late = {screen.opts.label_lower for screen in screens if tables.is_asked_late(screen, filled)}
    assert late == {"crm.contact", "leads.policy", "support.supportticket"}
    assert not any(tables.is_asked_late(screen, manager) for screen in screens)
