"""What was approved is carried out: that, once, and not while it is stopped."""

from datetime import timedelta

import pytest
from django.db import IntegrityError, connection, transaction
from django.utils import timezone
from procrastinate.contrib.django.models import ProcrastinateJob

from crm.exceptions import IllegalTransition, InvalidInput, NotPermitted
from crm.models import ActivityLog, User
from crm.records.transitions import purge, soft_delete
from leads.models import Lead, Task
from suggestions import tasks
from suggestions.autonomy.kill_switch import find_pause, pause_execution, resume_execution
from suggestions.kinds.task import TaskKind
from suggestions.models import ExecutionPause, ExecutionState, Suggestion, SuggestionExecution, SuggestionStatus
from suggestions.transitions import approve, run_execution, undo
from suggestions.transitions.batch_execution import run_due_executions
from tests.cast import make_lead, make_suggestion
from tests.suggestions.email_execution import approve_confirming_all, run_latest_execution


def make_queued_execution(by, **kw) -> SuggestionExecution:
    """The execution of a suggestion that was approved while everything was stopped, and may go on now."""
    if not find_pause("TASK"):
        ExecutionPause.objects.create(reason="Stopped for this test.")
    suggestion = approve(make_suggestion(**kw), by=by)
    ExecutionPause.objects.all().delete()
    return suggestion.executions.get()


def jobs():
    return ProcrastinateJob.objects.filter(task_name="suggestions.execute", status="todo")


def test_approval_records_execution_with_user_and_times(ann):
    execution = approve(make_suggestion(), by=ann).executions.get()
    assert (execution.state, execution.attempt, execution.ordered_by) == ("SUCCEEDED", 1, ann)
    assert execution.started_at <= execution.finished_at
    assert not jobs().exists()


def test_paused_execution_runs_after_resume(ann, max):
    pause_execution(reason="Month end.", by=max)
    suggestion = approve(make_suggestion(), by=ann)
    assert (suggestion.status, suggestion.executed_at) == (SuggestionStatus.APPROVED, None)
    execution = suggestion.executions.get()
    assert execution.state == ExecutionState.QUEUED
    run_execution(execution.pk)
    assert not Task.objects.exists()
    assert resume_execution(by=max) == 1
    run_execution(execution.pk)
    run_execution(execution.pk)
    assert Task.objects.count() == 1
    suggestion.refresh_from_db()
    assert suggestion.result == {"task": str(Task.objects.get().pk)}


def test_pausing_one_type_keeps_others_running(ann, max):
    pause_execution("CHANGE_STATUS", by=max)
    lead = make_lead()
    assert approve(make_suggestion("CHANGE_STATUS", lead=lead), by=ann).executions.get().state == "QUEUED"
    assert approve(make_suggestion(lead=lead), by=ann).executions.get().state == "SUCCEEDED"
    assert find_pause("TASK") is None
    resume_execution("CHANGE_STATUS", by=max)
    assert find_pause("CHANGE_STATUS") is None


def test_invalid_pause_or_resume_is_refused(max, ann):
    pause_execution(by=max)
    with pytest.raises(InvalidInput, match="already paused"):
        pause_execution(by=max)
    with pytest.raises(InvalidInput, match="Type"):
        pause_execution("NONSENSE", by=max)
    with pytest.raises(IllegalTransition, match="not paused"):
        resume_execution("TASK", by=max)
    with pytest.raises(NotPermitted):
        pause_execution("TASK", by=ann)
    with pytest.raises(NotPermitted):
        resume_execution(by=ann)


def test_execution_does_not_run_before_its_time(ann):
    execution = make_queued_execution(ann)
    SuggestionExecution.objects.filter(pk=execution.pk).update(run_after=timezone.now() + timedelta(hours=1))
    ProcrastinateJob.objects.all().update(status="succeeded")
    run_execution(execution.pk)
    assert not Task.objects.exists()
    assert jobs().get().scheduled_at > timezone.now() + timedelta(minutes=59)


