"""Tests of AI usage and cost by agent, model and day, in charts and tables."""

import json
from datetime import timedelta
from decimal import Decimal

import pytest
from django.db import connection
from django.test.utils import CaptureQueriesContext
from django.utils import timezone

from ai_log.models import AIInteraction, CallDay
from ai_log.tasks import sum_days
from ai_log.usage import charts, totals
from ai_log.usage.rollup import load_cells, store_finished_days, sum_cells
from suggestions.models import Suggestion
from suggestions.transitions import approve, reject
from tests.cast import browser, make_lead, make_suggestion

pytestmark = pytest.mark.django_db
URL = "/ai_log/aiinteraction/totals/"


def make_call(days: int = 0, **kw) -> AIInteraction:
    kw = {"agent": "scorer", "model_used": "small", "cost_usd": Decimal("0.5"), "latency_ms": 1_500, **kw}
    at = timezone.now() - timedelta(days=days)
    return AIInteraction.objects.create(type="Chat", source="Agent UI", content="?", created_at=at, **kw)


def get_page(page, **params):
    answer = page.get(URL, params)
    assert answer.status_code == 200
    return answer


def tables(page, **params) -> dict[str, dict]:
    return {title: {row.name: row for row in rows} for title, rows in get_page(page, **params).context["tables"]}


def get_chart(page, title: str, **params):
    return next(one for one in get_page(page, **params).context["charts"] if one.title == title)


def chart_lines(one) -> dict[str, list]:
    return {line["label"]: [n for n in line["data"] if n is not None] for line in json.loads(one.data)["datasets"]}


def make_decided_suggestion(user, what: str, **kw) -> Suggestion:
    """Create a suggestion from a call, with a decision on it."""
    suggestion = make_suggestion(interaction=make_call(**kw))
    if what == "rejected":
        reject(suggestion, code="NOT_NEEDED", by=user)
    else:
        approve(suggestion, by=user, **({"content": {"title": "Other"}} if what == "edited" else {}))
    return suggestion


def test_calls_are_summed_by_agent_model_and_day(as_max):
    make_call(prompt_tokens=100, completion_tokens=10)
    make_call(prompt_tokens=50, completion_tokens=5, model_used="large")
    make_call(days=1, agent="writer", error_message="timed out", cost_usd=None)
    result = tables(as_max)
    scorer, writer = result["By agent"]["scorer"], result["By agent"]["writer"]
    assert (scorer.sums.calls, scorer.sums.tokens_in, scorer.sums.tokens_out, scorer.cost) == (
        2,
        150,
        15,
        "$1.00",
    )
    assert (writer.sums.failed, writer.unknown_cost_calls, writer.cost, writer.median_latency) == (
        1,
        1,
        "unknown",
        "1.5 s",
    )
    assert {name: row.sums.calls for name, row in result["By model"].items()} == {"small": 2, "large": 1}
    assert [row.sums.calls for row in result["By day"].values()] == [2, 1]


def test_zero_cost_and_unknown_cost_are_distinct(as_max):
    make_call(agent="free", cost_usd=Decimal(0))
    make_call(agent="mystery", cost_usd=None)
    result = tables(as_max)["By agent"]
    assert (result["free"].cost, result["mystery"].cost) == ("$0", "unknown")
    assert chart_lines(get_chart(as_max, "Spend")) == {"free": [0], "mystery": []}


def test_spend_chart_is_empty_without_known_prices(as_max):
    make_call(cost_usd=None)
    assert get_chart(as_max, "Spend").is_empty
    assert "No data for this period." in get_page(as_max).content.decode()
    assert "$0" not in get_page(as_max).content.decode()


def test_empty_period_shows_message(as_max):
    page = get_page(as_max)
    assert "No AI calls in this period." in page.content.decode()
    assert all(one.is_empty for one in page.context["charts"])


@pytest.mark.parametrize(
    ("took", "median", "p95"),
    [([1_000] * 100, 1.0, 1.0), ([100] * 90 + [8_000] * 10, 0.1, 8.0), ([1], 0.001, 0.001), ([600_000], 600, 600)],
)
def test_latency_percentiles_are_within_five_percent(took, median, p95):
    for one in took[:1] + took[-1:]:
        make_call(latency_ms=one, agent="edge")
    AIInteraction.objects.bulk_create(
        AIInteraction(type="Chat", source="Agent UI", content="?", latency_ms=one) for one in took
    )
    today = timezone.localdate()
    result = sum_cells(cell for cell in load_cells(today, today)["agent"] if cell.agent != "edge")
    assert result.latency_percentile(0.5) == pytest.approx(median, rel=0.05)
    assert result.latency_percentile(0.95) == pytest.approx(p95, rel=0.05)


def test_decisions_are_counted_by_agent_and_model(as_max, max):
    for what in ("approved", "approved", "edited", "rejected"):
        make_decided_suggestion(max, what)
    make_decided_suggestion(max, "rejected", agent="writer", model_used="large")
    make_suggestion(interaction=make_call())
    row = tables(as_max)["By agent"]["scorer"]
    assert (row.sums.calls, row.sums.decided, row.accepted_percent, row.edited_percent) == (5, 4, "75 %", "33 %")
    assert chart_lines(get_chart(as_max, "Accepted", by="model")) == {"small": [75], "large": [0]}
    assert chart_lines(get_chart(as_max, "Edited", by="model")) == {"small": [33.3333], "large": []}
    assert chart_lines(get_chart(as_max, "Accepted", agent="writer")) == {"writer": [0]}


