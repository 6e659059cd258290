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
from suggestions.transitions.batch_execution import AT_ONCE, FRESH, do_some, drain
from tests.cast import make_lead, make_suggestion, make_user
from tests.suggestions.earned import make_past, make_proposal, make_setting


def approved(by: User, *suggestions: Suggestion) -> list[SuggestionExecution]:
    """The executions of `suggestions`, approved while everything was stopped, that may go on now."""
    ExecutionPause.objects.create(reason="Stopped for this test.")
    for suggestion in suggestions:
        approve(suggestion, by=by)
    ExecutionPause.objects.all().delete()
    return [suggestion.executions.get() for suggestion in suggestions]


def states(executions: list[SuggestionExecution]) -> list[str]:
    return [SuggestionExecution.objects.get(pk=execution.pk).state for execution in executions]


def meanwhile(monkeypatch, number: int, happens) -> None:
    """Let `happens` be called in the middle of the deed `number` of those that add a task, counted from 0."""
    execute, met = TaskKind.execute, []

    def with_it(payload, suggestion, *, by):
        result = execute(payload, suggestion, by=by)
        met.append(suggestion)
        if len(met) == number + 1:
            happens()
        return result

    monkeypatch.setattr(TaskKind, "execute", with_it)


def raising(error: BaseException):
    def happens():
        raise error

    return happens


def later(monkeypatch) -> None:
    """Let what was read a moment ago be old."""
    read = batch_execution.time.monotonic()
    monkeypatch.setattr(batch_execution.time, "monotonic", lambda: read + FRESH + 1)


def tasks(count: int) -> list[Suggestion]:
    return [make_suggestion() for _ in range(count)]


def test_many_are_done_in_one_transaction_and_each_is_written_down(ann):
    moves = [make_suggestion("CHANGE_STATUS", lead=make_lead()) for _ in range(2)]
    edited = make_suggestion()
    approved(ann, *tasks(2), *moves)
    ExecutionPause.objects.create(reason="Stopped for this test.")
    approve(edited, content={"title": "Call at noon"}, by=ann)
    ExecutionPause.objects.all().delete()
    assert do_some(AT_ONCE) == 5
    assert do_some(AT_ONCE) is None
    assert Task.objects.count() == 3
    assert LeadStageHistory.objects.filter(from_status__isnull=False).count() == 2
    for suggestion in Suggestion.objects.all():
        execution = suggestion.executions.get()
        changed = suggestion.pk == edited.pk
        assert execution.state == ExecutionState.SUCCEEDED
        assert execution.started_at <= execution.finished_at == suggestion.executed_at
        assert suggestion.status == (SuggestionStatus.MODIFIED if changed else SuggestionStatus.APPROVED)
        assert suggestion.result
        line = ActivityLog.objects.done_to(suggestion)[0]
        assert (line.verb, line.actor) == ("approved with changes" if changed else "approved", ann)
        assert line.about_id == suggestion.lead_id
        told = ActivityLog.objects.on_timeline_of(suggestion.lead)
        assert suggestion.lead.last_activity_at >= told[0].occurred_at
    assert str(Task.objects.get(title="Call at noon").pk) == Suggestion.objects.get(pk=edited.pk).result["task"]


def test_each_costs_few_questions(ann, django_assert_max_num_queries):
    approved(ann, *tasks(20))
    with django_assert_max_num_queries(20 * 10 + 20):
        assert drain() == 20


def test_one_fails_one_breaks_down_one_is_left_to_a_person_and_the_others_are_done(ann, max, monkeypatch, caplog):
    make_past(max, approved=60)
    setting = make_setting(ann, undo_seconds=3_600)
    by_policy = make_proposal(lead=make_lead(assigned_to=ann))
    assert by_policy.executions.get().ordered_by is None
    setting.level = "suggest"
    setting.save()
    first, fails, breaks, last = tasks(4)
    approved(ann, first, fails, breaks, last)
    SuggestionExecution.objects.update(run_after=timezone.now())
    Lead.everything.filter(pk=fails.lead_id).update(deleted_at=timezone.now())
    meanwhile(monkeypatch, 1, raising(ZeroDivisionError()))
    assert drain() == 5
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
    assert "broke down" in caplog.text


def test_what_is_stopped_in_the_middle_waits(ann, monkeypatch):
    executions = approved(ann, *tasks(3))

    def stopped():
        ExecutionPause.objects.create(reason="Now.")
        later(monkeypatch)

    meanwhile(monkeypatch, 0, stopped)
    assert drain() == 1
    assert drain() == 0
    assert states(executions) == ["SUCCEEDED", "QUEUED", "QUEUED"]
    assert Task.objects.count() == 1


