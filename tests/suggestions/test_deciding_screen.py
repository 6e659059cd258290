"""Deciding on the screen: what was looked at, what must be confirmed, taking back, settling, drafts."""

import pytest
from django.contrib.messages import get_messages
from django.urls import reverse

from crm.records.activity import SYSTEM
from crm.runtime.delivery import Delivery, Outcome
from leads.models import Lead, Task
from suggestions.autonomy.kill_switch import pause
from suggestions.models import GO_AHEAD, ExecutionState, RejectCode, Suggestion, SuggestionExecution, SuggestionStatus
from suggestions.transitions import approve, carry_out, propose, undo
from tests.cast import browser, make_lead, make_suggestion, make_user
from tests.suggestions.outward import points_out, posts

QUEUE = reverse("admin:suggestions_suggestion_changelist")


def do(suggestion, verb):
    return reverse("admin:suggestions_suggestion_do", args=[suggestion.pk, verb])


def page(suggestion):
    return reverse("admin:suggestions_suggestion_change", args=[suggestion.pk])


def said(response) -> str:
    return " ".join(str(message) for message in get_messages(response.wsgi_request))


def text(response) -> str:
    return response.content.decode()


def stands(suggestion) -> str:
    return Suggestion.objects.get(pk=suggestion.pk).status


def make_card(by=SYSTEM, **kw):
    return make_suggestion("PR", suggested_content={"body": "Hello"}, **kw)


def sent(suggestion, by) -> SuggestionExecution:
    """`suggestion` approved, and its delivery tried."""
    approve(suggestion, by=by)
    execution = suggestion.executions.get()
    carry_out(execution.pk)
    return execution


@pytest.mark.parametrize(("verb", "asked"), [("approve", {}), ("reject", {"reason": "No."})])
def test_what_was_worked_on_since_it_was_opened_is_not_decided(as_max, max, verb, asked):
    suggestion = make_suggestion()
    assert 'name="version" value="1"' in text(as_max.get(page(suggestion)))
    approve(suggestion, by=max)
    undo(suggestion, by=max)
    response = as_max.post(do(suggestion, verb), {"version": "1", **asked})
    assert response.status_code == 422
    assert "worked on since you opened it" in text(response)
    assert stands(suggestion) == SuggestionStatus.PENDING
    assert as_max.post(do(suggestion, verb), {"version": "3", **asked}).status_code == 302


def test_a_double_click_has_one_effect_and_a_sentence(as_max):
    suggestion = make_suggestion()
    assert as_max.post(do(suggestion, "approve"), {"version": "1"}).status_code == 302
    second = as_max.post(do(suggestion, "approve"), {"version": "1"})
    assert second.status_code == 422
    assert "already approved by Max" in text(second)
    assert Task.objects.count() == 1


def test_what_is_pointed_out_is_ticked_before_it_goes_ahead(as_max, monkeypatch):
    points_out(monkeypatch, "one", "two")
    suggestion = make_suggestion()
    shown = text(as_max.get(page(suggestion)))
    assert "Mind one." in shown
    assert shown.count('name="confirmed"') == 2
    refused = as_max.post(do(suggestion, "approve"), {"version": "1", "confirmed": ["one"]})
    assert refused.status_code == 422
    assert 'value="one" checked' in text(refused)
    assert 'value="two" checked' not in text(refused)
    assert stands(suggestion) == SuggestionStatus.PENDING
    as_max.post(do(suggestion, "approve"), {"version": "1", "confirmed": ["one", "two"]})
    assert stands(suggestion) == SuggestionStatus.APPROVED
    assert "Mind two." in text(as_max.get(page(suggestion)))


def test_many_at_once_confirm_nothing(as_max, monkeypatch):
    points_out(monkeypatch, "one")
    suggestion = make_suggestion()
    chosen = {"action": "approve", "index": "0", "_selected_action": [suggestion.pk], "apply": "1"}
    assert "Mind one." in said(as_max.post(QUEUE, chosen))
    assert stands(suggestion) == SuggestionStatus.PENDING


