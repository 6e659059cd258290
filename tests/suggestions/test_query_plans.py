"""No tab and no filter of the queue reads all suggestions; what it shows first it finds in order."""

import pytest
from django.contrib import admin
from django.db import connection

from crm.models import User
from crm.records.owners.branches import first_keys
from suggestions.admin import ARCHIVE_ORDER, QUEUE_ORDER
from suggestions.models import Suggestion
from tests.query_plans import filtered_rows, first_page, has_seq_scan, has_sort, plan_indexes, vacuum_analyze
from tests.table_cleanup import allow_truncate

ROWS = 20_000
# In no order, so that what an index saves in reading is not made up for by rows that happen to lie side by side.
FILL = """
    INSERT INTO leads (contact_name, contact_email, status_id, assigned_to_id)
    SELECT 'Person ' || md5(n::text), 'p' || n || '@example.com', 'ACTIVE',
           CASE WHEN n %% 20 > 1 THEN (%(users)s::uuid[])[n %% 20] END
      FROM generate_series(1, 2000) AS n;
    INSERT INTO suggestions (created_at, type, status, lead_id, agent, ai_model_version, confidence, priority,
                             reject_code, approved_content, reviewed_at, content_hash, error_message, snoozed_until,
                             deleted_at)
    SELECT now() - n * interval '1 minute', (ARRAY['TASK', 'CHANGE_STATUS', 'SEND_EMAIL'])[n %% 3 + 1], status,
           (SELECT keys[n %% 2000 + 1] FROM leads_there), 'agent ' || n %% 4,
           CASE WHEN n %% 3 = 0 THEN 'model ' || n %% 2 ELSE '' END, (n %% 100) / 100.0, n %% 27,
           CASE WHEN status = 'REJECTED' THEN 'OTHER' ELSE '' END,
           CASE WHEN status IN ('APPROVED', 'FAILED') THEN '{}'::jsonb END,
           CASE WHEN status IN ('APPROVED', 'FAILED') THEN now() END,
           CASE WHEN status IN ('APPROVED', 'FAILED') THEN 'hash' ELSE '' END,
           CASE WHEN status = 'FAILED' THEN 'No line.' ELSE '' END,
           CASE WHEN status = 'PENDING' AND n %% 50 = 0 THEN now() + interval '1 day' END,
           CASE WHEN n %% 100 = 0 THEN now() END
      FROM (SELECT n, CASE WHEN n %% 97 = 0 THEN 'FAILED' WHEN n %% 89 = 0 THEN 'DRAFT'
                           ELSE (ARRAY['PENDING', 'APPROVED', 'APPROVED', 'REJECTED'])[n %% 4 + 1] END AS status
              FROM generate_series(1, %(rows)s) AS n ORDER BY md5(n::text)) AS drawn
"""
KEYS = "CREATE TEMPORARY TABLE leads_there AS SELECT array_agg(id) AS keys FROM leads"


@pytest.fixture(scope="module")
def filled(django_db_setup, django_db_blocker):
    """Return a manager and an agent, with a table large enough for realistic query plans."""
    with django_db_blocker.unblock():
        chief = User.objects.create(username="planner", is_superuser=True)
        agents = [User.objects.create(username=f"agent-{n}") for n in range(19)]
        leads, suggestions = FILL.split(";")
        with connection.cursor() as cursor:
            cursor.execute(leads, {"users": [agent.pk for agent in agents]})
            cursor.execute(KEYS)
            cursor.execute("ANALYZE leads")  # or foreign keys may be checked by the plan for an empty table
            cursor.execute(suggestions, {"rows": ROWS})
            cursor.execute("DROP TABLE leads_there")
        vacuum_analyze("suggestions", "leads")
        yield {"chief": chief, "agent": agents[3]}
        with allow_truncate(), connection.cursor() as cursor:
            cursor.execute("TRUNCATE leads, suggestions CASCADE")
        for user in (chief, *agents):
            user.delete()


