"""What models cost: by agent, by model, by day."""

from datetime import timedelta
from decimal import Decimal

import pytest
from django.db import connection
from django.test.utils import CaptureQueriesContext
from django.utils import timezone

from ai_log.models import AIInteraction
from tests.cast import browser, make_lead

pytestmark = pytest.mark.django_db
URL = "/ai_log/aiinteraction/totals/"


def call(days: int = 0, **kw) -> AIInteraction:
    kw = {"agent": "scorer", "model_used": "small", "cost_usd": Decimal("0.5"), "latency_ms": 1_500, **kw}
    at = timezone.now() - timedelta(days=days)
    return AIInteraction.objects.create(type="Chat", source="Agent UI", content="?", created_at=at, **kw)


def tables(page, **asked) -> dict[str, dict]:
    answer = page.get(URL, asked)
    assert answer.status_code == 200
    return {title: {row.name: row for row in rows} for title, rows in answer.context["tables"]}


def test_calls_are_summed_by_agent_and_model_and_day(as_max):
    call(prompt_tokens=100, completion_tokens=10)
    call(prompt_tokens=50, completion_tokens=5, model_used="large")
    call(days=1, agent="writer", error_message="timed out", cost_usd=None)
    found = tables(as_max)
    scorer, writer = found["By agent"]["scorer"], found["By agent"]["writer"]
    assert (scorer.calls, scorer.tokens_in, scorer.tokens_out, scorer.cost) == (2, 150, 15, "$1.00")
    assert (writer.failed, writer.unknown, writer.cost, writer.seconds) == (1, 1, "unknown", "1.5 s")
    assert {name: row.calls for name, row in found["By model"].items()} == {"small": 2, "large": 1}
    assert [row.calls for row in found["By day"].values()] == [2, 1]


def test_a_known_cost_of_nothing_is_nothing_and_an_unknown_one_is_unknown(as_max):
    call(agent="free", cost_usd=Decimal(0))
    call(agent="mystery", cost_usd=None)
    found = tables(as_max)["By agent"]
    assert (found["free"].cost, found["mystery"].cost) == ("$0", "unknown")


@pytest.mark.parametrize(("days", "calls"), [("7", 1), ("30", 2), ("90", 3), ("", 2), ("8", 2), ("x", 2)])
def test_the_period_is_one_of_three(as_max, days, calls):
    for ago in (0, 20, 80, 100):
        call(days=ago)
    assert tables(as_max, days=days)["By agent"]["scorer"].calls == calls


def test_each_name_leads_to_its_calls(as_max):
    call()
    row = tables(as_max)["By agent"]["scorer"]
    answer = as_max.get(f"/ai_log/aiinteraction/?{row.asked}")
    assert len(answer.context["cl"].page.rows) == 1


def test_hostile_names_are_shown_as_text(as_max):
    call(agent="<script>alert(1)</script>", model_used="")
    page = as_max.get(URL).content.decode()
    assert "<script>alert(1)</script>" not in page
    assert "not named" in page


def test_an_agent_sums_only_what_she_sees(as_ann, bob, stranger):
    call(lead=make_lead(assigned_to=bob))
    call(lead=make_lead())
    assert tables(as_ann)["By agent"]["scorer"].calls == 1
    assert browser(stranger).get(URL).status_code == 403


def test_the_page_costs_the_same_for_one_call_and_for_fifty(as_max):
    call()
    as_max.get(URL)
    with CaptureQueriesContext(connection) as few:
        as_max.get(URL)
    for number in range(49):
        call(days=number % 20, agent=f"agent {number}")
    with CaptureQueriesContext(connection) as many:
        as_max.get(URL)
    assert len(few) == len(many) <= 10
