"""A stage that a suggestion has changed is changed back, if nobody has moved the lead since."""

import pytest

from crm.exceptions import IllegalMove
from crm.records.activity import SYSTEM
from crm.records.transitions import purge, soft_delete
from leads.models import LeadStatus
from leads.transitions import change_status
from suggestions.models import SuggestionStatus, SuggestionType
from suggestions.transitions import approve, undo
from tests.cast import make_lead, make_suggestion
from tests.suggestions.kinds.waiting import approved_and_held, carried_out

MOVE = SuggestionType.CHANGE_STATUS


def moving(ann, **content):
    lead = make_lead(contact_name="Lee", assigned_to=ann)
    content = {"status": "ACTIVE", "fromStatus": lead.status_id, **content}
    return make_suggestion(MOVE, lead=lead, suggested_content=content)


def to(lead, code, **kw) -> None:
    change_status(lead, LeadStatus.objects.get(pk=code), by=SYSTEM, **kw)


def test_undone_the_lead_is_where_it_was(ann):
    suggestion = moving(ann)
    approve(suggestion, by=ann)
    undo(suggestion, by=ann)
    suggestion.lead.refresh_from_db()
    assert suggestion.lead.status_id == "NEW_OPPORTUNITIES"
    assert suggestion.status == SuggestionStatus.PENDING


def test_a_loss_that_is_undone_leaves_no_reason(ann):
    suggestion = moving(ann, status="CLOSED_LOST", lossReason="BUDGET", lossNotes="Too dear.")
    approve(suggestion, by=ann)
    suggestion.lead.refresh_from_db()
    assert not suggestion.lead.is_open
    undo(suggestion, by=ann)
    lead = suggestion.lead
    lead.refresh_from_db()
    assert (lead.is_open, lead.loss_reason, lead.loss_notes) == (True, "", "")


def test_moved_on_since_it_stays(ann):
    suggestion = moving(ann)
    approve(suggestion, by=ann)
    to(suggestion.lead, "PROPOSAL_SENT")
    with pytest.raises(IllegalMove, match="has moved to .* meanwhile"):
        undo(suggestion, by=ann)


def test_moved_back_by_somebody_already_there_is_nothing_to_undo(ann):
    suggestion = moving(ann)
    approve(suggestion, by=ann)
    to(suggestion.lead, "NEW_OPPORTUNITIES")
    with pytest.raises(IllegalMove, match="is already in"):
        undo(suggestion, by=ann)


def test_a_lead_that_was_lost_before_is_moved_back_by_hand(ann):
    lead = make_lead(contact_name="Lee", assigned_to=ann)
    to(lead, "CLOSED_LOST", loss_reason="BUDGET")
    lead.refresh_from_db()
    suggestion = make_suggestion(MOVE, lead=lead)
    approve(suggestion, by=ann)
    with pytest.raises(IllegalMove, match="move it back by hand"):
        undo(suggestion, by=ann)


@pytest.mark.parametrize("gone", [False, True])
def test_a_lead_deleted_between_approval_and_execution(ann, gone):
    suggestion = moving(ann)
    execution = approved_and_held(suggestion, ann)
    soft_delete(suggestion.lead, by=SYSTEM)
    if gone:
        purge(suggestion.lead, by=SYSTEM)
    assert carried_out(suggestion, execution).state == "FAILED"
    said = "The lead of this suggestion no longer exists." if gone else "The lead “Lee” is deleted; restore it first."
    assert suggestion.error_message == said


def test_moved_between_approval_and_execution_it_fails(ann):
    suggestion = moving(ann)
    execution = approved_and_held(suggestion, ann)
    to(suggestion.lead, "PROPOSAL_SENT")
    assert carried_out(suggestion, execution).state == "FAILED"
    assert "has moved to Proposal sent meanwhile. Look again." in suggestion.error_message