def test_lead_deleted_before_execution_fails(ann, max):
    execution = make_queued_execution(ann)
    soft_delete(execution.suggestion.lead, by=max)
    run_execution(execution.pk)
    suggestion = Suggestion.objects.get(pk=execution.suggestion_id)
    assert suggestion.status == SuggestionStatus.FAILED
    assert "is deleted; restore it first" in suggestion.error_message
    assert not Task.objects.exists()


def test_permission_revoked_before_execution_fails(ann):
    execution = make_queued_execution(ann)
    ann.groups.clear()
    run_execution(execution.pk)
    execution.refresh_from_db()
    assert (execution.state, execution.error) == ("FAILED", "Ann may not decide suggestions any more.")
    assert not Task.objects.exists()


def test_execution_by_deleted_user_fails(ann):
    execution = make_queued_execution(ann)
    User.objects.get(pk=ann.pk).delete()
    run_execution(execution.pk)
    execution.refresh_from_db()
    assert (execution.state, execution.ordered_by) == ("FAILED", None)
    assert execution.error == "A former colleague may not decide suggestions any more."
    assert not Task.objects.exists()


def test_content_altered_after_approval_fails(ann):
    execution = make_queued_execution(ann)
    Suggestion.objects.filter(pk=execution.suggestion_id).update(approved_content={"title": "Pay me"})
    run_execution(execution.pk)
    assert "has been altered since" in Suggestion.objects.get().error_message
    assert not Task.objects.exists()


def test_missing_or_finished_execution_is_ignored(ann):
    suggestion = approve(make_suggestion(), by=ann)
    run_execution(suggestion.executions.get().pk)
    run_execution(suggestion.pk)
    assert Task.objects.count() == 1


def test_database_allows_one_live_execution(ann):
    suggestion = approve(make_suggestion(), by=ann)
    with pytest.raises(IntegrityError), transaction.atomic():
        SuggestionExecution.objects.create(suggestion=suggestion, attempt=2, idempotency_key="x")


def test_undo_before_execution_cancels_it(ann):
    execution = make_queued_execution(ann)
    undo(execution.suggestion, by=ann)
    run_execution(execution.pk)
    assert not Task.objects.exists()
    suggestion = Suggestion.objects.get()
    assert (suggestion.status, suggestion.approved_content) == (SuggestionStatus.PENDING, None)
    approve(suggestion, by=ann)
    assert Task.objects.count() == 1


def test_undo_returns_suggestion_to_pending_and_is_logged(ann):
    suggestion = approve(make_suggestion(), by=ann)
    undo(suggestion, by=ann)
    assert not Task.objects.exists()
    assert (suggestion.status, suggestion.result) == (SuggestionStatus.PENDING, None)
    assert [row.state for row in suggestion.executions.all()] == ["UNDONE"]
    line = ActivityLog.objects.on_timeline_of(suggestion.lead).get(verb="undone")
    assert line.summary.startswith("Undone: Create task")
    with pytest.raises(IllegalTransition, match="Only an approved suggestion can be undone"):
        undo(suggestion, by=ann)


def test_undo_is_refused_when_task_was_changed(ann):
    suggestion = approve(make_suggestion(), by=ann)
    Task.objects.update(status="DONE")
    with pytest.raises(IllegalTransition, match="has been worked on"):
        undo(suggestion, by=ann)
    suggestion.refresh_from_db()
    assert suggestion.status == SuggestionStatus.APPROVED


def test_undo_restores_previous_stage(ann):
    suggestion = approve(make_suggestion("CHANGE_STATUS", lead=make_lead()), by=ann)
    assert Lead.objects.get().status_id == "ACTIVE"
    undo(suggestion, by=ann)
    assert Lead.objects.get().status_id == "NEW_OPPORTUNITIES"


