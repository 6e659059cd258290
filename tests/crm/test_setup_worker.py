"""The worker: nothing that was deferred is lost, nothing that was rolled back is done."""

import asyncio
import contextlib
from concurrent.futures import ThreadPoolExecutor

import psycopg
import pytest
from django.db import connection
from procrastinate.contrib.django import app
from procrastinate.contrib.django.models import ProcrastinateJob
from procrastinate.exceptions import ConnectorException

from crm.runtime import checks, workers
from crm.runtime.startup_errors import DatabaseUnusable
from crm.tasks import MOST_ATTEMPTS, clear_sessions, delete_old_jobs, rescue_stalled_jobs
from tests.crm.processes import eventually, line_with, manage, running, url_of_test_database

pytestmark = pytest.mark.django_db(transaction=True)


@pytest.fixture(autouse=True)
def empty_queue(transactional_db):
    """These tables are no models of Django's to empty between tests."""
    statement("TRUNCATE procrastinate_jobs, procrastinate_workers, procrastinate_periodic_defers CASCADE")


def statement(sql, *values):
    with connection.cursor() as cursor:
        cursor.execute(sql, values)
        return cursor.fetchall() if cursor.description else None


def job_of_a_dead_worker(attempts=0):
    job = clear_sessions.configure(queueing_lock="of this test").defer(timestamp=1)
    [[worker]] = statement(
        "INSERT INTO procrastinate_workers (last_heartbeat) VALUES (now() - interval '1 hour') RETURNING id"
    )
    change = "UPDATE procrastinate_jobs SET status = 'doing', worker_id = %s, attempts = %s WHERE id = %s"
    statement(change, worker, attempts, job)
    return ProcrastinateJob.objects.filter(pk=job)


def work(*arguments):
    """Run a worker that knows the jobs of these tests; what it prints."""
    # In a process of its own, because the browser's tests leave an event loop running in this one.
    command = ("-m", "tests.crm.jobs_for_tests", *arguments)
    with running(*command, DATABASE_URL=url_of_test_database()) as worker:
        said, _ = worker.communicate(timeout=60)
        assert worker.returncode == 0, said
        return said


def work_until_empty():
    return work("--until-empty")


def test_the_job_of_a_dead_worker_is_done_by_another():
    job = job_of_a_dead_worker()
    rescue_stalled_jobs.defer(timestamp=1)
    work_until_empty()
    assert job.get().status == "succeeded"


def test_a_job_that_always_kills_its_worker_is_given_up():
    job = job_of_a_dead_worker(attempts=MOST_ATTEMPTS)
    rescue_stalled_jobs.defer(timestamp=1)
    work_until_empty()
    assert job.get().status == "failed"


def test_the_job_of_a_live_worker_is_left_alone():
    job = job_of_a_dead_worker()
    statement("UPDATE procrastinate_workers SET last_heartbeat = now()")
    rescue_stalled_jobs.defer(timestamp=1)
    work_until_empty()
    assert job.get().status == "doing"


def test_what_a_job_defers_is_part_of_its_transaction():
    app.configure_task("tests.defers_and_fails").defer()
    assert "deferred" in work_until_empty()
    assert ProcrastinateJob.objects.get(task_name="tests.defers_and_fails").status == "failed"
    assert not ProcrastinateJob.objects.filter(task_name="tests.does_nothing").exists()


def test_old_jobs_are_deleted_and_recent_ones_kept():
    clear_sessions.defer(timestamp=1)
    work_until_empty()
    statement("UPDATE procrastinate_events SET at = at - interval '4 days'")
    clear_sessions.defer(timestamp=2)
    work_until_empty()
    delete_old_jobs.defer(timestamp=1)
    work_until_empty()
    left = ProcrastinateJob.objects.filter(task_name="crm.clear_sessions")
    assert [job.args["timestamp"] for job in left if job.args["timestamp"] < 3] == [2]


def test_told_to_stop_it_finishes_what_it_has_begun():
    app.configure_task("tests.is_told_to_stop").defer()
    assert "finished in spite of it" in work()
    assert ProcrastinateJob.objects.get(task_name="tests.is_told_to_stop").status == "succeeded"


@contextlib.contextmanager
def database_shut():
    """For the length of the block the database drops and refuses everybody, as a server that restarts does."""
    name = connection.settings_dict["NAME"]
    with psycopg.connect(url_of_test_database("postgres"), autocommit=True) as server:
        server.execute(f'ALTER DATABASE "{name}" ALLOW_CONNECTIONS false')
        server.execute("SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE datname = %s", [name])
        try:
            yield
        finally:
            server.execute(f'ALTER DATABASE "{name}" ALLOW_CONNECTIONS true')
            connection.close()


def periodic_jobs_are_deferred():
    return statement("SELECT count(*) > 0 FROM procrastinate_periodic_defers") == [(True,)]


def test_it_goes_on_after_the_database_was_away():
    with running("manage.py", "worker", DATABASE_URL=url_of_test_database()) as worker:
        line_with(worker, "Working on every queue")
        assert eventually(periodic_jobs_are_deferred)
        statement("TRUNCATE procrastinate_periodic_defers")
        with database_shut():
            line_with(worker, "error connecting", "Side task ", "The database went away")
        lock = {"queueing_lock": "of this test"}
        job = ProcrastinateJob.objects.filter(pk=clear_sessions.configure(**lock).defer(timestamp=1))
        assert eventually(lambda: job.get().status == "succeeded", seconds=40)
        assert eventually(periodic_jobs_are_deferred), "it works on, but on a dead connection"
        worker.terminate()
        said, _ = worker.communicate(timeout=20)
        assert "The worker has stopped." in said


def test_a_database_that_stays_away_is_waited_for(monkeypatch):
    stop, shifts = asyncio.Event(), []

    async def shift(crew, stop):
        shifts.append("another")
        if len(shifts) < 3:
            raise ConnectorException
        stop.set()

    monkeypatch.setattr(workers, "_shift", shift)
    monkeypatch.setattr(workers, "FIRST_PAUSE", 0.01)
    with ThreadPoolExecutor() as elsewhere:
        elsewhere.submit(asyncio.run, workers.work(workers.Crew(queues=None, concurrency=1), stop)).result()
    assert len(shifts) == 3


def test_without_a_database_it_ends_with_a_sentence():
    ended = manage("worker", DATABASE_URL="postgresql://u@127.0.0.1:9/n")
    assert ended.returncode == 1
    assert ended.stdout.startswith("The database cannot be reached: ")
    assert ended.stdout.count("\n") == 1


def test_a_worker_that_would_be_taken_for_dead_too_soon_is_an_error(settings):
    settings.PROCRASTINATE_WORKER_DEFAULTS = {"update_heartbeat_interval": 10, "stalled_worker_timeout": 29}
    assert [error.id for error in checks.check_worker_patience(None)] == ["crm.E001"]
    settings.PROCRASTINATE_WORKER_DEFAULTS = {"update_heartbeat_interval": 10, "stalled_worker_timeout": 30}
    assert checks.check_worker_patience(None) == []


def test_a_server_that_is_too_old_is_refused_at_the_first_connection(monkeypatch):
    monkeypatch.setattr(checks, "OLDEST_SERVER", 99)
    connection.close()
    with pytest.raises(DatabaseUnusable, match=r"^The server of DATABASE_URL is PostgreSQL \d+: version 99 or newer"):
        connection.ensure_connection()