def test_a_permission_revoked_in_the_middle_counts(ann, monkeypatch):
    executions = approved(ann, *tasks(3))

    def revoked():
        ann.groups.clear()
        later(monkeypatch)

    meanwhile(monkeypatch, 0, revoked)
    assert drain() == 1
    assert drain() == 2
    assert states(executions) == ["SUCCEEDED", "FAILED", "FAILED"]
    assert Task.objects.count() == 1


def test_a_crash_in_the_middle_leaves_all_to_be_done_again_once(ann, monkeypatch):
    executions = approved(ann, *tasks(3))
    meanwhile(monkeypatch, 1, raising(SystemExit()))
    with pytest.raises(SystemExit):
        drain()
    assert states(executions) == ["QUEUED"] * 3
    assert not Task.objects.exists()
    assert drain() == 3
    assert states(executions) == ["SUCCEEDED"] * 3
    assert Task.objects.count() == 3


def test_where_the_database_gives_up_on_many_each_is_done_by_itself(ann, monkeypatch, caplog):
    executions = approved(ann, *tasks(3))
    meanwhile(monkeypatch, 1, raising(OperationalError("deadlock detected")))
    assert drain() == 3
    assert states(executions) == ["SUCCEEDED"] * 3
    assert Task.objects.count() == 3
    assert "each by itself" in caplog.text


def test_where_it_gives_up_on_one_alone_the_job_is_tried_again(ann, monkeypatch):
    executions = approved(ann, *tasks(3))
    for number in (1, 2):  # the second of the many, which the outer does not count; then the second by itself
        meanwhile(monkeypatch, number, raising(OperationalError("the database is away")))
    with pytest.raises(OperationalError):
        drain()
    assert states(executions) == ["SUCCEEDED", "QUEUED", "QUEUED"]
    assert Task.objects.count() == 1


def test_a_foreign_key_that_leads_nowhere_fails_that_one_alone(ann, monkeypatch):
    executions = approved(ann, *tasks(2))
    nobody = make_user("gone")
    User.objects.filter(pk=nobody.pk).delete()
    meanwhile(monkeypatch, 0, lambda: Task.objects.create(title="For nobody", assignee_id=nobody.pk))
    assert drain() == 2
    assert states(executions) == ["FAILED", "SUCCEEDED"]
    assert Task.objects.count() == 1


def test_two_for_one_lead_see_what_the_other_has_done(ann):
    lead = make_lead()
    moves = [
        make_suggestion("CHANGE_STATUS", lead=lead, suggested_content={"status": to, "fromStatus": lead.status_id})
        for to in ("ACTIVE", "PROPOSAL_SENT")
    ]
    executions = approved(ann, *moves)
    assert drain() == 2
    assert states(executions) == ["SUCCEEDED", "FAILED"]
    assert "has moved to" in Suggestion.objects.get(pk=moves[1].pk).error_message
    assert Lead.objects.get(pk=lead.pk).status_id == "ACTIVE"


@pytest.mark.django_db(transaction=True, serialized_rollback=True)
def test_a_lead_that_somebody_is_at_keeps_nobody_else_waiting():
    executions = approved(make_user("ann", "agent"), *tasks(3))
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
        assert do_some(AT_ONCE) == 2
        assert do_some(AT_ONCE) == 0
        assert states(executions) == ["SUCCEEDED", "QUEUED", "SUCCEEDED"]
    finally:
        over.set()
        person.join(30)
    assert drain() == 1
    assert states(executions) == ["SUCCEEDED"] * 3
    assert Task.objects.count() == 3


def test_after_its_turn_the_next_job_goes_on(ann, monkeypatch):
    executions = approved(ann, *tasks(3))
    ProcrastinateJob.objects.all().delete()
    monkeypatch.setattr(batch_execution, "AT_ONCE", 2)
    meanwhile(monkeypatch, 1, lambda: later(monkeypatch))
    jobs.go_through(3)
    assert states(executions) == ["SUCCEEDED", "SUCCEEDED", "QUEUED"]
    job = ProcrastinateJob.objects.get()
    assert (job.task_name, job.args, job.queueing_lock) == ("suggestions.drain", {"number": 3}, "drain 3")
    jobs.go_through(3)
    assert states(executions) == ["SUCCEEDED"] * 3


def test_many_approved_while_stopped_wait_for_one_job(ann):
    approved(ann, *tasks(3))
    assert ProcrastinateJob.objects.get().task_name == "suggestions.drain"
