"""Tests that each index is used by its query, according to EXPLAIN on a filled table."""

import json

import pytest
from django.db import connection, models
from django.db.models.fields.json import KeyTextTransform
from django.db.models.functions import Upper
from django.utils import timezone

from crm.records.base import lower_tags
from crm.records.people import name_key, phone_tail
from crm.screens.paging import Order, fetch_page
from leads.admin import LeadAdmin
from leads.models import InsuranceType, Lead
from tests.cast import make_user
from tests.query_plans import rows_read, screen_plans, vacuum_analyze
from tests.table_cleanup import allow_truncate

ROWS = 20_000
FILL = """
    INSERT INTO leads (contact_name, contact_email, contact_phone, company_name, status_id, priority_tier,
                       overall_score, estimated_value, last_contact_at, awaiting_reply, tags, custom_fields,
                       auto_data, home_data, line_data, assigned_to_id, insurance_type_id, deleted_at, loss_reason)
    SELECT 'Person ' || md5(n::text), 'p' || n || '@example.com', '(555) 01' || n %% 100, md5((n * 7)::text),
           (ARRAY['NEW_OPPORTUNITIES', 'ACTIVE', 'PROPOSAL_SENT', 'ON_ICE', 'CLOSED_WON', 'CLOSED_LOST'])[n %% 6 + 1],
           (ARRAY['hot', 'warm', 'cold', 'cold', 'dormant', NULL])[n %% 37 %% 6 + 1], (n %% 101) / 100.0, n,
           now() - n * interval '1 hour', n %% 50 = 0, ARRAY['tag' || n %% 997], jsonb_build_object('key', n),
           jsonb_build_object('vin', 'VIN' || n), jsonb_build_object('address', n::text),
           jsonb_build_object('umbrella', jsonb_build_object('limit', n)),
           CASE WHEN n %% 40 = 0 THEN %(user)s::uuid WHEN n %% 40 > 4 THEN %(colleague)s::uuid END,
           CASE WHEN n %% 30 = 0 THEN %(line)s::uuid END,
           CASE WHEN n %% 100 = 0 THEN now() END, CASE WHEN n %% 6 = 5 THEN 'BUDGET' ELSE '' END
      FROM generate_series(1, %(rows)s) AS n
"""


@pytest.fixture(scope="module")
def filled_table(django_db_setup, django_db_blocker):
    """Fill a table large enough for realistic plans."""
    with django_db_blocker.unblock():
        user, colleague = make_user("planner", role="agent"), make_user("other-planner", role="agent")
        line = InsuranceType.objects.get(code="auto")
        with connection.cursor() as cursor:
            cursor.execute(FILL, {"user": user.pk, "colleague": colleague.pk, "line": line.pk, "rows": ROWS})
        vacuum_analyze("leads")
        yield user, line
        with allow_truncate(), connection.cursor() as cursor:
            cursor.execute("TRUNCATE leads CASCADE")
        user.delete()
        colleague.delete()


def indexes_of(queryset: models.QuerySet) -> set[str]:
    """Return the names of the indexes in PostgreSQL's plan for `queryset`."""
    plan = json.loads(queryset.explain(format="json"))
    index_names: set[str] = set()

    def walk(node: dict) -> None:
        index_names.update(filter(None, [node.get("Index Name")]))
        assert node["Node Type"] != "Seq Scan" or node["Relation Name"] != "leads", plan
        for child in node.get("Plans", ()):
            walk(child)

    walk(plan[0]["Plan"])
    return index_names


def first_page(queryset: models.QuerySet, order: Order) -> models.QuerySet:
    return order.sort(order.annotate_keys(queryset))[:50]


