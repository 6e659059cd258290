"""Test of an import that is killed."""

import pytest
from django.db import connection

from crm.models import ActivityLog
from crm.records.activity import SYSTEM_ACTOR
from leads.importing.duplicates import LOCK_IMPORTS_SQL
from leads.importing.transitions import import_leads
from leads.models import Lead, LeadStageHistory
from tests.crm.processes import current_database_url, running, wait_for_line, wait_until

# Imports leads, and stops after inserting them, before the commit.
CHILD = """
import sys, time
import django
django.setup()
from pathlib import Path
from crm.records.activity import SYSTEM_ACTOR
from leads.importing.transitions import import_leads

def tell(sentence):
    if "leads imported" in sentence:
        print(sentence, flush=True)
        time.sleep(60)

import_leads(Path(sys.argv[1]), by=SYSTEM_ACTOR, tell=tell)
"""


def lock_is_free() -> bool:
    with connection.cursor() as cursor:
        cursor.execute(LOCK_IMPORTS_SQL.replace("pg_advisory_xact_lock", "pg_try_advisory_xact_lock"))
        return cursor.fetchone()[0]


@pytest.mark.storm
def test_killed_import_leaves_nothing_and_can_be_repeated(db, tmp_path):
    path = tmp_path / "people.csv"
    path.write_text("name,email\n" + "".join(f"Name {n},n{n}@x.example\n" for n in range(2000)))
    variables = {"DATABASE_URL": current_database_url(), "DJANGO_SETTINGS_MODULE": "crm.settings"}
    with running("-c", CHILD, str(path), **variables) as child:
        assert "2,000 leads imported" in wait_for_line(child, "leads imported")
        assert not lock_is_free(), "a second import should wait for the first"
        child.kill()
        child.wait()
    assert wait_until(lock_is_free)
    assert not Lead.everything.exists()
    assert not LeadStageHistory.everything.exists()
    assert not ActivityLog.objects.exists()
    assert import_leads(path, by=SYSTEM_ACTOR).imported == 2000
