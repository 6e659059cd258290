"""A follow-up is a task that is due, and a draft of the words; once, and taken back."""

from datetime import timedelta

import pytest
from django.utils import timezone

from crm.exceptions import IllegalTransition, InvalidInput
from crm.records.activity import SYSTEM_ACTOR
from crm.records.transitions import soft_delete
from leads.models import Task, TaskStatus
from leads.transitions import change_task_status
from suggestions.models import Suggestion, SuggestionStatus, SuggestionType
from suggestions.transitions import approve, submit, undo
from tests.cast import make_client, make_lead, make_suggestion, make_thread
from tests.suggestions.kinds.held_execution import approve_while_paused, resume_and_run

FOLLOW = SuggestionType.FOLLOW_UP
WORDS = {"reason": "Silent for a week.", "suggestedAction": "Ask about the quote.\nAnd the second car."}


def draft_of(suggestion) -> Suggestion:
    return Suggestion.everything.get(pk=suggestion.result["suggestions"][0])


@pytest.mark.parametrize(("urgency", "days"), [("high", 0), ("normal", 2), ("low", 7)])
def test_follow_up_adds_task_for_lead_owner_by_urgency(ann, urgency, days):
    suggestion = make_suggestion(
        FOLLOW, lead=make_lead(assigned_to=ann), suggested_content={**WORDS, "urgency": urgency}
    )
    approve(suggestion, by=ann)
    task = Task.objects.get()
    assert (task.title, task.assignee, task.lead) == ("Ask about the quote.", ann, suggestion.lead)
    assert task.description == "Silent for a week.\n\nAsk about the quote.\nAnd the second car."
    assert task.due_on == timezone.localdate() + timedelta(days=days)
    assert suggestion.result["task"] == str(task.pk)


def test_follow_up_drafts_email_to_lead_address(ann):
    suggestion = make_suggestion(FOLLOW, suggested_content=WORDS, tainted=True)
    approve(suggestion, by=ann)
    draft = draft_of(suggestion)
    assert (draft.type, draft.status) == (SuggestionType.SEND_EMAIL, SuggestionStatus.DRAFT)
    content = draft.suggested_content
    assert content["to"] == [suggestion.lead.contact_email]
    assert (content["subject"], content["body"]) == ("Ask about the quote.", WORDS["suggestedAction"])
    assert draft.tainted
    assert (draft.lead, draft.reasoning) == (suggestion.lead, "Silent for a week.")


def test_follow_up_for_client_drafts_email_to_client(ann):
    suggestion = make_suggestion(FOLLOW, client=make_client(email="clem@example.com"))
    approve(suggestion, by=ann)
    assert draft_of(suggestion).suggested_content["to"] == ["clem@example.com"]


def test_follow_up_in_email_thread_drafts_reply(ann):
    thread = make_suggestion(SuggestionType.REPLY).thread
    suggestion = make_suggestion(FOLLOW, lead=thread.lead, thread=thread)
    approve(suggestion, by=ann)
    draft = draft_of(suggestion)
    assert (draft.type, draft.status) == (SuggestionType.REPLY, SuggestionStatus.DRAFT)
    assert draft.suggested_content == {"body": "Ask about the quote.", "thread": str(thread.pk)}
    assert draft.tainted


def test_follow_up_without_inbound_email_drafts_new_email(ann):
    lead = make_lead()
    suggestion = make_suggestion(FOLLOW, lead=lead, thread=make_thread(lead=lead))
    approve(suggestion, by=ann)
    assert draft_of(suggestion).suggested_content["to"] == [lead.contact_email]


def test_follow_up_without_address_adds_task_only(ann):
    suggestion = make_suggestion(FOLLOW, lead=make_lead(contact_email=""))
    approve(suggestion, by=ann)
    assert suggestion.result["not_suggested"] == "There is no address to write to: only the task was added."
    assert "suggestions" not in suggestion.result
    assert Task.objects.count() == 1


@pytest.mark.parametrize("field", ["reason", "suggestedAction"])
def test_reason_and_action_are_required(db, field):
    with pytest.raises(InvalidInput, match=f"{field}: This must not be empty."):
        make_suggestion(FOLLOW, suggested_content={**WORDS, field: " "})


def test_urgency_must_be_a_known_value(db):
    with pytest.raises(InvalidInput, match="urgency: This must be one of 'low', 'normal' or 'high'."):
        make_suggestion(FOLLOW, suggested_content={**WORDS, "urgency": "now"})


def test_lead_or_client_is_required(db):
    with pytest.raises(InvalidInput, match="for a lead or a client"):
        make_suggestion(FOLLOW, lead=None)


def test_lead_deleted_before_execution_fails(ann):
    suggestion = make_suggestion(FOLLOW, lead=make_lead(contact_name="Lee"))
    execution = approve_while_paused(suggestion, ann)
    soft_delete(suggestion.lead, by=SYSTEM_ACTOR)
    assert resume_and_run(suggestion, execution).state == "FAILED"
    assert suggestion.error_message == "The lead “Lee” is deleted; restore it first."
    assert not Task.objects.exists()


def test_undo_deletes_task_and_draft(ann):
    suggestion = make_suggestion(FOLLOW)
    approve(suggestion, by=ann)
    draft = draft_of(suggestion)
    undo(suggestion, by=ann)
    draft.refresh_from_db()
    assert draft.is_deleted
    assert not Task.objects.exists()
    assert suggestion.status == SuggestionStatus.PENDING


def test_undo_keeps_submitted_draft(ann, ada):
    suggestion = make_suggestion(FOLLOW)
    approve(suggestion, by=ann)
    draft = draft_of(suggestion)
    submit(draft, by=SYSTEM_ACTOR)
    undo(suggestion, by=ann)
    draft.refresh_from_db()
    assert not draft.is_deleted


def test_undo_is_refused_when_task_was_started(ann):
    suggestion = make_suggestion(FOLLOW)
    approve(suggestion, by=ann)
    change_task_status(Task.objects.get(), TaskStatus.IN_PROGRESS, by=ann)
    with pytest.raises(IllegalTransition, match="in progress: it has been worked on"):
        undo(suggestion, by=ann)
    assert not draft_of(suggestion).is_deleted