def test_lost_job_is_requeued(ann):
    execution = make_queued_execution(ann)
    ProcrastinateJob.objects.all().delete()
    tasks.recover_lost_executions(0)
    assert not ProcrastinateJob.objects.exists()
    SuggestionExecution.objects.update(run_after=timezone.now() - tasks.LOST_AFTER)
    tasks.recover_lost_executions(0)
    tasks.recover_lost_executions(0)
    assert ProcrastinateJob.objects.get().task_name == "suggestions.execute_batch"
    tasks.run_batch_job()
    assert SuggestionExecution.objects.get(pk=execution.pk).state == "SUCCEEDED"


def test_paused_execution_is_not_requeued(ann, max):
    make_queued_execution(ann)
    ProcrastinateJob.objects.all().delete()
    SuggestionExecution.objects.update(run_after=timezone.now() - tasks.LOST_AFTER)
    pause_execution("TASK", by=max)
    tasks.recover_lost_executions(0)
    assert not ProcrastinateJob.objects.exists()


def test_due_executions_use_an_index(ann):
    with connection.cursor() as cursor:
        cursor.execute("SET LOCAL enable_seqscan = off")
        plan = SuggestionExecution.objects.due(timezone.now()).explain()
    assert "suggestion_executions_due" in plan


def test_resume_runs_many_executions_with_few_jobs(ann, max):
    pause_execution(by=max)
    suggestions = [approve(make_suggestion(), by=ann) for _ in range(6)]
    ProcrastinateJob.objects.all().delete()
    assert resume_execution(by=max) == 6
    waiting = ProcrastinateJob.objects.filter(status="todo")
    assert {job.task_name for job in waiting} == {"suggestions.execute_batch"}
    assert len(waiting) == 4
    assert run_due_executions() == 6
    assert run_due_executions() == 0
    assert Task.objects.count() == 6
    assert {row.executions.get().state for row in suggestions} == {"SUCCEEDED"}


def test_batch_skips_paused_and_not_yet_due(ann, max):
    early, stopped = make_queued_execution(ann), None
    pause_execution("CHANGE_STATUS", by=max)
    stopped = approve(make_suggestion("CHANGE_STATUS", lead=make_lead()), by=ann).executions.get()
    SuggestionExecution.objects.filter(pk=early.pk).update(run_after=timezone.now() + timedelta(hours=1))
    assert run_due_executions() == 0
    assert {SuggestionExecution.objects.get(pk=row.pk).state for row in (early, stopped)} == {"QUEUED"}


def test_permission_revoked_before_batch_fails(ann):
    execution = make_queued_execution(ann)
    ann.groups.clear()
    assert run_due_executions() == 1
    assert SuggestionExecution.objects.get(pk=execution.pk).state == "FAILED"


def test_unexpected_error_fails_one_execution_only(ann, monkeypatch, caplog):
    first, second = make_queued_execution(ann), make_queued_execution(ann)
    do = TaskKind.execute

    def breaks(payload, suggestion, *, by):
        if suggestion.pk == first.suggestion_id:
            raise ZeroDivisionError("secret words of the lead")
        return do(payload, suggestion, by=by)

    monkeypatch.setattr(TaskKind, "execute", breaks)
    assert run_due_executions() == 2
    failed = Suggestion.objects.get(pk=first.suggestion_id)
    assert failed.status == SuggestionStatus.FAILED
    assert failed.error_message.startswith("The program failed over this (ZeroDivisionError).")
    assert SuggestionExecution.objects.get(pk=second.pk).state == "SUCCEEDED"
    assert "failed." in caplog.text


def test_suggestion_with_queued_execution_cannot_be_purged(ada, ann):
    """Without its execution, the email would stay queued for ever: neither sent nor failed."""
    suggestion = approve_confirming_all(make_suggestion("SEND_EMAIL", lead=make_lead(assigned_to=ann)), ann)
    soft_delete(suggestion, by=ada)
    with pytest.raises(IllegalTransition, match="is still referenced by execution “Attempt 1: queued”"):
        purge(suggestion, by=ada)
    message = run_latest_execution(suggestion).executions.get().message
    assert (message.state, message.error_message) == ("FAILED", "The suggestion is no longer approved.")
    purge(suggestion, by=ada)
    assert not SuggestionExecution.objects.exists() and not Suggestion.everything.exists()
