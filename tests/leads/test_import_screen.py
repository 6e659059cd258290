"""Tests of importing a file on the screen, from the upload to the result."""

import csv
import io
from datetime import timedelta
from pathlib import Path
from uuid import uuid4

import pytest
from django.core.files.base import ContentFile
from django.core.files.storage import default_storage
from django.core.files.uploadedfile import SimpleUploadedFile
from django.urls import reverse
from django.utils import timezone

from crm.exceptions import IllegalTransition, InvalidInput, NotPermitted
from leads.importing import transitions
from leads.importing.batches.files import stored_path
from leads.importing.batches.transitions import (
    RUN_IMPORT_TASK,
    cancel_import,
    delete_old_files,
    queue_check,
    queue_import,
    save_options,
    upload_file,
)
from leads.importing.preview import ImportOptions
from leads.models import ImportBatch, ImportState, Lead
from tests.cast import browser, make_lead, page_text
from tests.queued_jobs import run_jobs

pytestmark = [pytest.mark.django_db, pytest.mark.usefixtures("own_storage")]
PEOPLE = "Name,Email,Stage\nAnn,ann@x.example,Active\nBob,bob@x.example,Limbo\nAnn Two,ANN@x.example,Active\n\x01,,\n"


def upload(content: str, *, by, name: str = "people.csv") -> ImportBatch:
    return upload_file(name, ContentFile(content.encode()), by=by)


def check(batch: ImportBatch, *, by) -> ImportBatch:
    """Let a job check `batch`, and return it as the job left it."""
    queue_check(batch, by=by)
    assert run_jobs(RUN_IMPORT_TASK) == 1
    batch.refresh_from_db()
    return batch


def page(name: str, batch: ImportBatch) -> str:
    return reverse(f"admin:leads_importbatch_{name}", args=[batch.pk])


def test_file_becomes_leads_through_every_page(max):
    visitor = browser(max)
    file = SimpleUploadedFile("people.csv", PEOPLE.encode())
    answer = visitor.post(reverse("admin:leads_importbatch_changelist"), {"file": file, "key": uuid4()})
    batch = ImportBatch.objects.get()
    assert answer["Location"] == page("file", batch)
    assert "ann@x.example" in page_text(visitor.get(page("file", batch)))
    answer = visitor.post(page("file", batch), {"encoding": "utf-8", "delimiter": ","})
    assert answer["Location"] == page("columns", batch)
    assert "By its name" in page_text(visitor.get(page("columns", batch)))
    chosen = {"field_0": "contact_name", "field_1": "contact_email", "field_2": "status", "all_tags": "2026"}
    assert visitor.post(page("columns", batch), chosen)["Location"] == page("values", batch)
    text = page_text(visitor.get(page("values", batch)))
    assert "Limbo" in text and "As read: Active" in text and "Keep as text" in text
    place = 0 if text.index("Limbo") < text.index("As read: Active") else 1
    assert visitor.post(page("values", batch), {"value_0": "?", "value_1": "?", f"value_{place}": "PROPOSAL_SENT"})
    batch.refresh_from_db()
    assert batch.state == ImportState.CHECKING
    assert not Lead.objects.exists()
    run_jobs(RUN_IMPORT_TASK)
    text = page_text(visitor.get(page("change", batch)))
    assert "Import 2 leads" in text
    assert "Bob · bob@x.example · Proposal sent" in text
    refused = page_text(visitor.get(f"{page('change', batch)}?show=rejected"))
    assert "control character" in refused
    visitor.post(page("change", batch), {"do": "import"})
    run_jobs(RUN_IMPORT_TASK)
    batch.refresh_from_db()
    assert (batch.state, batch.record_count, batch.imported_by) == (ImportState.DONE, 2, max)
    leads = list(Lead.objects.order_by("id"))
    assert [lead.import_batch for lead in leads] == [batch, batch]
    assert [lead.status_id for lead in leads] == ["ACTIVE", "PROPOSAL_SENT"]
    assert [lead.tags for lead in leads] == [["2026"], ["2026"]]
    errors = b"".join(visitor.get(page("errors", batch)).streaming_content).decode("utf-8-sig")
    rows = list(csv.reader(io.StringIO(errors)))
    assert [row[0] for row in rows] == ["line", "5", "4"]
    assert rows[2][2:] == ["Ann Two", "ANN@x.example", "Active"]


