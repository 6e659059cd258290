"""What was approved is carried out: that, once, and not while it is stopped."""

from datetime import timedelta

import pytest
from django.db import IntegrityError, connection, transaction
from django.utils import timezone
from procrastinate.contrib.django.models import ProcrastinateJob

from crm.exceptions import BadInput, IllegalMove, NotAllowed
from crm.models import ActivityLog, User
from crm.records.transitions import purge, soft_delete
from leads.models import Lead, Task
from suggestions import tasks
from suggestions.autonomy.kill_switch import held, pause, resume
from suggestions.kinds.task import TaskKind
from suggestions.models import ExecutionPause, ExecutionState, Suggestion, SuggestionExecution, SuggestionStatus
from suggestions.transitions import approve, carry_out, undo
from suggestions.transitions.batch_execution import drain
from tests.cast import make_lead, make_suggestion
from tests.suggestions.mails import carried, let_go


def queued(by, **kw) -> SuggestionExecution:
    """The execution of a suggestion that was approved while everything was stopped, and may go on now."""
    if not held("TASK"):
        ExecutionPause.objects.create(reason="Stopped for this test.")
    suggestion = approve(make_suggestion(**kw), by=by)
    ExecutionPause.objects.all().delete()
    return suggestion.executions.get()


def jobs():
    return ProcrastinateJob.objects.filter(task_name="suggestions.carry_out", status="todo")


def test_what_is_approved_has_an_execution_that_says_by_whom_and_when(ann):
    execution = approve(make_suggestion(), by=ann).executions.get()
    assert (execution.state, execution.attempt, execution.ordered_by) == ("SUCCEEDED", 1, ann)
    assert execution.started_at <= execution.finished_at
    assert not jobs().exists()


def test_stopped_it_waits_with_a_job_and_is_done_when_it_goes_on(ann, max):
    pause(reason="Month end.", by=max)
    suggestion = approve(make_suggestion(), by=ann)
    assert (suggestion.status, suggestion.executed_at) == (SuggestionStatus.APPROVED, None)
    execution = suggestion.executions.get()
    assert execution.state == ExecutionState.QUEUED
    carry_out(execution.pk)
    assert not Task.objects.exists()
    assert resume(by=max) == 1
    carry_out(execution.pk)
    carry_out(execution.pk)
    assert Task.objects.count() == 1
    suggestion.refresh_from_db()
    assert suggestion.result == {"task": str(Task.objects.get().pk)}


def test_one_type_is_stopped_and_the_others_go_on(ann, max):
    pause("CHANGE_STATUS", by=max)
    lead = make_lead()
    assert approve(make_suggestion("CHANGE_STATUS", lead=lead), by=ann).executions.get().state == "QUEUED"
    assert approve(make_suggestion(lead=lead), by=ann).executions.get().state == "SUCCEEDED"
    assert held("TASK") is None
    resume("CHANGE_STATUS", by=max)
    assert held("CHANGE_STATUS") is None


def test_stopping_twice_or_what_does_not_exist_is_refused(max, ann):
    pause(by=max)
    with pytest.raises(BadInput, match="stopped already"):
        pause(by=max)
    with pytest.raises(BadInput, match="Type"):
        pause("NONSENSE", by=max)
    with pytest.raises(IllegalMove, match="not stopped"):
        resume("TASK", by=max)
    with pytest.raises(NotAllowed):
        pause("TASK", by=ann)
    with pytest.raises(NotAllowed):
        resume(by=ann)


def test_it_is_not_done_before_its_time(ann):
    execution = queued(ann)
    SuggestionExecution.objects.filter(pk=execution.pk).update(run_after=timezone.now() + timedelta(hours=1))
    ProcrastinateJob.objects.all().update(status="succeeded")
    carry_out(execution.pk)
    assert not Task.objects.exists()
    assert jobs().get().scheduled_at > timezone.now() + timedelta(minutes=59)


