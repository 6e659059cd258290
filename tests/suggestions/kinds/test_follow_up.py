"""A follow-up is a task that is due, and a draft of the words; once, and taken back."""

from datetime import datetime, timedelta

import pytest
from django.utils import timezone

from crm.exceptions import IllegalTransition, InvalidInput
from crm.models import ActorType
from crm.records.activity import SYSTEM_ACTOR, Actor
from crm.records.transitions import soft_delete
from inbox.models.email_template import EmailTemplate
from leads.models import Task, TaskStatus
from leads.transitions import change_task_status
from suggestions.kinds.follow_up import next_call_times
from suggestions.models import Suggestion, SuggestionStatus, SuggestionType
from suggestions.transitions import approve, propose, submit, undo
from tests.cast import make_client, make_lead, make_suggestion, make_thread
from tests.suggestions.kinds.held_execution import approve_while_paused, resume_and_run

FOLLOW = SuggestionType.FOLLOW_UP
WORDS = {"reason": "Silent for a week.", "suggestedAction": "SEND_EMAIL", "message": "How about the quote?\nBest"}
SEED = {"reason": "No answer for a week.", "suggestedAction": "SEND_EMAIL", "urgency": "medium"}
SCOUT = Actor(ActorType.AI, name="scout")


def draft_of(suggestion) -> Suggestion:
    return Suggestion.everything.get(pk=suggestion.result["suggestions"][0])


@pytest.mark.parametrize(("urgency", "days"), [("high", 0), ("medium", 2), ("normal", 2), ("low", 7)])
def test_follow_up_adds_task_for_lead_owner_by_urgency(ann, urgency, days):
    lead = make_lead(assigned_to=ann, contact_name="Lee Lead")
    suggestion = make_suggestion(FOLLOW, lead=lead, suggested_content={**WORDS, "urgency": urgency})
    approve(suggestion, by=ann)
    task = Task.objects.get()
    assert (task.title, task.assignee, task.lead) == ("Email Lee Lead", ann, suggestion.lead)
    assert task.description == "Silent for a week.\n\nHow about the quote?\nBest"
    assert task.due_on == timezone.localdate() + timedelta(days=days)
    assert suggestion.result["task"] == str(task.pk)


def test_suggested_action_is_drafted_by_the_same_agent(ann):
    suggestion = propose(Suggestion(type=FOLLOW, lead=make_lead(), suggested_content=SEED), by=SCOUT)
    assert suggestion.suggested_content == {**SEED, "message": ""}
    approve(suggestion, by=ann)
    draft = draft_of(suggestion)
    assert (draft.type, draft.status, draft.agent) == (SuggestionType.SEND_EMAIL, SuggestionStatus.DRAFT, "scout")
    assert draft.suggested_content["body"].startswith("Hello {{first_name}},\n\n[[your message]]")
    submit(draft, by=ann)
    with pytest.raises(InvalidInput, match="Fill in before sending: subject, your message."):
        approve(draft, by=ann)


def test_follow_up_on_proposal_drafts_the_template(ann):
    lead = make_lead(status_id="PROPOSAL_SENT")
    suggestion = make_suggestion(FOLLOW, lead=lead, suggested_content=SEED)
    approve(suggestion, by=ann)
    template = EmailTemplate.objects.get(category="FOLLOW_UP")
    content = draft_of(suggestion).suggested_content
    assert (content["templateId"], content["body"]) == (str(template.pk), template.body)


@pytest.mark.parametrize(
    ("step", "drafted", "note"),
    [
        ("SCHEDULE_CALL", "SCHEDULE_CALL", ""),
        ("schedule_call", "SCHEDULE_CALL", ""),
        ("REPLY", "", "There is no email to answer: only the task was added."),
        ("SEND_PROPOSAL", "", "A proposal needs its amount: only the task was added."),
        ("CHANGE_STATUS", "", "A stage change needs its stage: only the task was added."),
        ("TASK", "", ""),
    ],
)
def test_other_next_steps(ann, step, drafted, note):
    suggestion = make_suggestion(FOLLOW, suggested_content={**SEED, "suggestedAction": step})
    approve(suggestion, by=ann)
    assert Task.objects.count() == 1
    assert (draft_of(suggestion).type if "suggestions" in suggestion.result else "") == drafted
    assert suggestion.result.get("not_suggested", "") == note


