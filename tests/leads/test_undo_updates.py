"""Tests of undoing what an import changed of leads that existed before it."""

import pytest
from django.core.files.base import ContentFile
from django.urls import reverse

from crm.models import ActivityLog
from crm.records.transitions import add_note
from leads.importing.batches.transitions import (
    RUN_IMPORT_TASK,
    queue_check,
    queue_import,
    save_options,
    upload_file,
)
from leads.importing.batches.undo import queue_undo
from leads.importing.preview import ImportOptions
from leads.models import ImportBatch, ImportChange, ImportState, Lead, LeadStageHistory
from tests.cast import browser, make_lead, page_text
from tests.queued_jobs import run_jobs

pytestmark = [pytest.mark.django_db, pytest.mark.usefixtures("own_storage")]
COLUMNS = (
    *("contact_name", "contact_phone", "company_name", "status_id", "closed_at", "loss_reason", "estimated_value"),
    *("tags", "custom_fields", "communications", "notes", "created_at", "expected_close_date", "tier_override"),
)
ROWS = (
    "Name,Email,Phone,Company,Stage,Loss Reason,Amount,Tags,Pet,Do Not Call,Notes,Created Date,Tier Override\n"
    "Ann Lee,ann@x.example,555 0199,New,Lost,Budget,99.50,fleet,dog,yes,From the file,2026-01-05,hot\n"
    "Bob,bob@x.example,555 0111,Acme,Active,,,,cat,,,,\n"
    "Eve,eve@x.example,,,,,,,,,,,\n"
)


def run(batch: ImportBatch) -> ImportBatch:
    run_jobs(RUN_IMPORT_TASK)
    batch.refresh_from_db()
    return batch


def import_rows(content: str, *, by, duplicates: str = "update") -> ImportBatch:
    batch = upload_file("people.csv", ContentFile(content.encode()), by=by)
    save_options(batch, ImportOptions(duplicates=duplicates), by=by)
    queue_check(batch, by=by)
    queue_import(run(batch), by=by)
    run(batch)
    assert batch.state == ImportState.DONE, batch.error_message
    return batch


def undo(batch: ImportBatch, *, by) -> ImportBatch:
    queue_undo(batch, by=by)
    return run(batch)


def state(*leads: Lead) -> list[dict]:
    return list(Lead.everything.filter(pk__in=[lead.pk for lead in leads]).order_by("id").values(*COLUMNS))


@pytest.fixture
def ada() -> Lead:
    return make_lead(
        contact_name="Ann", contact_email="ann@x.example", tags=["vip"], custom_fields={"Pet": "cat", "A": 1}
    )


@pytest.fixture
def bob_lead() -> Lead:
    return make_lead(contact_name="Bob", contact_email="bob@x.example", company_name="Old", contact_phone="555 0100")


def test_undo_restores_every_field_and_deletes_new_leads(max, ada, bob_lead):
    before = state(ada, bob_lead)
    batch = import_rows(ROWS, by=max)
    assert (batch.record_count, batch.updated_count) == (1, 2)
    assert state(ada, bob_lead) != before
    undo(batch, by=max)
    assert state(ada, bob_lead) == before
    assert (batch.state, batch.record_count, batch.updated_count) == (ImportState.UNDONE, 0, 0)
    assert not ImportChange.objects.exists()
    assert not Lead.everything.filter(contact_email="eve@x.example").exists()
    moves = LeadStageHistory.objects.filter(lead=ada).order_by("at").values_list("to_status_id", flat=True)
    assert list(moves) == ["NEW_OPPORTUNITIES", "CLOSED_LOST", "NEW_OPPORTUNITIES"]
    line = ActivityLog.objects.on_timeline_of(bob_lead).order_by("-occurred_at").first()
    assert (line.summary, line.actor) == (
        "Undid the import of people.csv: Company, Custom fields, Phone, Stage",
        max,
    )


