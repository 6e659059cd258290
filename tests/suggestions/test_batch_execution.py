"""Much is carried out at once in one transaction, and each of it as if it were alone."""

from threading import Event, Thread

import pytest
from django.db import OperationalError, connection, transaction
from django.utils import timezone
from procrastinate.contrib.django.models import ProcrastinateJob

from crm.models import ActivityLog, User
from leads.models import Lead, LeadStageHistory, Task
from suggestions import tasks as jobs
from suggestions.kinds.task import TaskKind
from suggestions.models import ExecutionPause, ExecutionState, Suggestion, SuggestionExecution, SuggestionStatus
from suggestions.transitions import approve, batch_execution
from suggestions.transitions.batch_execution import EXECUTIONS_PER_BATCH, run_batch, run_due_executions
from tests.cast import make_lead, make_suggestion, make_user
from tests.suggestions.trust_history import make_decided_suggestions, make_proposal, make_setting


def approve_while_paused(by: User, *suggestions: Suggestion) -> list[SuggestionExecution]:
    """The executions of `suggestions`, approved while everything was stopped, that may go on now."""
    ExecutionPause.objects.create(reason="Stopped for this test.")
    for suggestion in suggestions:
        approve(suggestion, by=by)
    ExecutionPause.objects.all().delete()
    return [suggestion.executions.get() for suggestion in suggestions]


def states(executions: list[SuggestionExecution]) -> list[str]:
    return [SuggestionExecution.objects.get(pk=execution.pk).state for execution in executions]


def call_during_execution(monkeypatch, number: int, happens) -> None:
    """Let `happens` be called in the middle of the deed `number` of those that add a task, counted from 0."""
    execute, met = TaskKind.execute, []

    def with_it(payload, suggestion, *, by):
        result = execute(payload, suggestion, by=by)
        met.append(suggestion)
        if len(met) == number + 1:
            happens()
        return result

    monkeypatch.setattr(TaskKind, "execute", with_it)


def raise_error(error: BaseException):
    def happens():
        raise error

    return happens


def let_time_slice_end(monkeypatch) -> None:
    """Let what was read a moment ago be old."""
    read = batch_execution.time.monotonic()
    monkeypatch.setattr(batch_execution.time, "monotonic", lambda: read + batch_execution.BATCH_TRANSACTION_SECONDS + 1)


@pytest.fixture(autouse=True)
def long_batches(monkeypatch) -> None:
    """Let no batch end early: on a busy machine it would leave executions for the next."""
    for name in ("BATCH_JOB_SECONDS", "BATCH_TRANSACTION_SECONDS"):
        monkeypatch.setattr(batch_execution, name, 600)


def make_tasks(count: int) -> list[Suggestion]:
    return [make_suggestion() for _ in range(count)]


def test_batch_executes_in_one_transaction_with_records(ann):
    moves = [make_suggestion("CHANGE_STATUS", lead=make_lead()) for _ in range(2)]
    edited = make_suggestion()
    approve_while_paused(ann, *make_tasks(2), *moves)
    ExecutionPause.objects.create(reason="Stopped for this test.")
    approve(edited, content={"title": "Call at noon"}, by=ann)
    ExecutionPause.objects.all().delete()
    assert run_batch(EXECUTIONS_PER_BATCH) == 5
    assert run_batch(EXECUTIONS_PER_BATCH) is None
    assert Task.objects.count() == 3
    assert LeadStageHistory.objects.filter(from_status__isnull=False).count() == 2
    for suggestion in Suggestion.objects.all():
        execution = suggestion.executions.get()
        changed = suggestion.pk == edited.pk
        assert execution.state == ExecutionState.SUCCEEDED
        assert execution.started_at <= execution.finished_at == suggestion.executed_at
        assert suggestion.status == (SuggestionStatus.MODIFIED if changed else SuggestionStatus.APPROVED)
        assert suggestion.result
        line = ActivityLog.objects.for_target(suggestion)[0]
        assert (line.verb, line.actor) == ("approved with changes" if changed else "approved", ann)
        assert line.about_id == suggestion.lead_id
        told = ActivityLog.objects.on_timeline_of(suggestion.lead)
        assert suggestion.lead.last_activity_at >= told[0].occurred_at
    assert str(Task.objects.get(title="Call at noon").pk) == Suggestion.objects.get(pk=edited.pk).result["task"]


