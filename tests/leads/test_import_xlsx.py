"""Tests of reading Excel workbooks: cells, sheets, and what the file says of itself. No database."""

from datetime import date, datetime, time, timedelta
from decimal import Decimal
from zipfile import ZipFile

import pytest
from openpyxl import Workbook
from openpyxl.cell.rich_text import CellRichText, TextBlock
from openpyxl.cell.text import InlineFont
from openpyxl.utils.datetime import CALENDAR_MAC_1904

from crm.exceptions import InvalidInput
from leads.importing.exceptions import AmbiguousCell
from leads.importing.files.cell_formats import make_format
from leads.importing.files.opening import open_table, table_from_json
from leads.importing.files.tables import MAX_COLUMNS, NumberText
from leads.importing.values.amounts import decimal_mark_of_column, parse_cell_number
from tests.leads.workbook_files import NAMESPACE, sheet_xml, text_cells, write_parts, write_rows


def save(book: Workbook, tmp_path):
    path = tmp_path / "leads.xlsx"
    book.save(path)
    return path


def first_cells(path) -> list[str]:
    return next(open_table(path).rows()).cells


def test_cells_become_the_texts_that_a_person_means(tmp_path):
    values = {
        "text": "007",
        "whole": 4915112345678,
        "float": 1500.0,
        "fraction": 0.1 + 0.2,
        "large": 1.5e17,
        "yes": True,
        "day": date(2027, 4, 3),
        "moment": datetime(2027, 4, 3, 14, 30),
        "time": time(14, 30),
        "duration": timedelta(hours=36, minutes=30),
        "rich": CellRichText("Call ", TextBlock(InlineFont(b=True), "today")),
        "broken line": "one\r\ntwo",
    }
    cells = first_cells(write_rows(tmp_path / "leads.xlsx", [*values], [*values.values()]))
    assert dict(zip(values, cells, strict=True)) == {
        "text": "007",
        "whole": "4915112345678",
        "float": "1500",
        "fraction": "0.3",
        "large": "150000000000000000",
        "yes": "TRUE",
        "day": "2027-04-03",
        "moment": "2027-04-03 14:30:00",
        "time": "14:30:00",
        "duration": "36:30:00",
        "rich": "Call today",
        "broken line": "one\r\ntwo",
    }


@pytest.mark.parametrize(
    ("code", "raw", "text"),
    [
        ("General", "45000", "45000"),
        ("00000", "1234", "01234"),
        ("#,##0.00", "1190.476190476", "1190.48"),
        ('[$€-407] #,##0.00;[Red]-"EUR" 0.00', "1500", "1500"),
        ("0.00%", "0.12345", "0.12345"),
        ("#,##0.00,", "1234567.891", "1234567.891"),
        ("0.00", "1e400", "1e400"),
        ("0.00", "nan", "nan"),
        ("dd/mm/yyyy", "46115.6", "2026-04-03"),
        ("d.m.yyyy h:mm", "46115.6041666666", "2026-04-03 14:30:00"),
        ("h:mm", "46115.5", "2026-04-03 12:00:00"),
        ("yyyy-mm-dd", "-5", "1899-12-25"),
        ("yyyy-mm-dd", "99999999", "99999999"),
        ('"on" dd mmm yyyy', "1", "1900-01-01"),
        ("mm:ss", "0.5", "12:00:00"),
    ],
)
def test_number_format_decides_what_a_number_is(code, raw, text):
    assert make_format(code, counts_from_1904=False)(raw) == text


def test_dates_of_the_1904_system_are_the_same_days(tmp_path):
    book = Workbook()
    book.epoch = CALENDAR_MAC_1904
    book.active.append(["Name", "Closed"])
    book.active.append(["Ann", date(2027, 4, 3)])
    assert first_cells(save(book, tmp_path)) == ["Ann", "2027-04-03"]


def test_number_of_a_workbook_has_one_reading_and_says_nothing_of_texts():
    assert parse_cell_number(NumberText("1.234").strip(), "") == Decimal("1.234")
    assert decimal_mark_of_column([NumberText("12.5"), "1.500"]) == ""
    with pytest.raises(AmbiguousCell):
        parse_cell_number("1.500", "")


def test_formula_counts_with_its_stored_value_and_one_without_is_counted(tmp_path):
    path = write_parts(
        tmp_path / "leads.xlsx",
        sheet_xml(
            text_cells("Name", "Amount", "Note"),
            '<c t="str"><f>A1</f><v>Ann</v></c><c><f>1+1</f><v>2</v></c><c t="str"><f>""</f><v></v></c>',
            text_cells("Bob") + "<c><f>1+1</f></c>",
        ),
    )
    file = open_table(path)
    assert [row.cells for row in file.rows()] == [["Ann", "2", ""], ["Bob", "", ""]]
    assert file.notices() == [
        "1 formula has no stored value, so its cell is empty. Open the file in Excel, save it, and upload it again."
    ]


def test_hidden_rows_and_merged_cells_are_read_and_said(tmp_path):
    book = Workbook()
    sheet = book.active
    for row in (["Title", None], ["Ann", "Berlin"], ["Bob", None], ["Cid", "Rome"]):
        sheet.append(row)
    sheet.merge_cells("A1:B1")
    sheet.merge_cells("B2:B3")
    sheet.row_dimensions[4].hidden = True
    file = open_table(save(book, tmp_path))
    assert [row.cells for row in file.rows()] == [["Ann", "Berlin"], ["Bob", ""], ["Cid", "Rome"]]
    assert file.notices() == [
        "1 hidden row was read too.",
        "1 group of merged cells: the value stands in the first cell, the others are empty.",
    ]


