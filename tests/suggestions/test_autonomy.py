"""What the program does by itself, what it asks for all the same, and how it is taken back."""

from concurrent.futures import ThreadPoolExecutor
from datetime import timedelta
from decimal import Decimal

import pytest
from django.db import connection
from django.utils import timezone

from crm.exceptions import BadInput, IllegalMove, NotAllowed
from crm.models import ActivityLog
from leads.models import Task
from suggestions.autonomy.kill_switch import pause
from suggestions.autonomy.transitions import follow_house, set_level
from suggestions.models import (
    AutonomySetting,
    ExecutionState,
    Level,
    Suggestion,
    SuggestionExecution,
    SuggestionStatus,
    SuggestionType,
)
from suggestions.transitions import approve, carry_out, propose, reject, submit, undo
from tests.cast import make_lead, make_thread, make_user
from tests.suggestions.earned import SCOUT, make_past, make_proposal, make_setting, stands
from tests.suggestions.full import breaks, make_message

pytestmark = pytest.mark.django_db


@pytest.fixture
def trusted(max) -> None:
    """The scout has earned it for tasks."""
    make_past(max, approved=60)


def due(suggestion: Suggestion) -> SuggestionExecution:
    """Its execution, whose time has come."""
    rows = SuggestionExecution.objects.filter(suggestion=suggestion)
    rows.update(run_after=timezone.now() - timedelta(seconds=1))
    return rows.get()


# Levels


def test_without_a_setting_it_waits_for_a_person(trusted, ann):
    suggestion = make_proposal(owner=ann)
    assert (suggestion.status, suggestion.autonomy, suggestion.held_because) == ("PENDING", "suggest", [])


def test_what_is_off_is_not_proposed_by_the_program_but_by_people(trusted, ann):
    make_setting(ann, level=Level.OFF)
    with pytest.raises(IllegalMove, match="Suggestions of type Task are switched off for Ann"):
        make_proposal(owner=ann)
    assert make_proposal(by=ann, owner=ann).status == SuggestionStatus.PENDING


def test_a_draft_in_place_waits_and_says_so(trusted, ann):
    make_setting(ann, level=Level.AUTO_DRAFT)
    suggestion = make_proposal(owner=ann)
    assert (suggestion.status, suggestion.autonomy) == (SuggestionStatus.PENDING, Level.AUTO_DRAFT)
    assert not SuggestionExecution.objects.filter(suggestion=suggestion).exists()


def test_what_may_go_is_let_happen_by_policy_and_done_after_the_undo_window(trusted, ann):
    make_setting(ann)
    suggestion = make_proposal(owner=ann)
    assert (suggestion.status, suggestion.reviewed_by, suggestion.review_note) == ("APPROVED", None, "By policy")
    execution = SuggestionExecution.objects.get(suggestion=suggestion)
    assert (execution.state, execution.ordered_by) == (ExecutionState.QUEUED, None)
    assert timedelta(seconds=290) < execution.run_after - timezone.now() <= timedelta(seconds=300)
    assert not Task.objects.exists()
    carry_out(due(suggestion).pk)
    assert Task.objects.get().title == "Call back"
    told = ActivityLog.objects.on_timeline_of(suggestion.lead).filter(target_id=suggestion.pk)
    assert [line.verb for line in told] == ["approved", "let happen", "proposed"]
    assert "by policy" in told[0].summary
    assert "unless it is taken back" in told[1].summary
    assert list(Suggestion.objects.by_policy()) == [suggestion]


def test_it_is_taken_back_before_it_happens(trusted, ann):
    make_setting(ann)
    suggestion = undo(make_proposal(owner=ann), by=ann)
    assert (suggestion.status, suggestion.held_because) == ("PENDING", ["Ann took it back."])
    carry_out(SuggestionExecution.objects.get(suggestion=suggestion).pk)
    assert not Task.objects.exists()
    approve(suggestion, by=ann)
    assert Task.objects.count() == 1


def test_the_owner_s_setting_counts_before_the_house_s(trusted, ann, bob):
    make_setting(None, level=Level.AUTO_EXECUTE)
    make_setting(ann, level=Level.SUGGEST)
    assert make_proposal(owner=ann).status == SuggestionStatus.PENDING
    assert make_proposal(owner=bob).status == SuggestionStatus.APPROVED
    assert make_proposal().status == SuggestionStatus.APPROVED


def test_what_a_person_proposes_waits(trusted, ann):
    make_setting(ann)
    assert make_proposal(by=ann, owner=ann).status == SuggestionStatus.PENDING


# Always asked


@pytest.mark.parametrize(
    ("kw", "said"),
    [
        ({"confidence": "0.79"}, "It is 79% sure; 80% are needed."),
        ({"confidence": None}, "Nobody says how sure this is; 80% are needed."),
        ({"suggested_content": {"title": "Call\u200b back"}}, "It holds invisible characters."),
    ],
)
def test_a_person_is_asked_all_the_same(trusted, ann, kw, said):
    make_setting(ann)
    suggestion = make_proposal(owner=ann, **kw)
    assert (suggestion.status, suggestion.held_because) == (SuggestionStatus.PENDING, [said])


