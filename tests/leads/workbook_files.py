"""Workbooks for tests: made by openpyxl, or of XML written by hand as other programs and attackers write it."""

from pathlib import Path
from zipfile import ZIP_DEFLATED, ZipFile

from openpyxl import Workbook

NAMESPACE = "http://schemas.openxmlformats.org/spreadsheetml/2006/main"
RELATIONS = "http://schemas.openxmlformats.org/officeDocument/2006/relationships"
PACKAGE = "http://schemas.openxmlformats.org/package/2006"
CONTENT_TYPES = f'<Types xmlns="{PACKAGE}/content-types"/>'
BOOK = (
    f'<workbook xmlns="{NAMESPACE}" xmlns:r="{RELATIONS}">{{properties}}'
    '<sheets><sheet name="Leads" sheetId="1" r:id="r1"/></sheets></workbook>'
)


def relations(**targets: str) -> str:
    """Return the XML of relations: kind to target; their IDs are r1, r2 and so on."""
    entries = "".join(
        f'<Relationship Id="r{place}" Type="{RELATIONS}/{kind}" Target="{target}"/>'
        for place, (kind, target) in enumerate(targets.items(), start=1)
    )
    return f'<Relationships xmlns="{PACKAGE}/relationships">{entries}</Relationships>'


def write_parts(path: Path, sheet: str, texts: str = "", styles: str = "", properties: str = "") -> Path:
    """Write a workbook with one sheet, given as XML."""
    with ZipFile(path, "w", ZIP_DEFLATED) as archive:
        archive.writestr("[Content_Types].xml", CONTENT_TYPES)
        archive.writestr("_rels/.rels", relations(officeDocument="xl/workbook.xml"))
        archive.writestr("xl/workbook.xml", BOOK.format(properties=properties))
        targets = {"worksheet": "/xl/worksheets/sheet1.xml", "sharedStrings": "sharedStrings.xml"}
        archive.writestr("xl/_rels/workbook.xml.rels", relations(**targets, styles="styles.xml"))
        archive.writestr("xl/worksheets/sheet1.xml", sheet)
        archive.writestr("xl/sharedStrings.xml", texts or f'<sst xmlns="{NAMESPACE}"/>')
        archive.writestr("xl/styles.xml", styles or f'<styleSheet xmlns="{NAMESPACE}"/>')
    return path


def sheet_xml(*rows: str, after: str = "", before: str = "") -> str:
    """Return the XML of a sheet with these rows, each the XML of its cells."""
    data = "".join(f'<row r="{number}">{cells}</row>' for number, cells in enumerate(rows, start=1))
    return f'<worksheet xmlns="{NAMESPACE}">{before}<sheetData>{data}</sheetData>{after}</worksheet>'


def text_cells(*texts: str) -> str:
    return "".join(f'<c t="inlineStr"><is><t>{text}</t></is></c>' for text in texts)


def write_rows(path: Path, *rows: list[object], sheet: str = "Leads") -> Path:
    """Write a workbook with one sheet by openpyxl."""
    book = Workbook()
    book.active.title = sheet
    for row in rows:
        book.active.append(row)
    book.save(path)
    return path
