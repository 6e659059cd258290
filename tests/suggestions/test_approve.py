"""Letting a suggestion happen: once, as it was proposed or as a person changed it."""

from datetime import timedelta

import pytest
from django.contrib.auth.models import Permission
from django.utils import timezone

from crm.exceptions import BadInput, IllegalMove, NotAllowed
from crm.models import ActivityLog
from inbox.models import Direction, Message
from leads.models import LeadStageHistory, LeadStatus, Task
from leads.transitions import change_status
from suggestions.kinds import KINDS
from suggestions.models import Suggestion, SuggestionStatus, SuggestionType
from suggestions.transitions import OldNews, approve, digest
from tests.cast import make_lead, make_suggestion, make_thread, make_user
from tests.suggestions.full import breaks

MOVE = SuggestionType.CHANGE_STATUS


def say(thread, when, body="One more thing.") -> Message:
    return Message.objects.create(
        thread=thread, direction=Direction.IN, from_email="lee@example.com", snippet=body, sent_at=when
    )


def make_decider():
    """Somebody who may decide, and do nothing else."""
    decider = make_user("dex", "viewer")
    decider.user_permissions.add(Permission.objects.get(codename="decide_suggestion"))
    return type(decider).objects.get(pk=decider.pk)


def test_a_task_is_put_on_the_list_once(ann):
    suggestion = make_suggestion(suggested_content={"title": "Call back", "dueOn": "2026-12-01", "assignee": "ann"})
    approve(suggestion, by=ann)
    task = Task.objects.get(lead=suggestion.lead)
    assert (task.title, str(task.due_on), task.assignee) == ("Call back", "2026-12-01", ann)
    assert suggestion.status == SuggestionStatus.APPROVED
    assert suggestion.result == {"task": str(task.pk)}
    assert suggestion.reviewed_by == ann
    assert suggestion.executed_at is not None
    with pytest.raises(IllegalMove, match="already approved by Ann"):
        approve(suggestion, by=ann)
    assert Task.objects.count() == 1


def test_a_lead_is_moved_once(ann):
    suggestion = make_suggestion(MOVE, lead=make_lead(assigned_to=ann))
    approve(suggestion, by=ann)
    suggestion.lead.refresh_from_db()
    assert suggestion.lead.status_id == "ACTIVE"
    assert LeadStageHistory.objects.filter(lead=suggestion.lead, from_status="NEW_OPPORTUNITIES").count() == 1
    with pytest.raises(IllegalMove, match="already approved by Ann"):
        approve(suggestion, by=ann)


def test_what_is_let_through_is_kept_with_its_hash(ann):
    suggestion = make_suggestion()
    approve(suggestion, by=ann)
    assert suggestion.approved_content == suggestion.suggested_content
    assert suggestion.content_hash == digest(suggestion.approved_content)


def test_a_changed_field_makes_it_modified_and_both_contents_are_kept(ann):
    suggestion = make_suggestion()
    changed = {**suggestion.suggested_content, "title": "Call back tomorrow"}
    approve(suggestion, by=ann, content=changed, note="Not today.")
    suggestion.refresh_from_db()
    assert suggestion.status == SuggestionStatus.MODIFIED
    assert suggestion.suggested_content["title"] == "Call back"
    assert suggestion.approved_content["title"] == "Call back tomorrow"
    assert suggestion.review_note == "Not today."
    assert Task.objects.get().title == "Call back tomorrow"


def test_the_same_content_sent_back_is_no_change(ann):
    suggestion = make_suggestion()
    approve(suggestion, by=ann, content={"title": "  Call back "})
    assert suggestion.status == SuggestionStatus.APPROVED


def test_it_stands_on_the_timeline_of_the_lead(ann):
    suggestion = make_suggestion()
    approve(suggestion, by=ann)
    line = ActivityLog.objects.on_timeline_of(suggestion.lead).get(target_id=suggestion.pk, verb="approved")
    assert line.actor == ann
    assert "Call back" in line.summary


def test_an_expired_one_is_refused(ann):
    suggestion = make_suggestion(expires_at=timezone.now() + timedelta(days=1))
    Suggestion.objects.filter(pk=suggestion.pk).update(expires_at=timezone.now() - timedelta(minutes=1))
    with pytest.raises(IllegalMove, match="The suggestion expired on"):
        approve(suggestion, by=ann)
    assert not Task.objects.exists()


def test_a_move_of_a_lead_that_has_moved_meanwhile_asks_again(ann):
    suggestion = make_suggestion(MOVE, lead=make_lead(assigned_to=ann))
    change_status(suggestion.lead, LeadStatus.objects.get(pk="PROPOSAL_SENT"), by=ann)
    with pytest.raises(OldNews, match="has moved to Proposal sent since"):
        approve(suggestion, by=ann)
    suggestion.refresh_from_db()
    assert suggestion.status == SuggestionStatus.PENDING
    approve(suggestion, by=ann, as_of=timezone.now())
    assert suggestion.status == SuggestionStatus.MODIFIED
    assert suggestion.result["was"] == "PROPOSAL_SENT"