@pytest.mark.parametrize(("value", "asked"), [(10_001, True), (None, True), (10_000, False)])
def test_above_the_ceiling_a_person_is_asked(trusted, ann, value, asked):
    make_setting(ann, value_ceiling=10_000)
    suggestion = make_proposal(lead=make_lead(assigned_to=ann, estimated_value=value))
    assert bool(suggestion.held_because) is asked


def test_who_has_not_earned_it_is_not_let(ann, max):
    make_setting(ann)
    make_past(max, approved=49)
    assert make_proposal(owner=ann).held_because == ["scout has not earned it yet: 1 more decision (so far 49 of 50)."]


def test_a_stop_keeps_it_for_people(trusted, ann, max):
    make_setting(ann)
    pause(by=max)
    assert make_proposal(owner=ann).held_because == ["The carrying out is stopped."]


def test_words_from_outside_are_never_acted_on_by_itself_but_for_harmless_types(ann, max):
    for type in (SuggestionType.TASK, SuggestionType.CHANGE_STATUS):
        make_setting(ann, type=type)
        make_past(max, type=type, approved=60)
    lead = make_lead(assigned_to=ann)
    thread = make_thread(lead=lead)
    make_message(thread)
    task = make_proposal(lead=lead, thread=thread)
    move = {"status": "ACTIVE", "fromStatus": lead.status_id}
    moved = make_proposal(lead=lead, thread=thread, type=SuggestionType.CHANGE_STATUS, suggested_content=move)
    assert task.tainted
    assert task.status == SuggestionStatus.APPROVED
    assert moved.held_because == ["It rests on words of somebody outside the team."]


def test_nothing_is_done_in_the_name_of_whoever_may_not(trusted):
    viewer = make_user("viewer", "viewer")
    make_setting(viewer)
    assert "may not add a task" in make_proposal(owner=viewer).held_because[0]


def test_the_day_s_number_is_reached(trusted, ann, bob):
    make_setting(None, daily_cap=2)
    made = [make_proposal(owner=ann) for _ in range(3)]
    assert [one.status for one in made] == ["APPROVED", "APPROVED", "PENDING"]
    assert made[2].held_because == ["The 2 that may go by themselves in a day have been reached."]
    undo(made[0], by=ann)
    AutonomySetting.objects.update(level=Level.AUTO_EXECUTE)
    assert make_proposal(owner=ann).status == SuggestionStatus.PENDING
    assert make_proposal(owner=bob).status == SuggestionStatus.APPROVED


@pytest.mark.django_db(transaction=True, serialized_rollback=True)
def test_the_day_s_number_holds_for_eight_at_once(ann, max):
    make_past(max, approved=60)
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


def test_a_level_that_was_lowered_meanwhile_leaves_it_to_a_person(trusted, ann):
    setting = make_setting(ann)
    suggestion = make_proposal(owner=ann)
    set_level(ann, setting.type, Level.SUGGEST, by=ann)
    carry_out(due(suggestion).pk)
    assert stands(suggestion) == "Waiting"
    assert suggestion.held_because == ["The setting no longer lets this happen by itself."]
    assert SuggestionExecution.objects.get(suggestion=suggestion).state == ExecutionState.CANCELLED
    assert not Task.objects.exists()
    approve(suggestion, by=ann)
    assert Task.objects.count() == 1


def test_a_stop_meanwhile_leaves_it_to_a_person_and_not_to_the_end_of_the_stop(trusted, ann, max):
    make_setting(ann)
    suggestion = make_proposal(owner=ann)
    pause(SuggestionType.TASK, by=max)
    carry_out(due(suggestion).pk)
    assert stands(suggestion) == "Waiting"
    assert suggestion.held_because == ["The carrying out was stopped."]
    assert not Task.objects.exists()


def test_one_that_was_proposed_anew_meanwhile_stands_in_nobody_s_way(trusted, ann):
    make_setting(ann)
    first = make_proposal(owner=ann, dedupe_key="call")
    AutonomySetting.objects.update(level=Level.SUGGEST)
    second = make_proposal(lead=first.lead, dedupe_key="call")
    carry_out(due(first).pk)
    assert stands(first) == stands(second) == "Waiting"


# What comes down by itself


def test_a_failure_takes_the_level_down_a_step(trusted, ann, monkeypatch):
    setting = make_setting(ann)
    suggestion = make_proposal(owner=ann)
    breaks(monkeypatch)
    carry_out(due(suggestion).pk)
    assert stands(suggestion) == "Failed"
    setting.refresh_from_db()
    assert setting.level == Level.AUTO_DRAFT
    assert "it failed (The shelf is full.)" in setting.lowered_because
    assert ActivityLog.objects.get(verb="lowered").summary.startswith("Autonomy lowered: Task for Ann: draft in place")


