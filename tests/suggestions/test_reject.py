"""Turning a suggestion down, and letting it wait again."""

from datetime import timedelta

import pytest
from django.utils import timezone

from crm.exceptions import BadInput, IllegalMove, NotAllowed
from crm.models import ActivityLog
from crm.records.activity import SYSTEM
from leads.models import Task
from suggestions.models import RejectCode, Suggestion, SuggestionStatus, SuggestionType
from suggestions.transitions import approve, put_back, reject
from suggestions.transitions.outcome import fail
from tests.cast import make_lead, make_suggestion


def test_it_needs_a_reason(ann):
    suggestion = make_suggestion()
    with pytest.raises(BadInput, match="Say why"):
        reject(suggestion, reason="  ", by=ann)
    assert Suggestion.objects.get().status == SuggestionStatus.PENDING


def test_the_reason_and_who_gave_it_are_kept(ann):
    suggestion = reject(make_suggestion(), reason=" Done by phone. ", by=ann)
    assert (suggestion.status, suggestion.review_note, suggestion.reviewed_by) == ("REJECTED", "Done by phone.", ann)
    line = ActivityLog.objects.on_timeline_of(suggestion.lead).get(verb="rejected")
    assert "Done by phone." in line.summary
    assert not Task.objects.exists()


def test_a_second_one_is_told_who_was_first(ann, bob):
    suggestion = reject(make_suggestion(), reason="No.", by=ann)
    with pytest.raises(IllegalMove, match="already rejected by Ann"):
        reject(suggestion, reason="No.", by=bob)
    with pytest.raises(IllegalMove, match="already rejected by Ann"):
        approve(suggestion, by=bob)


def test_an_expired_one_can_be_rejected_to_be_rid_of_it(ann):
    suggestion = make_suggestion(expires_at=timezone.now() - timedelta(days=1))
    assert reject(suggestion, reason="Too late.", by=ann).status == SuggestionStatus.REJECTED


def test_a_type_that_cannot_be_carried_out_can_be_rejected(ann):
    suggestion = Suggestion.objects.create(type=SuggestionType.SEND_EMAIL, lead=make_lead())
    assert reject(suggestion, reason="Written already.", by=ann).status == SuggestionStatus.REJECTED


def test_a_code_says_enough(ann):
    suggestion = reject(make_suggestion(), code=RejectCode.BAD_TIMING, by=ann)
    assert (suggestion.reject_code, suggestion.review_note) == ("BAD_TIMING", "")
    line = ActivityLog.objects.on_timeline_of(suggestion.lead).get(verb="rejected")
    assert "The wrong time" in line.summary


@pytest.mark.parametrize("code", ["NONSENSE", "SUPERSEDED", ""])
def test_a_code_that_is_not_to_be_chosen_is_refused(ann, code):
    with pytest.raises(BadInput, match="Choose why"):
        reject(make_suggestion(), reason="No.", code=code, by=ann)


def test_one_that_was_worked_on_meanwhile_is_looked_at_again(ann):
    suggestion = make_suggestion()
    with pytest.raises(IllegalMove, match="worked on since"):
        reject(suggestion, reason="No.", version=suggestion.version - 1, by=ann)


def test_a_viewer_may_not(vera):
    with pytest.raises(NotAllowed, match="may not decide"):
        reject(make_suggestion(), reason="No.", by=vera)


def test_put_back_it_waits_as_on_the_first_day(ann, max):
    suggestion = make_suggestion()
    fail(suggestion, "The database was not reachable.", by=SYSTEM)
    reject(suggestion, reason="No.", by=ann)
    put_back(suggestion, by=max)
    assert suggestion.status == SuggestionStatus.PENDING
    assert (suggestion.reviewed_by, suggestion.reviewed_at, suggestion.review_note) == (None, None, "")
    assert (suggestion.error_message, suggestion.approved_content) == ("", None)
    assert Suggestion.objects.waiting(timezone.now()).get() == suggestion
    assert approve(suggestion, by=ann).status == SuggestionStatus.APPROVED


def test_only_a_rejected_one_is_put_back(ann):
    suggestion = make_suggestion()
    with pytest.raises(IllegalMove, match="Only a rejected suggestion is put back; this one is waiting"):
        put_back(suggestion, by=ann)


def test_it_is_not_put_back_beside_its_twin(ann):
    first = make_suggestion(dedupe_key="call")
    reject(first, reason="No.", by=ann)
    make_suggestion(lead=first.lead, dedupe_key="call")
    with pytest.raises(BadInput, match="The same suggestion is already waiting"):
        put_back(first, by=ann)


def test_a_viewer_may_not_put_back(ann, vera):
    suggestion = reject(make_suggestion(), reason="No.", by=ann)
    with pytest.raises(NotAllowed, match="may not decide"):
        put_back(suggestion, by=vera)