IN_ORDER = {
    "": "suggestions_waiting",
    "state=failed": "suggestions_by_status",
    "state=drafts": "suggestions_by_status",
    "state=rejected": "suggestions_by_status",
    "state=decided": "suggestions_newest",
    "state=policy": "suggestions_by_policy",
    "state=snoozed": "suggestions_snoozed",
    "state=all": "suggestions_newest",
    "deleted=true": "suggestions_deleted",
    "state=all&type=TASK": "suggestions_by_type",
    "state=all&agent=Agent+1": "suggestions_of_agent",
    "state=all&agent=model+1": "suggestions_of_model",
    "state=all&sure=50": "suggestions_newest",
    "state=all&newer=3": "suggestions_newest",
}
SERVED = ["state=unknown", "state=approved", "type=TASK", "agent=agent+1", "sure=50", "older=5", "q=abcd", "owner=me"]


def shown_page(query, user):
    """The first page in the order in which its tab opens."""
    is_queue = "state=" not in query and "deleted=" not in query
    return first_page(Suggestion, query, user, QUEUE_ORDER if is_queue else ARCHIVE_ORDER)


def test_queue_is_read_in_index_order_newest_first_too(filled, db):
    rows = first_page(Suggestion, "", filled["chief"], ARCHIVE_ORDER)
    assert "suggestions_by_status" in plan_indexes(rows) and not has_sort(rows)


@pytest.mark.parametrize("query", IN_ORDER)
def test_first_page_is_read_in_index_order(filled, db, query):
    rows = shown_page(query, filled["chief"])
    assert IN_ORDER[query] in plan_indexes(rows)
    assert not has_sort(rows)
    assert not has_seq_scan(rows)


@pytest.mark.parametrize(
    ("who", "query"), [("chief", query) for query in SERVED] + [("agent", query) for query in [*IN_ORDER, *SERVED]]
)
def test_filters_never_read_all_suggestions(filled, db, query, who):
    assert not has_seq_scan(shown_page(query, filled[who]))


@pytest.mark.parametrize("tab", [tab for tab in admin.site.get_model_admin(Suggestion).tabs if tab.rows_to_count])
@pytest.mark.parametrize("who", ["chief", "agent"])
def test_tab_counts_use_an_index(filled, db, tab, who):
    rows = tab.rows_to_count(Suggestion.everything.visible_to(filled[who]), filled[who])
    assert not has_seq_scan(rows.order_by().values("pk")[:10_001])


def test_other_users_suggestions_are_skipped_by_index(filled, db):
    waiting = first_keys(filtered_rows(Suggestion, "", filled["agent"]).order_by(), 10_001)
    # The second has the few that are assigned to another user than the owner of their record.
    assert plan_indexes(waiting) == {"suggestions_pending_of_owner", "suggestions_record_owner"}


def test_agent_filter_is_case_insensitive_and_unknown_finds_nothing(filled, db):
    assert filtered_rows(Suggestion, "state=all&agent=AGENT+1", filled["chief"]).exists()
    assert not filtered_rows(Suggestion, "state=all&agent=agent+none", filled["chief"]).exists()


def test_user_without_pending_suggestions_uses_owner_index(filled, db):
    idle = User.objects.create(username="idle")
    Suggestion.everything.filter(status="PENDING", owner=None).update(owner=filled["agent"])
    with connection.cursor() as cursor:
        cursor.execute("ANALYZE suggestions")
    assert "suggestions_pending_of_owner" in plan_indexes(first_page(Suggestion, "", idle))


def test_suggestions_of_a_lead_are_found_with_the_deleted_ones(filled, db):
    rows = Suggestion.everything.filter(lead=Suggestion.objects.latest("pk").lead_id)
    assert plan_indexes(rows) == {"suggestions_by_lead"}, "each new owner of a lead would read the whole table"
