"""What an agent hands in to be decided."""

import pytest

from crm.exceptions import IllegalTransition, InvalidInput
from crm.models import ActivityLog
from crm.records.activity import SYSTEM_ACTOR
from suggestions.kinds import KINDS
from suggestions.models import Suggestion, SuggestionStatus, SuggestionType
from suggestions.transitions import approve, propose, reject
from tests.cast import make_lead, make_suggestion


def test_proposed_suggestion_is_pending_and_on_lead_timeline(db):
    suggestion = make_suggestion()
    assert suggestion.status == SuggestionStatus.PENDING
    line = ActivityLog.objects.on_timeline_of(suggestion.lead).get(target_id=suggestion.pk)
    assert line.summary == "Create task “Call back”, unassigned."


def test_content_is_normalised(db):
    content = {"title": "Call back", "description": "", "dueOn": None, "assignee": ""}
    assert make_suggestion(suggested_content={"title": " Call back "}).suggested_content == content


def test_same_dedupe_key_is_proposed_once(ann):
    first = make_suggestion(dedupe_key="call")
    assert make_suggestion(lead=first.lead, dedupe_key="call") == first
    approve(first, by=ann)
    assert make_suggestion(lead=first.lead, dedupe_key="call") != first


def test_suggestions_without_dedupe_key_are_independent(ann):
    first = make_suggestion()
    second = make_suggestion(lead=first.lead)
    assert first != second
    reject(first, reason="No.", by=ann)
    assert Suggestion.objects.get(pk=second.pk).status == SuggestionStatus.PENDING


def test_impossible_suggestion_is_refused(db, monkeypatch):
    lead = make_lead()
    with pytest.raises(IllegalTransition, match="is already in New opportunities"):
        make_suggestion(
            SuggestionType.CHANGE_STATUS,
            lead=lead,
            suggested_content={"status": "NEW_OPPORTUNITIES", "fromStatus": "NEW_OPPORTUNITIES"},
        )
    with pytest.raises(InvalidInput, match="There is no stage “MARS”"):
        make_suggestion(
            SuggestionType.CHANGE_STATUS, lead=lead, suggested_content={"status": "MARS", "fromStatus": "ACTIVE"}
        )
    monkeypatch.delitem(KINDS, SuggestionType.PR)
    with pytest.raises(IllegalTransition, match="Pull request cannot be carried out here"):
        propose(Suggestion(type=SuggestionType.PR, lead=lead), by=SYSTEM_ACTOR)