def test_taking_back_takes_the_level_down_a_step(trusted, ann):
    setting = make_setting(None)
    undo(make_proposal(owner=ann), by=ann)
    setting.refresh_from_db()
    assert (setting.level, bool(setting.lowered_at)) == (Level.AUTO_DRAFT, True)
    assert setting.lowered_because.endswith("Ann took it back")


def test_what_a_person_let_happen_takes_no_level_down(trusted, ann):
    setting = make_setting(ann, level=Level.AUTO_DRAFT)
    undo(approve(make_proposal(owner=ann), by=ann), by=ann)
    setting.refresh_from_db()
    assert (setting.level, setting.lowered_at) == (Level.AUTO_DRAFT, None)


def test_a_rejection_after_which_nobody_has_earned_it_takes_it_down_to_suggest(ann, max):
    make_past(max, approved=57, rejected=3)
    mine, house = make_setting(ann), make_setting(None, level=Level.AUTO_DRAFT)
    waiting = make_proposal(owner=ann, confidence="0.5")
    reject(waiting, reason="No.", by=ann)
    for setting in (mine, house):
        setting.refresh_from_db()
        assert setting.level == Level.SUGGEST
        assert "93.4 % approved" in setting.lowered_because


def test_a_rejection_that_leaves_it_earned_takes_nothing_down(trusted, ann):
    setting = make_setting(ann)
    reject(make_proposal(owner=ann, confidence="0.5"), reason="No.", by=ann)
    setting.refresh_from_db()
    assert setting.level == Level.AUTO_EXECUTE


# Setting it


def test_a_level_is_raised_once_it_is_earned(ann, max):
    make_past(max, approved=49)
    with pytest.raises(IllegalMove, match="Task cannot be left to the program yet.*scout: 49 decided, 100 % approved"):
        set_level(ann, SuggestionType.TASK, Level.AUTO_DRAFT, by=ann)
    assert not AutonomySetting.objects.exists()
    make_past(max, approved=1)
    setting = set_level(ann, SuggestionType.TASK, Level.AUTO_EXECUTE, bounds={"daily_cap": 5}, by=ann)
    assert (setting.level, setting.daily_cap, setting.undo_seconds) == (Level.AUTO_EXECUTE, 5, 300)
    assert ActivityLog.objects.get(verb="set").summary == "Autonomy: Task for Ann: carry out (daily cap 5)"


def test_down_it_goes_without_being_earned(ann):
    make_setting(ann)
    assert set_level(ann, SuggestionType.TASK, Level.AUTO_DRAFT, by=ann).level == Level.AUTO_DRAFT
    assert set_level(ann, SuggestionType.TASK, Level.OFF, by=ann).level == Level.OFF
    assert set_level(ann, SuggestionType.TASK, Level.SUGGEST, by=ann).level == Level.SUGGEST


def test_only_who_may_sets_it_for_others(trusted, ann, bob, max, stranger):
    for whose, by in ((bob, ann), (None, ann), (stranger, stranger)):
        with pytest.raises(NotAllowed):
            set_level(whose, SuggestionType.TASK, Level.OFF, by=by)
    set_level(None, SuggestionType.TASK, Level.OFF, by=max)
    set_level(bob, SuggestionType.TASK, Level.AUTO_EXECUTE, by=max)
    assert AutonomySetting.objects.count() == 2


def test_nobody_leaves_to_the_program_what_they_may_not_do(ann, max):
    make_past(max, type=SuggestionType.PR, approved=60)
    with pytest.raises(NotAllowed, match="Ann may not"):
        set_level(ann, SuggestionType.PR, Level.AUTO_EXECUTE, by=ann)


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
def test_bad_input_gets_a_sentence_and_changes_nothing(ann, level, bounds):
    with pytest.raises(BadInput):
        set_level(ann, SuggestionType.TASK, level, bounds=bounds, by=ann)
    assert not AutonomySetting.objects.exists()


def test_one_s_own_setting_is_given_up_for_the_house_s(trusted, ann):
    make_setting(ann, level=Level.OFF)
    follow_house(ann, SuggestionType.TASK, by=ann)
    assert make_proposal(owner=ann).status == SuggestionStatus.PENDING
    with pytest.raises(IllegalMove):
        follow_house(ann, SuggestionType.TASK, by=ann)


def test_what_was_lowered_says_so_until_it_is_set_again(trusted, ann):
    setting = make_setting(ann, level=Level.AUTO_DRAFT, lowered_at=timezone.now(), lowered_because="it failed")
    set_level(ann, setting.type, Level.AUTO_DRAFT, bounds={"confidence_floor": Decimal("0.9")}, by=ann)
    setting.refresh_from_db()
    assert setting.lowered_because == "it failed"
    set_level(ann, setting.type, Level.AUTO_EXECUTE, by=ann)
    setting.refresh_from_db()
    assert (setting.lowered_at, setting.lowered_because) == (None, "")


def test_a_draft_goes_when_it_is_submitted_by_the_program(trusted, ann):
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