def test_a_reason_is_one_button(as_max):
    suggestion = make_suggestion()
    assert 'name="code" value="ALREADY_DONE"' in text(as_max.get(page(suggestion)))
    as_max.post(do(suggestion, "reject"), {"code": "ALREADY_DONE", "version": "1"})
    suggestion.refresh_from_db()
    assert (suggestion.status, suggestion.reject_code) == (SuggestionStatus.REJECTED, RejectCode.ALREADY_DONE)
    assert "Already done" in text(as_max.get(page(suggestion)))


def test_the_last_decision_is_taken_back_from_the_list(as_max, as_ann):
    first, second = make_suggestion(), make_suggestion()
    as_max.post(do(second, "approve"), {"next": QUEUE})
    shown = as_max.get(QUEUE)
    assert shown.context["last"]["row"] == second
    assert do(second, "undo") in text(shown)
    assert as_ann.get(QUEUE).context["last"] is None
    response = as_max.post(do(second, "undo"), {"next": QUEUE})
    assert response.url == f"{QUEUE}?show={second.pk}"
    assert stands(second) == SuggestionStatus.PENDING
    assert as_max.get(QUEUE).context["last"] is None
    as_max.post(do(first, "reject"), {"reason": "No."})
    assert as_max.get(QUEUE).context["last"]["url"] == do(first, "put-back")


def test_what_others_have_decided_since_is_not_offered_to_be_taken_back(as_max, max, bob):
    suggestion = make_suggestion()
    as_max.post(do(suggestion, "approve"))
    undo(suggestion, by=bob)
    approve(suggestion, by=bob)
    assert as_max.get(QUEUE).context["last"] is None


def test_what_waits_to_go_out_says_when_and_is_taken_back(as_max, max, monkeypatch):
    posts(monkeypatch, Delivery(Outcome.DONE))
    suggestion = make_card()
    approve(suggestion, by=max)
    SuggestionExecution.objects.update(run_after="2100-01-01T00:00Z")
    shown = text(as_max.get(page(suggestion)))
    assert 'data-until="2100-01-01T' in shown
    assert as_max.post(do(suggestion, "undo")).status_code == 302
    assert stands(suggestion) == SuggestionStatus.PENDING
    assert suggestion.executions.get().state == ExecutionState.CANCELLED


def test_what_cannot_be_undone_is_not_offered_to_be(as_max, max, monkeypatch):
    posts(monkeypatch, Delivery(Outcome.DONE))
    suggestion = make_card()
    sent(suggestion, max)
    assert "undo" not in as_max.get(page(suggestion)).context["forms"]
    refused = as_max.post(do(suggestion, "undo"))
    assert refused.status_code == 422
    assert "stays posted" in text(refused)


def test_a_person_says_what_became_of_what_nobody_knows(as_max, max, monkeypatch):
    posts(monkeypatch, Delivery(Outcome.UNKNOWN, "Cut off in the middle."))
    suggestion = make_card()
    sent(suggestion, max)
    shown = as_max.get(page(suggestion))
    assert set(shown.context["forms"]) == {"it-did-go-out", "it-did-not"}
    assert "Nobody knows whether it went out" in text(shown)
    assert "Cut off in the middle." in text(shown)
    as_max.post(do(suggestion, "it-did-go-out"))
    suggestion.refresh_from_db()
    assert suggestion.status == SuggestionStatus.APPROVED
    assert suggestion.executed_at
    again = as_max.post(do(suggestion, "it-did-not"))
    assert "known already" in text(again)
    assert suggestion.executions.count() == 1


def test_what_did_not_go_out_is_sent_once_more(as_max, max, monkeypatch):
    posts(monkeypatch, Delivery(Outcome.UNKNOWN, "Cut off."))
    suggestion = make_card()
    sent(suggestion, max)
    as_max.post(do(suggestion, "it-did-not"))
    states = list(suggestion.executions.order_by("attempt").values_list("state", flat=True))
    assert states == [ExecutionState.FAILED, ExecutionState.QUEUED]
    assert "2 attempts" in text(as_max.get(page(suggestion)))


