"""What the program does by itself, what it asks for all the same, and how it is taken back."""

from concurrent.futures import ThreadPoolExecutor
from datetime import timedelta
from decimal import Decimal

import pytest
from django.db import connection
from django.utils import timezone

from crm.exceptions import IllegalTransition, InvalidInput, NotPermitted
from crm.models import ActivityLog
from inbox.models import EmailDelivery
from leads.models import Task
from suggestions.autonomy.kill_switch import pause_execution
from suggestions.autonomy.transitions import reset_to_agency_setting, set_autonomy_level
from suggestions.models import (
    AutonomySetting,
    ExecutionState,
    Level,
    Suggestion,
    SuggestionExecution,
    SuggestionStatus,
    SuggestionType,
)
from suggestions.transitions import approve, propose, reject, run_execution, submit, undo
from tests.cast import make_lead, make_thread, make_user
from tests.suggestions.full_suggestion import break_next_task, make_message
from tests.suggestions.trust_history import SCOUT, make_decided_suggestions, make_proposal, make_setting, status_label

pytestmark = pytest.mark.django_db


@pytest.fixture
def trusted_agent(max) -> None:
    """The scout has earned it for tasks."""
    make_decided_suggestions(max, approved=60)


def make_due(suggestion: Suggestion) -> SuggestionExecution:
    """Its execution, whose time has come."""
    rows = SuggestionExecution.objects.filter(suggestion=suggestion)
    rows.update(run_after=timezone.now() - timedelta(seconds=1))
    EmailDelivery.objects.filter(message__executions__suggestion=suggestion).update(run_after=timezone.now())
    return rows.get()


# Levels


def test_default_level_waits_for_approval(trusted_agent, ann):
    suggestion = make_proposal(owner=ann)
    assert (suggestion.status, suggestion.autonomy, suggestion.held_because) == ("PENDING", "suggest", [])


def test_level_off_blocks_agents_but_not_people(trusted_agent, ann):
    make_setting(ann, level=Level.OFF)
    with pytest.raises(IllegalTransition, match="Suggestions of type Task are switched off for Ann"):
        make_proposal(owner=ann)
    assert make_proposal(by=ann, owner=ann).status == SuggestionStatus.PENDING


def test_level_auto_draft_waits_for_approval(trusted_agent, ann):
    make_setting(ann, level=Level.AUTO_DRAFT)
    suggestion = make_proposal(owner=ann)
    assert (suggestion.status, suggestion.autonomy) == (SuggestionStatus.PENDING, Level.AUTO_DRAFT)
    assert not SuggestionExecution.objects.filter(suggestion=suggestion).exists()


def test_level_auto_execute_runs_after_undo_window(trusted_agent, ann):
    make_setting(ann)
    suggestion = make_proposal(owner=ann)
    assert (suggestion.status, suggestion.reviewed_by, suggestion.review_note) == ("APPROVED", None, "Automatic")
    execution = SuggestionExecution.objects.get(suggestion=suggestion)
    assert (execution.state, execution.ordered_by) == (ExecutionState.QUEUED, None)
    assert timedelta(seconds=290) < execution.run_after - timezone.now() <= timedelta(seconds=300)
    assert not Task.objects.exists()
    run_execution(make_due(suggestion).pk)
    assert Task.objects.get().title == "Call back"
    told = ActivityLog.objects.on_timeline_of(suggestion.lead).filter(target_id=suggestion.pk)
    assert [line.verb for line in told] == ["approved", "let happen", "proposed"]
    assert "automatically" in told[0].summary
    assert "unless it is undone" in told[1].summary
    assert list(Suggestion.objects.auto_approved()) == [suggestion]


def test_automatic_approval_can_be_undone_before_execution(trusted_agent, ann):
    make_setting(ann)
    suggestion = undo(make_proposal(owner=ann), by=ann)
    assert (suggestion.status, suggestion.held_because) == ("PENDING", ["Ann took it back."])
    run_execution(SuggestionExecution.objects.get(suggestion=suggestion).pk)
    assert not Task.objects.exists()
    approve(suggestion, by=ann)
    assert Task.objects.count() == 1