def test_field_that_people_have_changed_since_is_kept_and_listed(max, ada, bob_lead):
    batch = import_rows(ROWS, by=max)
    Lead.objects.filter(pk=bob_lead.pk).update(company_name="By hand", custom_fields={"Pet": "fish"})
    undo(batch, by=max)
    bob_lead.refresh_from_db()
    assert (bob_lead.company_name, bob_lead.contact_phone) == ("By hand", "555 0100")
    assert (bob_lead.custom_fields, bob_lead.status_id) == ({"Pet": "fish"}, "NEW_OPPORTUNITIES")
    assert (batch.updated_count, batch.outcome["restored"]) == (1, 2)
    assert ImportChange.objects.get().changes == {
        "company_name": ["Old", "Acme"],
        "custom_fields": {"Pet": [None, "cat"]},
    }
    text = page_text(browser(max).get(reverse("admin:leads_importbatch_change", args=[batch.pk])))
    assert "2 leads have their earlier values again" in text
    assert "1 lead keeps fields that people have changed since" in text
    assert "Company, Custom fields" in text
    # Once the fields have the values of the import again, the rest can be undone.
    Lead.objects.filter(pk=bob_lead.pk).update(company_name="Acme", custom_fields={"Pet": "cat"})
    undo(batch, by=max)
    bob_lead.refresh_from_db()
    assert (bob_lead.company_name, bob_lead.custom_fields, batch.updated_count) == ("Old", {}, 0)


def test_kept_field_is_listed_only_to_those_who_may_open_the_lead(ann, bob, max, bob_lead):
    batch = import_rows(ROWS, by=ann)
    Lead.objects.filter(pk=bob_lead.pk).update(company_name="By hand", assigned_to=bob)
    undo(batch, by=max)
    url = reverse("admin:leads_importbatch_change", args=[batch.pk])
    link = reverse("admin:leads_lead_change", args=[bob_lead.pk])
    assert link not in page_text(browser(ann).get(url))
    assert link in page_text(browser(max).get(url))


def test_lead_that_was_closed_is_not_opened_beside_another_with_its_address(max, ada):
    batch = import_rows(ROWS, by=max)
    make_lead(contact_email="ann@x.example")
    undo(batch, by=max)
    ada.refresh_from_db()
    assert (ada.status_id, ada.loss_reason, ada.company_name) == ("CLOSED_LOST", "BUDGET", "")
    assert batch.outcome["kept_changes"] == [[str(ada.pk), ["closed_at", "loss_reason", "status_id"]]]


def test_deleted_lead_keeps_its_changes(max, ada):
    batch = import_rows(ROWS, by=max)
    Lead.objects.filter(pk=ada.pk).update(deleted_at=batch.imported_at)
    before = state(ada)
    undo(batch, by=max)
    assert state(ada) == before
    assert batch.updated_count == 1


def test_lead_that_a_later_import_changed_is_not_deleted_before_that_is_undone(max):
    first = import_rows("Name,Email\nAnn,ann@x.example\n", by=max)
    second = import_rows("Name,Email,Company\nAnn,ann@x.example,Acme\n", by=max)
    undo(first, by=max)
    assert (Lead.objects.count(), first.record_count) == (1, 1)
    undo(second, by=max)
    undo(first, by=max)
    assert (Lead.objects.count(), first.record_count) == (0, 0)


def test_updated_lead_with_work_of_people_is_restored_all_the_same(max, bob_lead):
    batch = import_rows(ROWS, by=max)
    add_note(bob_lead, "Called", by=max)
    undo(batch, by=max)
    bob_lead.refresh_from_db()
    assert bob_lead.company_name == "Old"


def test_field_whose_earlier_record_is_gone_keeps_the_value_of_the_import(max, bob, bob_lead):
    Lead.objects.filter(pk=bob_lead.pk).update(assigned_to=bob)
    batch = import_rows("Name,Email,Phone,Owner\nBob,bob@x.example,555 0111,max\n", by=max)
    bob.delete()
    undo(batch, by=max)
    bob_lead.refresh_from_db()
    assert (bob_lead.assigned_to, bob_lead.contact_phone) == (max, "555 0100")
    assert batch.outcome["kept_changes"] == [[str(bob_lead.pk), ["assigned_to_id"]]]
