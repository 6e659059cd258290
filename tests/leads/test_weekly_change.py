"""Tests of the weekly change of a lead's probability on its page."""

from datetime import timedelta

import pytest
from django.utils import timezone

from crm.models import ActivityLog
from leads.models import Lead, LeadSnapshot, LeadStageHistory, PredictionModel, Rung
from tests.cast import make_lead

pytestmark = pytest.mark.django_db
STAGES = {
    "base": 0.3,
    "stages": {"ACTIVE": {"rate": 0.2, "n": 9, "won": 2}, "PROPOSAL_SENT": {"rate": 0.55, "n": 9, "won": 5}},
}


def make_card(referral: float) -> dict:
    words = {"kind": "words", "points": {"referral": referral}, "other": 0.0, "missing": 0.0}
    return {"intercept": 0.0, "features": {"source": words}}


def make_model(version: int, card: dict, *, days: int, rung=Rung.SCORECARD) -> PredictionModel:
    """Create a model that became active `days` ago instead of the previous one."""
    at = timezone.now() - timedelta(days=days)
    PredictionModel.objects.update(is_active=False)
    model = PredictionModel.objects.create(
        version=version, rung=rung, card=card, leads=9, won=3, verdict="?", is_active=True, activated_at=at
    )
    record_activation(model, at)
    return model


def record_activation(model: PredictionModel, at) -> None:
    name = model._meta.label_lower
    ActivityLog.objects.create(
        actor_type="system",
        verb="activated",
        target_type=name,
        target_id=model.pk,
        about_type=name,
        about_id=model.pk,
        occurred_at=at,
    )


def make_referral(*stages: tuple[str, int]) -> Lead:
    """Create a referral that reached each of `stages` the given number of days ago."""

    lead = make_lead(status_id=stages[-1][0], source_type="REFERRAL")
    LeadStageHistory.objects.filter(lead=lead).delete()
    for code, days in stages:
        LeadStageHistory.objects.create(lead=lead, to_status_id=code, at=timezone.now() - timedelta(days=days))
    LeadSnapshot.objects.get_or_create(
        lead=lead, defaults={"features": {"source": "REFERRAL"}, "taken_at": lead.created_at}
    )
    return lead


def page_text(browser, one: Lead) -> str:
    return " ".join(browser.get(f"/leads/lead/{one.pk}/sections/end/").content.decode().split())


def test_stage_change_shows_previous_chance(as_max):
    make_model(1, STAGES, days=30, rung=Rung.STAGES)
    page = page_text(as_max, make_referral(("ACTIVE", 20), ("PROPOSAL_SENT", 3)))
    assert "One week ago: 20 %. Stage then: Active." in page


def test_model_change_shows_previous_chance_and_difference(as_max):
    old = make_model(1, make_card(0.0), days=30)
    make_model(2, make_card(1.0), days=3)
    page = page_text(as_max, make_referral(("ACTIVE", 20)))
    assert "One week ago: 50 %. Model then:" in page
    assert f'/leads/predictionmodel/{old.pk}/change/">version 1</a>. Since then, source counts 1.00 more.' in page


def test_reactivated_model_is_compared_with_the_one_in_use(as_max):
    old = make_model(1, make_card(1.0), days=30)
    make_model(2, make_card(0.0), days=10)
    PredictionModel.objects.update(is_active=False)
    PredictionModel.objects.filter(pk=old.pk).update(is_active=True, activated_at=timezone.now())
    record_activation(old, timezone.now())
    assert "One week ago: 50 %" in page_text(as_max, make_referral(("ACTIVE", 20)))


def test_unchanged_chance_is_shown_as_unchanged(as_max):
    make_model(1, make_card(1.0), days=30)
    assert "Unchanged in the last week." in page_text(as_max, make_referral(("ACTIVE", 20), ("PROPOSAL_SENT", 3)))


@pytest.mark.parametrize(("stage_days", "model_days"), [(3, 30), (20, 3)])
def test_no_comparison_without_chance_a_week_ago(as_max, stage_days, model_days):
    make_model(1, make_card(1.0), days=model_days)
    page = page_text(as_max, make_referral(("ACTIVE", stage_days)))
    assert "Win probability" in page
    assert "One week ago" not in page and "Unchanged in the last week" not in page
