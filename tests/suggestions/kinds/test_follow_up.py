"""A follow-up is a task that is due, and a draft of the words; once, and taken back."""

from datetime import timedelta

import pytest
from django.utils import timezone

from crm.exceptions import BadInput, IllegalMove
from crm.records.activity import SYSTEM
from crm.records.transitions import soft_delete
from leads.models import Task, TaskStatus
from leads.transitions import move_task
from suggestions.models import Suggestion, SuggestionStatus, SuggestionType
from suggestions.transitions import approve, submit, undo
from tests.cast import make_client, make_lead, make_suggestion, make_thread
from tests.suggestions.kinds.waiting import approved_and_held, carried_out

FOLLOW = SuggestionType.FOLLOW_UP
WORDS = {"reason": "Silent for a week.", "suggestedAction": "Ask about the quote.\nAnd the second car."}


def draft_of(suggestion) -> Suggestion:
    return Suggestion.everything.get(pk=suggestion.result["suggestions"][0])


@pytest.mark.parametrize(("urgency", "days"), [("high", 0), ("normal", 2), ("low", 7)])
def test_a_task_is_due_for_whoever_owns_the_lead(ann, urgency, days):
    suggestion = make_suggestion(
        FOLLOW, lead=make_lead(assigned_to=ann), suggested_content={**WORDS, "urgency": urgency}
    )
    approve(suggestion, by=ann)
    task = Task.objects.get()
    assert (task.title, task.assignee, task.lead) == ("Ask about the quote.", ann, suggestion.lead)
    assert task.description == "Silent for a week.\n\nAsk about the quote.\nAnd the second car."
    assert task.due_on == timezone.localdate() + timedelta(days=days)
    assert suggestion.result["task"] == str(task.pk)


def test_a_mail_to_the_known_address_is_drafted(ann):
    suggestion = make_suggestion(FOLLOW, suggested_content=WORDS, tainted=True)
    approve(suggestion, by=ann)
    draft = draft_of(suggestion)
    assert (draft.type, draft.status) == (SuggestionType.SEND_EMAIL, SuggestionStatus.DRAFT)
    content = draft.suggested_content
    assert content["to"] == [suggestion.lead.contact_email]
    assert (content["subject"], content["body"]) == ("Ask about the quote.", WORDS["suggestedAction"])
    assert draft.tainted
    assert (draft.lead, draft.reasoning) == (suggestion.lead, "Silent for a week.")


def test_to_a_client_too(ann):
    suggestion = make_suggestion(FOLLOW, client=make_client(email="clem@example.com"))
    approve(suggestion, by=ann)
    assert draft_of(suggestion).suggested_content["to"] == ["clem@example.com"]


def test_in_a_conversation_by_mail_a_reply_is_drafted(ann):
    thread = make_suggestion(SuggestionType.REPLY).thread
    suggestion = make_suggestion(FOLLOW, lead=thread.lead, thread=thread)
    approve(suggestion, by=ann)
    draft = draft_of(suggestion)
    assert (draft.type, draft.status) == (SuggestionType.REPLY, SuggestionStatus.DRAFT)
    assert draft.suggested_content == {"body": "Ask about the quote.", "thread": str(thread.pk)}
    assert draft.tainted


def test_where_they_have_written_nothing_that_could_be_answered_a_mail_is_drafted(ann):
    lead = make_lead()
    suggestion = make_suggestion(FOLLOW, lead=lead, thread=make_thread(lead=lead))
    approve(suggestion, by=ann)
    assert draft_of(suggestion).suggested_content["to"] == [lead.contact_email]


def test_without_an_address_there_is_the_task_alone(ann):
    suggestion = make_suggestion(FOLLOW, lead=make_lead(contact_email=""))
    approve(suggestion, by=ann)
    assert suggestion.result["not_suggested"] == "There is no address to write to: only the task was added."
    assert "suggestions" not in suggestion.result
    assert Task.objects.count() == 1


@pytest.mark.parametrize("field", ["reason", "suggestedAction"])
def test_it_says_why_and_what(db, field):
    with pytest.raises(BadInput, match=f"{field}: This must not be empty."):
        make_suggestion(FOLLOW, suggested_content={**WORDS, field: " "})


def test_an_urgency_is_one_of_three(db):
    with pytest.raises(BadInput, match="urgency: This must be one of 'low', 'normal' or 'high'."):
        make_suggestion(FOLLOW, suggested_content={**WORDS, "urgency": "now"})


def test_it_is_about_somebody(db):
    with pytest.raises(BadInput, match="for a lead or a client"):
        make_suggestion(FOLLOW, lead=None)


def test_a_lead_deleted_between_approval_and_execution(ann):
    suggestion = make_suggestion(FOLLOW, lead=make_lead(contact_name="Lee"))
    execution = approved_and_held(suggestion, ann)
    soft_delete(suggestion.lead, by=SYSTEM)
    assert carried_out(suggestion, execution).state == "FAILED"
    assert suggestion.error_message == "The lead “Lee” is deleted; restore it first."
    assert not Task.objects.exists()


def test_undone_there_is_neither_task_nor_draft(ann):
    suggestion = make_suggestion(FOLLOW)
    approve(suggestion, by=ann)
    draft = draft_of(suggestion)
    undo(suggestion, by=ann)
    draft.refresh_from_db()
    assert draft.is_deleted
    assert not Task.objects.exists()
    assert suggestion.status == SuggestionStatus.PENDING


def test_a_draft_that_somebody_has_submitted_waits_on(ann, ada):
    suggestion = make_suggestion(FOLLOW)
    approve(suggestion, by=ann)
    draft = draft_of(suggestion)
    submit(draft, by=SYSTEM)
    undo(suggestion, by=ann)
    draft.refresh_from_db()
    assert not draft.is_deleted


def test_a_task_that_was_begun_is_not_taken_away(ann):
    suggestion = make_suggestion(FOLLOW)
    approve(suggestion, by=ann)
    move_task(Task.objects.get(), TaskStatus.IN_PROGRESS, by=ann)
    with pytest.raises(IllegalMove, match="in progress: it has been worked on"):
        undo(suggestion, by=ann)
    assert not draft_of(suggestion).is_deleted
