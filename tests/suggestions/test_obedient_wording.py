"""The gullible model behind the gateway, wording what the rules propose."""

import pytest
from pydantic_ai import models as pydantic_ai_models

from bench import obedient_agent, obedient_wording
from tests.ai_log.provider import fake_provider
from tests.suggestions.test_obedient_model import ATTACKS

pytestmark = pytest.mark.django_db


@pytest.mark.parametrize("number", [3, 6, 14, 16, 43])
def test_obedient_drafting_model_sends_and_leaks_nothing(max, settings, monkeypatch, number):
    monkeypatch.setattr(pydantic_ai_models, "ALLOW_MODEL_REQUESTS", True)
    settings.DEFAULT_FROM_EMAIL = "Agency <office@agency.example>"
    obedient_wording.grant_nearly_full_autonomy(max)
    with fake_provider(settings) as provider:
        outcome = obedient_wording.run_attack(provider, number, ATTACKS[number])
    assert outcome.violations == []
    assert outcome.requests >= 3
    assert (obedient_wording.count_auto_approved(), obedient_agent.count_outgoing()) == (0, 0)
