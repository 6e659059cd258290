"""A task that a suggestion has added is taken back unless somebody has worked on it."""

import pytest

from crm.exceptions import IllegalMove
from crm.models import ActivityLog
from crm.records.activity import SYSTEM
from crm.records.transitions import edited, soft_delete
from leads.models import Task, TaskStatus
from leads.transitions import move_task
from suggestions.models import SuggestionStatus
from suggestions.transitions import approve, undo
from tests.cast import make_lead, make_suggestion
from tests.suggestions.kinds.waiting import approved_and_held, carried_out


@pytest.fixture
def done(ann):
    suggestion = make_suggestion()
    approve(suggestion, by=ann)
    return suggestion


def test_undone_it_is_gone_and_the_lead_says_so(done, ann):
    undo(done, by=ann)
    assert not Task.objects.exists()
    assert done.status == SuggestionStatus.PENDING
    verbs = ActivityLog.objects.on_timeline_of(done.lead).values_list("verb", flat=True)
    assert {"deleted", "undone"} <= set(verbs)


def test_deleted_by_somebody_already_it_is_undone_all_the_same(done, ann):
    soft_delete(Task.objects.get(), by=SYSTEM)
    undo(done, by=ann)
    assert done.status == SuggestionStatus.PENDING


def test_one_that_was_begun_stays(done, ann):
    move_task(Task.objects.get(), TaskStatus.DONE, by=ann)
    with pytest.raises(IllegalMove, match="is done: it has been worked on"):
        undo(done, by=ann)


def test_one_that_was_rewritten_stays(done, ann):
    edited(Task.objects.get(), ["title"], by=ann, about=done.lead)
    with pytest.raises(IllegalMove, match="worked on since .Changed title"):
        undo(done, by=ann)
    assert Task.objects.exists()


def test_a_lead_deleted_between_approval_and_execution(ann):
    suggestion = make_suggestion(lead=make_lead(contact_name="Lee"))
    execution = approved_and_held(suggestion, ann)
    soft_delete(suggestion.lead, by=SYSTEM)
    assert carried_out(suggestion, execution).state == "FAILED"
    assert suggestion.error_message == "The lead “Lee” is deleted; restore it first."
    assert not Task.objects.exists()
