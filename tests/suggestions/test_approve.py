"""Letting a suggestion happen: once, as it was proposed or as a person changed it."""

from datetime import timedelta

import pytest
from django.contrib.auth.models import Permission
from django.utils import timezone

from crm.exceptions import IllegalTransition, InvalidInput, NotPermitted
from crm.models import ActivityLog
from inbox.models import Direction, Message
from leads.models import LeadStageHistory, LeadStatus, Task
from leads.transitions import change_status
from suggestions.kinds import KINDS
from suggestions.models import Suggestion, SuggestionStatus, SuggestionType
from suggestions.transitions import StaleSuggestion, approve, content_digest
from tests.cast import make_lead, make_suggestion, make_thread, make_user
from tests.suggestions.full_suggestion import break_next_task

MOVE = SuggestionType.CHANGE_STATUS


def add_message(thread, when, body="One more thing.") -> Message:
    return Message.objects.create(
        thread=thread, direction=Direction.IN, from_email="lee@example.com", snippet=body, sent_at=when
    )


def make_decider():
    """Somebody who may decide, and do nothing else."""
    decider = make_user("dex", "viewer")
    decider.user_permissions.add(Permission.objects.get(codename="decide_suggestion"))
    return type(decider).objects.get(pk=decider.pk)


def test_approving_adds_task_once(ann):
    suggestion = make_suggestion(suggested_content={"title": "Call back", "dueOn": "2026-12-01", "assignee": "ann"})
    approve(suggestion, by=ann)
    task = Task.objects.get(lead=suggestion.lead)
    assert (task.title, str(task.due_on), task.assignee) == ("Call back", "2026-12-01", ann)
    assert suggestion.status == SuggestionStatus.APPROVED
    assert suggestion.result == {"task": str(task.pk)}
    assert suggestion.reviewed_by == ann
    assert suggestion.executed_at is not None
    with pytest.raises(IllegalTransition, match="already approved by Ann"):
        approve(suggestion, by=ann)
    assert Task.objects.count() == 1


def test_approving_moves_lead_once(ann):
    suggestion = make_suggestion(MOVE, lead=make_lead(assigned_to=ann))
    approve(suggestion, by=ann)
    suggestion.lead.refresh_from_db()
    assert suggestion.lead.status_id == "ACTIVE"
    assert LeadStageHistory.objects.filter(lead=suggestion.lead, from_status="NEW_OPPORTUNITIES").count() == 1
    with pytest.raises(IllegalTransition, match="already approved by Ann"):
        approve(suggestion, by=ann)


def test_approved_content_is_stored_with_hash(ann):
    suggestion = make_suggestion()
    approve(suggestion, by=ann)
    assert suggestion.approved_content == suggestion.suggested_content
    assert suggestion.content_hash == content_digest(suggestion.approved_content)


def test_edited_content_is_modified_and_both_versions_are_kept(ann):
    suggestion = make_suggestion()
    changed = {**suggestion.suggested_content, "title": "Call back tomorrow"}
    approve(suggestion, by=ann, content=changed, note="Not today.")
    suggestion.refresh_from_db()
    assert suggestion.status == SuggestionStatus.MODIFIED
    assert suggestion.suggested_content["title"] == "Call back"
    assert suggestion.approved_content["title"] == "Call back tomorrow"
    assert suggestion.review_note == "Not today."
    assert Task.objects.get().title == "Call back tomorrow"


def test_equivalent_content_counts_as_unmodified(ann):
    suggestion = make_suggestion()
    approve(suggestion, by=ann, content={"title": "  Call back "})
    assert suggestion.status == SuggestionStatus.APPROVED


def test_approval_is_on_lead_timeline(ann):
    suggestion = make_suggestion()
    approve(suggestion, by=ann)
    line = ActivityLog.objects.on_timeline_of(suggestion.lead).get(target_id=suggestion.pk, verb="approved")
    assert line.actor == ann
    assert "Call back" in line.summary


def test_expired_suggestion_is_refused(ann):
    suggestion = make_suggestion(expires_at=timezone.now() + timedelta(days=1))
    Suggestion.objects.filter(pk=suggestion.pk).update(expires_at=timezone.now() - timedelta(minutes=1))
    with pytest.raises(IllegalTransition, match="The suggestion expired on"):
        approve(suggestion, by=ann)
    assert not Task.objects.exists()


def test_stage_changed_since_proposal_asks_again(ann):
    suggestion = make_suggestion(MOVE, lead=make_lead(assigned_to=ann))
    change_status(suggestion.lead, LeadStatus.objects.get(pk="PROPOSAL_SENT"), by=ann)
    with pytest.raises(StaleSuggestion, match="has moved to Proposal sent since"):
        approve(suggestion, by=ann)
    suggestion.refresh_from_db()
    assert suggestion.status == SuggestionStatus.PENDING
    approve(suggestion, by=ann, as_of=timezone.now())
    assert suggestion.status == SuggestionStatus.MODIFIED
    assert suggestion.result["was"] == "PROPOSAL_SENT"


def test_newer_message_asks_again(ann):
    suggestion = make_suggestion(lead=(lead := make_lead()), thread=make_thread(lead=lead))
    add_message(suggestion.thread, timezone.now())
    with pytest.raises(StaleSuggestion, match="The conversation has gone on since this was suggested"):
        approve(suggestion, by=ann)
    approve(suggestion, by=ann, as_of=timezone.now())
    assert suggestion.status == SuggestionStatus.APPROVED


