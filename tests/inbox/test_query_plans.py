"""No tab or filter of the inbox reads all conversations."""

import pytest
from django.contrib import admin
from django.contrib.auth.models import Permission
from django.db import connection
from django.test.utils import CaptureQueriesContext
from django.utils import timezone

from crm.models import User
from crm.records.timeline import Position
from inbox.incoming.participants import OwnerLookup
from inbox.lead_signals.ask_model import threads_to_read
from inbox.models import LAST_ACTIVITY, Message, Thread
from inbox.timeline import message_lines
from leads.models import Lead
from tests.query_plans import first_page, has_seq_scan, has_sort, plan_indexes, plan_nodes, vacuum_analyze
from tests.table_cleanup import allow_truncate

LEADS = """
    INSERT INTO leads (contact_name, contact_email, status_id, assigned_to_id)
    SELECT 'Person ' || md5(n::text), 'p' || n || '@example.com', 'ACTIVE',
           CASE WHEN n %% 20 > 1 THEN (%(users)s::uuid[])[n %% 20] END
      FROM generate_series(1, 2000) AS n
"""
# In random order, so that rows stored side by side by chance do not make up for a missing index.
THREADS = """
    INSERT INTO threads (source, subject, status, lead_id, participant_emails, last_message_at, last_direction,
                         awaiting_reply, deleted_at, processed_at, assigned_to_id, snoozed_until)
    SELECT 'EMAIL', 'About ' || md5(n::text), (ARRAY['OPEN', 'RESOLVED', 'ARCHIVED', 'RESOLVED'])[n %% 4 + 1],
           CASE WHEN n %% 37 > 0 THEN keys[n %% 2000 + 1] END, ARRAY['p' || n || '@example.com'],
           now() - n * interval '1 minute', CASE WHEN n %% 3 = 0 THEN 'in' ELSE 'out' END, n %% 3 > 0,
           CASE WHEN n %% 100 = 0 THEN now() END, CASE WHEN n %% 20 > 0 THEN now() END,
           CASE WHEN n %% 50 = 16 THEN (SELECT id FROM users WHERE username = 'planner') END,
           -- An open one, snoozed or back again.
           CASE WHEN n %% 100 = 4 THEN now() + (n %% 3 - 1) * interval '1 day' END
      FROM (SELECT n FROM generate_series(1, 20000) AS n ORDER BY md5(n::text)) AS drawn,
           (SELECT array_agg(id) AS keys FROM leads) AS there
"""

# Most were sent; the delivery of a few is unconfirmed.
MESSAGES = """
    INSERT INTO messages (thread_id, direction, state, sent_at, error_message, deleted_at)
    SELECT id, 'out', (ARRAY['SENT', 'FAILED', 'UNCERTAIN'])[CASE WHEN n %% 500 < 2 THEN n %% 500 + 2 ELSE 1 END],
           now(), 'The server said no.', CASE WHEN n %% 7 = 0 THEN now() END
      FROM (SELECT id, row_number() OVER () AS n FROM threads) AS there
"""


@pytest.fixture(scope="module")
def filled(django_db_setup, django_db_blocker):
    """A table large enough for realistic query plans; a user who sees all of it, and an agent."""
    with django_db_blocker.unblock():
        chief = User.objects.create(username="planner", is_superuser=True)
        agents = [User.objects.create(username=f"agent-{n}") for n in range(19)]
        with connection.cursor() as cursor:
            cursor.execute(LEADS, {"users": [agent.pk for agent in agents]})
            # Foreign keys are checked by the plan of the session's first check, which reads the whole table if it was
            # small then: quadratic, unless ANALYZE makes the session plan anew.
            cursor.execute("ANALYZE leads")
            cursor.execute(THREADS.replace("%%", "%"))
            cursor.execute("ANALYZE threads")
            cursor.execute(MESSAGES.replace("%%", "%"))
        vacuum_analyze("threads", "leads", "messages")
        yield {"chief": chief, "agent": agents[3]}
        with allow_truncate(), connection.cursor() as cursor:
            cursor.execute("TRUNCATE leads, threads CASCADE")
        for user in (chief, *agents):
            user.delete()


IN_ORDER = [
    ("", "waiting", "threads_we_owe"),
    ("turn=theirs", "waiting", "threads_they_owe"),
    ("linked=no", "newest", "threads_unlinked"),
    ("status=OPEN", "newest", "threads_by_status"),
    ("status=ARCHIVED", "newest", "threads_by_status"),
    ("deleted=true", "newest", "threads_deleted"),
    ("assigned=me", "waiting", "threads_assigned"),
    ("snoozed=yes", "back", "threads_snoozed"),
]


@pytest.mark.parametrize(("query", "order", "index"), IN_ORDER)
def test_first_page_is_read_in_index_order(filled, db, query, order, index):
    rows = first_page(Thread, query, filled["chief"], order)
    assert index in plan_indexes(rows)
    assert not has_sort(rows)
    assert not has_seq_scan(rows)


