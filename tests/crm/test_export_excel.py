"""Tests of exporting lists as Excel files."""

import io
import itertools
from datetime import date, datetime
from decimal import Decimal

import openpyxl
import pytest
from django.utils import timezone
from hypothesis import given, settings
from hypothesis import strategies as st

from crm.models import ActivityLog, Client
from crm.records.local_time import agency_time
from crm.screens.export import views, xlsx_file
from crm.screens.export.columns import ExportTable
from crm.screens.export.xlsx_file import column_letters, xlsx_chunks
from crm.text.spreadsheet_cells import keep_apostrophe, unescape_formula
from tests.cast import allow_export, browser, make_client, make_lead
from tests.examples import examples

XLSX_TYPE = "application/vnd.openxmlformats-officedocument.spreadsheetml.sheet"
NAUGHTY = st.text(alphabet=st.sampled_from([*"ab<>&\"'=+-@ \n_x0041", "é", "\U0001f600"]), max_size=12)


def sheet_of(rows: list[list], headings: tuple[str, ...] = ("One",), title: str = "Leads"):
    """Return the sheet that a spreadsheet reads from `rows`."""
    data = b"".join(xlsx_chunks(ExportTable(list(headings), iter(rows)), title, len(rows)))
    return openpyxl.load_workbook(io.BytesIO(data)).active


def exported_sheet(page, list_url: str, query: str = ""):
    response = page.post(f"{list_url}export/{query}", {"format": "xlsx"})
    assert (response.status_code, response["Content-Type"]) == (200, XLSX_TYPE)
    assert response["Content-Disposition"].endswith('.xlsx"')
    return openpyxl.load_workbook(io.BytesIO(b"".join(response.streaming_content))).active


@pytest.mark.django_db
def test_list_is_the_same_in_excel_as_in_csv(as_max, max):
    for name, tags in (("Zed", ["vip"]), ("Amy", ["vip"]), ("Bea", [])):
        make_client(name=name, tags=tags, phone="+49 731 1", custom_fields={"Balance": -3.5, "Member": True})
    sheet = exported_sheet(as_max, "/crm/client/", "?tags=vip&order=name")
    assert (sheet.title, sheet.freeze_panes, sheet["A1"].font.b) == ("Clients", "A2", True)
    headings, *rows = sheet.values
    assert [row[0] for row in rows] == ["Amy", "Zed"]
    amy = dict(zip(headings, rows[0], strict=True))
    assert (amy["Phone"], amy["Balance"], amy["Member"], amy["Tags"]) == ("+49 731 1", -3.5, "yes", "vip")
    assert amy["Created at"].replace(microsecond=0) == local_second(Client.objects.get(name="Amy").created_at)
    assert ActivityLog.objects.for_target(max).get().summary == "Exported 2 clients as Excel (tags=vip, order=name)."


def local_second(moment: datetime) -> datetime:
    return agency_time(moment).replace(tzinfo=None, microsecond=0)


@pytest.mark.django_db
def test_excel_needs_the_permission_and_holds_visible_rows_only(ann, bob):
    make_lead(contact_name="Hidden", assigned_to=bob)
    make_lead(contact_name="Mine", assigned_to=ann, estimated_value=Decimal("1200.50"))
    assert browser(ann).post("/leads/lead/export/", {"format": "xlsx"}).status_code == 403
    allow_export(ann)
    headings, *rows = exported_sheet(browser(ann), "/leads/lead/").values
    assert [row[0] for row in rows] == ["Mine"]
    assert rows[0][headings.index("Estimated value")] == 1200.5


@pytest.mark.django_db
def test_more_rows_than_a_sheet_holds_are_refused_with_the_way_out(as_max, max, monkeypatch):
    monkeypatch.setitem(views.FILE_FORMATS, "xlsx", views.FileFormat("Excel", XLSX_TYPE, xlsx_chunks, 1))
    make_client(), make_client()
    page = as_max.post("/crm/client/export/", {"format": "xlsx"}, follow=True).content.decode()
    assert "An Excel file holds at most 1 clients. Export them as CSV, or filter the list." in page
    assert as_max.post("/crm/client/export/", {"format": "csv"}).status_code == 200
    assert ActivityLog.objects.for_target(max).count() == 1


@pytest.mark.django_db
def test_unknown_format_is_refused(as_max):
    make_client()
    page = as_max.post("/crm/client/export/", {"format": "exe"}, follow=True).content.decode()
    assert "“exe” is no format of an exported file. Choose csv or xlsx." in page


