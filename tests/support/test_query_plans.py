"""Tests that no tab and no filter of the list of tickets reads the whole table."""

import pytest
from django.contrib import admin
from django.db import connection
from django.utils import timezone

from crm.models import User
from support.models import SupportTicket
from support.service_levels.escalation import ESCALATE_SQL, WARN_SQL
from support.service_levels.waiting import BEGIN_WAITS_SQL, END_WAITS_SQL, FIRST_RESPONSES_SQL
from tests.cast import make_client
from tests.query_plans import first_page, has_seq_scan, has_sort, plan_indexes, vacuum_analyze
from tests.table_cleanup import allow_truncate

# In random order, so that a scan of neighbouring rows is no cheaper than an index.
FILL = """
    INSERT INTO support_tickets (client_id, subject, status, priority, assigned_to_id, issue_type, created_at,
                                 resolve_due_at, resolved_at, resolution_summary, deleted_at)
    SELECT %(client)s, 'Trouble ' || md5(n::text), status, 'normal',
           CASE WHEN n %% 20 > 1 THEN (%(users)s::uuid[])[n %% 20] END, 'Billing', now() - n * interval '1 minute',
           now() + n * interval '1 minute', CASE WHEN status = 'Resolved' THEN now() END,
           CASE WHEN status = 'Resolved' THEN 'Done.' ELSE '' END, CASE WHEN n %% 100 = 0 THEN now() END
      FROM (SELECT n, CASE WHEN n %% 97 = 0 THEN 'Escalated' WHEN n %% 10 = 0 THEN 'Open' ELSE 'Resolved' END AS status
              FROM generate_series(1, 20000) AS n ORDER BY md5(n::text)) AS drawn
"""


@pytest.fixture(scope="module")
def filled_table(django_db_setup, django_db_blocker):
    """Fill a table large enough for realistic plans. Yield a user who sees everything, and an agent."""
    with django_db_blocker.unblock():
        chief = User.objects.create(username="planner", is_superuser=True)
        agents = [User.objects.create(username=f"agent-{n}") for n in range(19)]
        client = make_client()
        with connection.cursor() as cursor:
            cursor.execute(FILL, {"client": client.pk, "users": [agent.pk for agent in agents]})
        vacuum_analyze("support_tickets")
        yield {"chief": chief, "agent": agents[3]}
        with allow_truncate(), connection.cursor() as cursor:
            cursor.execute("TRUNCATE support_tickets, clients CASCADE")
        for user in (chief, *agents):
            user.delete()


IN_ORDER = [
    ("", "due", "support_tickets_due"),
    ("status=Escalated", "newest", "support_tickets_by_status"),
    # For the most common status, either index is fast; only the rarer ones show a difference.
    ("status=Open", "newest", "support_tickets_by_status"),
    ("state=all", "newest", "support_tickets_newest"),
    ("deleted=true", "newest", "support_tickets_deleted"),
]


@pytest.mark.parametrize(("query", "order", "index"), IN_ORDER)
def test_first_page_is_read_in_index_order(filled_table, db, query, order, index):
    rows = first_page(SupportTicket, query, filled_table["chief"], order)
    assert index in plan_indexes(rows)
    assert not has_sort(rows)
    assert not has_seq_scan(rows)


@pytest.mark.parametrize(
    "query", ["", "assignee=me", "assignee=none", "late=true", "waiting=true", "state=all", "q=%231003", "q=abcd"]
)
@pytest.mark.parametrize("who", ["chief", "agent"])
def test_filters_never_read_all_tickets(filled_table, db, query, who):
    order = "newest" if query == "state=all" else "due"
    assert not has_seq_scan(first_page(SupportTicket, query, filled_table[who], order))


@pytest.mark.parametrize("tab", [tab for tab in admin.site.get_model_admin(SupportTicket).tabs if tab.rows_to_count])
@pytest.mark.parametrize("who", ["chief", "agent"])
def test_tab_counts_use_an_index(filled_table, db, tab, who):
    rows = tab.rows_to_count(SupportTicket.everything.visible_to(filled_table[who]), filled_table[who])
    assert not has_seq_scan(rows.order_by().values("pk")[:10_001])


@pytest.mark.parametrize("statement", [WARN_SQL, ESCALATE_SQL])
def test_job_of_each_minute_reads_only_what_is_still_to_be_done(filled_table, db, statement):
    with connection.cursor() as cursor:
        cursor.execute(f"EXPLAIN {statement}", {"now": timezone.now(), "limit": 2_000})
        plan = "\n".join(line for (line,) in cursor.fetchall())
    assert "Seq Scan on support_tickets" not in plan
    assert {"support_tickets_to_resolve", "support_tickets_to_answer"} <= set(plan.replace(" ", "\n").split())


@pytest.mark.parametrize("statement", [FIRST_RESPONSES_SQL, END_WAITS_SQL, BEGIN_WAITS_SQL])
def test_waits_are_found_without_reading_all_tickets(filled_table, db, statement):
    with connection.cursor() as cursor:
        cursor.execute(f"EXPLAIN {statement}")
        assert "Seq Scan on support_tickets" not in "\n".join(line for (line,) in cursor.fetchall())


def test_outdated_due_times_are_read_from_their_index(filled_table, db):
    rows = SupportTicket.everything.filter(due_is_stale=True).order_by("pk")
    assert not has_seq_scan(rows[:1_000])
