"""Deciding on the screen: what was looked at, what must be confirmed, taking back, settling, drafts."""

import pytest
from django.contrib.messages import get_messages
from django.urls import reverse

from crm.records.activity import SYSTEM_ACTOR
from crm.runtime.delivery import Delivery, DeliveryOutcome
from leads.models import Lead, Task
from suggestions.autonomy.kill_switch import pause_execution
from suggestions.models import (
    APPROVED_STATUSES,
    ExecutionState,
    RejectCode,
    Suggestion,
    SuggestionExecution,
    SuggestionStatus,
)
from suggestions.transitions import approve, propose, run_execution, undo
from tests.cast import browser, make_lead, make_suggestion, make_user
from tests.suggestions.outward_kind import fake_findings, use_post_kind

QUEUE = reverse("admin:suggestions_suggestion_changelist")


def action_url(suggestion, verb):
    return reverse("admin:suggestions_suggestion_do", args=[suggestion.pk, verb])


def page(suggestion):
    return reverse("admin:suggestions_suggestion_change", args=[suggestion.pk])


def shown_messages(response) -> str:
    return " ".join(str(message) for message in get_messages(response.wsgi_request))


def text(response) -> str:
    return " ".join(response.content.decode().split())


def status_of(suggestion) -> str:
    return Suggestion.objects.get(pk=suggestion.pk).status


def make_card(by=SYSTEM_ACTOR, **kw):
    return make_suggestion("PR", suggested_content={"body": "Hello"}, **kw)


def approve_and_deliver(suggestion, by) -> SuggestionExecution:
    """`suggestion` approved, and its delivery tried."""
    approve(suggestion, by=by)
    execution = suggestion.executions.get()
    run_execution(execution.pk)
    return execution


@pytest.mark.parametrize(("verb", "asked"), [("approve", {}), ("reject", {"reason": "No."})])
def test_suggestion_changed_since_opening_is_not_decided(as_max, max, verb, asked):
    suggestion = make_suggestion()
    assert 'name="version" value="1"' in text(as_max.get(page(suggestion)))
    approve(suggestion, by=max)
    undo(suggestion, by=max)
    response = as_max.post(action_url(suggestion, verb), {"version": "1", **asked})
    assert response.status_code == 422
    assert "worked on since you opened it" in text(response)
    assert status_of(suggestion) == SuggestionStatus.PENDING
    assert as_max.post(action_url(suggestion, verb), {"version": "3", **asked}).status_code == 302


def test_double_click_decides_once(as_max):
    suggestion = make_suggestion()
    assert as_max.post(action_url(suggestion, "approve"), {"version": "1"}).status_code == 302
    second = as_max.post(action_url(suggestion, "approve"), {"version": "1"})
    assert second.status_code == 422
    assert "already approved by Max" in text(second)
    assert Task.objects.count() == 1


def test_findings_must_be_confirmed(as_max, monkeypatch):
    fake_findings(monkeypatch, "one", "two")
    suggestion = make_suggestion()
    shown = text(as_max.get(page(suggestion)))
    assert "Mind one." in shown
    assert shown.count('name="confirmed"') == 2
    refused = as_max.post(action_url(suggestion, "approve"), {"version": "1", "confirmed": ["one"]})
    assert refused.status_code == 422
    assert 'value="one" checked' in text(refused)
    assert 'value="two" checked' not in text(refused)
    assert status_of(suggestion) == SuggestionStatus.PENDING
    as_max.post(action_url(suggestion, "approve"), {"version": "1", "confirmed": ["one", "two"]})
    assert status_of(suggestion) == SuggestionStatus.APPROVED
    assert "Mind two." in text(as_max.get(page(suggestion)))


def test_bulk_approve_confirms_no_findings(as_max, monkeypatch):
    fake_findings(monkeypatch, "one")
    suggestion = make_suggestion()
    chosen = {"action": "approve", "index": "0", "_selected_action": [suggestion.pk], "apply": "1"}
    assert "Mind one." in shown_messages(as_max.post(QUEUE, chosen))
    assert status_of(suggestion) == SuggestionStatus.PENDING