def test_cells_have_the_type_of_their_value():
    moment = timezone.now().replace(microsecond=0)
    values = [date(2026, 2, 28), moment, Decimal("1200.50"), Decimal("0.000120"), 7, -2.5, None, "", "text"]
    row = next(sheet_of([values], headings=tuple("abcdefghi")).iter_rows(min_row=2))
    shown = [local_second(moment), 1200.5, 0.00012, 7, -2.5, None, None, "text"]
    assert [cell.value for cell in row] == [datetime(2026, 2, 28), *shown]
    assert [cell.number_format for cell in row[:3]] == ["mm-dd-yy", "m/d/yy h:mm", "#,##0.00"]


@pytest.mark.parametrize("value", [10**15 + 1, Decimal("12345678901234.567"), Decimal("NaN"), float("inf")])
def test_number_that_excel_would_change_is_text(value):
    assert sheet_of([[value]])["A2"].value == str(value)


def test_date_before_excels_calendar_is_text():
    assert sheet_of([[date(1899, 12, 31)]])["A2"].value == "1899-12-31"


@pytest.mark.parametrize("text", ["=1+1", "+49 731", "#N/A", "@x", "\t=x", "'=x", "<b>&amp;", "a\nb", " a ", "_x0041_"])
def test_text_stays_text(text):
    cell = sheet_of([[text]])["A2"]
    assert cell.data_type == "inlineStr" or cell.data_type == "s"
    assert unescape_formula(cell.value.replace("_x005F_", "_")) == text


def test_formula_text_is_marked_as_text():
    sheet = sheet_of([["=1+1"], ["plain"]])
    assert (sheet["A2"].quotePrefix, sheet["A3"].quotePrefix) == (True, False)


def test_characters_that_xml_forbids_are_left_out():
    assert sheet_of([["a\x00\x08\x0b\x1f\ufffe\uffffb\r\nc\rd"]], headings=("\x01One",))["A2"].value == "ab\nc\nd"


def test_long_text_fits_into_a_cell():
    sheet = sheet_of([["x" * 100_000], ["\U0001f600" * 40_000]])
    assert [len(sheet[name].value.encode("utf-16-le")) // 2 for name in ("A2", "A3")] == [32_000, 32_000]


def test_empty_list_has_its_headings():
    sheet = sheet_of([], headings=("Name", "Email"))
    assert list(sheet.values) == [("Name", "Email")]


def test_width_follows_the_longest_text_within_bounds():
    sheet = sheet_of([["x" * 30, "a", "y" * 500]], headings=("A", "B", "C"))
    assert [sheet.column_dimensions[name].width for name in "ABC"] == [32, 9, 60]


@pytest.mark.parametrize(("title", "name"), [("Q/A: [all]*?", "Q A   all"), ("x" * 40, "x" * 31), ("'", "Rows")])
def test_sheet_has_a_name_that_excel_allows(title, name):
    assert sheet_of([], title=title).title == name


def test_file_is_sent_while_rows_are_read(monkeypatch):
    monkeypatch.setattr(xlsx_file, "CHUNK_SIZE", 1_000)
    read = itertools.count()
    rows = ([f"{next(read)} {'abc' * number}"] for number in range(5_000))
    chunks = xlsx_chunks(ExportTable(["One"], rows), "Leads", 5_000)
    assert len(next(chunks)) + len(next(chunks)) + len(next(chunks)) < 100_000
    assert next(read) < 4_000


def test_large_sheet_can_be_read_too(monkeypatch):
    monkeypatch.setattr(xlsx_file, "MAX_PLAIN_ZIP_CELLS", 0)
    assert sheet_of([["a"]])["A2"].value == "a"


def test_columns_are_named_as_in_a_spreadsheet():
    assert [column_letters(number) for number in (1, 26, 27, 702, 703, 16_384)] == ["A", "Z", "AA", "ZZ", "AAA", "XFD"]


@settings(deadline=None, max_examples=examples(60))
@given(st.lists(st.lists(NAUGHTY, min_size=2, max_size=2), max_size=3))
def test_any_text_comes_back(rows):
    sheet = sheet_of(rows, headings=("One", "Two"))
    read = [[(value or "").replace("_x005F_", "_") for value in row] for row in sheet.values][1:]
    assert [[unescape_formula(text) for text in row] for row in read] == [
        [unescape_formula(keep_apostrophe(text)) for text in row] for row in rows
    ]
    assert all(
        keep_apostrophe(text) == text or unescape_formula(keep_apostrophe(text)) == text for text in sum(rows, [])
    )
