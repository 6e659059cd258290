"""Tests of setting the tier of a lead by hand."""

from decimal import Decimal

import pytest
from django.utils import timezone

from crm.exceptions import IllegalTransition, InvalidInput, NotPermitted
from crm.records.activity import SYSTEM_ACTOR
from leads.models import ScoringPolicy
from leads.transitions import add_signals, set_tier_override
from tests.cast import make_lead

pytestmark = pytest.mark.django_db


def test_tier_override_can_be_set_and_cleared(ann):
    lead = make_lead()
    signal = {"type": "budget_mentioned", "timestamp": timezone.now().isoformat(), "weight": 0.25}
    add_signals(lead, [signal, {**signal, "type": "decision_maker"}], by=SYSTEM_ACTOR)
    set_tier_override(lead, "hot", by=ann)
    assert (lead.tier_override, lead.priority_tier) == ("hot", "hot")
    set_tier_override(lead, None, by=ann)
    assert (lead.tier_override, lead.priority_tier) == (None, "warm")


def test_unknown_or_same_tier_is_refused(ann, vera):
    lead = make_lead()
    with pytest.raises(InvalidInput, match="must be one of: hot, warm, cold, dormant"):
        set_tier_override(lead, "tepid", by=ann)
    with pytest.raises(IllegalTransition, match="already set by the score"):
        set_tier_override(lead, None, by=ann)
    with pytest.raises(NotPermitted):
        set_tier_override(lead, "hot", by=vera)


@pytest.mark.parametrize(
    ("score", "tier"),
    [("0.70", "hot"), ("0.69", "warm"), ("0.40", "warm"), ("0.39", "cold"), ("0", "cold"), (None, None)],
)
def test_tier_thresholds(score, tier):
    assert ScoringPolicy().tier_for_score(Decimal(score) if score else None) == tier
