"""What an agent hands in to be decided."""

import pytest

from crm.exceptions import BadInput, IllegalMove
from crm.models import ActivityLog
from crm.records.activity import SYSTEM
from suggestions.kinds import KINDS
from suggestions.models import Suggestion, SuggestionStatus, SuggestionType
from suggestions.transitions import approve, propose, reject
from tests.cast import make_lead, make_suggestion


def test_it_waits_and_stands_on_the_timeline_of_its_lead(db):
    suggestion = make_suggestion()
    assert suggestion.status == SuggestionStatus.PENDING
    line = ActivityLog.objects.on_timeline_of(suggestion.lead).get(target_id=suggestion.pk)
    assert line.summary == "Adds the task “Call back” for nobody yet."


def test_its_content_is_kept_whole(db):
    content = {"title": "Call back", "description": "", "dueOn": None, "assignee": ""}
    assert make_suggestion(suggested_content={"title": " Call back "}).suggested_content == content


def test_the_same_one_is_not_proposed_twice(ann):
    first = make_suggestion(dedupe_key="call")
    assert make_suggestion(lead=first.lead, dedupe_key="call") == first
    approve(first, by=ann)
    assert make_suggestion(lead=first.lead, dedupe_key="call") != first


def test_one_without_a_key_is_nobody_s_twin(ann):
    first = make_suggestion()
    second = make_suggestion(lead=first.lead)
    assert first != second
    reject(first, reason="No.", by=ann)
    assert Suggestion.objects.get(pk=second.pk).status == SuggestionStatus.PENDING


def test_what_could_not_be_done_anyway_is_not_proposed(db, monkeypatch):
    lead = make_lead()
    with pytest.raises(IllegalMove, match="is already in New opportunities"):
        make_suggestion(
            SuggestionType.CHANGE_STATUS,
            lead=lead,
            suggested_content={"status": "NEW_OPPORTUNITIES", "fromStatus": "NEW_OPPORTUNITIES"},
        )
    with pytest.raises(BadInput, match="There is no stage “MARS”"):
        make_suggestion(
            SuggestionType.CHANGE_STATUS, lead=lead, suggested_content={"status": "MARS", "fromStatus": "ACTIVE"}
        )
    monkeypatch.delitem(KINDS, SuggestionType.PR)
    with pytest.raises(IllegalMove, match="Pull request cannot be carried out here"):
        propose(Suggestion(type=SuggestionType.PR, lead=lead), by=SYSTEM)
