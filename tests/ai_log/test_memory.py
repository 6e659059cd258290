"""What was asked about a lead before, in short."""

from datetime import datetime, timedelta

import pytest
from django.utils import timezone

from ai_log.memory import memory
from ai_log.models import AIInteraction
from tests.cast import make_client, make_lead

pytestmark = pytest.mark.django_db


def asked(lead, days_ago, summary, **kw):
    noon = timezone.make_aware(datetime(2026, 11, 20, 12))
    at = noon - timedelta(days=days_ago)
    kw = {"type": "Summary", "source": "AI Assistant", "content": "?", "agent": "drafting", **kw}
    return AIInteraction.objects.create(lead=lead, summary=summary, created_at=at, **kw)


def test_the_latest_answers_are_told_with_their_day_the_newest_last():
    lead = make_lead()
    asked(lead, 2, "Wants a\nroof.")
    asked(lead, 1, "Asked for a day.", agent="", type="Chat")
    asked(make_lead(), 1, "About another.")
    asked(lead, 0, "Half an answer", error_message="The answer was cut off.")
    asked(lead, 0, "")
    assert memory(lead) == "18 November 2026, drafting: Wants a roof.\n19 November 2026, Chat: Asked for a day."
    assert memory(make_lead()) == ""


def test_it_is_bounded():
    lead = make_lead()
    for days in range(12):
        asked(lead, days, f"{days} " + "x" * 500)
    lines = memory(lead).splitlines()
    assert [line.split(": ")[1][:2] for line in lines] == [f"{days} " for days in range(7, -1, -1)]
    assert all(len(line) == 160 and line.endswith("…") for line in lines)


def test_a_person_is_told_what_they_may_see(ann, bob):
    lead = make_lead(assigned_to=ann)
    asked(lead, 1, "Hers.", client=make_client(assigned_to=bob))
    asked(lead, 0, "Ours.")
    assert memory(lead, by=ann) == "20 November 2026, drafting: Ours."
    assert memory(lead).count("\n") == 1