def test_a_lead_deleted_in_between_fails_it_with_a_sentence(ann, max):
    execution = queued(ann)
    soft_delete(execution.suggestion.lead, by=max)
    carry_out(execution.pk)
    suggestion = Suggestion.objects.get(pk=execution.suggestion_id)
    assert suggestion.status == SuggestionStatus.FAILED
    assert "is deleted; restore it first" in suggestion.error_message
    assert not Task.objects.exists()


def test_a_permission_revoked_in_between_fails_it_with_a_sentence(ann):
    execution = queued(ann)
    ann.groups.clear()
    carry_out(execution.pk)
    execution.refresh_from_db()
    assert (execution.state, execution.error) == ("FAILED", "Ann may not decide suggestions any more.")
    assert not Task.objects.exists()


def test_what_somebody_approved_who_has_no_account_any_more_is_left_to_others(ann):
    execution = queued(ann)
    User.objects.get(pk=ann.pk).delete()
    carry_out(execution.pk)
    execution.refresh_from_db()
    assert (execution.state, execution.ordered_by) == ("FAILED", None)
    assert execution.error == "Somebody who has left may not decide suggestions any more."
    assert not Task.objects.exists()


def test_what_was_altered_after_the_approval_is_not_done(ann):
    execution = queued(ann)
    Suggestion.objects.filter(pk=execution.suggestion_id).update(approved_content={"title": "Pay me"})
    carry_out(execution.pk)
    assert "has been altered since" in Suggestion.objects.get().error_message
    assert not Task.objects.exists()


def test_an_execution_that_is_gone_or_over_is_left_alone(ann):
    suggestion = approve(make_suggestion(), by=ann)
    carry_out(suggestion.executions.get().pk)
    carry_out(suggestion.pk)
    assert Task.objects.count() == 1


def test_the_database_refuses_a_second_live_execution(ann):
    suggestion = approve(make_suggestion(), by=ann)
    with pytest.raises(IntegrityError), transaction.atomic():
        SuggestionExecution.objects.create(suggestion=suggestion, attempt=2, idempotency_key="x")


def test_taken_back_before_it_happened_it_never_does(ann):
    execution = queued(ann)
    undo(execution.suggestion, by=ann)
    carry_out(execution.pk)
    assert not Task.objects.exists()
    suggestion = Suggestion.objects.get()
    assert (suggestion.status, suggestion.approved_content) == (SuggestionStatus.PENDING, None)
    approve(suggestion, by=ann)
    assert Task.objects.count() == 1


def test_undone_it_waits_again_and_the_timeline_says_so(ann):
    suggestion = approve(make_suggestion(), by=ann)
    undo(suggestion, by=ann)
    assert not Task.objects.exists()
    assert (suggestion.status, suggestion.result) == (SuggestionStatus.PENDING, None)
    assert [row.state for row in suggestion.executions.all()] == ["UNDONE"]
    line = ActivityLog.objects.on_timeline_of(suggestion.lead).get(verb="undone")
    assert line.summary.startswith("Undone: Adds the task")
    with pytest.raises(IllegalMove, match="Only what is approved can be undone"):
        undo(suggestion, by=ann)


def test_what_was_worked_on_since_is_not_undone(ann):
    suggestion = approve(make_suggestion(), by=ann)
    Task.objects.update(status="DONE")
    with pytest.raises(IllegalMove, match="has been worked on"):
        undo(suggestion, by=ann)
    suggestion.refresh_from_db()
    assert suggestion.status == SuggestionStatus.APPROVED


def test_a_stage_is_moved_back(ann):
    suggestion = approve(make_suggestion("CHANGE_STATUS", lead=make_lead()), by=ann)
    assert Lead.objects.get().status_id == "ACTIVE"
    undo(suggestion, by=ann)
    assert Lead.objects.get().status_id == "NEW_OPPORTUNITIES"


