"""A person's own judgement of a lead."""

from decimal import Decimal

import pytest
from django.utils import timezone

from crm.exceptions import BadInput, IllegalMove, NotAllowed
from crm.records.activity import SYSTEM
from leads.models import ScoringPolicy
from leads.transitions import add_signals, set_tier_override
from tests.cast import make_lead

pytestmark = pytest.mark.django_db


def test_a_person_sets_it_and_hands_it_back_to_the_score(ann):
    lead = make_lead()
    sign = {"type": "budget_mentioned", "timestamp": timezone.now().isoformat(), "weight": 0.25}
    add_signals(lead, [sign, {**sign, "type": "decision_maker"}], by=SYSTEM)
    set_tier_override(lead, "hot", by=ann)
    assert (lead.tier_override, lead.priority_tier) == ("hot", "hot")
    set_tier_override(lead, None, by=ann)
    assert (lead.tier_override, lead.priority_tier) == (None, "warm")


def test_an_unknown_tier_and_the_same_tier_are_refused(ann, vera):
    lead = make_lead()
    with pytest.raises(BadInput, match="must be one of: hot, warm, cold, dormant"):
        set_tier_override(lead, "tepid", by=ann)
    with pytest.raises(IllegalMove, match="already the computed one"):
        set_tier_override(lead, None, by=ann)
    with pytest.raises(NotAllowed):
        set_tier_override(lead, "hot", by=vera)


@pytest.mark.parametrize(
    ("score", "tier"),
    [("0.70", "hot"), ("0.69", "warm"), ("0.40", "warm"), ("0.39", "cold"), ("0", "cold"), (None, None)],
)
def test_the_thresholds(score, tier):
    assert ScoringPolicy().tier_of(Decimal(score) if score else None) == tier
