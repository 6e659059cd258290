"""A lead's page says what has changed in its chance since a week ago, and by what."""

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


def make_model(version: int, learnt: dict, *, days: int, rung=Rung.SCORECARD) -> PredictionModel:
    """A model that was put in use so many days ago, instead of the one before."""
    at = timezone.now() - timedelta(days=days)
    PredictionModel.objects.update(is_active=False)
    made = PredictionModel.objects.create(
        version=version, rung=rung, card=learnt, leads=9, won=3, verdict="?", is_active=True, activated_at=at
    )
    record_activation(made, at)
    return made


def record_activation(made: PredictionModel, at) -> None:
    name = made._meta.label_lower
    ActivityLog.objects.create(
        actor_type="system",
        verb="activated",
        target_type=name,
        target_id=made.pk,
        about_type=name,
        about_id=made.pk,
        occurred_at=at,
    )


def make_referral(*stages: tuple[str, int]) -> Lead:
    """A referral that came into each of `stages` so many days ago."""
    made = make_lead(status_id=stages[-1][0], source_type="REFERRAL")
    LeadStageHistory.objects.filter(lead=made).delete()
    for code, days in stages:
        LeadStageHistory.objects.create(lead=made, to_status_id=code, at=timezone.now() - timedelta(days=days))
    LeadSnapshot.objects.get_or_create(
        lead=made, defaults={"features": {"source": "REFERRAL"}, "taken_at": made.created_at}
    )
    return made


def page_text(browser, one: Lead) -> str:
    return " ".join(browser.get(f"/leads/lead/{one.pk}/change/").content.decode().split())


def test_stage_change_shows_previous_chance(as_max):
    make_model(1, STAGES, days=30, rung=Rung.STAGES)
    shown = page_text(as_max, make_referral(("ACTIVE", 20), ("PROPOSAL_SENT", 3)))
    assert "One week ago: 20 %. Stage then: Active." in shown


def test_model_change_shows_previous_chance_and_difference(as_max):
    old = make_model(1, make_card(0.0), days=30)
    make_model(2, make_card(1.0), days=3)
    shown = page_text(as_max, make_referral(("ACTIVE", 20)))
    assert "One week ago: 50 %. Model then:" in shown
    assert f'/leads/predictionmodel/{old.pk}/change/">version 1</a>. Since then, source counts 1.00 more.' in shown


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


@pytest.mark.parametrize(("came", "used"), [(3, 30), (20, 3)])
def test_no_comparison_without_chance_a_week_ago(as_max, came, used):
    make_model(1, make_card(1.0), days=used)
    shown = page_text(as_max, make_referral(("ACTIVE", came)))
    assert "Why this probability" in shown
    assert "One week ago" not in shown and "Unchanged in the last week" not in shown
