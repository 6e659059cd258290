"""Tests of undoing an import."""

import pytest
from django.core.files.base import ContentFile
from django.db import connection
from django.urls import reverse

from crm.exceptions import IllegalTransition, NotPermitted
from crm.models import CustomField
from crm.records.transitions import add_note, soft_delete
from leads.importing.batches.transitions import RUN_IMPORT_TASK, queue_check, queue_import, upload_file
from leads.importing.batches.undo import queue_undo
from leads.importing.tables import undo
from leads.models import ImportBatch, ImportState, Lead, LeadStageHistory, Task
from leads.tasks import score_all_leads
from leads.transitions import add_task
from tests.cast import browser, make_client, make_lead, make_suggestion, make_thread, page_text
from tests.queued_jobs import run_jobs

pytestmark = [pytest.mark.django_db, pytest.mark.usefixtures("own_storage")]
NAMES = ("Ann", "Bob", "Cid", "Dora", "Eve")


def run(batch: ImportBatch) -> ImportBatch:
    run_jobs(RUN_IMPORT_TASK)
    batch.refresh_from_db()
    return batch


@pytest.fixture
def batch(ann) -> ImportBatch:
    """A finished import of five leads by Ann."""
    content = "Name,Email\n" + "".join(f"{name},{name}@x.example\n" for name in NAMES)
    batch = upload_file("people.csv", ContentFile(content.encode()), by=ann)
    queue_check(batch, by=ann)
    queue_import(run(batch), by=ann)
    return run(batch)


def count_rows() -> dict[str, int]:
    """Return the number of rows of each table that an import fills, without the logs, which only grow."""
    tables = ("leads", "lead_stage_history", "tier_changes", "lead_snapshots")
    with connection.cursor() as cursor:
        counts = {}
        for table in set(tables) & set(connection.introspection.table_names(cursor)):
            cursor.execute(f"SELECT count(*) FROM {table}")
            counts[table] = cursor.fetchone()[0]
    return counts


def test_undo_deletes_what_the_import_made_and_nothing_else(ann, batch):
    other = make_lead(contact_name="Other Otto")
    score_all_leads(timestamp=0)
    queue_undo(batch, by=ann)
    assert Lead.objects.count() == 6, "the job does the work"
    run(batch)
    assert (batch.state, batch.record_count) == (ImportState.UNDONE, 0)
    assert [lead.pk for lead in Lead.everything.all()] == [other.pk]
    assert {link.lead_id for link in LeadStageHistory.objects.all()} == {other.pk}
    assert "All leads of this import were deleted" in page_text(
        browser(ann).get(reverse("admin:leads_importbatch_change", args=[batch.pk]))
    )


def test_counts_before_an_import_equal_those_after_its_undoing(ann, batch):
    queue_undo(batch, by=ann)
    run(batch)
    before = count_rows()
    queue_check(again := upload_file("people.csv", ContentFile(b"Name\nAnn\nBob\n"), by=ann), by=ann)
    queue_import(run(again), by=ann)
    assert run(again).record_count == 2
    score_all_leads(timestamp=0)
    assert count_rows() != before
    queue_undo(again, by=ann)
    run(again)
    assert count_rows() == before


def test_leads_that_people_worked_on_are_kept_and_listed(ann, max, batch):
    leads = {lead.contact_name: lead for lead in Lead.objects.all()}
    add_note(leads["Ann"], "Called her", by=max)
    make_thread(lead=leads["Bob"])
    add_task(Task(title="Call", lead=leads["Cid"]), by=ann)
    soft_delete(leads["Dora"], by=max)
    make_suggestion(lead=leads["Eve"])
    queue_undo(batch, by=ann)
    run(batch)
    kept = set(Lead.everything.values_list("contact_name", flat=True))
    assert kept == {"Ann", "Bob", "Cid", "Dora"}
    assert batch.record_count == 4
    text = page_text(browser(ann).get(reverse("admin:leads_importbatch_change", args=[batch.pk])))
    assert "4 leads of this import were kept" in text
    assert reverse("admin:leads_lead_change", args=[leads["Bob"].pk]) in text


def test_kept_lead_is_listed_only_to_those_who_may_open_it(ann, bob, max, batch):
    lead = Lead.objects.get(contact_name="Ann")
    make_thread(lead=lead)
    Lead.objects.filter(pk=lead.pk).update(assigned_to=bob)
    queue_undo(batch, by=ann)
    run(batch)
    link, url = (
        reverse(f"admin:leads_{name}_change", args=[pk]) for name, pk in (("lead", lead.pk), ("importbatch", batch.pk))
    )
    assert link not in page_text(browser(ann).get(url))
    assert link in page_text(browser(max).get(url))


def test_lead_changed_during_the_undoing_is_kept(ann, batch, monkeypatch):
    """A change between looking and deleting."""
    changed = undo.DELETE_SQL
    monkeypatch.setattr(
        undo, "DELETE_SQL", f"UPDATE leads SET updated_at = now() + '1 s' WHERE contact_name = 'Ann'; {changed}"
    )
    queue_undo(batch, by=ann)
    run(batch)
    assert [lead.contact_name for lead in Lead.objects.all()] == ["Ann"]


def test_undoing_that_fails_changes_nothing(ann, batch, monkeypatch):
    monkeypatch.setattr(undo, "DELETE_SQL", f"{undo.DELETE_SQL}; SELECT 1 / 0")
    queue_undo(batch, by=ann)
    with pytest.raises(Exception, match="division by zero"):
        run_jobs(RUN_IMPORT_TASK)
    batch.refresh_from_db()
    assert (batch.state, Lead.objects.count()) == (ImportState.DONE, 5)
    assert "Nothing was changed" in batch.error_message


def test_undo_needs_its_permission_and_a_finished_import(ann, vera, batch):
    with pytest.raises(NotPermitted, match="may not undo imports"):
        queue_undo(batch, by=vera)
    unfinished = upload_file("more.csv", ContentFile(b"Name\nFay\n"), by=ann)
    with pytest.raises(IllegalTransition, match="No lead of the import"):
        queue_undo(unfinished, by=ann)
    ImportBatch.objects.filter(pk=unfinished.pk).update(record_count=1)
    unfinished.refresh_from_db()
    with pytest.raises(IllegalTransition, match="is uploaded now"):
        queue_undo(unfinished, by=ann)


def test_undo_keeps_a_record_that_a_custom_field_refers_to(ann, batch):
    CustomField.objects.create(table="crm.client", key="100%", label="Referred by", kind="lead")
    make_client(custom_fields={"100%": str(Lead.objects.get(contact_name="Bob").pk)})
    make_client(custom_fields={"100%": "no key"})
    queue_undo(batch, by=ann)
    run(batch)
    assert list(Lead.objects.values_list("contact_name", flat=True)) == ["Bob"]