@pytest.mark.parametrize("step", ["FOLLOW_UP", "PR", "CREATE_LEAD", "LINK_THREAD", "CALL_HER", "x" * 17, ""])
def test_next_step_must_be_another_type(db, step):
    with pytest.raises(InvalidInput, match="suggestedAction: "):
        make_suggestion(FOLLOW, suggested_content={**SEED, "suggestedAction": step})


def test_text_of_earlier_versions_is_read_as_draft(db):
    content = {"reason": "Silent.", "suggestedAction": "Ask about the quote.", "urgency": "normal"}
    assert make_suggestion(FOLLOW, suggested_content=content).suggested_content == {
        **{"reason": "Silent.", "suggestedAction": "SEND_EMAIL", "urgency": "medium"},
        "message": "Ask about the quote.",
    }


def test_call_times_are_on_working_days():
    friday = timezone.make_aware(datetime(2026, 11, 20, 9))
    assert [f"{at:%a %H:%M}" for at in next_call_times(friday)] == ["Mon 10:00", "Tue 15:00"]


def test_follow_up_drafts_email_to_lead_address(ann):
    suggestion = make_suggestion(FOLLOW, suggested_content=WORDS, tainted=True)
    approve(suggestion, by=ann)
    draft = draft_of(suggestion)
    assert (draft.type, draft.status) == (SuggestionType.SEND_EMAIL, SuggestionStatus.DRAFT)
    content = draft.suggested_content
    assert content["to"] == [suggestion.lead.contact_email]
    assert content["body"] == WORDS["message"]
    assert draft.tainted
    assert (draft.lead, draft.reasoning) == (suggestion.lead, "Silent for a week.")


def test_follow_up_for_client_drafts_email_to_client(ann):
    suggestion = make_suggestion(FOLLOW, client=make_client(email="clem@example.com"))
    approve(suggestion, by=ann)
    assert draft_of(suggestion).suggested_content["to"] == ["clem@example.com"]


def test_follow_up_in_email_thread_drafts_reply(ann):
    thread = make_suggestion(SuggestionType.REPLY).thread
    content = {**WORDS, "suggestedAction": "REPLY"}
    suggestion = make_suggestion(FOLLOW, lead=thread.lead, thread=thread, suggested_content=content)
    approve(suggestion, by=ann)
    draft = draft_of(suggestion)
    assert (draft.type, draft.status) == (SuggestionType.REPLY, SuggestionStatus.DRAFT)
    assert draft.suggested_content == {"body": WORDS["message"], "thread": str(thread.pk)}
    assert draft.tainted


def test_follow_up_without_inbound_email_drafts_new_email(ann):
    lead = make_lead()
    suggestion = make_suggestion(FOLLOW, lead=lead, thread=make_thread(lead=lead, subject="Your quote"))
    approve(suggestion, by=ann)
    content = draft_of(suggestion).suggested_content
    assert (content["to"], content["subject"]) == ([lead.contact_email], "Re: Your quote")


def test_follow_up_without_address_adds_task_only(ann):
    suggestion = make_suggestion(FOLLOW, lead=make_lead(contact_email=""))
    approve(suggestion, by=ann)
    assert suggestion.result["not_suggested"] == "There is no address to write to: only the task was added."
    assert "suggestions" not in suggestion.result
    assert Task.objects.count() == 1


def test_reason_is_required(db):
    with pytest.raises(InvalidInput, match="reason: This must not be empty."):
        make_suggestion(FOLLOW, suggested_content={**WORDS, "reason": " "})


def test_urgency_must_be_a_known_value(db):
    with pytest.raises(InvalidInput, match="urgency: This must be one of 'low', 'medium' or 'high'."):
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