def test_message_arriving_while_reading_asks_again(ann):
    suggestion = make_suggestion(lead=(lead := make_lead()), thread=make_thread(lead=lead))
    add_message(suggestion.thread, timezone.now())
    read = timezone.now()
    add_message(suggestion.thread, timezone.now())
    with pytest.raises(StaleSuggestion):
        approve(suggestion, by=ann, as_of=read)


def test_imported_older_message_does_not_ask_again(ann):
    suggestion = make_suggestion(lead=(lead := make_lead()), thread=make_thread(lead=lead))
    add_message(suggestion.thread, suggestion.created_at - timedelta(days=3))
    approve(suggestion, by=ann)
    assert suggestion.status == SuggestionStatus.APPROVED


def test_approving_needs_permission_for_the_action(db):
    with pytest.raises(NotPermitted, match="Dex may not add a task"):
        approve(make_suggestion(), by=make_decider())
    assert not Task.objects.exists()


def test_failed_execution_stores_reason(ann, monkeypatch):
    break_next_task(monkeypatch)
    suggestion = make_suggestion()
    approve(suggestion, by=ann, content={"title": "Call twice"})
    suggestion.refresh_from_db()
    assert suggestion.status == SuggestionStatus.FAILED
    assert "The shelf is full." in suggestion.error_message
    assert suggestion.executed_at is None
    assert not Task.objects.exists()
    assert ActivityLog.objects.filter(target_id=suggestion.pk, verb="failed").exists()


def test_failed_suggestion_is_retried_with_approved_content(max, monkeypatch):
    break_next_task(monkeypatch)
    suggestion = make_suggestion()
    approve(suggestion, by=max, content={"title": "Call twice"})
    approve(suggestion, by=max)
    assert suggestion.status == SuggestionStatus.MODIFIED
    assert suggestion.error_message == ""
    assert Task.objects.get().title == "Call twice"
    assert [row.state for row in suggestion.executions.order_by("attempt")] == ["FAILED", "SUCCEEDED"]


def test_approving_needs_decide_permission(vera):
    with pytest.raises(NotPermitted, match="Vera may not decide suggestions"):
        approve(make_suggestion(), by=vera)
    assert not Task.objects.exists()


def test_unsupported_type_is_refused(ann, monkeypatch):
    monkeypatch.delitem(KINDS, SuggestionType.SEND_EMAIL)
    suggestion = Suggestion.objects.create(type=SuggestionType.SEND_EMAIL, lead=make_lead())
    with pytest.raises(IllegalTransition, match="Email cannot be carried out here"):
        approve(suggestion, by=ann)
    suggestion.refresh_from_db()
    assert suggestion.status == SuggestionStatus.PENDING


def test_deleted_or_purged_suggestion_is_refused(ann):
    suggestion = make_suggestion()
    Suggestion.objects.filter(pk=suggestion.pk).update(deleted_at=timezone.now())
    with pytest.raises(IllegalTransition, match="has been deleted"):
        approve(suggestion, by=ann)
    Suggestion.everything.filter(pk=suggestion.pk).delete()
    with pytest.raises(IllegalTransition, match="no longer exists"):
        approve(suggestion, by=ann)


def test_suggestion_for_deleted_lead_is_refused(ann):
    suggestion = make_suggestion()
    type(suggestion.lead).objects.filter(pk=suggestion.lead_id).update(deleted_at=timezone.now())
    with pytest.raises(IllegalTransition, match="is deleted; restore it first"):
        approve(suggestion, by=ann)


@pytest.mark.parametrize(
    ("content", "said"),
    [
        ({}, "title: This is needed."),
        ({"title": ""}, "title: This must not be empty."),
        ({"title": "x", "colour": "red"}, "colour: There is no such field."),
        ({"title": 7}, "title: This must be a text."),
        ({"title": ["x"]}, "title: This must be a text."),
        ({"title": "x", "dueOn": "soon"}, "dueOn: This must be a date, such as 2026-11-30."),
        ({"title": "x", "dueOn": {"day": 1}}, "dueOn: "),
        ({"title": "x" * 1_000_000}, "title: This must have at most 200 characters."),
        ({"title": "x", "description": "y" * 1_000_000}, "description: This must have at most 10,000 characters."),
        ({"title": "nul\x00"}, "null character"),
        ({"title": "x", "assignee": "nobody-here"}, "There is no active member of staff “nobody-here”."),
        ([], "The content must be an object"),
        ("task", "The content must be an object"),
        ({f"extra{n}": n for n in range(500)}, "and 491 more"),
    ],
)
def test_invalid_content_is_refused_with_reason(ann, content, said):
    suggestion = make_suggestion()
    with pytest.raises(InvalidInput) as refused:
        approve(suggestion, by=ann, content=content)
    assert said in str(refused.value)
    assert len(str(refused.value)) < 1_000
    suggestion.refresh_from_db()
    assert suggestion.status == SuggestionStatus.PENDING
    with pytest.raises(InvalidInput):
        make_suggestion(lead=suggestion.lead, suggested_content=content)


def test_future_as_of_is_not_trusted(ann):
    """What a browser says about when it looked is not believed further than now."""
    suggestion = make_suggestion(lead=(lead := make_lead()), thread=make_thread(lead=lead))
    add_message(suggestion.thread, timezone.now())
    with pytest.raises(StaleSuggestion):
        approve(suggestion, by=ann, as_of=timezone.now() + timedelta(days=365))
    moved = make_suggestion(MOVE, lead=make_lead(assigned_to=ann))
    change_status(moved.lead, LeadStatus.objects.get(pk="PROPOSAL_SENT"), by=ann)
    with pytest.raises(StaleSuggestion):
        approve(moved, by=ann, as_of=timezone.now() + timedelta(days=365))
