"""Undoing a suggestion restores the stage of the lead, unless a user has moved the lead since."""

import pytest

from crm.exceptions import IllegalTransition
from crm.records.activity import SYSTEM_ACTOR
from crm.records.transitions import purge, soft_delete
from leads.models import LeadStatus
from leads.transitions import change_status
from suggestions.models import SuggestionStatus, SuggestionType
from suggestions.transitions import approve, undo
from tests.cast import make_lead, make_suggestion
from tests.suggestions.kinds.held_execution import approve_while_paused, resume_and_run

MOVE = SuggestionType.CHANGE_STATUS


def make_stage_suggestion(ann, **content):
    lead = make_lead(contact_name="Lee", assigned_to=ann)
    content = {"status": "ACTIVE", "fromStatus": lead.status_id, **content}
    return make_suggestion(MOVE, lead=lead, suggested_content=content)


def move_lead(lead, code, **kw) -> None:
    change_status(lead, LeadStatus.objects.get(pk=code), by=SYSTEM_ACTOR, **kw)


def test_undo_restores_previous_stage(ann):
    suggestion = make_stage_suggestion(ann)
    approve(suggestion, by=ann)
    undo(suggestion, by=ann)
    suggestion.lead.refresh_from_db()
    assert suggestion.lead.status_id == "NEW_OPPORTUNITIES"
    assert suggestion.status == SuggestionStatus.PENDING


def test_undo_of_loss_clears_loss_reason(ann):
    suggestion = make_stage_suggestion(ann, status="CLOSED_LOST", lossReason="BUDGET", lossNotes="Too dear.")
    approve(suggestion, by=ann)
    suggestion.lead.refresh_from_db()
    assert not suggestion.lead.is_open
    undo(suggestion, by=ann)
    lead = suggestion.lead
    lead.refresh_from_db()
    assert (lead.is_open, lead.loss_reason, lead.loss_notes) == (True, "", "")


def test_undo_is_refused_after_another_stage_change(ann):
    suggestion = make_stage_suggestion(ann)
    approve(suggestion, by=ann)
    move_lead(suggestion.lead, "PROPOSAL_SENT")
    with pytest.raises(IllegalTransition, match="has been moved to .* in the meantime"):
        undo(suggestion, by=ann)


def test_undo_is_refused_when_stage_was_already_restored(ann):
    suggestion = make_stage_suggestion(ann)
    approve(suggestion, by=ann)
    move_lead(suggestion.lead, "NEW_OPPORTUNITIES")
    with pytest.raises(IllegalTransition, match="is already in"):
        undo(suggestion, by=ann)


def test_undo_to_closed_stage_is_refused(ann):
    lead = make_lead(contact_name="Lee", assigned_to=ann)
    move_lead(lead, "CLOSED_LOST", loss_reason="BUDGET")
    lead.refresh_from_db()
    suggestion = make_suggestion(MOVE, lead=lead)
    approve(suggestion, by=ann)
    with pytest.raises(IllegalTransition, match="move it back by hand"):
        undo(suggestion, by=ann)


@pytest.mark.parametrize("gone", [False, True])
def test_lead_deleted_before_execution_fails(ann, gone):
    suggestion = make_stage_suggestion(ann)
    execution = approve_while_paused(suggestion, ann)
    soft_delete(suggestion.lead, by=SYSTEM_ACTOR)
    if gone:
        purge(suggestion.lead, by=SYSTEM_ACTOR)
    assert resume_and_run(suggestion, execution).state == "FAILED"
    said = "The lead of this suggestion no longer exists." if gone else "The lead “Lee” is deleted; restore it first."
    assert suggestion.error_message == said


def test_stage_changed_before_execution_fails(ann):
    suggestion = make_stage_suggestion(ann)
    execution = approve_while_paused(suggestion, ann)
    move_lead(suggestion.lead, "PROPOSAL_SENT")
    assert resume_and_run(suggestion, execution).state == "FAILED"
    assert "has been moved to Proposal sent in the meantime. Reload the page." in suggestion.error_message