def test_cell_that_shows_an_error_is_empty_and_named(tmp_path):
    path = write_parts(
        tmp_path / "leads.xlsx",
        sheet_xml(text_cells("Name", "Amount"), text_cells("Ann") + '<c t="e"><f>1/0</f><v>#DIV/0!</v></c>'),
    )
    row = next(open_table(path).rows())
    assert (row.cells, row.errors) == (["Ann", ""], ((1, "#DIV/0!"),))


def test_table_begins_where_its_column_names_are(tmp_path):
    """Empty rows above, empty columns beside, a note to the right without a column name, styled rows below."""
    book = Workbook()
    sheet = book.active
    sheet["C4"], sheet["D4"] = "Name", "Email"
    sheet["C5"], sheet["D5"], sheet["F6"] = "Ann", "ann@x.example", "call"
    sheet["C6"] = "Bob"
    for row in range(7, 3000):
        sheet.cell(row, 3).number_format = "0.00"
    file = open_table(save(book, tmp_path))
    assert file.header == ["Name", "Email", "Column 3", "Column 4"]
    assert [(row.line, row.cells) for row in file.rows()] == [
        (5, ["Ann", "ann@x.example", "", ""]),
        (6, ["Bob", "", "", "call"]),
    ]
    assert file.place(6) == "sheet Sheet, row 6"
    assert table_from_json(file.path, file.to_json()) == file


def test_declared_size_of_a_sheet_does_not_count(tmp_path):
    xml = sheet_xml(text_cells("Name"), text_cells("Ann"), before='<dimension ref="A1:XFD1048576"/>')
    assert [row.cells for row in open_table(write_parts(tmp_path / "leads.xlsx", xml)).rows()] == [["Ann"]]


def test_first_visible_sheet_with_rows_is_read_unless_another_is_chosen(tmp_path):
    book = Workbook()
    book.active.title, book.active["A1"] = "Cover", "Our leads"
    for name, state in (("Old", "hidden"), ("Leads", "visible")):
        sheet = book.create_sheet(name)
        sheet.sheet_state = state
        sheet.append(["Name"])
        sheet.append([f"{name} Ann"])
    path = save(book, tmp_path)
    assert first_cells(path) == ["Leads Ann"]
    old = open_table(path, sheet="old")
    assert (old.sheet, old.notices()) == ("Old", ["The sheet Old is hidden."])
    assert old.sheets == (("Cover", False), ("Old", True), ("Leads", False))
    with pytest.raises(InvalidInput, match=r"no sheet “New”\. Its sheets are: Cover, Old, Leads"):
        open_table(path, sheet="New")


def test_shared_texts_are_found_in_any_order_without_pronunciation(tmp_path):
    texts = (
        f'<sst xmlns="{NAMESPACE}"><si><t>Name</t></si><si><r><t>A</t></r><r><t xml:space="preserve">nn </t></r>'
        "<rPh><t>AN</t></rPh></si><si><t>a_x000D_b</t></si></sst>"
    )
    cells = '<c r="A{row}" t="s"><v>{index}</v></c>'
    rows = [cells.format(row=row, index=index) for row, index in ((1, 0), (2, 2), (3, 1))]
    path = write_parts(tmp_path / "leads.xlsx", sheet_xml(*rows), texts)
    assert [row.cells for row in open_table(path).rows()] == [["a\rb"], ["Ann "]]
    path = write_parts(tmp_path / "leads.xlsx", sheet_xml(*rows, '<c t="s"><v>9</v></c>'), texts)
    with pytest.raises(InvalidInput, match="damaged and cannot be read as a workbook .there is no text number 9"):
        open_table(path)


def test_prefix_of_tags_and_missing_coordinates_do_not_matter(tmp_path):
    xml = (
        f'<x:worksheet xmlns:x="{NAMESPACE}"><x:sheetData><x:row><x:c t="str"><x:v>Name</x:v></x:c></x:row>'
        '<x:row/><x:row><x:c t="str"><x:v>Ann</x:v></x:c></x:row></x:sheetData></x:worksheet>'
    )
    rows = [*open_table(write_parts(tmp_path / "leads.xlsx", xml)).rows()]
    assert [(row.line, row.cells) for row in rows] == [(3, ["Ann"])]


def test_contents_decide_what_a_file_is_not_its_name(tmp_path):
    workbook = write_rows(tmp_path / "leads.xlsx", ["Name"], ["Ann"]).rename(tmp_path / "leads.csv")
    text = tmp_path / "leads.xlsx"
    text.write_text("Name,City\nBob,Rome\n")
    assert (first_cells(workbook), first_cells(text)) == (["Ann"], ["Bob", "Rome"])
    macros = workbook.rename(tmp_path / "leads.xlsm")
    with ZipFile(macros, "a") as archive:
        archive.writestr("xl/vbaProject.bin", b"macro")
    assert first_cells(macros) == ["Ann"]


def test_sheet_with_16384_columns_is_refused_and_empty_styled_ones_are_not(tmp_path):
    path = write_parts(tmp_path / "leads.xlsx", sheet_xml(text_cells(*map(str, range(16_384))), text_cells("x")))
    with pytest.raises(InvalidInput, match=rf"has 16,384 columns, and at most {MAX_COLUMNS:,} can be imported"):
        open_table(path)
    styled = '<c s="1"/>' * 16_383
    path = write_parts(tmp_path / "leads.xlsx", sheet_xml(text_cells("Name") + styled, text_cells("Ann") + styled))
    assert open_table(path).header == ["Name"]
