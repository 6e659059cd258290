"""Turning a suggestion down, and letting it wait again."""

from datetime import timedelta

import pytest
from django.utils import timezone

from crm.exceptions import IllegalTransition, InvalidInput, NotPermitted
from crm.models import ActivityLog
from crm.records.activity import SYSTEM_ACTOR
from leads.models import Task
from suggestions.models import RejectCode, Suggestion, SuggestionStatus, SuggestionType
from suggestions.transitions import approve, reject, restore_rejected
from suggestions.transitions.outcome import mark_suggestion_failed
from tests.cast import make_lead, make_suggestion


def test_reject_needs_a_reason(ann):
    suggestion = make_suggestion()
    with pytest.raises(InvalidInput, match="Say why"):
        reject(suggestion, reason="  ", by=ann)
    assert Suggestion.objects.get().status == SuggestionStatus.PENDING


def test_reason_and_reviewer_are_stored(ann):
    suggestion = reject(make_suggestion(), reason=" Done by phone. ", by=ann)
    assert (suggestion.status, suggestion.review_note, suggestion.reviewed_by) == ("REJECTED", "Done by phone.", ann)
    line = ActivityLog.objects.on_timeline_of(suggestion.lead).get(verb="rejected")
    assert "Done by phone." in line.summary
    assert not Task.objects.exists()


def test_second_rejection_names_first_reviewer(ann, bob):
    suggestion = reject(make_suggestion(), reason="No.", by=ann)
    with pytest.raises(IllegalTransition, match="already rejected by Ann"):
        reject(suggestion, reason="No.", by=bob)
    with pytest.raises(IllegalTransition, match="already rejected by Ann"):
        approve(suggestion, by=bob)


def test_expired_suggestion_can_be_rejected(ann):
    suggestion = make_suggestion(expires_at=timezone.now() - timedelta(days=1))
    assert reject(suggestion, reason="Too late.", by=ann).status == SuggestionStatus.REJECTED


def test_unsupported_type_can_be_rejected(ann):
    suggestion = Suggestion.objects.create(type=SuggestionType.SEND_EMAIL, lead=make_lead())
    assert reject(suggestion, reason="Written already.", by=ann).status == SuggestionStatus.REJECTED


def test_reject_code_is_enough(ann):
    suggestion = reject(make_suggestion(), code=RejectCode.BAD_TIMING, by=ann)
    assert (suggestion.reject_code, suggestion.review_note) == ("BAD_TIMING", "")
    line = ActivityLog.objects.on_timeline_of(suggestion.lead).get(verb="rejected")
    assert "The wrong time" in line.summary


@pytest.mark.parametrize("code", ["NONSENSE", "SUPERSEDED", ""])
def test_invalid_reject_code_is_refused(ann, code):
    with pytest.raises(InvalidInput, match="Choose a reason"):
        reject(make_suggestion(), reason="No.", code=code, by=ann)


def test_stale_version_is_refused(ann):
    suggestion = make_suggestion()
    with pytest.raises(IllegalTransition, match="worked on since"):
        reject(suggestion, reason="No.", version=suggestion.version - 1, by=ann)


def test_viewer_cannot_reject(vera):
    with pytest.raises(NotPermitted, match="may not decide"):
        reject(make_suggestion(), reason="No.", by=vera)


def test_putting_back_clears_the_decision(ann, max):
    suggestion = make_suggestion()
    mark_suggestion_failed(suggestion, "The database was not reachable.", by=SYSTEM_ACTOR)
    reject(suggestion, reason="No.", by=ann)
    restore_rejected(suggestion, by=max)
    assert suggestion.status == SuggestionStatus.PENDING
    assert (suggestion.reviewed_by, suggestion.reviewed_at, suggestion.review_note) == (None, None, "")
    assert (suggestion.error_message, suggestion.approved_content) == ("", None)
    assert Suggestion.objects.awaiting_decision(timezone.now()).get() == suggestion
    assert approve(suggestion, by=ann).status == SuggestionStatus.APPROVED


def test_only_rejected_suggestion_can_be_put_back(ann):
    suggestion = make_suggestion()
    with pytest.raises(IllegalTransition, match="Only a rejected suggestion can be put back; this one is waiting"):
        restore_rejected(suggestion, by=ann)


def test_putting_back_beside_duplicate_is_refused(ann):
    first = make_suggestion(dedupe_key="call")
    reject(first, reason="No.", by=ann)
    make_suggestion(lead=first.lead, dedupe_key="call")
    with pytest.raises(InvalidInput, match="The same suggestion is already waiting"):
        restore_rejected(first, by=ann)


def test_viewer_cannot_put_back(ann, vera):
    suggestion = reject(make_suggestion(), reason="No.", by=ann)
    with pytest.raises(NotPermitted, match="may not decide"):
        restore_rejected(suggestion, by=vera)