@pytest.mark.parametrize(
    "query",
    ["", "turn=theirs", "linked=no", "snoozed=yes", "sent=no", "owner=me", "participant=p7@example.com", "q=abcd"],
)
@pytest.mark.parametrize("who", ["chief", "agent"])
def test_filters_never_read_all_threads(filled, db, query, who):
    assert not has_seq_scan(first_page(Thread, query, filled[who]))


@pytest.mark.parametrize("who", ["chief", "agent"])
def test_not_sent_filter_uses_its_index(filled, db, who):
    rows = first_page(Thread, "sent=no", filled[who], "newest")
    steps = plan_nodes(rows)
    assert "messages_not_sent" in plan_indexes(rows)
    assert not [step for step in steps if step["Node Type"] == "Seq Scan" and step["Relation Name"] != "users"]


@pytest.mark.parametrize("tab", [tab for tab in admin.site.get_model_admin(Thread).tabs if tab.rows_to_count])
@pytest.mark.parametrize("who", ["chief", "agent"])
def test_tab_counts_use_an_index(filled, db, tab, who):
    rows = tab.rows_to_count(Thread.everything.visible_to(filled[who]), filled[who])
    assert not has_seq_scan(rows.order_by().values("pk")[:10_001])


@pytest.fixture
def unlinked(filled, db):
    """Half of the conversations are unassigned."""
    with connection.cursor() as cursor:
        cursor.execute("UPDATE threads SET lead_id = NULL WHERE id IN (SELECT id FROM threads ORDER BY id LIMIT 10000)")
        cursor.execute("ANALYZE threads")


@pytest.mark.parametrize("is_unlinked", [True, False])
def test_unprocessed_threads_use_their_index(unlinked, is_unlinked):
    rows = Thread.objects.unprocessed().filter(lead__isnull=is_unlinked).values("pk")[:50]
    assert plan_indexes(rows) == {"threads_unprocessed"}
    assert not has_sort(rows)


def test_threads_for_the_model_use_their_index(filled, db):
    with connection.cursor() as cursor:
        cursor.execute(
            "UPDATE threads SET last_message_at = last_message_at - interval '7 days' WHERE id NOT IN "
            "(SELECT id FROM threads ORDER BY id LIMIT 100)"
        )
        cursor.execute("UPDATE messages SET direction = 'in', state = 'RECEIVED'")
        cursor.execute("ANALYZE threads, messages")
    assert "threads_newest" in plan_indexes(threads_to_read(timezone.now()).values("pk")[:50])


def test_threads_of_a_lead_use_their_index(filled, db):
    threads = Thread.objects.filter(lead=Thread.objects.exclude(lead=None).first().lead_id)
    newest = threads.order_by(LAST_ACTIVITY.desc(), "-id").values("pk")[:11]
    assert plan_indexes(newest) == {"threads_of_lead"}
    assert not has_sort(newest)


@pytest.mark.parametrize("reader", ["chief", "agent"])
def test_messages_of_a_timeline_are_read_from_indexes(filled, db, reader):
    filled["agent"].user_permissions.add(Permission.objects.get(codename="view_thread"))
    user = User.objects.get(pk=filled[reader].pk)
    lead = Lead.objects.filter(assigned_to=filled["agent"], threads__isnull=False).first()
    with CaptureQueriesContext(connection) as asked:
        message_lines(user, lead, Position(timezone.now(), lead.pk), 50)
    [statement] = [query["sql"] for query in asked.captured_queries if 'FROM "messages"' in query["sql"]]
    with connection.cursor() as cursor:
        cursor.execute(f"EXPLAIN {statement}")
        plan = "\n".join(line for (line,) in cursor.fetchall())
    assert "threads_of_lead" in plan
    assert "Seq Scan on threads" not in plan
    assert "Seq Scan on messages" not in plan


def test_tracking_token_uses_its_index(filled, db):
    assert "messages_by_token" in plan_indexes(Message.objects.with_token("B" * 22))


def test_participant_lookup_uses_its_index(unlinked):
    rows = Thread.objects.unlinked().filter(participant_emails__overlap=["p7@example.com", "p8@example.com"])
    assert "threads_participants" in plan_indexes(rows)


def test_address_owners_are_read_from_indexes(filled, db):
    with CaptureQueriesContext(connection) as asked:
        OwnerLookup([f"p{number}@example.com" for number in range(20)])
    plans = []
    with connection.cursor() as cursor:
        for query in asked.captured_queries:
            cursor.execute(f"EXPLAIN {query['sql']}")
            plans += [line for (line,) in cursor.fetchall()]
    # Both hold the addresses; the planner takes either.
    assert any("leads_email_unique" in line or "leads_by_address" in line for line in plans)
    assert not [line for line in plans if "Seq Scan on leads" in line]