def test_batch_uses_few_queries_per_execution(ann, django_assert_max_num_queries):
    approve_while_paused(ann, *make_tasks(20))
    with django_assert_max_num_queries(20 * 10 + 20):
        assert run_due_executions() == 20


def test_failed_and_returned_executions_do_not_stop_the_batch(ann, max, monkeypatch, caplog):
    make_decided_suggestions(max, approved=60)
    setting = make_setting(ann, undo_seconds=3_600)
    by_policy = make_proposal(lead=make_lead(assigned_to=ann))
    assert by_policy.executions.get().ordered_by is None
    setting.level = "suggest"
    setting.save()
    first, fails, breaks, last = make_tasks(4)
    approve_while_paused(ann, first, fails, breaks, last)
    SuggestionExecution.objects.update(run_after=timezone.now())
    Lead.everything.filter(pk=fails.lead_id).update(deleted_at=timezone.now())
    call_during_execution(monkeypatch, 1, raise_error(ZeroDivisionError()))
    assert run_due_executions() == 5
    stand = {
        row.pk: (row.status, row.executions.latest("created_at").state)
        for row in Suggestion.objects.filter(pk__in=[row.pk for row in (first, fails, breaks, last, by_policy)])
    }
    failed = [row for row in (first, breaks, last) if stand[row.pk] == ("FAILED", "FAILED")]
    assert len(failed) == 1
    assert stand[fails.pk] == ("FAILED", "FAILED")
    assert stand[by_policy.pk] == ("PENDING", "CANCELLED")
    done = {first.pk, breaks.pk, last.pk} - {failed[0].pk}
    assert {stand[pk] for pk in done} == {("APPROVED", "SUCCEEDED")}
    assert Task.objects.filter(lead__in=[first.lead, breaks.lead, last.lead]).count() == 2
    assert "is deleted; restore it first" in Suggestion.objects.get(pk=fails.pk).error_message
    assert "ZeroDivisionError" in Suggestion.objects.get(pk=failed[0].pk).error_message
    assert f"TaskKind of suggestion {failed[0].pk} failed." in caplog.text


def test_pause_during_batch_leaves_rest_queued(ann, monkeypatch):
    executions = approve_while_paused(ann, *make_tasks(3))

    def stopped():
        ExecutionPause.objects.create(reason="Now.")
        let_time_slice_end(monkeypatch)

    call_during_execution(monkeypatch, 0, stopped)
    assert run_due_executions() == 1
    assert run_due_executions() == 0
    assert states(executions) == ["SUCCEEDED", "QUEUED", "QUEUED"]
    assert Task.objects.count() == 1


def test_permission_revoked_during_batch_fails_the_rest(ann, monkeypatch):
    executions = approve_while_paused(ann, *make_tasks(3))

    def revoked():
        ann.groups.clear()
        let_time_slice_end(monkeypatch)

    call_during_execution(monkeypatch, 0, revoked)
    assert run_due_executions() == 1
    assert run_due_executions() == 2
    assert states(executions) == ["SUCCEEDED", "FAILED", "FAILED"]
    assert Task.objects.count() == 1


def test_crash_during_batch_rolls_back_and_is_repeated_once(ann, monkeypatch):
    executions = approve_while_paused(ann, *make_tasks(3))
    call_during_execution(monkeypatch, 1, raise_error(SystemExit()))
    with pytest.raises(SystemExit):
        run_due_executions()
    assert states(executions) == ["QUEUED"] * 3
    assert not Task.objects.exists()
    assert run_due_executions() == 3
    assert states(executions) == ["SUCCEEDED"] * 3
    assert Task.objects.count() == 3


