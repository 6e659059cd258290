"""Tests of the memory of earlier answers about a lead."""

from datetime import datetime, timedelta

import pytest
from django.utils import timezone

from ai_log.memory import load_memory
from ai_log.models import AIInteraction
from tests.cast import make_client, make_lead

pytestmark = pytest.mark.django_db


def make_interaction(lead, days_ago, summary, **kw):
    noon = timezone.make_aware(datetime(2026, 11, 20, 12))
    at = noon - timedelta(days=days_ago)
    kw = {"type": "Summary", "source": "AI Assistant", "content": "?", "agent": "drafting", **kw}
    return AIInteraction.objects.create(lead=lead, summary=summary, created_at=at, **kw)


def test_memory_lists_latest_answers_oldest_first():
    lead = make_lead()
    make_interaction(lead, 2, "Wants a\nroof.")
    make_interaction(lead, 1, "Asked for a day.", agent="", type="Chat")
    make_interaction(make_lead(), 1, "About another.")
    make_interaction(lead, 0, "Half an answer", error_message="The answer was cut off.")
    make_interaction(lead, 0, "")
    assert load_memory(lead) == "18 November 2026, drafting: Wants a roof.\n19 November 2026, Chat: Asked for a day."
    assert load_memory(make_lead()) == ""


def test_memory_is_bounded():
    lead = make_lead()
    for days in range(12):
        make_interaction(lead, days, f"{days} " + "x" * 500)
    lines = load_memory(lead).splitlines()
    assert [line.split(": ")[1][:2] for line in lines] == [f"{days} " for days in range(7, -1, -1)]
    assert all(len(line) == 160 and line.endswith("…") for line in lines)


def test_memory_respects_visibility(ann, bob):
    lead = make_lead(assigned_to=ann)
    make_interaction(lead, 1, "Hers.", client=make_client(assigned_to=bob))
    make_interaction(lead, 1, "A manager's.", asked_by=bob)
    make_interaction(lead, 0, "Ours.")
    assert load_memory(lead, by=ann) == "20 November 2026, drafting: Ours."
    assert load_memory(lead) == "20 November 2026, drafting: Ours."