live, opened = Lead.objects.all, lambda: Lead.objects.open()
PRIORITY = LeadAdmin.orders["priority"]
QUERIES = {
    "leads_priority": lambda user, line: first_page(live(), PRIORITY),
    "leads_open_priority": lambda user, line: first_page(opened().of_tier("cold"), PRIORITY),
    "leads_status": lambda user, line: first_page(live().filter(status="CLOSED_LOST"), PRIORITY),
    "leads_by_owner": lambda user, line: first_page(live().filter(assigned_to=user), PRIORITY),
    "leads_line": lambda user, line: first_page(live().filter(insurance_type=line), PRIORITY),
    "leads_board": lambda user, line: opened().filter(status="ACTIVE").order_by("rank", "id")[:40],
    "leads_owner_pipeline": lambda user, line: opened().filter(assigned_to=user).values("status", "estimated_value"),
    "leads_awaiting": lambda user, line: Lead.objects.awaiting_reply()[:50],
    "leads_to_look_at": lambda user, line: Lead.objects.due_for_evaluation(timezone.now())[:100],
    "leads_last_heard": lambda user, line: first_page(live(), LeadAdmin.orders["heard"]),
    "leads_value": lambda user, line: first_page(live(), LeadAdmin.orders["value"]),
    "leads_closed": lambda user, line: live().closed().order_by("-closed_at", "-id")[:50],
    "leads_deleted": lambda user, line: Lead.everything.deleted().order_by("-deleted_at", "-id")[:50],
    "leads_merged_into": lambda user, line: Lead.everything.filter(merged_into="01990000-0000-7000-8000-000000000001"),
    "leads_by_import": lambda user, line: Lead.everything.filter(import_batch="01990000-0000-7000-8000-000000000001"),
    "leads_tags_of_owner": lambda user, line: (
        live().filter(assigned_to=user).alias(t=lower_tags("tags")).filter(t__overlap=["tag5", "tag6"])
    ),
    "leads_tags_unassigned": lambda user, line: (
        live().filter(assigned_to=None).alias(t=lower_tags("tags")).filter(t__overlap=["tag5", "tag6"])
    ),
    "leads_custom_fields": lambda user, line: live().filter(custom_fields__contains={"key": 77}),
    "leads_auto_data": lambda user, line: live().filter(auto_data__contains={"vin": "VIN77"}),
    "leads_home_data": lambda user, line: live().filter(home_data__contains={"address": "77"}),
    "leads_line_data": lambda user, line: live().filter(line_data__contains={"umbrella": {"limit": 77}}),
    "leads_vin_as_written": lambda user, line: (
        live().annotate(vin=KeyTextTransform("vin", "auto_data")).filter(vin="VIN77")
    ),
    "leads_tier_and_score": lambda user, line: live().filter(priority_tier="hot").order_by("-overall_score")[:50],
    "leads_vin": lambda user, line: (
        live().annotate(vin=Upper(KeyTextTransform("vin", "auto_data"))).filter(vin="VIN77")
    ),
    "leads_search": lambda user, line: live().filter(search_text__contains=f"{'abc'}def"),
    "leads_by_website": lambda user, line: (
        opened()
        .alias(site=models.functions.Lower("company_website"))
        .filter(site__in=["https://company7.example", "https://www.company7.example"])
        .exclude(company_website="")
    ),
    "leads_by_address": lambda user, line: live().with_addresses(["P77@example.com", "p78@example.com"]),
    "leads_by_name_key": lambda user, line: (
        live().annotate(key=name_key("contact_name")).filter(key__in=["prsn a", "jn smt"])
    ),
    "leads_by_phone": lambda user, line: (
        live().annotate(tail=phone_tail("contact_phone")).filter(tail="5550177").exclude(contact_phone="")
    ),
    "leads_by_company": lambda user, line: (
        live().annotate(firm=models.functions.Lower("company_name")).filter(firm="acme").exclude(company_name="")
    ),
    "leads_email_unique": lambda user, line: (
        opened()
        .annotate(email=models.functions.Lower("contact_email"))
        .filter(email="p7@example.com")
        .exclude(contact_email="")
    ),
}


@pytest.mark.parametrize("index", QUERIES)
def test_each_index_is_used_by_its_query(filled_table, db, index):
    assert index in indexes_of(QUERIES[index](*filled_table))


@pytest.mark.parametrize(
    ("query", "index"),
    [
        ("ORDER BY priority_tier, overall_score DESC LIMIT 50", "leads_tier_and_score"),
        ("AND auto_data->>'vin' = 'VIN77'", "leads_vin_as_written"),
    ],
)
def test_sql_of_other_programs_uses_an_index(filled_table, db, query, index):
    with connection.cursor() as cursor:
        cursor.execute(f"EXPLAIN SELECT id FROM leads WHERE deleted_at IS NULL {query}")
        plan = "\n".join(line for (line,) in cursor.fetchall())
    assert index in plan
    assert "Seq Scan" not in plan
    assert "Sort" not in plan


def test_every_lead_index_has_a_query():
    index_names = {index.name for index in Lead._meta.indexes}
    assert index_names <= set(QUERIES), "an index without a query is a cost without a use"


@pytest.mark.parametrize("name", LeadAdmin.orders)
def test_deep_pages_read_one_index_without_sorting(filled_table, db, name):
    order = LeadAdmin.orders[name]
    cursor = fetch_page(live(), order, size=1_000).next
    with connection.execute_wrapper(recorder := PlanRecorder()):
        fetch_page(live(), order, size=50, after=cursor)
    assert "Index" in recorder.plan
    assert "Sort" not in recorder.plan


