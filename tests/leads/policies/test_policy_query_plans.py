"""The orders and tabs of the list of policies read an index, according to EXPLAIN on a filled table."""

import json
from datetime import timedelta

import pytest
from django.db import connection, models

from crm.records.local_time import agency_today
from crm.screens.paging import Order
from leads.models import InsuranceType, Policy
from leads.policies.screen import PolicyAdmin
from tests.cast import make_client
from tests.query_plans import vacuum_analyze
from tests.table_cleanup import allow_truncate

FILL = """
    INSERT INTO policies (client_id, insurance_type_id, carrier, number, premium, status, effective_on, expires_on)
    SELECT %(client)s, %(line)s, 'Carrier ' || n %% 9, 'N' || n, n,
           (ARRAY['ACTIVE', 'LAPSED', 'RENEWED', 'RENEWED', 'QUOTED'])[n %% 5 + 1],
           %(today)s::date + (n %% 2000 - 2000), %(today)s::date + (n %% 2000 - 1000)
      FROM generate_series(1, 20000) AS n
"""
ORDERS = PolicyAdmin.orders


@pytest.fixture(scope="module")
def filled_table(django_db_setup, django_db_blocker):
    with django_db_blocker.unblock():
        client = make_client()
        line = InsuranceType.objects.get(code="auto")
        with connection.cursor() as cursor:
            cursor.execute(FILL, {"client": client.pk, "line": line.pk, "today": agency_today()})
        vacuum_analyze("policies")
        yield
        with allow_truncate(), connection.cursor() as cursor:
            cursor.execute("TRUNCATE policies CASCADE")
        client.delete()


def first_page(queryset: models.QuerySet, order: Order) -> models.QuerySet:
    return order.sort(order.annotate_keys(queryset))[:50]


def plan_nodes(queryset: models.QuerySet) -> list[dict]:
    nodes = [json.loads(queryset.explain(format="json"))[0]["Plan"]]
    for node in nodes:
        nodes += node.get("Plans", [])
    return nodes


@pytest.mark.parametrize(
    ("index", "queryset"),
    [
        ("policies_by_expiry", lambda: first_page(Policy.objects.all(), ORDERS["expiry"])),
        ("policies_status", lambda: first_page(Policy.objects.filter(status="LAPSED"), ORDERS["expiry"])),
        ("policies_running", lambda: first_page(Policy.objects.expiring(agency_today()), ORDERS["expiry"])),
        ("policies_running", lambda: Policy.objects.expired(agency_today() - timedelta(days=990))),
        ("policies_premium", lambda: first_page(Policy.objects.all(), ORDERS["premium"])),
        ("policies_search", lambda: Policy.objects.filter(search_text__contains="n1234")),
    ],
)
def test_query_reads_its_index(db, filled_table, index, queryset):
    nodes = plan_nodes(queryset())
    assert index in {node.get("Index Name") for node in nodes}, nodes
    assert "Sort" not in {node["Node Type"] for node in nodes}