def test_a_job_that_was_lost_is_found_again(ann):
    execution = queued(ann)
    ProcrastinateJob.objects.all().delete()
    tasks.find_lost(0)
    assert not ProcrastinateJob.objects.exists()
    SuggestionExecution.objects.update(run_after=timezone.now() - tasks.LOST_AFTER)
    tasks.find_lost(0)
    tasks.find_lost(0)
    assert ProcrastinateJob.objects.get().task_name == "suggestions.drain"
    tasks.go_through()
    assert SuggestionExecution.objects.get(pk=execution.pk).state == "SUCCEEDED"


def test_what_is_stopped_is_not_looked_for(ann, max):
    queued(ann)
    ProcrastinateJob.objects.all().delete()
    SuggestionExecution.objects.update(run_after=timezone.now() - tasks.LOST_AFTER)
    pause("TASK", by=max)
    tasks.find_lost(0)
    assert not ProcrastinateJob.objects.exists()


def test_the_due_ones_are_read_off_an_index(ann):
    with connection.cursor() as cursor:
        cursor.execute("SET LOCAL enable_seqscan = off")
        plan = SuggestionExecution.objects.due(timezone.now()).explain()
    assert "suggestion_executions_due" in plan


def test_many_that_were_stopped_are_gone_through_by_a_few_jobs(ann, max):
    pause(by=max)
    suggestions = [approve(make_suggestion(), by=ann) for _ in range(6)]
    ProcrastinateJob.objects.all().delete()
    assert resume(by=max) == 6
    waiting = ProcrastinateJob.objects.filter(status="todo")
    assert {job.task_name for job in waiting} == {"suggestions.drain"}
    assert len(waiting) == 4
    assert drain() == 6
    assert drain() == 0
    assert Task.objects.count() == 6
    assert {row.executions.get().state for row in suggestions} == {"SUCCEEDED"}


def test_going_through_them_passes_over_what_is_stopped_or_not_due(ann, max):
    early, stopped = queued(ann), None
    pause("CHANGE_STATUS", by=max)
    stopped = approve(make_suggestion("CHANGE_STATUS", lead=make_lead()), by=ann).executions.get()
    SuggestionExecution.objects.filter(pk=early.pk).update(run_after=timezone.now() + timedelta(hours=1))
    assert drain() == 0
    assert {SuggestionExecution.objects.get(pk=row.pk).state for row in (early, stopped)} == {"QUEUED"}


def test_a_permission_revoked_in_between_counts_when_many_are_gone_through(ann):
    execution = queued(ann)
    ann.groups.clear()
    assert drain() == 1
    assert SuggestionExecution.objects.get(pk=execution.pk).state == "FAILED"


def test_a_program_that_breaks_down_over_one_says_so_and_does_the_others(ann, monkeypatch, caplog):
    first, second = queued(ann), queued(ann)
    do = TaskKind.execute

    def breaks(payload, suggestion, *, by):
        if suggestion.pk == first.suggestion_id:
            raise ZeroDivisionError("secret words of the lead")
        return do(payload, suggestion, by=by)

    monkeypatch.setattr(TaskKind, "execute", breaks)
    assert drain() == 2
    failed = Suggestion.objects.get(pk=first.suggestion_id)
    assert failed.status == SuggestionStatus.FAILED
    assert failed.error_message.startswith("The program broke down over this (ZeroDivisionError).")
    assert SuggestionExecution.objects.get(pk=second.pk).state == "SUCCEEDED"
    assert "broke down" in caplog.text


def test_what_is_on_its_way_is_not_purged(ada, ann):
    """The mail would wait in its conversation for ever, with nobody to send it or give it up."""
    suggestion = let_go(make_suggestion("SEND_EMAIL", lead=make_lead(assigned_to=ann)), ann)
    soft_delete(suggestion, by=ada)
    with pytest.raises(IllegalMove, match="is still needed by execution “Attempt 1: queued”"):
        purge(suggestion, by=ada)
    message = carried(suggestion).executions.get().message
    assert (message.state, message.error_message) == ("FAILED", "The suggestion is no longer approved.")
    purge(suggestion, by=ada)
    assert not SuggestionExecution.objects.exists() and not Suggestion.everything.exists()