def test_a_newer_message_in_the_conversation_asks_again(ann):
    suggestion = make_suggestion(lead=(lead := make_lead()), thread=make_thread(lead=lead))
    say(suggestion.thread, timezone.now())
    with pytest.raises(OldNews, match="The conversation has gone on since this was suggested"):
        approve(suggestion, by=ann)
    approve(suggestion, by=ann, as_of=timezone.now())
    assert suggestion.status == SuggestionStatus.APPROVED


def test_a_message_that_comes_in_while_it_is_being_read_asks_again(ann):
    suggestion = make_suggestion(lead=(lead := make_lead()), thread=make_thread(lead=lead))
    say(suggestion.thread, timezone.now())
    read = timezone.now()
    say(suggestion.thread, timezone.now())
    with pytest.raises(OldNews):
        approve(suggestion, by=ann, as_of=read)


def test_history_that_is_brought_in_later_is_no_news(ann):
    suggestion = make_suggestion(lead=(lead := make_lead()), thread=make_thread(lead=lead))
    say(suggestion.thread, suggestion.created_at - timedelta(days=3))
    approve(suggestion, by=ann)
    assert suggestion.status == SuggestionStatus.APPROVED


def test_whoever_approves_must_be_allowed_to_do_it(db):
    with pytest.raises(NotAllowed, match="Dex may not add a task"):
        approve(make_suggestion(), by=make_decider())
    assert not Task.objects.exists()


def test_a_deed_that_fails_leaves_it_failed_with_the_reason(ann, monkeypatch):
    breaks(monkeypatch)
    suggestion = make_suggestion()
    approve(suggestion, by=ann, content={"title": "Call twice"})
    suggestion.refresh_from_db()
    assert suggestion.status == SuggestionStatus.FAILED
    assert "The shelf is full." in suggestion.error_message
    assert suggestion.executed_at is None
    assert not Task.objects.exists()
    assert ActivityLog.objects.filter(target_id=suggestion.pk, verb="failed").exists()


def test_a_failed_one_is_tried_again_with_what_was_let_through(max, monkeypatch):
    breaks(monkeypatch)
    suggestion = make_suggestion()
    approve(suggestion, by=max, content={"title": "Call twice"})
    approve(suggestion, by=max)
    assert suggestion.status == SuggestionStatus.MODIFIED
    assert suggestion.error_message == ""
    assert Task.objects.get().title == "Call twice"
    assert [row.state for row in suggestion.executions.order_by("attempt")] == ["FAILED", "SUCCEEDED"]


def test_whoever_may_not_decide_is_told_so(vera):
    with pytest.raises(NotAllowed, match="Vera may not decide suggestions"):
        approve(make_suggestion(), by=vera)
    assert not Task.objects.exists()


def test_a_type_that_cannot_be_carried_out_says_so(ann, monkeypatch):
    monkeypatch.delitem(KINDS, SuggestionType.SEND_EMAIL)
    suggestion = Suggestion.objects.create(type=SuggestionType.SEND_EMAIL, lead=make_lead())
    with pytest.raises(IllegalMove, match="Email cannot be carried out here"):
        approve(suggestion, by=ann)
    suggestion.refresh_from_db()
    assert suggestion.status == SuggestionStatus.PENDING


def test_a_deleted_or_purged_one_is_refused(ann):
    suggestion = make_suggestion()
    Suggestion.objects.filter(pk=suggestion.pk).update(deleted_at=timezone.now())
    with pytest.raises(IllegalMove, match="has been deleted"):
        approve(suggestion, by=ann)
    Suggestion.everything.filter(pk=suggestion.pk).delete()
    with pytest.raises(IllegalMove, match="no longer exists"):
        approve(suggestion, by=ann)


def test_nothing_is_done_for_a_deleted_lead(ann):
    suggestion = make_suggestion()
    type(suggestion.lead).objects.filter(pk=suggestion.lead_id).update(deleted_at=timezone.now())
    with pytest.raises(IllegalMove, match="is deleted; restore it first"):
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
        ({"title": "x", "assignee": "nobody-here"}, "Nobody of the name “nobody-here” works here."),
        ([], "The content must be an object"),
        ("task", "The content must be an object"),
        ({f"extra{n}": n for n in range(500)}, "and 491 more"),
    ],
)
def test_a_content_that_is_not_a_task_is_refused_with_a_sentence(ann, content, said):
    suggestion = make_suggestion()
    with pytest.raises(BadInput) as refused:
        approve(suggestion, by=ann, content=content)
    assert said in str(refused.value)
    assert len(str(refused.value)) < 1_000
    suggestion.refresh_from_db()
    assert suggestion.status == SuggestionStatus.PENDING
    with pytest.raises(BadInput):
        make_suggestion(lead=suggestion.lead, suggested_content=content)


def test_nobody_has_looked_at_it_in_time_to_come(ann):
    """What a browser says about when it looked is not believed further than now."""
    suggestion = make_suggestion(lead=(lead := make_lead()), thread=make_thread(lead=lead))
    say(suggestion.thread, timezone.now())
    with pytest.raises(OldNews):
        approve(suggestion, by=ann, as_of=timezone.now() + timedelta(days=365))
    moved = make_suggestion(MOVE, lead=make_lead(assigned_to=ann))
    change_status(moved.lead, LeadStatus.objects.get(pk="PROPOSAL_SENT"), by=ann)
    with pytest.raises(OldNews):
        approve(moved, by=ann, as_of=timezone.now() + timedelta(days=365))
