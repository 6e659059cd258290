"""The worker loses no deferred job and runs no rolled-back one."""

import asyncio
import contextlib
import runpy
import sys
from concurrent.futures import ThreadPoolExecutor
from datetime import timedelta

import psycopg
import pytest
from django.db import connection
from django.utils import timezone
from procrastinate.contrib.django import app
from procrastinate.contrib.django.models import ProcrastinateJob
from procrastinate.exceptions import ConnectorException

from crm.runtime import checks, workers
from crm.runtime.startup_errors import DatabaseUnusable
from crm.tasks import MAX_ATTEMPTS, clear_sessions, delete_old_jobs, rescue_stalled_jobs
from tests.crm.processes import PATIENCE_SECONDS, current_database_url, manage, running, wait_for_line, wait_until
from tests.forking import forked

pytestmark = pytest.mark.django_db(transaction=True)


@pytest.fixture(autouse=True)
def empty_queue(transactional_db):
    """Empty the job tables, which are not Django models."""
    execute_sql("TRUNCATE procrastinate_jobs, procrastinate_workers, procrastinate_periodic_defers CASCADE")


def execute_sql(sql, *values):
    with connection.cursor() as cursor:
        cursor.execute(sql, values)
        return cursor.fetchall() if cursor.description else None


def make_stalled_job(lock, *, attempts=0, silent_for=timedelta(hours=1)):
    job = clear_sessions.configure(lock=lock, queueing_lock=lock).defer(timestamp=1)
    [[worker]] = execute_sql(
        "INSERT INTO procrastinate_workers (last_heartbeat) VALUES (%s) RETURNING id",
        timezone.now() - silent_for,
    )
    change = "UPDATE procrastinate_jobs SET status = 'doing', worker_id = %s, attempts = %s WHERE id = %s"
    execute_sql(change, worker, attempts, job)
    return ProcrastinateJob.objects.filter(pk=job)


def run_worker(*arguments):
    """Run a worker that knows the jobs of these tests; return its output."""
    # In a child process, because the browser tests leave an event loop running in this one.
    with forked(work_on_jobs_of_tests, *arguments) as worker:
        said, _ = worker.communicate()
        assert worker.returncode == 0, said
        return said


def work_on_jobs_of_tests(*arguments):
    sys.argv = ["worker", *arguments]
    runpy.run_module("tests.crm.jobs_for_tests", run_name="__main__", alter_sys=True)


def run_worker_until_empty():
    return run_worker("--until-empty")


def test_jobs_of_dead_workers_are_rescued_and_rollback_removes_a_deferred_job():
    stalled = make_stalled_job("stalled")
    deadly = make_stalled_job("kills its worker", attempts=MAX_ATTEMPTS)
    alive = make_stalled_job("of a live worker", silent_for=timedelta(0))
    # The work of one was queued again before its worker died, and the successor waits for its lock.
    replaced, same = make_stalled_job("waits"), clear_sessions.configure(lock="waits", queueing_lock="waits")
    successor = ProcrastinateJob.objects.filter(pk=same.defer(timestamp=1))
    # One fails while such a successor waits.
    failing = app.configure_task("tests.queues_its_successor", lock="same", queueing_lock="same").defer(is_first=True)
    app.configure_task("tests.defers_and_fails").defer()
    rescue_stalled_jobs.defer(timestamp=1)
    assert "deferred" in run_worker_until_empty()
    assert [job.get().status for job in (stalled, deadly, alive)] == ["succeeded", "failed", "doing"]
    assert [job.get().status for job in (replaced, successor)] == ["aborted", "succeeded"]
    [first, second] = ProcrastinateJob.objects.filter(task_name="tests.queues_its_successor").order_by("pk")
    assert (first.pk, first.status, second.status) == (failing, "aborted", "succeeded")
    assert ProcrastinateJob.objects.get(task_name="tests.defers_and_fails").status == "failed"
    assert not ProcrastinateJob.objects.filter(task_name="tests.does_nothing").exists()


