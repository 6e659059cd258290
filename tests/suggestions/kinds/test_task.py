"""Undoing a suggestion removes the task that it added, unless a user has worked on the task."""

import pytest

from crm.exceptions import IllegalTransition
from crm.models import ActivityLog
from crm.records.activity import SYSTEM_ACTOR
from crm.records.transitions import record_edit, soft_delete
from leads.models import Task, TaskStatus
from leads.transitions import change_task_status
from suggestions.models import SuggestionStatus
from suggestions.transitions import approve, undo
from tests.cast import make_lead, make_suggestion
from tests.suggestions.kinds.held_execution import approve_while_paused, resume_and_run


@pytest.fixture
def executed_task(ann):
    suggestion = make_suggestion()
    approve(suggestion, by=ann)
    return suggestion


def test_undo_deletes_task_and_logs_it(executed_task, ann):
    undo(executed_task, by=ann)
    assert not Task.objects.exists()
    assert executed_task.status == SuggestionStatus.PENDING
    verbs = ActivityLog.objects.on_timeline_of(executed_task.lead).values_list("verb", flat=True)
    assert {"deleted", "undone"} <= set(verbs)


def test_undo_accepts_already_deleted_task(executed_task, ann):
    soft_delete(Task.objects.get(), by=SYSTEM_ACTOR)
    undo(executed_task, by=ann)
    assert executed_task.status == SuggestionStatus.PENDING


def test_undo_is_refused_when_task_is_done(executed_task, ann):
    change_task_status(Task.objects.get(), TaskStatus.DONE, by=ann)
    with pytest.raises(IllegalTransition, match="is done: it has been worked on"):
        undo(executed_task, by=ann)


def test_undo_is_refused_when_task_was_edited(executed_task, ann):
    record_edit(Task.objects.get(), ["title"], by=ann, timeline_owner=executed_task.lead)
    with pytest.raises(IllegalTransition, match="worked on since .Changed title"):
        undo(executed_task, by=ann)
    assert Task.objects.exists()


def test_lead_deleted_before_execution_fails(ann):
    suggestion = make_suggestion(lead=make_lead(contact_name="Lee"))
    execution = approve_while_paused(suggestion, ann)
    soft_delete(suggestion.lead, by=SYSTEM_ACTOR)
    assert resume_and_run(suggestion, execution).state == "FAILED"
    assert suggestion.error_message == "The lead “Lee” is deleted; restore it first."
    assert not Task.objects.exists()