def test_reject_with_one_click_reason(as_max):
    suggestion = make_suggestion()
    assert 'name="code" value="ALREADY_DONE"' in text(as_max.get(page(suggestion)))
    as_max.post(action_url(suggestion, "reject"), {"code": "ALREADY_DONE", "version": "1"})
    suggestion.refresh_from_db()
    assert (suggestion.status, suggestion.reject_code) == (SuggestionStatus.REJECTED, RejectCode.ALREADY_DONE)
    assert "Already done" in text(as_max.get(page(suggestion)))


def test_last_decision_can_be_undone_from_list(as_max, as_ann):
    first, second = make_suggestion(), make_suggestion()
    as_max.post(action_url(second, "approve"), {"next": QUEUE})
    shown = as_max.get(QUEUE)
    assert shown.context["last"]["row"] == second
    assert action_url(second, "undo") in text(shown)
    assert as_ann.get(QUEUE).context["last"] is None
    response = as_max.post(action_url(second, "undo"), {"next": QUEUE})
    assert response.url == f"{QUEUE}?show={second.pk}"
    assert status_of(second) == SuggestionStatus.PENDING
    assert as_max.get(QUEUE).context["last"] is None
    as_max.post(action_url(first, "reject"), {"reason": "No."})
    assert as_max.get(QUEUE).context["last"]["url"] == action_url(first, "put-back")


def test_undo_is_not_offered_after_another_users_decision(as_max, max, bob):
    suggestion = make_suggestion()
    as_max.post(action_url(suggestion, "approve"))
    undo(suggestion, by=bob)
    approve(suggestion, by=bob)
    assert as_max.get(QUEUE).context["last"] is None


def test_queued_execution_shows_countdown_and_can_be_undone(as_max, max, monkeypatch):
    use_post_kind(monkeypatch, Delivery(DeliveryOutcome.DELIVERED))
    suggestion = make_card()
    approve(suggestion, by=max)
    SuggestionExecution.objects.update(run_after="2100-01-01T00:00Z")
    shown = text(as_max.get(page(suggestion)))
    assert 'data-until="2100-01-01T' in shown
    assert as_max.post(action_url(suggestion, "undo")).status_code == 302
    assert status_of(suggestion) == SuggestionStatus.PENDING
    assert suggestion.executions.get().state == ExecutionState.CANCELLED


def test_undo_is_not_offered_when_impossible(as_max, max, monkeypatch):
    use_post_kind(monkeypatch, Delivery(DeliveryOutcome.DELIVERED))
    suggestion = make_card()
    approve_and_deliver(suggestion, max)
    assert "undo" not in as_max.get(page(suggestion)).context["forms"]
    refused = as_max.post(action_url(suggestion, "undo"))
    assert refused.status_code == 422
    assert "stays posted" in text(refused)


def test_uncertain_delivery_is_settled_by_a_person(as_max, max, monkeypatch):
    use_post_kind(monkeypatch, Delivery(DeliveryOutcome.UNCONFIRMED, "Cut off in the middle."))
    suggestion = make_card()
    approve_and_deliver(suggestion, max)
    shown = as_max.get(page(suggestion))
    assert set(shown.context["forms"]) == {"mark-delivered", "send-again"}
    assert "Delivery unconfirmed" in text(shown)
    assert "Cut off in the middle." in text(shown)
    as_max.post(action_url(suggestion, "mark-delivered"))
    suggestion.refresh_from_db()
    assert suggestion.status == SuggestionStatus.APPROVED
    assert suggestion.executed_at
    again = as_max.post(action_url(suggestion, "send-again"))
    assert "known already" in text(again)
    assert suggestion.executions.count() == 1


def test_uncertain_delivery_settled_as_lost_is_sent_again(as_max, max, monkeypatch):
    use_post_kind(monkeypatch, Delivery(DeliveryOutcome.UNCONFIRMED, "Cut off."))
    suggestion = make_card()
    approve_and_deliver(suggestion, max)
    as_max.post(action_url(suggestion, "send-again"))
    states = list(suggestion.executions.order_by("attempt").values_list("state", flat=True))
    assert states == [ExecutionState.FAILED, ExecutionState.QUEUED]
    assert "2 attempts" in text(as_max.get(page(suggestion)))