def test_deadlock_falls_back_to_single_executions(ann, monkeypatch, caplog):
    executions = approve_while_paused(ann, *make_tasks(3))
    call_during_execution(monkeypatch, 1, raise_error(OperationalError("deadlock detected")))
    assert run_due_executions() == 3
    assert states(executions) == ["SUCCEEDED"] * 3
    assert Task.objects.count() == 3
    assert "executing one at a time" in caplog.text


def test_database_error_on_single_execution_retries_the_job(ann, monkeypatch):
    executions = approve_while_paused(ann, *make_tasks(3))
    for number in (1, 2):  # the second of the many, which the outer does not count; then the second by itself
        call_during_execution(monkeypatch, number, raise_error(OperationalError("the database is away")))
    with pytest.raises(OperationalError):
        run_due_executions()
    assert states(executions) == ["SUCCEEDED", "QUEUED", "QUEUED"]
    assert Task.objects.count() == 1


def test_foreign_key_error_fails_one_execution_only(ann, monkeypatch):
    executions = approve_while_paused(ann, *make_tasks(2))
    nobody = make_user("gone")
    User.objects.filter(pk=nobody.pk).delete()
    call_during_execution(monkeypatch, 0, lambda: Task.objects.create(title="For nobody", assignee_id=nobody.pk))
    assert run_due_executions() == 2
    assert states(executions) == ["FAILED", "SUCCEEDED"]
    assert Task.objects.count() == 1


def test_executions_for_one_lead_see_each_others_changes(ann):
    lead = make_lead()
    moves = [
        make_suggestion("CHANGE_STATUS", lead=lead, suggested_content={"status": to, "fromStatus": lead.status_id})
        for to in ("ACTIVE", "PROPOSAL_SENT")
    ]
    executions = approve_while_paused(ann, *moves)
    assert run_due_executions() == 2
    assert states(executions) == ["SUCCEEDED", "FAILED"]
    assert "has been moved to Active in the meantime" in Suggestion.objects.get(pk=moves[1].pk).error_message
    assert Lead.objects.get(pk=lead.pk).status_id == "ACTIVE"


@pytest.mark.django_db(transaction=True)
def test_locked_lead_does_not_block_others():
    executions = approve_while_paused(make_user("ann", "agent"), *make_tasks(3))
    busy, held, over = executions[1].suggestion.lead_id, Event(), Event()

    def at_it():
        with transaction.atomic():
            Lead.objects.select_for_update().get(pk=busy)
            held.set()
            over.wait(30)
        connection.close()

    person = Thread(target=at_it)
    person.start()
    try:
        assert held.wait(10)
        assert run_batch(EXECUTIONS_PER_BATCH) == 2
        assert run_batch(EXECUTIONS_PER_BATCH) == 0
        assert states(executions) == ["SUCCEEDED", "QUEUED", "SUCCEEDED"]
    finally:
        over.set()
        person.join(30)
    assert run_due_executions() == 1
    assert states(executions) == ["SUCCEEDED"] * 3
    assert Task.objects.count() == 3


def test_job_requeues_itself_after_its_time_slice(ann, monkeypatch):
    executions = approve_while_paused(ann, *make_tasks(3))
    ProcrastinateJob.objects.all().delete()
    monkeypatch.setattr(batch_execution, "EXECUTIONS_PER_BATCH", 2)
    call_during_execution(monkeypatch, 1, lambda: let_time_slice_end(monkeypatch))
    jobs.run_batch_job(3)
    assert states(executions) == ["SUCCEEDED", "SUCCEEDED", "QUEUED"]
    job = ProcrastinateJob.objects.get()
    assert (job.task_name, job.args, job.queueing_lock) == ("suggestions.execute_batch", {"number": 3}, "batch 3")
    jobs.run_batch_job(3)
    assert states(executions) == ["SUCCEEDED"] * 3


def test_suggestions_approved_while_paused_share_one_job(ann):
    approve_while_paused(ann, *make_tasks(3))
    assert ProcrastinateJob.objects.get().task_name == "suggestions.execute_batch"
