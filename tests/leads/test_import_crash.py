"""Test of an import that is killed."""

import time
from pathlib import Path
from typing import Any
from uuid import UUID

import pytest
from django.core.files.base import ContentFile
from django.db import connection

from crm.models import ActivityLog
from crm.records.activity import SYSTEM_ACTOR
from leads.importing import transitions
from leads.importing.batches.running import run_batch
from leads.importing.batches.transitions import queue_check, queue_import, upload_file
from leads.importing.exceptions import BatchLocked
from leads.importing.tables.matching import LOCK_IMPORTS_SQL
from leads.importing.transitions import import_file
from leads.models import ImportBatch, ImportState, Lead, LeadStageHistory
from tests.crm.processes import wait_for_line, wait_until
from tests.forking import forked


def import_and_stop(path: Path) -> None:
    """Import leads, and stop after inserting them, before the commit."""

    def tell(sentence: str) -> None:
        if "leads imported" in sentence:
            print(sentence)  # noqa: T201
            time.sleep(60)

    import_file(path, by=SYSTEM_ACTOR, tell=tell)


def run_and_stop(key: UUID) -> None:
    """Run the job of a batch, and stop after inserting its leads, before the commit."""

    def stop(batch: ImportBatch, outcome: Any) -> None:
        print("leads inserted")  # noqa: T201
        time.sleep(60)

    transitions.finish_batch = stop
    run_batch(key)


def lock_is_free() -> bool:
    with connection.cursor() as cursor:
        cursor.execute(LOCK_IMPORTS_SQL.replace("pg_advisory_xact_lock", "pg_try_advisory_xact_lock"))
        return cursor.fetchone()[0]


@pytest.mark.storm
def test_killed_import_leaves_nothing_and_can_be_repeated(db, tmp_path):
    path = tmp_path / "people.csv"
    path.write_text("name,email\n" + "".join(f"Name {n},n{n}@x.example\n" for n in range(2000)))
    with forked(import_and_stop, path) as child:
        assert "2,000 leads imported" in wait_for_line(child, "leads imported")
        assert not lock_is_free(), "a second import should wait for the first"
        child.kill()
        child.wait()
    assert wait_until(lock_is_free)
    assert not Lead.everything.exists()
    assert not LeadStageHistory.everything.exists()
    assert not ActivityLog.objects.exists()
    assert import_file(path, by=SYSTEM_ACTOR).imported == 2000


@pytest.mark.storm
@pytest.mark.django_db(transaction=True)
def test_killed_job_leaves_nothing_and_the_next_one_imports(own_storage, ann):
    content = "name,email\n" + "".join(f"Name {n},n{n}@x.example\n" for n in range(2000))
    batch = upload_file("people.csv", ContentFile(content.encode()), by=ann)
    queue_check(batch, by=ann)
    run_batch(batch.pk)
    batch.refresh_from_db()
    queue_import(batch, by=ann)
    with forked(run_and_stop, batch.pk) as child:
        wait_for_line(child, "leads inserted")
        with pytest.raises(BatchLocked):
            run_batch(batch.pk)
        child.kill()
        child.wait()
    assert wait_until(lock_is_free)
    batch.refresh_from_db()
    assert (batch.state, Lead.everything.count()) == (ImportState.RUNNING, 0)
    run_batch(batch.pk)
    batch.refresh_from_db()
    assert (batch.state, batch.record_count, Lead.objects.count()) == (ImportState.DONE, 2000, 2000)
