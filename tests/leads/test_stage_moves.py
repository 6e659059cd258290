"""Tests of the warning that a step back on the board adds."""

from datetime import timedelta
from decimal import Decimal

import pytest
from django.utils import timezone

from crm.records.activity import SYSTEM_ACTOR
from leads.models import Lead, LeadStatus
from leads.transitions import change_status
from tests.cast import make_lead

pytestmark = pytest.mark.django_db
STRONG = {"type": "meeting_scheduled", "weight": 0.25}


def going_cold_after_moves(lead, *stages):
    for stage in stages:
        reason = {"loss_reason": "BUDGET"} if stage == "CLOSED_LOST" else {}
        change_status(lead, LeadStatus.objects.get(pk=stage), by=SYSTEM_ACTOR, **reason)
    return [one for one in lead.signals if one["type"] == "going_cold"]


@pytest.mark.parametrize(
    ("stages", "has_warning"),
    [
        (["PROPOSAL_SENT", "ACTIVE"], True),
        (["ACTIVE", "ON_ICE"], True),
        (["ACTIVE", "NEW_OPPORTUNITIES"], True),
        (["PROPOSAL_SENT", "ACTIVE", "NEW_OPPORTUNITIES"], True),
        (["ACTIVE", "PROPOSAL_SENT"], False),
        (["PROPOSAL_SENT", "ACTIVE", "PROPOSAL_SENT"], False),
        (["ACTIVE", "ON_ICE", "ACTIVE"], False),
        (["PROPOSAL_SENT", "CLOSED_LOST"], False),
        (["PROPOSAL_SENT", "CLOSED_LOST", "ACTIVE"], False),
    ],
)
def test_stage_move_backwards_warns_until_next_move_forwards(stages, has_warning):
    assert len(going_cold_after_moves(make_lead(), *stages)) == has_warning


def test_backward_move_lowers_score_and_names_the_move():
    at = timezone.now().isoformat()
    lead = make_lead(signals=[{**STRONG, "timestamp": at}])
    [signal] = going_cold_after_moves(lead, "PROPOSAL_SENT", "ACTIVE")
    assert lead.overall_score == Decimal("0.10")
    assert signal["source"] == f"stage:{lead.stage_history.latest('at').pk}"
    assert signal["note"] == "back from Proposal sent to Active"


@pytest.mark.parametrize(("days", "count"), [(29, 1), (31, 2)])
def test_warning_is_added_once_a_month(days, count):
    at = (timezone.now() - timedelta(days=days)).isoformat()
    lead = make_lead(signals=[{"type": "going_cold", "timestamp": at, "weight": -0.15}])
    assert len(going_cold_after_moves(lead, "ACTIVE", "ON_ICE")) == count


def test_other_signals_are_unchanged():
    others = [{**STRONG, "timestamp": "2026-01-05T10:00:00+00:00"}]
    lead = make_lead(signals=others)
    going_cold_after_moves(lead, "ACTIVE")
    assert Lead.objects.get(pk=lead.pk).signals == others