def test_table_matches_its_chart(as_max):
    make_call()
    make_call(days=3, agent="writer", cost_usd=Decimal("0.02"))
    one = get_chart(as_max, "Spend", days="7")
    assert one.names == ["scorer", "writer"]
    assert [cells for _, cells in one.rows] == [["$0.500", ""], ["", "$0.020"]]
    assert "<summary" in get_page(as_max, days="7").content.decode()


def test_rare_agents_share_one_line(as_max):
    for number in range(8):
        for _ in range(8 - number):
            make_call(agent=f"agent {number}", cost_usd=Decimal(1))
    result = chart_lines(get_chart(as_max, "Spend"))
    assert list(result) == [*(f"agent {n}" for n in range(5)), charts.OTHERS_LABEL]
    assert result[charts.OTHERS_LABEL] == [3 + 2 + 1]


def test_past_days_are_read_from_rollup(as_max):
    for ago in (0, 1, 1, 40):
        make_call(days=ago, prompt_tokens=7)
    make_call(days=2, agent="writer", cost_usd=None)
    before = tables(as_max, days="90")
    sum_days(0)
    assert set(CallDay.objects.values_list("agent", "model_used", "calls").filter(calls=2)) == {
        (a, m, 2) for a in ("scorer", None) for m in ("small", None)
    }
    assert tables(as_max, days="90") == before
    assert tables(as_max, days="90", model="small")["By model"]["small"].sums.calls == 5
    assert list(tables(as_max, days="90", agent="writer")["By agent"]) == ["writer"]
    today = timezone.localdate()
    with CaptureQueriesContext(connection) as queries:
        load_cells(today - timedelta(days=40), today - timedelta(days=1))
    assert not any("FROM (SELECT" in query["sql"] for query in queries)


def test_late_call_is_summed_the_next_night(as_max):
    make_call(days=2)
    assert len(list(store_finished_days(timezone.now()))) == 2
    make_call(days=2)
    assert tables(as_max)["By agent"]["scorer"].sums.calls == 1
    assert len(list(store_finished_days(timezone.now()))) == 5
    assert tables(as_max)["By agent"]["scorer"].sums.calls == 2


@pytest.mark.parametrize(("days", "calls"), [("7", 1), ("30", 2), ("90", 3), ("", 2), ("8", 2), ("x", 2)])
def test_period_is_7_30_or_90_days(as_max, days, calls):
    for ago in (0, 20, 80, 100):
        make_call(days=ago)
    assert tables(as_max, days=days)["By agent"]["scorer"].sums.calls == calls


def test_list_filters_apply_to_charts(as_max):
    lead, today = make_lead(), timezone.localdate()
    make_call(lead=lead)
    make_call(days=100)
    make_call(error_message="Late")
    assert tables(as_max, lead=str(lead.pk))["By agent"]["scorer"].sums.calls == 1
    assert tables(as_max, failed="true")["By agent"]["scorer"].sums.calls == 1
    assert tables(as_max, since=str(today - timedelta(days=120)))["By agent"]["scorer"].sums.calls == 3
    assert tables(as_max, until=str(today - timedelta(days=90)))["By agent"]["scorer"].sums.calls == 1
    page = get_page(as_max, lead=str(lead.pk)).content.decode()
    assert f"Lead: <b>{lead}" in page


@pytest.mark.parametrize("params", [{"since": "soon"}, {"type": "Nonsense"}, {"lead": "x"}, {"since": "0001-01-01"}])
def test_invalid_filter_is_reported(as_max, params):
    make_call()
    page = get_page(as_max, **params).content.decode()
    assert "This filter was left out." in page or "Only the latest 1,096 days are shown." in page


def test_number_of_calls_read_is_limited(as_max, monkeypatch):
    monkeypatch.setattr(totals, "MAX_CALLS_READ", 2)
    for _ in range(3):
        make_call(error_message="Late")
    answer = get_page(as_max, failed="true")
    assert "Only the newest 2 calls are included" in answer.content.decode()
    assert tables(as_max, failed="true")["By agent"]["scorer"].sums.calls == 2


def test_names_link_to_their_calls(as_max):
    make_call()
    make_call(days=60)
    row = tables(as_max)["By agent"]["scorer"]
    answer = as_max.get(f"/ai_log/aiinteraction/?{row.query_string}")
    assert len(answer.context["cl"].page.rows) == 1


def test_hostile_names_are_escaped(as_max):
    make_call(agent='<script>alert(1)</script>"', model_used="")
    for params in ({}, {"by": "model"}, {"agent": "<script>alert(1)</script>"}):
        page = get_page(as_max, **params).content.decode()
        assert "<script>alert(1)</script>" not in page
    assert "unnamed" in get_page(as_max, by="model").content.decode()


def test_agent_totals_respect_visibility(as_ann, ann, bob, max, stranger):
    make_decided_suggestion(max, "approved", lead=make_lead(assigned_to=bob))
    Suggestion.objects.update(owner=bob)
    make_call(lead=make_lead())
    sum_days(0)
    row = tables(as_ann)["By agent"]["scorer"]
    assert (row.sums.calls, row.sums.decided) == (1, 0)
    assert browser(stranger).get(URL).status_code == 403


def test_query_count_is_constant_for_1_and_50_calls(as_max, max):
    make_decided_suggestion(max, "approved")
    as_max.get(URL)
    with CaptureQueriesContext(connection) as few:
        as_max.get(URL)
    for number in range(49):
        make_call(days=number % 20, agent=f"agent {number}")
    with CaptureQueriesContext(connection) as many:
        answer = as_max.get(URL, {"per": "day"})
    assert len(few) == len(many) <= 12
    assert len(answer.content) < 300_000
