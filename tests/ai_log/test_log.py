"""Tests of the AI log: visibility, immutability, ratings and search."""

from decimal import Decimal

import pytest
from django.db import DatabaseError, connection, transaction
from django.test.utils import CaptureQueriesContext
from django.utils import timezone

from ai_log.dashboard import ai_spend_figure, format_dollars
from ai_log.models import AIInteraction
from ai_log.transitions import rate_answer
from crm.exceptions import InvalidInput, NotPermitted
from crm.models import ActivityLog
from tests.cast import browser, copy_lead, copy_record, make_lead

pytestmark = pytest.mark.django_db
LIST = "/ai_log/aiinteraction/"
HOSTILE = "<script>alert(1)</script>"


def make_interaction(**kw) -> AIInteraction:
    kw = {"type": "Chat", "source": "Agent UI", "content": "What does Lee want?", "ai_response": "A roof.", **kw}
    return AIInteraction.objects.create(**kw)


@pytest.mark.parametrize("column", ["content", "ai_response", "cost_usd", "error_message", "agent"])
def test_database_refuses_update(column):
    row = make_interaction()
    with pytest.raises(DatabaseError, match="Cannot update"), transaction.atomic():
        AIInteraction.objects.filter(pk=row.pk).update(**{column: "7"})


def test_database_refuses_delete():
    row = make_interaction()
    with pytest.raises(DatabaseError, match="Cannot delete"), transaction.atomic():
        row.delete()


def test_feedback_is_stored_and_on_timeline(ann):
    lead = make_lead()
    row = make_interaction(lead=lead)
    rate_answer(row, "down", comment=" Wrong roof ", by=ann)
    assert (row.feedback, row.feedback_comment, row.feedback_by) == ("down", "Wrong roof", ann)
    assert "Wrong roof" in ActivityLog.objects.on_timeline_of(lead)[0].summary


def test_invalid_feedback_is_refused(ann, vera):
    row = make_interaction()
    with pytest.raises(InvalidInput, match="must be one of: up, down"):
        rate_answer(row, "sideways", by=ann)
    with pytest.raises(InvalidInput, match="at most 2,000"):
        rate_answer(row, "up", comment="x" * 2_001, by=ann)
    with pytest.raises(NotPermitted):
        rate_answer(row, "up", by=vera)


def test_search_matches_word_stems(as_max):
    make_interaction(content="Who asked about roofing?", summary="Roof questions")
    make_interaction(content="The weather", summary="Weather")
    page = as_max.get(LIST, {"q": "roofs"}).content.decode()
    assert "Roof questions" in page
    assert "Weather" not in page
    assert "No results" in as_max.get(LIST, {"q": "zebra"}).content.decode()


def test_search_uses_its_index():
    with connection.cursor() as cursor:
        cursor.execute("SET LOCAL enable_seqscan = off")
    assert "ai_interactions_text" in AIInteraction.objects.matching("roof").explain()


def test_query_count_is_constant_for_1_and_50_rows(as_max):
    lead = make_lead()
    interaction = make_interaction(lead=lead)
    as_max.get(LIST)
    with CaptureQueriesContext(connection) as one:
        as_max.get(LIST)
    leads = copy_lead(lead, 49)
    copy_record(interaction, 49, lambda n: {"lead": leads[n]})
    with CaptureQueriesContext(connection) as fifty:
        answer = as_max.get(LIST)
    assert len(one) == len(fifty) <= 15
    assert len(answer.content) < 300_000


def test_hostile_text_is_escaped(as_max):
    row = make_interaction(
        content=HOSTILE,
        ai_response=HOSTILE,
        summary=HOSTILE,
        agent=HOSTILE,
        model_used=HOSTILE,
        error_message=HOSTILE,
        metadata={HOSTILE: HOSTILE},
        conversation_id="c",
    )
    for address in (LIST, f"{LIST}{row.pk}/change/"):
        page = as_max.get(address).content.decode()
        assert HOSTILE not in page
        assert "&lt;script&gt;" in page


def test_unknown_tokens_and_cost_are_shown_as_unknown(as_max):
    row = make_interaction()
    page = as_max.get(f"{LIST}{row.pk}/change/").content.decode()
    assert page.count("unknown") >= 4
    assert "$0" not in page


def test_agent_cannot_see_calls_about_a_colleagues_lead(as_ann, bob):
    row = make_interaction(lead=make_lead(assigned_to=bob), summary="Bobs secret")
    assert "Bobs secret" not in as_ann.get(LIST).content.decode()
    assert as_ann.get(f"{LIST}{row.pk}/change/").status_code == 404


def test_log_cannot_be_edited(ada):
    row = make_interaction()
    page = browser(ada)
    assert page.get(f"{LIST}add/").status_code == 403
    assert page.get(f"{LIST}{row.pk}/delete/").status_code == 403
    assert page.post(f"{LIST}{row.pk}/change/", {"content": "x"}).status_code == 403


def test_page_shows_the_conversation(as_max):
    first, second = (make_interaction(conversation_id="c1", summary=text) for text in ("First words", "Second words"))
    page = as_max.get(f"{LIST}{second.pk}/change/").content.decode()
    assert "First words" in page
    assert str(first.pk) in page


def test_spend_shows_today_and_month_with_unknown_costs(max):
    make_interaction(cost_usd=Decimal("0.25"))
    make_interaction(cost_usd=None)
    figure = ai_spend_figure(max, timezone.now())
    assert figure.value == "$0.250"
    assert "1 of unknown cost" in figure.note


@pytest.mark.parametrize(
    ("amount", "text"),
    [(None, "$0"), ("0.0004", "< $0.001"), ("0.0041", "$0.004"), ("12.3", "$12.30"), ("1234", "$1,234.00")],
)
def test_dollars_are_formatted(amount, text):
    assert format_dollars(Decimal(amount) if amount else None) == text
