"""Urgency × value, without a database."""

from datetime import date
from decimal import Decimal

import pytest
from django.utils import timezone

from leads.models import Lead
from suggestions.kinds import KINDS
from suggestions.models import Suggestion
from suggestions.policy.confidence import TrackRecord
from suggestions.policy.priority import queue_priority, value_digits


@pytest.mark.parametrize(
    ("value", "digits"),
    [(None, 4), (Decimal("0"), 1), (Decimal("9.99"), 1), (Decimal("900"), 3), (Decimal("48200.50"), 5)],
)
def test_value_counts_by_its_digits(value, digits):
    assert value_digits(value) == digits
    payload = KINDS["TASK"].parse_content({"title": "Call"})
    assert queue_priority(KINDS["TASK"], payload, Suggestion(lead=Lead(estimated_value=value))) == digits


@pytest.mark.parametrize(
    ("type", "content", "urgency"),
    [
        ("FOLLOW_UP", {"reason": "x", "suggestedAction": "TASK", "urgency": "high"}, 3),
        ("FOLLOW_UP", {"reason": "x", "suggestedAction": "TASK"}, 2),
        ("FOLLOW_UP", {"reason": "x", "suggestedAction": "TASK", "urgency": "low"}, 1),
        ("TASK", {"title": "x", "dueOn": str(date(2020, 1, 1))}, 3),
        ("TASK", {"title": "x", "dueOn": str(timezone.localdate())}, 3),
        ("TASK", {"title": "x", "dueOn": "2999-01-01"}, 1),
    ],
)
def test_urgency_follows_the_content(type, content, urgency):
    assert KINDS[type].urgency(KINDS[type].parse_content(content)) == urgency


@pytest.mark.parametrize(
    ("decided", "unchanged", "confidence"),
    [(0, 0, "0.50"), (1, 1, "0.55"), (1, 0, "0.45"), (15, 12, "0.68"), (100, 100, "0.95"), (100, 0, "0.05")],
)
def test_few_decisions_draw_the_confidence_to_the_middle(decided, unchanged, confidence):
    assert TrackRecord(decided, unchanged).confidence == Decimal(confidence)