class PlanRecorder:
    """Record the plan of the last SELECT."""

    plan = ""

    def __call__(self, execute, sql, params, many, context):
        if sql.startswith("SELECT"):
            with connection.connection.cursor() as cursor:
                cursor.execute("EXPLAIN " + sql, params)
                self.plan = "\n".join(line for (line,) in cursor.fetchall())
        return execute(sql, params, many, context)


@pytest.mark.parametrize("query", ["", "?tier=hot", "?state=closed", "?state=all"])
def test_list_of_an_agent_counts_its_tabs_without_rows_of_others(filled_table, db, query):
    agent, _ = filled_table
    page, *counts = screen_plans(agent, f"/leads/lead/{query}", "leads")
    assert uses(page, "leads_by_owner")
    # An eighth of the table is the agent's or unassigned.
    assert rows_read(page, "leads") <= ROWS / 8
    for plan in counts:
        assert {node["Index Name"] for node in plan if node.get("Relation Name") == "leads"} == {"leads_by_owner"}
        assert all(node["Node Type"] == "Index Only Scan" for node in plan if node.get("Relation Name") == "leads")


@pytest.mark.parametrize("query", ["value_min=10000", "quiet_days=60"])
def test_filters_of_an_agent_are_read_from_the_index_of_owners(filled_table, db, query):
    agent, _ = filled_table
    for plan in screen_plans(agent, f"/leads/lead/?{query}", "leads"):
        reading = [node for node in plan if node.get("Relation Name") == "leads"]
        # The rows of the page are read by their keys, once these are found.
        found = [node for node in reading if node["Index Name"] != "leads_pkey"]
        assert {(node["Node Type"], node["Index Name"]) for node in found} == {("Index Only Scan", "leads_by_owner")}


def test_rare_tag_of_an_agent_reads_no_rows_of_others(filled_table, db):
    agent, _ = filled_table
    # Twenty leads have the tag, and an eighth of the table is the agent's or unassigned. A page reads each row twice.
    for plan in screen_plans(agent, "/leads/lead/?tags=tag5", "leads"):
        assert rows_read(plan, "leads") < 2 * 20 / 4


@pytest.mark.parametrize("url", ["/today/panels/", "/leads/lead/board/"])
def test_sums_by_stage_of_an_agent_are_read_from_the_index_of_owners(filled_table, db, url):
    agent, _ = filled_table
    plans = screen_plans(agent, url, "leads")
    (sums,) = [plan for plan in plans if any("leads.status_id" in node.get("Group Key", ()) for node in plan)]
    reading = [node for node in sums if node.get("Relation Name") == "leads"]
    assert {(node["Node Type"], node["Index Name"]) for node in reading} == {
        ("Index Only Scan", "leads_owner_pipeline")
    }
    assert rows_read(sums, "leads") <= ROWS / 8


@pytest.mark.parametrize("role", ["agent", "manager"])
def test_cards_of_the_board_are_read_by_stage_from_an_index(filled_table, db, role):
    agent, _ = filled_table
    reader = agent if role == "agent" else make_user("board-manager", role=role)
    plans = screen_plans(reader, "/leads/lead/board/", "leads")
    (cards,) = [plan for plan in plans if any(node["Node Type"] == "Limit" for node in plan)]
    reading = [node for node in cards if node.get("Relation Name") == "leads"]
    assert all("Index" in node["Node Type"] or "Bitmap" in node["Node Type"] for node in reading)
    # Of each open stage 21 cards, found and then read; an agent's stand among those of colleagues.
    assert rows_read(cards, "leads") <= (400 if role == "manager" else ROWS / 8)


def test_search_of_a_whole_address_reads_no_other_lead(filled_table, db):
    agent, _ = filled_table
    address = Lead.objects.filter(assigned_to=agent).first().contact_email
    plans = screen_plans(agent, f"/leads/lead/?q={address}", "leads")
    assert uses(plans[0], "leads_by_address") or uses(plans[0], "leads_email_unique")
    assert all(rows_read(plan, "leads") <= 4 for plan in plans)


def test_planner_knows_how_frequent_a_tag_and_an_address_are(filled_table, db):
    assert 10 <= estimate(live().alias(t=lower_tags("tags")).filter(t__overlap=["tag5"])) <= 40, "20 leads have it"
    assert estimate(live().with_addresses(["p77@example.com"])) <= 3


def estimate(queryset: models.QuerySet) -> int:
    """Return how many rows the planner expects."""
    return json.loads(queryset.explain(format="json"))[0]["Plan"]["Plan Rows"]


def uses(plan: list[dict], index: str) -> bool:
    return any(node.get("Index Name") == index for node in plan)
