"""Tests of importing a workbook on the screen and by command, and of receiving an upload."""

import csv
import errno
import io
from datetime import timedelta
from uuid import uuid4

import pytest
from django.core.files.base import ContentFile
from django.core.files.storage import default_storage
from django.core.files.uploadedfile import SimpleUploadedFile
from django.core.management import call_command
from django.test import Client
from django.urls import reverse
from django.utils import timezone
from openpyxl import Workbook, load_workbook

from crm.models import ActivityLog
from crm.records.activity import SYSTEM_ACTOR
from leads.importing.batches import transitions
from leads.importing.batches.receiving import ReceivedFile, upload_folder
from leads.importing.batches.transitions import RUN_IMPORT_TASK, delete_old_files, queue_check, queue_import
from leads.importing.files.opening import open_table
from leads.importing.files.tables import NumberText
from leads.importing.transitions import import_file
from leads.importing.values.parsers import Notation
from leads.models import ImportBatch, Lead
from tests.cast import browser, page_text
from tests.leads.workbook_files import sheet_xml, text_cells, write_parts, write_rows
from tests.queued_jobs import run_jobs

pytestmark = [pytest.mark.django_db, pytest.mark.usefixtures("own_storage")]
LIST = "admin:leads_importbatch_changelist"


def page(name: str, batch: ImportBatch) -> str:
    return reverse(f"admin:leads_importbatch_{name}", args=[batch.pk])


def stored_files() -> list[str]:
    return [path.name for path in upload_folder().parent.rglob("*") if path.is_file()]


@pytest.fixture
def workbook() -> bytes:
    """A workbook with a sheet that nobody wants and one with leads."""
    book, content = Workbook(), io.BytesIO()
    book.active.title = "Archive"
    for row in (["Name", "City"], ["Old Otto", "Rome"]):
        book.active.append(row)
    sheet = book.create_sheet("Leads")
    sheet.append(["Name", "Email", "Amount", "Close Date"])
    sheet.append(["Ann", "ann@x.example", 1.234, timezone.now().date() + timedelta(days=90)])
    sheet.append(["Ann Two", "ANN@x.example", 5])
    sheet.append([None, None, 7])
    book.save(content)
    return content.getvalue()


def test_sheet_is_chosen_and_becomes_leads(max, workbook):
    visitor = browser(max)
    posted = {"file": SimpleUploadedFile("leads.xlsx", workbook), "key": uuid4()}
    assert visitor.post(reverse(LIST), posted).status_code == 302
    batch = ImportBatch.objects.get()
    assert (batch.pk, batch.reading["sheet"]) == (posted["key"], "Archive")
    assert "Old Otto" in page_text(visitor.get(page("file", batch)))
    visitor.post(page("file", batch), {"sheet": "Leads", "show": "1"})
    assert "ann@x.example" in page_text(visitor.get(page("file", batch)))
    assert visitor.post(page("file", batch), {"sheet": "Leads"})["Location"] == page("columns", batch)
    assert "By its name" in page_text(visitor.get(page("columns", batch)))
    batch.refresh_from_db()
    queue_check(batch, by=max)
    run_jobs(RUN_IMPORT_TASK)
    batch.refresh_from_db()
    counts = [batch.outcome[name] for name in ("rows_read", "imported", "duplicates", "rejected", "doubts")]
    assert (counts, batch.outcome["questions"]) == ([3, 1, 1, 1, 1], [])
    text = page_text(visitor.get(f"{page('change', batch)}?show=duplicate"))
    assert "Duplicate: row 2 already has the address" in text and 'class="num">Row</th>' in text
    queue_import(batch, by=max)
    run_jobs(RUN_IMPORT_TASK)
    lead = Lead.objects.get()
    assert (lead.contact_name, lead.custom_fields) == ("Ann", {"Amount": 1.234})
    assert ActivityLog.objects.get(about_id=lead.pk).summary == "Imported from leads.xlsx, row 2"
    errors = b"".join(visitor.get(page("errors", batch)).streaming_content).decode("utf-8-sig")
    assert [row[0] for row in csv.reader(io.StringIO(errors))] == ["line", "4", "3"]
    again = transitions.upload_file("errors.csv", ContentFile(errors.replace("ANN@", "two@").encode()), by=max)
    queue_check(again, by=max)
    run_jobs(RUN_IMPORT_TASK)
    again.refresh_from_db()
    assert (again.outcome["imported"], again.outcome["rejected"]) == (1, 1)
    assert "Skipped rows as Excel" in page_text(visitor.get(page("change", batch)))
    content = b"".join(visitor.get(page("errors_xlsx", batch)).streaming_content)
    skipped = load_workbook(io.BytesIO(content))
    cells = [[cell.value for cell in row] for row in skipped.active.rows]
    assert cells[0] == ["line", "reason", "Name", "Email", "Amount", "Close Date"]
    assert [cells[1][0], *cells[1][2:5]] == [4, None, None, 7]
    assert [cells[2][0], *cells[2][2:5]] == [3, "Ann Two", "ANN@x.example", 5], "a number stays one"
    skipped.active["D3"] = "two@x.example"
    corrected = io.BytesIO()
    skipped.save(corrected)
    again = transitions.upload_file("errors.xlsx", ContentFile(corrected.getvalue()), by=max)
    queue_check(again, by=max)
    run_jobs(RUN_IMPORT_TASK)
    again.refresh_from_db()
    assert (again.outcome["imported"], again.outcome["rejected"], again.outcome["questions"]) == (1, 1, [])


