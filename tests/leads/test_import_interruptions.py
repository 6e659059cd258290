"""Tests of an import that is killed, cancelled, or robbed of its file at any point: whole, or not at all."""

from collections.abc import Callable
from pathlib import Path
from threading import Thread
from typing import Any

import pytest
from django.core.files.base import ContentFile
from django.db import OperationalError, connection
from django.urls import reverse

from crm.exceptions import InvalidInput
from crm.models import ActivityLog
from leads.importing import staging, transitions
from leads.importing.batches import running, undo
from leads.importing.batches.files import stored_path
from leads.importing.batches.running import run_batch
from leads.importing.batches.transitions import cancel_import, queue_check, queue_import, upload_file
from leads.importing.batches.undo import queue_undo
from leads.importing.tables import undo as tables_undo
from leads.models import ImportBatch, ImportState, Lead, LeadStageHistory
from leads.tasks import IMPORT_RETRY
from tests.cast import browser
from tests.killing import Point, run_killed

CONTENT = "Name,Email\n" + "".join(f"Name {n},n{n}@x.example\n" for n in range(100)) + "\x01,\n"
# Where a job is killed.
IMPORT_POINTS = [
    Point((running,), "claim_run", after=True),
    Point((running,), "file_hash", after=False),
    Point((transitions,), "preview_import", after=True),
    Point((transitions,), "StagingTable", after=True),
    Point((transitions.ImportProgress,), "count", after=False),
    Point((transitions,), "set_rows_aside", after=False),
    Point((staging.StagingTable,), "new_examples", after=True),
    Point((transitions,), "enqueue", after=True),
    Point((transitions,), "finish_batch", after=False),
    Point((transitions,), "finish_batch", after=True),
]
UNDO_POINTS = [
    Point((running,), "claim_run", after=True),
    Point((running,), "undo_import", after=False),
    Point((tables_undo,), "keep_referenced", after=False),
    Point((tables_undo,), "keep_referenced", after=True),
    Point((undo,), "table_named", after=True),
    Point((undo,), "move", after=False),
    Point((undo,), "move", after=True),
]
AFTER_COMMIT = Point((running,), "run_claimed", after=True)


def run_job_killed(batch: ImportBatch, point: Point) -> None:
    run_killed(run_batch, batch.pk, at=point)
    batch.refresh_from_db()


def in_other_session(act: Callable[[], Any]) -> None:
    """Do something in a session of its own, which commits while the job is in its transaction."""

    def act_and_close() -> None:
        act()
        connection.close()

    thread = Thread(target=act_and_close)
    thread.start()
    thread.join()


def count_rows() -> tuple[int, ...]:
    lines = ActivityLog.objects.filter(target_type="leads.lead").count()
    return (Lead.everything.count(), LeadStageHistory.objects.count(), lines)


def checked_batch(by) -> ImportBatch:
    batch = upload_file("people.csv", ContentFile(CONTENT.encode()), by=by)
    queue_check(batch, by=by)
    run_batch(batch.pk)
    batch.refresh_from_db()
    return batch


@pytest.mark.storm
@pytest.mark.django_db(transaction=True)
def test_job_killed_at_any_point_has_done_all_or_nothing(max):
    batch = checked_batch(max)
    queue_import(batch, by=max)
    for point in IMPORT_POINTS:
        run_job_killed(batch, point)
        assert (batch.state, count_rows()) == (ImportState.RUNNING, (0, 0, 0)), point
    run_job_killed(batch, AFTER_COMMIT)
    assert (batch.state, batch.record_count, count_rows()) == (ImportState.DONE, 100, (100, 100, 100))
    run_batch(batch.pk)
    assert count_rows() == (100, 100, 100), "a job that comes again finds nothing to do"
    queue_undo(batch, by=max)
    for point in UNDO_POINTS:
        run_job_killed(batch, point)
        assert (batch.state, count_rows()) == (ImportState.UNDOING, (100, 100, 100)), point
    run_job_killed(batch, AFTER_COMMIT)
    assert (batch.state, batch.record_count, count_rows()[:2]) == (ImportState.UNDONE, 0, (0, 0))


@pytest.fixture
def at_row(monkeypatch) -> Callable[[Callable[[], Any]], None]:
    """Return a function that does something when a job has read the second row."""
    monkeypatch.setattr(transitions, "ROWS_BETWEEN_COUNTS", 2)

    count = running.BatchMonitor.count

    def set_action(act: Callable[[], Any]) -> None:
        actions = [act]

        def act_once(monitor: running.BatchMonitor, rows: int) -> None:
            while actions:
                actions.pop()()
            count(monitor, rows)

        monkeypatch.setattr(running.BatchMonitor, "count", act_once)

    return set_action


