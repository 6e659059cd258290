"""Tests of files that are no tables, are damaged, or are made to use up memory: each is refused with a sentence."""

import struct
import tracemalloc
from zipfile import ZIP_DEFLATED, ZipFile

import pytest

from crm.exceptions import InvalidInput
from leads.importing.files import sheet_rows, workbooks, xml_stream
from leads.importing.files.decoding import BLOCK_SIZE
from leads.importing.files.opening import open_table
from leads.importing.files.workbooks import ENCRYPTED_MARK, MAX_TEXTS_SIZE, OLE_SIGNATURE
from tests.leads.workbook_files import NAMESPACE, sheet_xml, text_cells, write_parts

ROWS = sheet_xml(text_cells("Name"), text_cells("Ann"))
LAUGHS = '<!DOCTYPE x [<!ENTITY a "ha"><!ENTITY b "&a;&a;&a;&a;&a;&a;&a;&a;&a;&a;">]>'


def zip_of(path, **parts):
    with ZipFile(path, "w", ZIP_DEFLATED) as archive:
        for name, content in parts.items():
            archive.writestr(name, content)
    return path


def refusal(path) -> str:
    with pytest.raises(InvalidInput) as refused:
        open_table(path)
        raise AssertionError(f"{path} was read")
    return str(refused.value)


@pytest.mark.parametrize(
    ("content", "sentence"),
    [
        (OLE_SIGNATURE + bytes(600) + ENCRYPTED_MARK, "is protected by a password. Remove the password in Excel"),
        (OLE_SIGNATURE + bytes(600), r"is an old Excel workbook \(.xls\). Open it and save it as XLSX or CSV"),
        (b"PK\x03\x04 and no archive", "is damaged and cannot be read as a workbook"),
        ({"content.xml": "<x/>"}, r"is an OpenDocument file \(.ods\). Save it as XLSX or CSV"),
        ({"Index/Document.iwa": ""}, "is a Numbers spreadsheet. Export it as Excel or CSV"),
        ({"[Content_Types].xml": "", "xl/workbook.bin": ""}, "is a binary Excel workbook"),
        ({"[Content_Types].xml": "", "word/document.xml": ""}, "is a Word document"),
        ({"leads.csv": "Name"}, "is a zip archive, not a workbook. Upload the file inside"),
        ({"[Content_Types].xml": "", "xl/workbook.xml": "<workbook/>"}, "has no sheet with cells"),
        ({"[Content_Types].xml": "", "xl/workbook.xml": "<workbook"}, "is damaged"),
        (b"\n<html><table><tr><td>Name</td></tr></table></html>", "is a web page or XML, not a table"),
        (b"\xef\xbb\xbf<?xml version='1.0'?><Workbook/>", "is a web page or XML, not a table"),
    ],
)
def test_other_kinds_of_files_are_named(tmp_path, content, sentence):
    path = tmp_path / "leads.xlsx"
    zip_of(path, **content) if isinstance(content, dict) else path.write_bytes(content)
    with pytest.raises(InvalidInput, match=sentence):
        open_table(path)


def test_archive_that_is_cut_off_or_altered_is_damaged(tmp_path):
    path = write_parts(tmp_path / "leads.xlsx", ROWS)
    whole = path.read_bytes()
    path.write_bytes(whole[: len(whole) // 2])
    assert "is damaged" in refusal(path)
    place = whole.index(b"xl/worksheets/sheet1.xml") + 40
    path.write_bytes(whole[:place] + b"\xff\xff\xff\xff" + whole[place + 4 :])
    assert "is damaged" in refusal(path)


@pytest.mark.parametrize(
    "part",
    [
        {"sheet": f"{LAUGHS}{ROWS}"},
        {"sheet": ROWS, "texts": f'{LAUGHS}<sst xmlns="{NAMESPACE}"><si><t>&b;</t></si></sst>', "uses_texts": True},
        {"sheet": ROWS, "styles": f'{LAUGHS}<styleSheet xmlns="{NAMESPACE}"/>'},
        {"sheet": sheet_xml("<c>" * 200 + " " * BLOCK_SIZE + "</c>" * 200, text_cells("Ann"))},
    ],
    ids=["entities in the sheet", "entities in the texts", "entities in the styles", "nested elements"],
)
def test_xml_that_grows_is_refused(tmp_path, part):
    if part.pop("uses_texts", False):
        part["sheet"] = sheet_xml('<c t="s"><v>0</v></c>', '<c t="s"><v>0</v></c>')
    assert "is damaged" in refusal(write_parts(tmp_path / "leads.xlsx", **part))


def test_endless_text_or_tag_takes_no_memory(tmp_path, monkeypatch):
    monkeypatch.setattr(xml_stream, "MAX_TAG_LENGTH", 100_000)
    monkeypatch.setattr(xml_stream, "MAX_TEXT_LENGTH", 100_000)
    monkeypatch.setattr(sheet_rows, "MAX_TEXT_LENGTH", 100_000)
    noise = "".join(map(str, range(100_000)))
    cells = {
        text_cells(noise): "a text is too long",
        f'<c x="{noise}"/>': "a tag is too long",
        text_cells(*["Ann" * 1000] * 200): "row 1 is too long",
        f"<c><is>{'<t>Ann</t>' * 100_000}</is></c>": "row 1 is too long",
        text_cells(*["Ann"] * 20_000): "there is no column",
    }
    for cell, fault in cells.items():
        assert fault in refusal(write_parts(tmp_path / "leads.xlsx", sheet_xml(cell, text_cells("Ann"))))


def test_packed_bomb_is_refused_before_it_is_unpacked(tmp_path):
    filling = sheet_xml(*[text_cells("Ann")] * 2, after="<x>" + " " * (64 * 1024 * 1024) + "</x>")
    path = write_parts(tmp_path / "leads.xlsx", filling)
    del filling
    tracemalloc.start()
    try:
        assert "is no ordinary workbook: xl/worksheets/sheet1.xml unpacks to 64 MB from 0.1 MB" in refusal(path)
        assert tracemalloc.get_traced_memory()[1] < 10 * 1024 * 1024
    finally:
        tracemalloc.stop()


def test_declared_size_is_the_limit(tmp_path):
    """One part says that it has 2 GB; another has more than it says."""
    texts = f'<sst xmlns="{NAMESPACE}"><si><t>Name</t></si></sst>'
    used = sheet_xml('<c t="s"><v>0</v></c>', '<c t="s"><v>0</v></c>')
    path = write_parts(tmp_path / "leads.xlsx", used, texts)
    set_declared_size(path, "xl/sharedStrings.xml", 2 * MAX_TEXTS_SIZE)
    assert "is too large: xl/sharedStrings.xml has 2.0 GB unpacked, and at most 1.0 GB can be read" in refusal(path)
    set_declared_size(path, "xl/sharedStrings.xml", 20)
    assert "is damaged" in refusal(path)


def set_declared_size(path, name: str, size: int) -> None:
    """Change the unpacked size that the directory of an archive declares for a part."""
    data = bytearray(path.read_bytes())
    entry = data.rindex(b"PK\x01\x02", 0, data.rindex(name.encode()))
    struct.pack_into("<I", data, entry + 24, size)
    path.write_bytes(data)


def test_directory_of_a_million_parts_is_not_read(tmp_path, monkeypatch):
    monkeypatch.setattr(workbooks, "MAX_DIRECTORY_SIZE", 100_000)
    path = zip_of(tmp_path / "leads.xlsx", **{f"xl/worksheets/sheet{number}.xml": "" for number in range(2000)})
    assert "is damaged and cannot be read as a workbook (the directory is too large)" in refusal(path)