def test_owner_setting_overrides_agency_setting(trusted_agent, ann, bob):
    make_setting(None, level=Level.AUTO_EXECUTE)
    make_setting(ann, level=Level.SUGGEST)
    assert make_proposal(owner=ann).status == SuggestionStatus.PENDING
    assert make_proposal(owner=bob).status == SuggestionStatus.APPROVED
    assert make_proposal().status == SuggestionStatus.APPROVED


def test_persons_proposal_always_waits(trusted_agent, ann):
    make_setting(ann)
    assert make_proposal(by=ann, owner=ann).status == SuggestionStatus.PENDING


# Always asked


@pytest.mark.parametrize(
    ("kw", "said"),
    [
        ({"confidence": "0.79"}, "The confidence is 79%; at least 80% is needed."),
        ({"confidence": None}, "No confidence is given; at least 80% is needed."),
        ({"suggested_content": {"title": "Call\u200b back"}}, "The text contains invisible characters."),
    ],
)
def test_limits_hold_suggestion_for_approval(trusted_agent, ann, kw, said):
    make_setting(ann)
    suggestion = make_proposal(owner=ann, **kw)
    assert (suggestion.status, suggestion.held_because) == (SuggestionStatus.PENDING, [said])


@pytest.mark.parametrize(("value", "asked"), [(10_001, True), (None, True), (10_000, False)])
def test_value_ceiling_holds_suggestion(trusted_agent, ann, value, asked):
    make_setting(ann, value_ceiling=10_000)
    suggestion = make_proposal(lead=make_lead(assigned_to=ann, estimated_value=value))
    assert bool(suggestion.held_because) is asked


def test_untrusted_agent_is_held(ann, max):
    make_setting(ann)
    make_decided_suggestions(max, approved=49)
    assert make_proposal(owner=ann).held_because == [
        "scout has not earned this level yet. It needs 1 more decision (49 of 50)."
    ]


def test_execution_pause_holds_suggestion(trusted_agent, ann, max):
    make_setting(ann)
    pause_execution(by=max)
    assert make_proposal(owner=ann).held_because == ["Automation is paused."]


def test_tainted_suggestion_is_held_unless_type_is_harmless(ann, max):
    for type in (SuggestionType.TASK, SuggestionType.CHANGE_STATUS):
        make_setting(ann, type=type)
        make_decided_suggestions(max, type=type, approved=60)
    lead = make_lead(assigned_to=ann)
    thread = make_thread(lead=lead)
    make_message(thread)
    task = make_proposal(lead=lead, thread=thread)
    move = {"status": "ACTIVE", "fromStatus": lead.status_id}
    moved = make_proposal(lead=lead, thread=thread, type=SuggestionType.CHANGE_STATUS, suggested_content=move)
    assert task.tainted
    assert task.status == SuggestionStatus.APPROVED
    assert moved.held_because == ["Based on an outside message."]


def test_owner_without_permission_holds_suggestion(trusted_agent):
    viewer = make_user("viewer", "viewer")
    make_setting(viewer)
    assert "does not have permission to add a task" in make_proposal(owner=viewer).held_because[0]


def test_daily_cap_holds_suggestion(trusted_agent, ann, bob):
    make_setting(None, daily_cap=2)
    made = [make_proposal(owner=ann) for _ in range(3)]
    assert [one.status for one in made] == ["APPROVED", "APPROVED", "PENDING"]
    assert made[2].held_because == ["The daily cap of 2 is reached."]
    undo(made[0], by=ann)
    AutonomySetting.objects.update(level=Level.AUTO_EXECUTE)
    assert make_proposal(owner=ann).status == SuggestionStatus.PENDING
    assert make_proposal(owner=bob).status == SuggestionStatus.APPROVED


@pytest.mark.django_db(transaction=True)
def test_daily_cap_holds_under_concurrency(ann, max):
    make_decided_suggestions(max, approved=60)
    make_setting(ann, daily_cap=3)
    leads = [make_lead(assigned_to=ann) for _ in range(8)]

    def one(lead) -> str:
        try:
            return make_proposal(lead=lead).status
        finally:
            connection.close()

    with ThreadPoolExecutor(8) as pool:
        assert sorted(pool.map(one, leads)) == ["APPROVED"] * 3 + ["PENDING"] * 5