def test_approval_is_not_offered_without_permission_for_the_action(as_ann, monkeypatch):
    use_post_kind(monkeypatch, Delivery(DeliveryOutcome.DELIVERED))
    suggestion = make_card()
    shown = as_ann.get(page(suggestion))
    assert "approve" not in shown.context["forms"]
    assert "reject" in shown.context["forms"]
    assert "You may not post cards" in text(shown)
    assert as_ann.post(action_url(suggestion, "approve"), {"version": "1"}).status_code == 422
    lead = reverse("admin:leads_lead_change", args=[suggestion.lead_id])
    assert action_url(suggestion, "approve") not in text(as_ann.get(lead))
    assert status_of(suggestion) == SuggestionStatus.PENDING


def test_draft_can_be_submitted_or_discarded(as_ann, ann):
    kept, thrown = (
        propose(Suggestion(type="TASK", lead=make_lead(), suggested_content={"title": "Call"}), by=ann, as_draft=True)
        for _ in range(2)
    )
    assert [row.pk for row in as_ann.get(QUEUE + "?state=drafts").context["cl"].page.rows] == [thrown.pk, kept.pk]
    shown = as_ann.get(page(kept))
    assert "submit" in shown.context["forms"]
    assert "approve" not in shown.context["forms"]
    response = as_ann.post(action_url(kept, "submit"), {"with_content": "1", "content.title": "Call Lee"})
    assert response.url == page(kept)
    kept.refresh_from_db()
    assert (kept.status, kept.suggested_content["title"]) == (SuggestionStatus.PENDING, "Call Lee")
    assert "Discarded" in shown_messages(as_ann.post(action_url(thrown, "reject"), {"code": "NOT_NEEDED"}))
    assert status_of(thrown) == SuggestionStatus.REJECTED


def test_execution_pause_is_shown(as_max, max):
    suggestion = make_suggestion()
    assert "is paused" not in text(as_max.get(page(suggestion)))
    pause_execution("TASK", reason="Audit.", by=max)
    assert "“Task” is paused." in text(as_max.get(page(suggestion)))


def test_changed_stage_is_shown_and_confirmed(as_max):
    suggestion = make_suggestion("CHANGE_STATUS", lead=make_lead())
    Lead.objects.filter(pk=suggestion.lead_id).update(status="ON_ICE")
    shown = as_max.get(page(suggestion))
    assert "has moved to" in text(shown)
    as_max.post(action_url(suggestion, "approve"), {"as_of": shown.context["as_of"], "version": "1"})
    assert status_of(suggestion) in APPROVED_STATUSES
    assert Lead.objects.get(pk=suggestion.lead_id).status_id == "ACTIVE"


def test_hidden_characters_and_link_targets_are_shown(as_max):
    body = "Pay\u200b at https://examp\u0142e.com/x and 👩\u200d💻"
    suggestion = make_suggestion(suggested_content={"title": "Pay", "description": body})
    shown = text(as_max.get(page(suggestion)))
    assert "⟨U+200B⟩" in shown
    assert "1 hidden character in" in shown
    assert "xn--" in shown


def test_bulk_approve_reports_each_result(as_max):
    rows = [make_suggestion(suggested_content={"title": f"Task {name}"}) for name in "ab"]
    chosen = {"action": "approve", "index": "0", "_selected_action": [row.pk for row in rows], "apply": "1"}
    told = shown_messages(as_max.post(QUEUE, {**chosen, "with_content": "1"}))
    assert "2 suggestions approved." in told
    assert all(f"Create task “Task {name}”" in told for name in "ab")


@pytest.mark.parametrize("verb", ["approve", "reject", "undo", "submit", "put-back", "mark-delivered", "send-again"])
def test_get_request_decides_nothing(as_max, verb):
    suggestion = make_suggestion()
    as_max.get(action_url(suggestion, verb))
    as_max.get(page(suggestion))
    suggestion.refresh_from_db()
    assert (suggestion.status, suggestion.version) == (SuggestionStatus.PENDING, 1)


def test_viewer_cannot_undo(vera, max):
    suggestion = make_suggestion()
    approve(suggestion, by=max)
    assert browser(vera).get(page(suggestion)).context["forms"] == {}
    assert browser(make_user("nobody")).post(action_url(suggestion, "undo")).status_code in {403, 404}
    assert status_of(suggestion) == SuggestionStatus.APPROVED