@pytest.mark.django_db(transaction=True)
def test_check_or_import_cancelled_while_it_reads_leaves_nothing(ann, at_row):
    batch = checked_batch(ann)
    for queue in (queue_check, queue_import):
        queue(batch, by=ann)
        at_row(lambda: in_other_session(lambda: cancel_import(ImportBatch.objects.get(), by=ann)))
        run_batch(batch.pk)
        batch.refresh_from_db()
        assert (batch.state, count_rows()) == (ImportState.CANCELLED, (0, 0, 0))
        queue_check(batch, by=ann)
        run_batch(batch.pk)
        batch.refresh_from_db()
    result = reverse("admin:leads_importbatch_errors", args=[batch.pk])
    assert browser(ann).get(result).status_code == 404, "the skipped rows of half an import"


@pytest.mark.django_db
@pytest.mark.parametrize("change", [lambda path: path.write_text("Name\nEve\n"), Path.unlink, Path.touch])
def test_file_changed_while_it_is_read_is_not_imported(ann, at_row, change):
    batch = checked_batch(ann)
    queue_import(batch, by=ann)
    at_row(lambda: change(stored_path(batch)))
    run_batch(batch.pk)
    batch.refresh_from_db()
    assert (batch.state, count_rows()) == (ImportState.FAILED, (0, 0, 0))
    assert batch.error_message == "people.csv was changed while it was read, so nothing was imported."


def end_session(pid: int) -> None:
    """End another session of the database, as an administrator or a crash does."""
    with connection.cursor() as cursor:
        cursor.execute("SELECT pg_terminate_backend(%s)", [pid])


def session() -> int:
    with connection.cursor() as cursor:
        cursor.execute("SELECT pg_backend_pid()")
        return cursor.fetchone()[0]


LOST = "Nothing was imported, because the connection to the database was lost. Import the file again."


@pytest.mark.django_db(transaction=True)
@pytest.mark.parametrize("owner, name", [(transitions, "set_rows_aside"), (transitions, "finish_batch")])
def test_connection_lost_during_an_import_imports_nothing_and_is_said(ann, tmp_path, monkeypatch, owner, name):
    path, pid, whole = tmp_path / "people.csv", session(), getattr(owner, name)
    path.write_text(CONTENT)

    def lose_connection(*args: Any) -> None:
        whole(*args)
        in_other_session(lambda: end_session(pid))

    monkeypatch.setattr(owner, name, lose_connection)
    with pytest.raises(InvalidInput, match=LOST):
        transitions.import_file(path, by=ann)
    assert (count_rows(), ImportBatch.objects.exists()) == ((0, 0, 0), False)


@pytest.mark.django_db(transaction=True)
def test_job_whose_connection_is_lost_is_repeated(ann, monkeypatch):
    batch, whole = checked_batch(ann), transitions.finish_batch
    queue_import(batch, by=ann)
    pid = session()

    def lose_connection(*args: Any) -> None:
        whole(*args)
        in_other_session(lambda: end_session(pid))

    monkeypatch.setattr(transitions, "finish_batch", lose_connection)
    with pytest.raises(OperationalError):
        run_batch(batch.pk)
    monkeypatch.undo()
    connection.close()
    batch.refresh_from_db()
    assert (batch.state, count_rows()) == (ImportState.RUNNING, (0, 0, 0))
    assert OperationalError in IMPORT_RETRY.retry_exceptions
    run_batch(batch.pk)
    batch.refresh_from_db()
    assert (batch.state, count_rows()[0]) == (ImportState.DONE, 100)


@pytest.mark.django_db(transaction=True)
def test_import_whose_connection_is_lost_after_its_end_is_complete(ann, tmp_path, monkeypatch):
    path, pid, commit = tmp_path / "people.csv", session(), connection.commit
    path.write_text(CONTENT)

    def commit_and_lose_connection() -> None:
        commit()
        in_other_session(lambda: end_session(pid))
        with connection.cursor() as cursor:
            cursor.execute("SELECT 1")

    monkeypatch.setattr(connection, "commit", commit_and_lose_connection)
    outcome = transitions.import_file(path, by=ann)
    monkeypatch.undo()
    assert (outcome.imported, outcome.rejected, ImportBatch.objects.get().state) == (100, 1, ImportState.DONE)
    assert count_rows()[0] == 100


@pytest.mark.django_db
def test_message_of_the_database_comes_without_its_statement(ann, tmp_path, monkeypatch):
    path = tmp_path / "people.csv"
    path.write_text(CONTENT)

    def stop(*args: Any) -> None:
        with connection.cursor() as cursor:
            cursor.execute("DO $$ BEGIN RAISE EXCEPTION 'out of disk' USING ERRCODE = '53100'; END $$")

    monkeypatch.setattr(transitions, "set_rows_aside", stop)
    with pytest.raises(InvalidInput) as refused:
        transitions.import_file(path, by=ann)
    assert str(refused.value) == "Nothing was imported, because the database stopped the import: out of disk."
