"""What an agent has earned by what people decided about its suggestions."""

from datetime import timedelta

import pytest
from django.db import connection
from django.test.utils import CaptureQueriesContext
from django.utils import timezone

from suggestions.autonomy.trust import earned_by, everybody, trust_in
from suggestions.models import Suggestion, SuggestionType
from suggestions.transitions import approve, reject, undo
from tests.suggestions.earned import make_past, make_proposal

pytestmark = pytest.mark.django_db


def scout():
    return trust_in("scout", SuggestionType.TASK)


@pytest.mark.parametrize(
    ("counts", "earned"),
    [
        ({"approved": 49}, False),
        ({"approved": 50}, True),
        ({"approved": 47, "rejected": 3}, False),
        ({"approved": 57, "rejected": 3}, True),
        ({"approved": 45, "modified": 5}, False),
        ({"approved": 46, "modified": 4}, True),
    ],
)
def test_it_is_earned_by_fifty_decisions_that_are_nearly_all_approvals(max, counts, earned):
    make_past(max, **counts)
    assert scout().earned is earned
    assert bool(earned_by(SuggestionType.TASK)) is earned


def test_what_is_missing_is_said(max):
    make_past(max, approved=8, modified=1, rejected=1)
    assert scout().missing == [
        "40 more decisions (so far 10 of 50)",
        "95 % approved (now 90 %)",
        "fewer than 10 % edited (now 10 %)",
    ]


def test_every_fate_is_counted_once(ann, max):
    made = [make_proposal(owner=ann) for _ in range(4)]
    approve(made[0], by=ann)
    approve(made[1], content={"title": "Call them"}, by=ann)
    reject(made[2], reason="No.", by=ann)
    undo(approve(made[3], by=ann), by=ann)
    make_proposal(owner=ann)
    trust = scout()
    assert (trust.decided, trust.approved, trust.edited, trust.rejected, trust.undone) == (4, 2, 1, 1, 1)


def test_what_nobody_decided_counts_for_nothing(ann, max):
    make_past(max, approved=2)
    Suggestion.objects.update(reviewed_by=None)
    first = make_proposal(owner=ann, dedupe_key="call")
    make_proposal(lead=first.lead, dedupe_key="call", suggested_content={"title": "Call them"})
    assert scout().decided == 0


def test_agents_and_types_are_told_apart(max):
    make_past(max, approved=3)
    make_past(max, agent="writer", approved=2)
    make_past(max, type=SuggestionType.PR, approved=1)
    found = {(trust.agent, trust.type): trust.decided for trust in everybody()}
    assert found == {("scout", "TASK"): 3, ("scout", "PR"): 1, ("writer", "TASK"): 2}


def test_only_the_latest_count(max):
    make_past(max, rejected=30)
    Suggestion.objects.update(created_at=timezone.now() - timedelta(days=181))
    make_past(max, rejected=30)
    Suggestion.objects.filter(created_at__gt=timezone.now() - timedelta(days=100)).update(
        created_at=timezone.now() - timedelta(days=100)
    )
    make_past(max, approved=200)
    assert (scout().decided, scout().rejected) == (200, 0)


def test_it_is_read_from_its_index(max):
    make_past(max, approved=500)
    make_past(max, agent="writer", approved=500)
    with connection.cursor() as cursor:
        cursor.execute("ANALYZE suggestions")
    with CaptureQueriesContext(connection) as queries:
        everybody()
    with connection.cursor() as cursor:
        cursor.execute("SET LOCAL enable_seqscan = off")
        cursor.execute(f"EXPLAIN {queries[0]['sql']}")
        plan = "\n".join(row[0] for row in cursor.fetchall())
    assert plan.count("suggestions_by_agent") == 3
    assert "Seq Scan on suggestions" not in plan