# What changes before its time has come


def test_lowered_level_returns_suggestion_to_reviewer(trusted_agent, ann):
    setting = make_setting(ann)
    suggestion = make_proposal(owner=ann)
    set_autonomy_level(ann, setting.type, Level.SUGGEST, by=ann)
    run_execution(make_due(suggestion).pk)
    assert status_label(suggestion) == "Waiting"
    assert suggestion.held_because == ["The autonomy setting is no longer automatic."]
    assert SuggestionExecution.objects.get(suggestion=suggestion).state == ExecutionState.CANCELLED
    assert not Task.objects.exists()
    approve(suggestion, by=ann)
    assert Task.objects.count() == 1


def test_pause_before_execution_returns_suggestion_to_reviewer(trusted_agent, ann, max):
    make_setting(ann)
    suggestion = make_proposal(owner=ann)
    pause_execution(SuggestionType.TASK, by=max)
    run_execution(make_due(suggestion).pk)
    assert status_label(suggestion) == "Waiting"
    assert suggestion.held_because == ["Execution was stopped."]
    assert not Task.objects.exists()


def test_returned_suggestion_with_same_key_waits_beside_newer_one(trusted_agent, ann):
    make_setting(ann)
    first = make_proposal(owner=ann, dedupe_key="call")
    AutonomySetting.objects.update(level=Level.SUGGEST)
    second = make_proposal(lead=first.lead, dedupe_key="call")
    run_execution(make_due(first).pk)
    assert status_label(first) == status_label(second) == "Waiting"


# What comes down by itself


def test_failure_lowers_level(trusted_agent, ann, monkeypatch):
    setting = make_setting(ann)
    suggestion = make_proposal(owner=ann)
    break_next_task(monkeypatch)
    run_execution(make_due(suggestion).pk)
    assert status_label(suggestion) == "Failed"
    setting.refresh_from_db()
    assert setting.level == Level.AUTO_DRAFT
    assert "it failed (The shelf is full.)" in setting.lowered_because
    assert ActivityLog.objects.get(verb="lowered").summary.startswith("Autonomy lowered: Task for Ann: draft in place")


def test_undo_lowers_level(trusted_agent, ann):
    setting = make_setting(None)
    undo(make_proposal(owner=ann), by=ann)
    setting.refresh_from_db()
    assert (setting.level, bool(setting.lowered_at)) == (Level.AUTO_DRAFT, True)
    assert setting.lowered_because.endswith("Ann took it back")


def test_undo_of_manual_approval_keeps_level(trusted_agent, ann):
    setting = make_setting(ann, level=Level.AUTO_DRAFT)
    undo(approve(make_proposal(owner=ann), by=ann), by=ann)
    setting.refresh_from_db()
    assert (setting.level, setting.lowered_at) == (Level.AUTO_DRAFT, None)


def test_rejection_that_loses_trust_lowers_level_to_suggest(ann, max):
    make_decided_suggestions(max, approved=57, rejected=3)
    mine, house = make_setting(ann), make_setting(None, level=Level.AUTO_DRAFT)
    waiting = make_proposal(owner=ann, confidence="0.5")
    reject(waiting, reason="No.", by=ann)
    for setting in (mine, house):
        setting.refresh_from_db()
        assert setting.level == Level.SUGGEST
        assert "93.4 % approved" in setting.lowered_because


def test_rejection_that_keeps_trust_keeps_level(trusted_agent, ann):
    setting = make_setting(ann)
    reject(make_proposal(owner=ann, confidence="0.5"), reason="No.", by=ann)
    setting.refresh_from_db()
    assert setting.level == Level.AUTO_EXECUTE


# Setting it


