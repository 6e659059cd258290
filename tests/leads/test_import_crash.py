"""An import that is killed."""

import pytest
from django.db import connection

from crm.models import ActivityLog
from crm.records.activity import SYSTEM
from leads.importing.staging import ONE_AT_A_TIME
from leads.importing.transitions import import_leads
from leads.models import Lead, LeadStageHistory
from tests.crm.processes import eventually, line_with, running, url_of_test_database

# Imports, and stands still when the leads are made and nothing is committed yet.
CHILD = """
import sys, time
import django
django.setup()
from pathlib import Path
from crm.records.activity import SYSTEM
from leads.importing.transitions import import_leads

def tell(sentence):
    if "leads made" in sentence:
        print(sentence, flush=True)
        time.sleep(60)

import_leads(Path(sys.argv[1]), by=SYSTEM, tell=tell)
"""


def lock_is_free() -> bool:
    with connection.cursor() as cursor:
        cursor.execute(ONE_AT_A_TIME.replace("pg_advisory_xact_lock", "pg_try_advisory_xact_lock"))
        return cursor.fetchone()[0]


@pytest.mark.storm
def test_an_import_killed_before_its_end_leaves_nothing_and_can_be_repeated(db, tmp_path):
    path = tmp_path / "people.csv"
    path.write_text("name,email\n" + "".join(f"Name {n},n{n}@x.example\n" for n in range(2000)))
    variables = {"DATABASE_URL": url_of_test_database(), "DJANGO_SETTINGS_MODULE": "crm.settings"}
    with running("-c", CHILD, str(path), **variables) as child:
        assert "2,000 leads made" in line_with(child, "leads made")
        assert not lock_is_free(), "a second import should wait for the first"
        child.kill()
        child.wait()
    assert eventually(lock_is_free)
    assert not Lead.everything.exists()
    assert not LeadStageHistory.everything.exists()
    assert not ActivityLog.objects.exists()
    assert import_leads(path, by=SYSTEM).imported == 2000