def test_whoever_may_not_do_the_deed_is_told_instead_of_offered_it(as_ann, monkeypatch):
    posts(monkeypatch, Delivery(Outcome.DONE))
    suggestion = make_card()
    shown = as_ann.get(page(suggestion))
    assert "approve" not in shown.context["forms"]
    assert "reject" in shown.context["forms"]
    assert "You may not post cards" in text(shown)
    assert as_ann.post(do(suggestion, "approve"), {"version": "1"}).status_code == 422
    lead = reverse("admin:leads_lead_change", args=[suggestion.lead_id])
    assert do(suggestion, "approve") not in text(as_ann.get(lead))
    assert stands(suggestion) == SuggestionStatus.PENDING


def test_a_draft_is_worked_on_submitted_or_discarded(as_ann, ann):
    kept, thrown = (
        propose(Suggestion(type="TASK", lead=make_lead(), suggested_content={"title": "Call"}), by=ann, as_draft=True)
        for _ in range(2)
    )
    assert [row.pk for row in as_ann.get(QUEUE + "?state=drafts").context["cl"].page.rows] == [thrown.pk, kept.pk]
    shown = as_ann.get(page(kept))
    assert "submit" in shown.context["forms"]
    assert "approve" not in shown.context["forms"]
    response = as_ann.post(do(kept, "submit"), {"with_content": "1", "content.title": "Call Lee"})
    assert response.url == page(kept)
    kept.refresh_from_db()
    assert (kept.status, kept.suggested_content["title"]) == (SuggestionStatus.PENDING, "Call Lee")
    assert "Discarded" in said(as_ann.post(do(thrown, "reject"), {"code": "NOT_NEEDED"}))
    assert stands(thrown) == SuggestionStatus.REJECTED


def test_what_is_stopped_says_so(as_max, max):
    suggestion = make_suggestion()
    assert "is stopped" not in text(as_max.get(page(suggestion)))
    pause("TASK", reason="Audit.", by=max)
    assert "The carrying out of “Task” is stopped." in text(as_max.get(page(suggestion)))


def test_a_stage_that_moved_since_is_shown_and_asked_again(as_max):
    suggestion = make_suggestion("CHANGE_STATUS", lead=make_lead())
    Lead.objects.filter(pk=suggestion.lead_id).update(status="ON_ICE")
    shown = as_max.get(page(suggestion))
    assert "has moved to" in text(shown)
    as_max.post(do(suggestion, "approve"), {"as_of": shown.context["as_of"], "version": "1"})
    assert stands(suggestion) in GO_AHEAD
    assert Lead.objects.get(pk=suggestion.lead_id).status_id == "ACTIVE"


def test_hidden_characters_and_the_ends_of_links_are_shown(as_max):
    body = "Pay\u200b at https://examp\u0142e.com/x and 👩\u200d💻"
    suggestion = make_suggestion(suggested_content={"title": "Pay", "description": body})
    shown = text(as_max.get(page(suggestion)))
    assert "⟨U+200B⟩" in shown
    assert "1 hidden character in" in shown
    assert "xn--" in shown


def test_of_many_each_is_told(as_max):
    rows = [make_suggestion(suggested_content={"title": f"Task {name}"}) for name in "ab"]
    chosen = {"action": "approve", "index": "0", "_selected_action": [row.pk for row in rows], "apply": "1"}
    told = said(as_max.post(QUEUE, {**chosen, "with_content": "1"}))
    assert "Done for 2." in told
    assert all(f"Adds the task “Task {name}”" in told for name in "ab")


@pytest.mark.parametrize("verb", ["approve", "reject", "undo", "submit", "put-back", "it-did-go-out", "it-did-not"])
def test_reading_decides_nothing(as_max, verb):
    suggestion = make_suggestion()
    as_max.get(do(suggestion, verb))
    as_max.get(page(suggestion))
    suggestion.refresh_from_db()
    assert (suggestion.status, suggestion.version) == (SuggestionStatus.PENDING, 1)


def test_whoever_may_only_read_is_offered_no_undo(vera, max):
    suggestion = make_suggestion()
    approve(suggestion, by=max)
    assert browser(vera).get(page(suggestion)).context["forms"] == {}
    assert browser(make_user("nobody")).post(do(suggestion, "undo")).status_code in {403, 404}
    assert stands(suggestion) == SuggestionStatus.APPROVED
