"""Tests of the screen of scoring policies."""

import pytest
from django.urls import reverse
from django.utils import timezone

from crm.records.activity import SYSTEM_ACTOR
from leads.models import ScoringPolicy
from leads.transitions import add_signals
from tests.cast import make_lead, page_text
from tests.form_parser import read_form

pytestmark = pytest.mark.django_db
ADD = "/leads/scoringpolicy/add/"


def policy_url(policy):
    return reverse("admin:leads_scoringpolicy_change", args=[policy.pk])


def warm_lead():
    lead = make_lead()
    signals = [
        {"type": name, "timestamp": timezone.now().isoformat(), "weight": 0.2}
        for name in ("referral", "decision_maker")
    ]
    add_signals(lead, [*signals, {**signals[0], "type": "replied_quickly"}], by=SYSTEM_ACTOR)
    return lead


def test_new_version_copies_active_policy_and_previews_tier_changes(as_max):
    lead = warm_lead()
    assert lead.priority_tier == "warm"
    data = read_form(as_max.get(ADD).content.decode(), "scoringpolicy_form") | {
        "note": "Hot earlier.",
        "hot_from": "0.50",
    }
    assert as_max.post(ADD, data).status_code == 302
    policy = ScoringPolicy.objects.get(version=2)
    assert policy.weights == ScoringPolicy.objects.active().weights
    activate_url = reverse("admin:leads_scoringpolicy_do", args=[policy.pk, "activate"])
    page = page_text(as_max.get(policy_url(policy)))
    assert "1 open lead would change tier" in page and activate_url in page
    lead.refresh_from_db()
    assert lead.priority_tier == "warm"
    assert as_max.post(activate_url, follow=True).status_code == 200
    assert ScoringPolicy.objects.active() == policy
    assert activate_url not in as_max.get(policy_url(policy)).content.decode()


@pytest.mark.parametrize(
    ("changes", "error"),
    [
        ({"note": ""}, "required"),
        ({"hot_from": "2"}, "hot must begin at 1 or less"),
        ({"warm_from": "0.90"}, "Warm must begin above 0 and below hot"),
        ({"hot_from": "much"}, "number"),
        ({"dormant_after_days": "0"}, "between 1 and 3650"),
    ],
)
def test_invalid_policy_shows_error_and_keeps_typed_values(as_max, changes, error):
    data = read_form(as_max.get(ADD).content.decode(), "scoringpolicy_form") | {"note": "Another."} | changes
    response = as_max.post(ADD, data)
    assert response.status_code != 302 and error in response.content.decode()
    assert ScoringPolicy.objects.count() == 1


def test_agent_can_read_but_not_activate_policy(as_ann):
    active_policy = ScoringPolicy.objects.active()
    assert "budget_mentioned" in as_ann.get(policy_url(active_policy)).content.decode()
    assert as_ann.get(ADD).status_code == 403
    do = reverse("admin:leads_scoringpolicy_do", args=[active_policy.pk, "activate"])
    assert as_ann.post(do).status_code == 403


def test_policy_version_cannot_be_edited(as_max):
    active_policy = ScoringPolicy.objects.active()
    assert as_max.post(policy_url(active_policy), {"note": "Changed."}).status_code in {403, 404}
    active_policy.refresh_from_db()
    assert active_policy.note != "Changed."
