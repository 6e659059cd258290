"""After an undo, the form offers what a person had changed, and a way back to the original."""

import pytest
from django.urls import reverse
from django.utils import timezone

from agents.drafting.improve_draft import suggestions_to_improve
from crm.exceptions import IllegalTransition
from crm.models import ActivityLog
from leads.models import Task
from suggestions.models import Level, Suggestion, SuggestionStatus, SuggestionType
from suggestions.transitions import approve, discard_changes, reject, restore_rejected, undo
from suggestions.transitions.propose import withdraw_without_consent
from suggestions.transitions.state import NEXT_BEST_ACTION_AGENT
from tests.cast import browser, make_lead, make_suggestion, make_user
from tests.suggestions.full_suggestion import break_next_task

QUEUE = reverse("admin:suggestions_suggestion_changelist")


def page_url(suggestion) -> str:
    return reverse("admin:suggestions_suggestion_change", args=[suggestion.pk])


def action_url(suggestion, verb) -> str:
    return reverse("admin:suggestions_suggestion_do", args=[suggestion.pk, verb])


def text(response) -> str:
    return " ".join(response.content.decode().split())


def approve_changed_and_undo(by, **kw) -> Suggestion:
    suggestion = make_suggestion(**kw)
    approve(suggestion, by=by, content={"title": "Call on Friday"})
    return undo(suggestion, by=by)


def test_undo_fills_in_changes_of_approver(as_max, max):
    suggestion = approve_changed_and_undo(max)
    assert suggestion.status == SuggestionStatus.PENDING
    for address in (page_url(suggestion), f"{QUEUE}?show={suggestion.pk}"):
        shown = as_max.get(address)
        assert "Your earlier changes are filled in." in text(shown)
        assert shown.context["content_form"]["content.title"].value() == "Call on Friday"
        # The screen marks the difference from what was proposed.
        assert 'data-was="Call back"' in text(shown)
        assert "Create task “Call on Friday”" in text(shown)
        changes = [(field.label, field.was, field.now) for field in shown.context["earlier_changes"].fields]
        assert changes == [("Title", "Call back", "Call on Friday")]
        assert "Compare with the original" in text(shown)


def test_colleague_reads_whose_changes_are_filled_in(as_max, bob):
    shown = text(as_max.get(page_url(approve_changed_and_undo(bob))))
    assert "Bob’s earlier changes are filled in." in shown
    assert "Your earlier changes" not in shown


def test_approving_again_does_what_the_form_shows(as_max, max):
    suggestion = approve_changed_and_undo(max)
    assert as_max.post(action_url(suggestion, "approve"), {"version": suggestion.version}).status_code == 302
    suggestion.refresh_from_db()
    assert suggestion.status == SuggestionStatus.MODIFIED
    assert Task.objects.get().title == "Call on Friday"


def test_use_original_brings_proposed_content_back(as_max, max):
    suggestion = approve_changed_and_undo(max)
    response = as_max.post(action_url(suggestion, "use-original"), {"next": page_url(suggestion)})
    assert response.url == page_url(suggestion)
    shown = as_max.get(page_url(suggestion))
    assert "earlier changes are filled in" not in text(shown)
    assert shown.context["content_form"]["content.title"].value() == "Call back"
    assert ActivityLog.objects.filter(verb="changes discarded").exists()
    suggestion.refresh_from_db()
    approve(suggestion, by=max)
    assert suggestion.status == SuggestionStatus.APPROVED
    with pytest.raises(IllegalTransition):
        discard_changes(suggestion, by=max)


def test_nothing_is_filled_in_after_undo_of_unchanged_approval(as_max, max):
    suggestion = make_suggestion()
    approve(suggestion, by=max)
    undo(suggestion, by=max)
    assert suggestion.edited_content is None
    assert "earlier changes" not in text(as_max.get(page_url(suggestion)))
    assert as_max.post(action_url(suggestion, "use-original")).status_code == 422
    with pytest.raises(IllegalTransition, match="already shows the original"):
        discard_changes(suggestion, by=max)


def test_earlier_changes_go_once_original_is_approved_and_undone(max):
    suggestion = approve_changed_and_undo(max)
    approve(suggestion, by=max, content={"title": "Call back"})
    assert undo(suggestion, by=max).edited_content is None


def test_changes_survive_rejecting_and_putting_back(max):
    suggestion = approve_changed_and_undo(max)
    reject(suggestion, reason="No.", by=max)
    restore_rejected(suggestion, by=max)
    assert suggestion.edited_content["title"] == "Call on Friday"


def test_changes_of_failed_suggestion_survive_rejecting_and_putting_back(max, monkeypatch):
    suggestion = make_suggestion()
    break_next_task(monkeypatch)
    approve(suggestion, by=max, content={"title": "Call on Friday"})
    assert suggestion.status == SuggestionStatus.FAILED
    reject(suggestion, reason="No.", by=max)
    restore_rejected(suggestion, by=max)
    assert suggestion.edited_content["title"] == "Call on Friday"


def test_model_is_not_asked_about_changed_suggestion(max):
    unchanged, changed = make_suggestion(), approve_changed_and_undo(max)
    Suggestion.objects.update(type=SuggestionType.REPLY, proposed_by=None, agent=str(NEXT_BEST_ACTION_AGENT))
    waiting = set(suggestions_to_improve(timezone.now()).values_list("pk", flat=True))
    assert unchanged.pk in waiting
    assert changed.pk not in waiting


def test_consent_is_checked_against_changed_content(max):
    """A call by phone that a person made a video call needs no consent to be phoned."""
    suggestion = make_suggestion(SuggestionType.SCHEDULE_CALL)
    codes = tuple(finding["code"] for finding in suggestion.findings)
    approve(suggestion, by=max, content=suggestion.suggested_content | {"channel": "video"}, confirmed=codes)
    undo(suggestion, by=max)
    lead = suggestion.lead
    lead.communications = {"phone": {"do_not_contact": True}}
    lead.save()
    assert withdraw_without_consent(lead, by=NEXT_BEST_ACTION_AGENT) == 0
    discard_changes(suggestion, by=max)
    assert withdraw_without_consent(lead, by=NEXT_BEST_ACTION_AGENT) == 1


def test_draft_on_lead_page_says_that_changes_are_filled_in(as_max, max):
    suggestion = approve_changed_and_undo(max)
    Suggestion.objects.update(autonomy=Level.AUTO_DRAFT)
    shown = text(as_max.get(reverse("admin:leads_lead_change", args=[suggestion.lead_id])))
    assert "Your earlier changes are filled in." in shown
    assert "Call on Friday" in shown


def test_viewer_cannot_discard_changes(max):
    suggestion = approve_changed_and_undo(max, lead=make_lead())
    response = browser(make_user("vic", "viewer")).post(action_url(suggestion, "use-original"))
    assert response.status_code in {403, 404, 422}
    suggestion.refresh_from_db()
    assert suggestion.edited_content["title"] == "Call on Friday"