def test_numbers_texts_and_wide_rows_come_back_from_the_workbook_of_skipped_rows(tmp_path):
    rows = [["Name", "Email", "Amount", "Code"], ["", "", 1.5, "00501"], ["", "", "1.500", "@home"]]
    path = write_rows(tmp_path / "leads.xlsx", *rows)
    errors = tmp_path / "errors.xlsx"
    import_file(path, by=SYSTEM_ACTOR, errors=errors, notation=Notation(","))
    read = [row.cells[2:] for row in open_table(errors).rows()]
    assert read == [["", "", "1.5", "00501"], ["", "", "1.500", "@home"]]
    assert [isinstance(row[2], NumberText) for row in read] == [True, False], "the text is still ambiguous"
    wide = tmp_path / "wide.csv"
    wide.write_text("Name,Email\nAnn,a@x.example,more,still more\n")
    import_file(wide, by=SYSTEM_ACTOR, errors=errors)
    (row,) = open_table(errors).rows()
    assert row.cells[2:] == ["Ann", "a@x.example", "more", "still more"]


def test_command_reads_the_chosen_sheet_and_names_its_rows(tmp_path, workbook, capsys):
    path = tmp_path / "leads.xlsx"
    path.write_bytes(workbook)
    call_command("import_records", "leads", path, sheet="leads", dry_run=True)
    said = capsys.readouterr()
    assert "leads.xlsx: sheet Leads" in said.err
    assert "sheet Leads, row 3: Duplicate: row 2 already has the address ANN@x.example." in said.out
    assert "sheet Leads, row 4: The row has no name" in said.out
    assert "sheet Leads, row 2: Amount “1.234” has more than 2 decimals" in said.out


def test_error_of_a_formula_is_a_doubt_and_kept(tmp_path, capsys):
    row = text_cells("Ann", "ann@x.example") + '<c t="e"><f>NA()</f><v>#N/A</v></c>'
    path = write_parts(tmp_path / "leads.xlsx", sheet_xml(text_cells("Name", "Email", "Amount"), row))
    call_command("import_records", "leads", path)
    lead = Lead.objects.get()
    assert (lead.estimated_value, lead.custom_fields) == (None, {"Amount": "#N/A"})
    assert "Amount “#N/A” is an error of the spreadsheet. Kept as a custom field." in capsys.readouterr().out


def test_other_sheet_needs_other_columns_and_an_empty_one_is_refused(ann, workbook):
    batch = transitions.upload_file("leads.xlsx", ContentFile(workbook), by=ann)
    text = page_text(browser(ann).post(page("file", batch), {"sheet": "Nowhere"}))
    assert "Nowhere is not one of the available choices" in text
    batch.refresh_from_db()
    assert batch.reading["sheet"] == "Archive"
    transitions.change_sheet(batch, sheet="Leads", by=ann)
    assert batch.reading["header"] == ["Name", "Email", "Amount", "Close Date"]


def test_form_that_is_sent_twice_makes_one_import(ann, tmp_path):
    content = write_rows(tmp_path / "leads.xlsx", ["Name"], ["Ann"]).read_bytes()
    posted = {"key": str(uuid4())}
    visitor = browser(ann)
    for _ in range(2):
        file = SimpleUploadedFile("leads.xlsx", content)
        answer = visitor.post(reverse(LIST), {**posted, "file": file}, follow=True)
    assert "leads.xlsx is uploaded already. This is its import." in page_text(answer)
    assert ImportBatch.objects.count() == 1
    assert stored_files() == ["leads.xlsx"]
    file = SimpleUploadedFile("other.csv", b"Name\nBob\n")
    assert "This form was sent before" in page_text(visitor.post(reverse(LIST), {**posted, "file": file}))
    assert stored_files() == ["leads.xlsx"]