def test_pasted_rows_are_imported(ann):
    answer = browser(ann).post(
        reverse("admin:leads_importbatch_changelist"), {"rows": "Name\tEmail\nAnn\tann@x.example\n", "key": uuid4()}
    )
    batch = ImportBatch.objects.get()
    assert answer["Location"] == page("file", batch)
    assert batch.reading["dialect"][0] == "\t"


@pytest.mark.parametrize(
    ("fields", "sentence"),
    [
        ({}, "Choose a file or paste rows"),
        ({"file": "", "rows": "x"}, "Choose a file or paste rows"),
        ({"file": "%PDF-1.7 and so on"}, "people.csv is a PDF"),
        ({"file": "\n\n"}, "people.csv is empty"),
    ],
)
def test_file_that_is_no_table_is_refused_and_not_kept(ann, fields, sentence):
    if "file" in fields:
        fields = {**fields, "file": SimpleUploadedFile("people.csv", fields["file"].encode())}
    answer = browser(ann).post(reverse("admin:leads_importbatch_changelist"), {**fields, "key": uuid4()})
    if fields.get("rows"):
        assert "The submitted file is empty" in page_text(answer)
    else:
        assert sentence in page_text(answer)
    assert not ImportBatch.objects.exists()
    assert not default_storage.exists("imports") or not any(default_storage.listdir("imports"))


def test_question_is_asked_and_its_answer_kept(ann):
    batch = check(upload("Name,Amount\nAnn,1.500\n", by=ann), by=ann)
    text = page_text(browser(ann).get(page("change", batch)))
    assert "Cells with two readings" in text and "Import 1 lead" not in text
    assert "Choose how to read the cells above." in text
    with pytest.raises(IllegalTransition, match="Answer the questions first"):
        queue_import(batch, by=ann)
    browser(ann).post(page("change", batch), {"do": "answer", "decimal": ","})
    run_jobs(RUN_IMPORT_TASK)
    batch.refresh_from_db()
    assert batch.outcome["questions"] == []
    queue_import(batch, by=ann)
    run_jobs(RUN_IMPORT_TASK)
    assert Lead.objects.get().estimated_value == 1500


def test_changed_columns_need_another_check(ann):
    batch = check(upload("Name,Email\nAnn,ann@x.example\n", by=ann), by=ann)
    save_options(batch, ImportOptions(column_fields={"Email": ""}), by=ann)
    assert (batch.state, batch.outcome) == (ImportState.UPLOADED, {})
    with pytest.raises(IllegalTransition, match="is uploaded now"):
        queue_import(batch, by=ann)


def test_column_mapped_twice_is_refused_on_the_page(ann):
    batch = upload("Name,A,B\nAnn,x,y\n", by=ann)
    posted = {"field_0": "contact_name", "field_1": "notes", "field_2": "notes"}
    assert "The field notes has two sources" in page_text(browser(ann).post(page("columns", batch), posted))
    batch.refresh_from_db()
    assert batch.options == {}


def test_mapping_of_another_file_is_refused(ann):
    batch = upload("Name\nAnn\n", by=ann)
    with pytest.raises(InvalidInput, match="There is no column “Amount”"):
        save_options(batch, ImportOptions(column_fields={"Amount": "estimated_value"}), by=ann)


def test_file_changed_since_upload_is_not_imported(ann):
    batch = check(upload("Name\nAnn\n", by=ann), by=ann)
    queue_import(batch, by=ann)
    Path(stored_path(batch)).write_text("Name\nEve\n")
    run_jobs(RUN_IMPORT_TASK)
    batch.refresh_from_db()
    assert batch.state == ImportState.FAILED
    assert "changed since it was uploaded" in batch.error_message
    assert not Lead.objects.exists()


