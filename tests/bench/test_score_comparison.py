"""The score comparison tells right scores from wrong ones."""

from datetime import timedelta
from decimal import Decimal

import pytest
from django.utils import timezone

from bench import scores
from crm.records.activity import SYSTEM_ACTOR
from leads.models import Lead, ScoringPolicy
from leads.transitions import add_signals
from tests.cast import make_lead

pytestmark = pytest.mark.django_db


def test_modified_score_is_detected():
    lead, policy = make_lead(), ScoringPolicy.objects.active()
    at = (timezone.now() - timedelta(days=60)).isoformat()
    add_signals(lead, [{"type": "budget_mentioned", "timestamp": at, "weight": 0.25}], by=SYSTEM_ACTOR)
    [(_, [sign], score, verdict)] = scores.compare_scores([lead], policy)
    assert (round(sign.share, 3), score, verdict) == (0.125, lead.overall_score, scores.SAME)
    Lead.objects.filter(pk=lead.pk).update(overall_score=score + Decimal("0.01"))
    assert [row[3] for row in scores.compare_scores(Lead.objects.all(), policy)] == [scores.WRONG]
