"""A time that the clocks skip in spring is refused with a sentence, wherever a person types it."""

import pytest
from django.urls import reverse

from inbox.models import Thread
from leads.models import InsuranceType
from suggestions.models import Suggestion, SuggestionStatus, SuggestionType
from tests.cast import browser, make_lead, make_suggestion, make_user, page_text
from tests.form_parser import read_form

# In Berlin the clocks go from 02:00 to 03:00 on these days.
PAST, FUTURE = "2025-03-30T02:30", "2099-03-29T02:30"
PAST_SENTENCE = "The clocks go forward on 30 Mar 2025: there is no 02:30. Enter another time."
FUTURE_SENTENCE = "The clocks go forward on 29 Mar 2099: there is no 02:30. Enter another time."


@pytest.fixture
def in_berlin(db):
    return browser(make_user("bea", "manager", time_zone="Europe/Berlin", date_format="D MMM YYYY", time_format="24h"))


def act(suggestion: Suggestion, verb: str) -> str:
    return reverse("admin:suggestions_suggestion_do", args=[suggestion.pk, verb])


def call_log(at: str) -> dict[str, object]:
    lead = make_lead(contact_name="Called Lead")
    return {"source": "CALL", "direction": "in", "subject": "Renewal", "body": "A word", "at": at, "lead": lead.pk}


def test_logged_call(in_berlin):
    add = reverse("admin:inbox_thread_add")
    assert PAST_SENTENCE in page_text(in_berlin.post(add, call_log(PAST)))
    assert not Thread.objects.exists()
    assert in_berlin.post(add, call_log("2025-03-30T03:00")).status_code == 302
    assert Thread.objects.get().last_message_at.isoformat() == "2025-03-30T01:00:00+00:00"


def test_repeated_hour_of_logged_call_is_the_first(in_berlin):
    assert in_berlin.post(reverse("admin:inbox_thread_add"), call_log("2025-10-26T02:30")).status_code == 302
    assert Thread.objects.get().last_message_at.isoformat() == "2025-10-26T00:30:00+00:00"


def test_snooze(in_berlin):
    suggestion = make_suggestion()
    Suggestion.objects.update(expires_at=None)
    response = in_berlin.post(act(suggestion, "snooze"), {"until": "Tomorrow", "at": FUTURE})
    assert response.status_code == 422
    assert FUTURE_SENTENCE in page_text(response)
    suggestion.refresh_from_db()
    assert suggestion.snoozed_until is None


def test_times_of_call(in_berlin):
    suggestion = make_suggestion(SuggestionType.SCHEDULE_CALL)
    typed = {"content.suggestedTimes": ["2099-03-29T01:30", FUTURE], "content.duration": "30"}
    response = in_berlin.post(act(suggestion, "approve"), {"with_content": "1", "content.channel": "phone", **typed})
    assert response.status_code == 422
    form = response.context["content_form"]
    assert form.errors["content.suggestedTimes"] == [FUTURE_SENTENCE]
    # What was typed stays, and the preview says no more than that.
    assert FUTURE in page_text(response)
    suggestion.refresh_from_db()
    assert suggestion.status == SuggestionStatus.PENDING
    preview = reverse("admin:suggestions_suggestion_preview", args=[suggestion.pk])
    assert in_berlin.post(preview, {"with_content": "1", **typed}).status_code == 200


def test_proposed_call(in_berlin):
    lead = make_lead()
    add = reverse("admin:suggestions_suggestion_add") + f"?type=SCHEDULE_CALL&lead={lead.pk}"
    typed = {"content.suggestedTimes": [FUTURE], "content.duration": "30", "content.channel": "phone"}
    shown = in_berlin.post(add, {"type": "SCHEDULE_CALL", "lead": lead.pk, "reasoning": "Ready.", **typed})
    assert FUTURE_SENTENCE in page_text(shown)
    assert not Suggestion.objects.exists()


def test_field_of_line(in_berlin):
    schema = {"type": "object", "properties": {"inspection": {"type": "string", "format": "date-time"}}}
    InsuranceType.objects.filter(code="life").update(form_schema=schema)
    lead = make_lead(line="life")
    edit = reverse("admin:leads_lead_change", args=[lead.pk]) + "?edit=1"
    typed = read_form(in_berlin.get(edit).content.decode(), "lead_form")
    response = in_berlin.post(edit, {**typed, "line_data.life.inspection": FUTURE})
    assert FUTURE_SENTENCE in page_text(response)
    lead.refresh_from_db()
    assert lead.line_data == {}