def test_two_uploads_of_one_form_at_once_make_one_import(ann, monkeypatch):
    """The second one overtakes the first while it reads the file."""
    key, open_table = uuid4(), transitions.open_table

    def overtake(path, **options):
        monkeypatch.setattr(transitions, "open_table", open_table)
        transitions.upload_file("leads.csv", ContentFile(b"Name\nAnn\n"), by=ann, key=key)
        return open_table(path)

    monkeypatch.setattr(transitions, "open_table", overtake)
    with pytest.raises(transitions.RepeatedUpload) as refused:
        transitions.upload_file("leads.csv", ContentFile(b"Name\nAnn\n"), by=ann, key=key)
    assert refused.value.batch == ImportBatch.objects.get()
    assert stored_files() == ["leads.csv"]


def test_file_on_a_full_disk_is_refused_and_nothing_is_kept(ann, monkeypatch):
    def fail(self, data):
        raise OSError(errno.ENOSPC, "No space left on device")

    # As `write` of the file; the class looks it up there.
    monkeypatch.setattr(ReceivedFile, "write", fail, raising=False)
    file = SimpleUploadedFile("leads.csv", b"Name\nAnn\n")
    text = page_text(browser(ann).post(reverse(LIST), {"file": file, "key": uuid4()}, follow=True))
    assert "leads.csv was not uploaded, because the disk of the server is full. Nothing was kept." in text
    assert not ImportBatch.objects.exists()
    assert stored_files() == []


def test_file_that_cannot_be_stored_is_refused_and_nothing_is_kept(ann, monkeypatch):
    def fail(*args, **kwargs):
        raise OSError(errno.ENOSPC, "No space left on device")

    monkeypatch.setattr(type(default_storage._wrapped), "_save", fail)
    file = SimpleUploadedFile("leads.csv", b"Name\nAnn\n")
    text = page_text(browser(ann).post(reverse(LIST), {"file": file, "key": uuid4()}))
    assert "leads.csv cannot be stored: No space left on device. Nothing was kept." in text
    assert stored_files() == []


def test_upload_without_the_end_of_its_form_is_refused(ann):
    file = SimpleUploadedFile("leads.csv", b"Name\nAnn\n")
    answer = browser(ann).post(reverse(LIST), {"file": file}, follow=True)
    assert "The upload was cut off before its end" in page_text(answer)
    assert not ImportBatch.objects.exists()
    assert stored_files() == []


def test_upload_needs_the_token_of_the_form(ann):
    visitor = Client(enforce_csrf_checks=True)
    visitor.force_login(ann)
    file = SimpleUploadedFile("leads.csv", b"Name\nAnn\n")
    assert visitor.post(reverse(LIST), {"file": file, "key": uuid4()}).status_code == 403
    assert not ImportBatch.objects.exists()


def test_abandoned_upload_is_deleted_with_old_files():
    upload_folder().mkdir(parents=True)
    (upload_folder() / "half").write_text("Name\n")
    delete_old_files(timezone.now() - timedelta(days=1))
    assert stored_files() == ["half"]
    delete_old_files(timezone.now() + timedelta(minutes=1))
    assert stored_files() == []


def test_upload_reads_the_beginning_of_a_large_file_and_the_job_finds_its_encoding(max, monkeypatch):
    monkeypatch.setattr(transitions, "SAMPLE_SIZE", 1_000)
    rows = "".join(f"Person {number},p{number}@x.example\n" for number in range(3_000))
    content = f"Name,Email\n{rows}Peña Muñoz,m@x.example\n".encode("cp1252")
    batch = transitions.upload_file("people.csv", ContentFile(content), by=max)
    assert (batch.reading["encoding"], batch.reading["is_sampled"]) == ("utf-8", True)
    queue_check(batch, by=max)
    run_jobs(RUN_IMPORT_TASK)
    batch.refresh_from_db()
    assert (batch.reading["encoding"], batch.reading["is_sampled"]) == ("cp1252", False)
    assert (batch.outcome["imported"], batch.outcome["rejected"]) == (3_001, 0)
    transitions.change_file_reading(batch, encoding="cp1250", delimiter=",", by=max)
    assert (batch.reading["encoding"], batch.reading["is_sampled"]) == ("cp1250", False), "a choice of a person stays"


def test_sample_of_very_long_rows_is_short(tmp_path):
    path = tmp_path / "long.csv"
    cell = "x" * 100_000
    path.write_text("Name," + ",".join(f"C{n}" for n in range(9)) + "\n" + f"Ann{f',{cell}' * 9}\n" * 100)
    assert len(open_table(path).sample()) == 12