def test_level_can_be_raised_only_with_trust(ann, max):
    make_decided_suggestions(max, approved=49)
    with pytest.raises(IllegalTransition, match="Task cannot be automatic yet.*scout: 49 decisions, 100 % approved"):
        set_autonomy_level(ann, SuggestionType.TASK, Level.AUTO_DRAFT, by=ann)
    assert not AutonomySetting.objects.exists()
    make_decided_suggestions(max, approved=1)
    setting = set_autonomy_level(ann, SuggestionType.TASK, Level.AUTO_EXECUTE, bounds={"daily_cap": 5}, by=ann)
    assert (setting.level, setting.daily_cap, setting.undo_seconds) == (Level.AUTO_EXECUTE, 5, 300)
    assert ActivityLog.objects.get(verb="set").summary == "Autonomy: Task for Ann: carry out (daily cap 5)"


def test_level_can_be_lowered_without_trust(ann):
    make_setting(ann)
    assert set_autonomy_level(ann, SuggestionType.TASK, Level.AUTO_DRAFT, by=ann).level == Level.AUTO_DRAFT
    assert set_autonomy_level(ann, SuggestionType.TASK, Level.OFF, by=ann).level == Level.OFF
    assert set_autonomy_level(ann, SuggestionType.TASK, Level.SUGGEST, by=ann).level == Level.SUGGEST


def test_setting_others_levels_needs_permission(trusted_agent, ann, bob, max, stranger):
    for whose, by in ((bob, ann), (None, ann), (stranger, stranger)):
        with pytest.raises(NotPermitted):
            set_autonomy_level(whose, SuggestionType.TASK, Level.OFF, by=by)
    set_autonomy_level(None, SuggestionType.TASK, Level.OFF, by=max)
    set_autonomy_level(bob, SuggestionType.TASK, Level.AUTO_EXECUTE, by=max)
    assert AutonomySetting.objects.count() == 2


def test_level_cannot_be_raised_beyond_own_permissions(ann, max):
    make_decided_suggestions(max, type=SuggestionType.PR, approved=60)
    with pytest.raises(NotPermitted, match="Ann does not have permission"):
        set_autonomy_level(ann, SuggestionType.PR, Level.AUTO_EXECUTE, by=ann)


@pytest.mark.parametrize(
    ("level", "bounds"),
    [
        ("everything", {}),
        ("suggest", {"daily_cap": -1}),
        ("suggest", {"confidence_floor": "1.5"}),
        ("suggest", {"value_ceiling": -1}),
        ("suggest", {"undo_seconds": 90_000}),
    ],
)
def test_invalid_setting_is_refused(ann, level, bounds):
    with pytest.raises(InvalidInput):
        set_autonomy_level(ann, SuggestionType.TASK, level, bounds=bounds, by=ann)
    assert not AutonomySetting.objects.exists()


def test_own_setting_can_be_reset_to_agency_setting(trusted_agent, ann):
    make_setting(ann, level=Level.OFF)
    reset_to_agency_setting(ann, SuggestionType.TASK, by=ann)
    assert make_proposal(owner=ann).status == SuggestionStatus.PENDING
    with pytest.raises(IllegalTransition):
        reset_to_agency_setting(ann, SuggestionType.TASK, by=ann)


def test_lowered_reason_is_kept_until_level_is_raised(trusted_agent, ann):
    setting = make_setting(ann, level=Level.AUTO_DRAFT, lowered_at=timezone.now(), lowered_because="it failed")
    set_autonomy_level(ann, setting.type, Level.AUTO_DRAFT, bounds={"confidence_floor": Decimal("0.9")}, by=ann)
    setting.refresh_from_db()
    assert setting.lowered_because == "it failed"
    set_autonomy_level(ann, setting.type, Level.AUTO_EXECUTE, by=ann)
    setting.refresh_from_db()
    assert (setting.lowered_at, setting.lowered_because) == (None, "")


def test_submitted_draft_is_approved_automatically(trusted_agent, ann):
    make_setting(ann)
    draft = Suggestion(
        type=SuggestionType.TASK,
        lead=make_lead(assigned_to=ann),
        suggested_content={"title": "Call back"},
        confidence="0.95",
    )
    assert propose(draft, by=SCOUT, as_draft=True).status == SuggestionStatus.DRAFT
    assert not SuggestionExecution.objects.filter(suggestion=draft).exists()
    assert submit(draft, by=SCOUT).status == SuggestionStatus.APPROVED