def test_cancelled_import_makes_nothing_and_can_be_checked_again(ann):
    batch = check(upload("Name\nAnn\n", by=ann), by=ann)
    queue_import(batch, by=ann)
    cancel_import(batch, by=ann)
    run_jobs(RUN_IMPORT_TASK)
    batch.refresh_from_db()
    assert batch.state == ImportState.CANCELLED
    assert not Lead.objects.exists()
    assert check(batch, by=ann).state == ImportState.CHECKED


def test_import_cancelled_before_its_end_is_rolled_back(ann, monkeypatch):
    batch = check(upload("Name\nAnn\n", by=ann), by=ann)
    queue_import(batch, by=ann)
    set_rows_aside = transitions.set_rows_aside

    def cancel_meanwhile(*arguments):
        cancel_import(batch, by=ann)
        return set_rows_aside(*arguments)

    monkeypatch.setattr(transitions, "set_rows_aside", cancel_meanwhile)
    run_jobs(RUN_IMPORT_TASK)
    assert not Lead.objects.exists()
    batch.refresh_from_db()
    assert batch.record_count == 0


def test_finished_import_cannot_be_cancelled_or_run_twice(ann):
    batch = check(upload("Name\nAnn\n", by=ann), by=ann)
    queue_import(batch, by=ann)
    run_jobs(RUN_IMPORT_TASK)
    batch.refresh_from_db()
    for transition in (cancel_import, queue_check, queue_import):
        with pytest.raises(IllegalTransition, match="is imported now"):
            transition(batch, by=ann)
    assert Lead.objects.count() == 1


def test_duplicate_of_a_colleagues_lead_is_not_named(ann, bob, max):
    lead = make_lead(contact_email="ann@x.example", assigned_to=bob)
    content = "Name,Email\nAnn,ann@x.example\n"
    shown = {}
    for user in (ann, max):
        batch = check(upload(content, by=user), by=user)
        shown[user.username] = page_text(browser(user).get(f"{page('change', batch)}?show=duplicate"))
    assert str(lead.pk) not in shown["ann"]
    assert "a lead that you may not open already has the address" in shown["ann"]
    assert str(lead.pk) in shown["max"]


def test_owners_need_the_permission_to_assign(ann, max):
    batch = upload("Name,Owner\nAnn,bob\n", by=ann)
    posted = {"field_0": "contact_name", "field_1": "assigned_to"}
    assert "may not assign leads to their owners" in page_text(browser(ann).post(page("columns", batch), posted))
    batch = upload("Name,Owner\nAnn,bob\n", by=max)
    save_options(batch, ImportOptions(), by=max)


def test_only_the_importer_and_managers_see_an_import(ann, bob, max, vera):
    batch = upload("Name\nAnn\n", by=ann)
    statuses = {user.username: browser(user).get(page("change", batch)).status_code for user in (ann, bob, max, vera)}
    assert statuses == {"ann": 200, "bob": 404, "max": 200, "vera": 200}
    with pytest.raises(NotPermitted, match="may not import"):
        upload("Name\nAnn\n", by=vera)
    assert browser(vera).post(page("change", batch), {"do": "check"}).status_code == 403


def test_leads_of_an_import_are_a_filter_of_the_list(ann):
    batch = check(upload("Name\nImported Ivy\n", by=ann), by=ann)
    queue_import(batch, by=ann)
    run_jobs(RUN_IMPORT_TASK)
    make_lead(contact_name="Other Otto")
    text = page_text(browser(ann).get(f"{reverse('admin:leads_lead_changelist')}?import_batch={batch.pk}"))
    assert "Imported Ivy" in text and "Other Otto" not in text
    assert "Import: <b>people.csv, imported on" in text


def test_old_files_are_deleted_and_their_imports_stay(ann):
    old, new = upload("Name\nAnn\n", by=ann), upload("Name\nBob\n", by=ann)
    ImportBatch.objects.filter(pk=old.pk).update(created_at=timezone.now() - timedelta(days=31))
    assert delete_old_files(timezone.now() - timedelta(days=30)) == 1
    assert not default_storage.exists(old.file_path)
    assert default_storage.exists(new.file_path)
    old.refresh_from_db()
    with pytest.raises(IllegalTransition, match="no longer stored"):
        queue_check(old, by=ann)
    assert "can no longer be changed" in page_text(browser(ann).get(page("columns", old), follow=True))