def test_old_jobs_are_deleted():
    old = clear_sessions.defer(timestamp=1)
    for status in ("doing", "succeeded"):
        execute_sql("UPDATE procrastinate_jobs SET status = %s WHERE id = %s", status, old)
    assert execute_sql("UPDATE procrastinate_events SET at = at - interval '4 days' RETURNING job_id")
    clear_sessions.defer(timestamp=2)
    delete_old_jobs.defer(timestamp=1)
    run_worker_until_empty()
    left = ProcrastinateJob.objects.filter(task_name="crm.clear_sessions")
    found = [(job.args["timestamp"], job.status) for job in left if job.args["timestamp"] < 3]
    assert found == [(2, "succeeded")]


def test_stopping_worker_finishes_its_job():
    app.configure_task("tests.is_told_to_stop").defer()
    assert "finished in spite of it" in run_worker()
    assert ProcrastinateJob.objects.get(task_name="tests.is_told_to_stop").status == "succeeded"


@contextlib.contextmanager
def closed_database():
    """During the block the database drops and refuses all connections, like a restarting server."""
    name = connection.settings_dict["NAME"]
    with psycopg.connect(current_database_url("postgres"), autocommit=True) as server:
        server.execute(f'ALTER DATABASE "{name}" ALLOW_CONNECTIONS false')
        server.execute("SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE datname = %s", [name])
        try:
            yield
        finally:
            server.execute(f'ALTER DATABASE "{name}" ALLOW_CONNECTIONS true')
            connection.close()


def periodic_jobs_are_deferred():
    return execute_sql("SELECT count(*) > 0 FROM procrastinate_periodic_defers") == [(True,)]


def test_worker_survives_database_restart():
    with running("manage.py", "worker", DATABASE_URL=current_database_url()) as worker:
        wait_for_line(worker, "Working on every queue")
        assert wait_until(periodic_jobs_are_deferred)
        execute_sql("TRUNCATE procrastinate_periodic_defers")
        with closed_database():
            wait_for_line(worker, "error connecting", "Side task ", "Lost the database connection")
        lock = {"queueing_lock": "of this test"}
        job = ProcrastinateJob.objects.filter(pk=clear_sessions.configure(**lock).defer(timestamp=1))
        assert wait_until(lambda: job.get().status == "succeeded")
        assert wait_until(periodic_jobs_are_deferred), "it works on, but on a dead connection"
        worker.terminate()
        said, _ = worker.communicate(timeout=PATIENCE_SECONDS)
        assert "Worker stopped." in said


def test_worker_waits_for_unavailable_database(monkeypatch):
    stop, shifts = asyncio.Event(), []

    async def shift(crew, stop):
        shifts.append("another")
        if len(shifts) < 3:
            raise ConnectorException
        stop.set()

    monkeypatch.setattr(workers, "_run_until_disconnected", shift)
    monkeypatch.setattr(workers, "FIRST_RETRY_DELAY", 0.01)
    with ThreadPoolExecutor() as elsewhere:
        elsewhere.submit(
            asyncio.run, workers.run_worker(workers.WorkerOptions(queues=None, concurrency=1), stop)
        ).result()
    assert len(shifts) == 3


def test_worker_without_database_exits_with_message():
    ended = manage("worker", DATABASE_URL="postgresql://u@127.0.0.1:9/n")
    assert ended.returncode == 1
    assert ended.stdout.startswith("The database cannot be reached: ")
    assert ended.stdout.count("\n") == 1


def test_too_short_stalled_worker_timeout_fails_check(settings):
    settings.PROCRASTINATE_WORKER_DEFAULTS = {"update_heartbeat_interval": 10, "stalled_worker_timeout": 29}
    assert [error.id for error in checks.check_stalled_worker_timeout(None)] == ["crm.E001"]
    settings.PROCRASTINATE_WORKER_DEFAULTS = {"update_heartbeat_interval": 10, "stalled_worker_timeout": 30}
    assert checks.check_stalled_worker_timeout(None) == []


def test_old_postgresql_server_is_refused(monkeypatch):
    monkeypatch.setattr(checks, "MIN_POSTGRES_VERSION", 99)
    connection.close()
    sentence = r"^The server of DATABASE_URL runs PostgreSQL \d+\. Version 99 or newer is required\.$"
    with pytest.raises(DatabaseUnusable, match=sentence):
        connection.ensure_connection()
