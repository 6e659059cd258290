"""What an agent has earned by what people decided about its suggestions."""

from datetime import timedelta

import pytest
from django.db import connection
from django.test.utils import CaptureQueriesContext
from django.utils import timezone

from suggestions.autonomy.trust import load_all_trust, load_trust
from suggestions.models import Suggestion, SuggestionType
from suggestions.transitions import approve, reject, undo
from tests.suggestions.trust_history import make_decided_suggestions, make_proposal

pytestmark = pytest.mark.django_db


def scout_trust():
    return load_trust("scout", SuggestionType.TASK)


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
def test_trust_needs_fifty_decisions_nearly_all_approved(max, counts, earned):
    make_decided_suggestions(max, **counts)
    assert scout_trust().is_earned is earned


def test_missing_conditions_are_listed(max):
    make_decided_suggestions(max, approved=8, modified=1, rejected=1)
    assert scout_trust().missing_requirements == [
        "40 more decisions (10 of 50)",
        "95 % approved (90 % so far)",
        "fewer than 10 % edited (10 % so far)",
    ]


def test_each_outcome_is_counted_once(ann, max):
    made = [make_proposal(owner=ann) for _ in range(4)]
    approve(made[0], by=ann)
    approve(made[1], content={"title": "Call them"}, by=ann)
    reject(made[2], reason="No.", by=ann)
    undo(approve(made[3], by=ann), by=ann)
    make_proposal(owner=ann)
    trust = scout_trust()
    assert (trust.decided, trust.approved, trust.edited, trust.rejected, trust.undone) == (4, 2, 1, 1, 1)


def test_undecided_and_automatic_suggestions_are_not_counted(ann, max):
    make_decided_suggestions(max, approved=2)
    Suggestion.objects.update(reviewed_by=None)
    first = make_proposal(owner=ann, dedupe_key="call")
    make_proposal(lead=first.lead, dedupe_key="call", suggested_content={"title": "Call them"})
    assert scout_trust().decided == 0


def test_trust_is_per_agent_and_type(max):
    make_decided_suggestions(max, approved=3)
    make_decided_suggestions(max, agent="writer", approved=2)
    make_decided_suggestions(max, type=SuggestionType.PR, approved=1)
    found = {(trust.agent, trust.type): trust.decided for trust in load_all_trust()}
    assert found == {("scout", "TASK"): 3, ("scout", "PR"): 1, ("writer", "TASK"): 2}


def test_only_recent_decisions_count(max):
    make_decided_suggestions(max, rejected=30)
    Suggestion.objects.update(created_at=timezone.now() - timedelta(days=181))
    make_decided_suggestions(max, rejected=30)
    Suggestion.objects.filter(created_at__gt=timezone.now() - timedelta(days=100)).update(
        created_at=timezone.now() - timedelta(days=100)
    )
    make_decided_suggestions(max, approved=200)
    assert (scout_trust().decided, scout_trust().rejected) == (200, 0)


def test_trust_query_uses_its_index(max):
    make_decided_suggestions(max, approved=500)
    make_decided_suggestions(max, agent="writer", approved=500)
    with connection.cursor() as cursor:
        cursor.execute("ANALYZE suggestions")
    with CaptureQueriesContext(connection) as queries:
        load_all_trust()
    with connection.cursor() as cursor:
        cursor.execute("SET LOCAL enable_seqscan = off")
        cursor.execute(f"EXPLAIN {queries[0]['sql']}")
        plan = "\n".join(row[0] for row in cursor.fetchall())
    assert plan.count("suggestions_by_agent") == 3
    assert "Seq Scan on suggestions" not in plan
