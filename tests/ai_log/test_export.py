"""Tests of the totals above the list of the AI log, and of its CSV export."""

import csv
import io
from dataclasses import replace
from decimal import Decimal
from urllib.parse import urlencode

import pytest
from django.db import connection
from django.test.utils import CaptureQueriesContext

from ai_log import lists
from ai_log.admin import AIInteractionAdmin
from ai_log.export import LOG_EXPORT
from ai_log.models import AIInteraction
from tests.cast import allow_export, copy_lead, copy_record, make_lead, make_suggestion

pytestmark = pytest.mark.django_db
LIST, FILE = "/ai_log/aiinteraction/", "/ai_log/aiinteraction/export/"


def make_interaction(**kw) -> AIInteraction:
    return AIInteraction.objects.create(**{"type": "Chat", "source": "Agent UI", "content": "Which roof?", **kw})


def exported_rows(page, **params) -> list[dict[str, str]]:
    response = page.post(f"{FILE}?{urlencode(params)}")
    assert response.status_code == 200
    assert response["Content-Type"] == "text/csv; charset=utf-8"
    text = b"".join(response.streaming_content).decode("utf-8-sig")
    return list(csv.DictReader(io.StringIO(text, newline="")))


def list_notice(page, **params) -> str:
    return page.get(LIST, params).context["cl"].notice()


def test_export_contains_filtered_calls_newest_first(as_max, max):
    lead = make_lead(contact_name="Lee", company_name="Roofs")
    make_interaction(agent="other")
    old = make_interaction(agent="reader", ai_response="Line one\nline, two", cost_usd=Decimal("0.00012"))
    new = make_interaction(agent="reader", lead=lead, asked_by=max, prompt_tokens=7, error_message="Late")
    make_suggestion(lead=lead, interaction=new)
    first, second = exported_rows(as_max, agent="reader")
    assert first["Link"] == f"http://testserver{LIST}{new.pk}/change/"
    assert (first["Lead"], first["Company"], first["Requested by"], first["Error"]) == ("Lee", "Roofs", "Max", "Late")
    assert (first["Input tokens"], first["Output tokens"], first["Cost (USD)"]) == ("7", "", "")
    assert first["Suggestions"] == "Task: Waiting"
    assert (second["Answer"], second["Cost (USD)"]) == (old.ai_response, "0.000120")


@pytest.mark.parametrize("start", ["=", "+", "-", "@", "\t", "\r", "\n", " =", "＝"])
def test_cells_never_start_a_formula(as_max, start):
    hostile = f'{start}HYPERLINK("http://evil.example","x")'
    make_interaction(content=hostile, ai_response=hostile, error_message=hostile, agent=hostile)
    row = exported_rows(as_max)[0]
    for heading in ("Question", "Answer", "Error", "Agent"):
        assert row[heading] == f"'{hostile}"


def test_long_text_is_truncated(as_max):
    make_interaction(content="x" * 100_000)
    assert len(exported_rows(as_max)[0]["Question"]) == 32_000


def test_agent_exports_visible_calls_only(as_ann, ann, bob):
    allow_export(ann)
    make_interaction(lead=make_lead(assigned_to=bob))
    make_interaction(lead=make_lead(assigned_to=ann), asked_by=bob)
    make_interaction()
    seen = make_interaction(lead=make_lead())
    assert [str(seen.pk) in row["Link"] for row in exported_rows(as_ann)] == [True]


@pytest.mark.parametrize("params", [{"since": "soon"}, {"type": "Nonsense"}, {"lead": "x"}])
def test_invalid_filter_exports_nothing(as_max, params):
    make_interaction()
    response = as_max.post(f"{FILE}?{urlencode(params)}", follow=True)
    assert "The list was not exported." in response.content.decode()


def test_too_many_rows_are_refused(as_max, monkeypatch):
    monkeypatch.setattr(AIInteractionAdmin, "list_export", replace(LOG_EXPORT, max_rows=2))
    for _ in range(3):
        make_interaction(agent="reader")
    make_interaction(agent="other")
    response = as_max.post(f"{FILE}?agent=reader", follow=True)
    assert "A file holds at most 2 AI interactions" in response.content.decode()
    assert len(exported_rows(as_max, agent="other")) == 1


def test_export_query_count_is_constant(as_max):
    suggestion = make_suggestion(interaction=make_interaction(lead=make_lead()))
    with CaptureQueriesContext(connection) as one:
        exported_rows(as_max)
    leads = copy_lead(suggestion.lead, 49)
    asked = copy_record(suggestion.interaction, 49, lambda n: {"lead": leads[n]})
    copy_record(suggestion, 49, lambda n: {"lead": leads[n], "interaction": asked[n], "dedupe_key": f"copy {n}"})
    with CaptureQueriesContext(connection) as fifty:
        assert len(exported_rows(as_max)) == 50
    assert len(one) == len(fifty)


def test_filtered_list_shows_totals(as_max):
    make_interaction(agent="other", prompt_tokens=1_000)
    make_interaction(agent="reader", prompt_tokens=1_200, completion_tokens=30, cost_usd=Decimal("0.5"))
    make_interaction(agent="reader", error_message="Late")
    assert list_notice(as_max) == ""
    assert list_notice(as_max, agent="reader") == (
        "2 calls, 1 failed; 1,200 input and 30 output tokens; cost $0.500, unknown for 1."
    )
    assert list_notice(as_max, failed="true").startswith("1 call, 1 failed;")
    assert list_notice(as_max, agent="stranger") == ""
    assert "cost unknown." in list_notice(as_max, agent="reader", failed="true")
    assert list_notice(as_max, q="roof", agent="reader").startswith("2 calls")


def test_totals_are_limited(as_max, monkeypatch):
    monkeypatch.setattr(lists, "MAX_SUMMED_ROWS", 2)
    for _ in range(3):
        make_interaction(agent="reader")
    assert list_notice(as_max, agent="reader").startswith("More than 2 calls. Filter the list")
