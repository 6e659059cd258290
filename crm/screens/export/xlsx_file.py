"""A table as an Excel file, written row by row: a zip file of XML that is sent while it grows.

openpyxl needs a temporary file and a tenth of the speed, and a proxy would give up before its first byte.
"""

import re
import zipfile
from collections.abc import Iterator
from datetime import date, datetime, time
from decimal import Decimal
from io import BufferedWriter
from itertools import chain, islice
from math import isfinite
from xml.sax.saxutils import escape, quoteattr

from crm.records.local_time import agency_time
from crm.runtime.output_buffer import OutputBuffer
from crm.screens.export.columns import CellValue, ExportTable
from crm.text.spreadsheet_cells import keep_apostrophe, looks_like_formula, shorten_for_cell

# Excel opens 1,048,576 rows; the first one holds the headings.
MAX_SHEET_ROWS = 1_048_575
MAX_SHEET_NAME_LENGTH = 31
WIDTH_SAMPLE_ROWS, MIN_WIDTH, MAX_WIDTH = 200, 9, 60
CHUNK_SIZE = 1 << 16
# A sheet of more cells may be larger than a zip file without extensions can hold. Excel repairs those it need not have.
MAX_PLAIN_ZIP_CELLS = 10_000_000
# Excel keeps 15 digits of a number.
MAX_EXACT_INTEGER, MAX_DIGITS = 10**15, 15
# Excel counts days from here, and counts a 29 February 1900 that there was not.
EPOCH, FIRST_CORRECT_DAY = date(1899, 12, 30), date(1900, 3, 1)
SECONDS_A_DAY = 86_400
XML_FORBIDDEN = re.compile("[\x00-\x08\x0b\x0c\x0e-\x1f\ufffe\uffff]")
# Excel reads _x0041_ as the letter A.
ESCAPE_SEQUENCE = re.compile("_(?=x[0-9A-Fa-f]{4}_)")
# Most texts are short and plain, and need no work.
MAX_SHORT_TEXT, NEEDS_CARE = 1_000, re.compile("[<>&\x00-\x08\x0b-\x1f\ufffe\uffff]|_x")
# The cell formats of styles.xml by number.
GENERAL, HEADING, DAY, MOMENT, AMOUNT, TEXT = range(6)
# Number formats of Excel: those of the reader's country for a day and a moment, two decimals, text.
NUMBER_FORMATS = {GENERAL: 0, HEADING: 0, DAY: 14, MOMENT: 22, AMOUNT: 4, TEXT: 49}
AMOUNT_DECIMALS = 2

MAIN = "http://schemas.openxmlformats.org/spreadsheetml/2006/main"
RELATIONS = "http://schemas.openxmlformats.org/officeDocument/2006/relationships"
PACKAGE_RELATIONS = "http://schemas.openxmlformats.org/package/2006/relationships"
TYPE = "application/vnd.openxmlformats-officedocument.spreadsheetml"
DECLARATION = '<?xml version="1.0" encoding="UTF-8" standalone="yes"?>\n'
CONTENT_TYPES = (
    '<Types xmlns="http://schemas.openxmlformats.org/package/2006/content-types">'
    '<Default Extension="rels" ContentType="application/vnd.openxmlformats-package.relationships+xml"/>'
    f'<Override PartName="/xl/workbook.xml" ContentType="{TYPE}.sheet.main+xml"/>'
    f'<Override PartName="/xl/worksheets/sheet1.xml" ContentType="{TYPE}.worksheet+xml"/>'
    f'<Override PartName="/xl/styles.xml" ContentType="{TYPE}.styles+xml"/></Types>'
)


def relation(number: int, kind: str, target: str) -> str:
    return f'<Relationship Id="rId{number}" Type="{RELATIONS}/{kind}" Target="{target}"/>'


def relations(*entries: str) -> str:
    return f'<Relationships xmlns="{PACKAGE_RELATIONS}">{"".join(entries)}</Relationships>'


def styles() -> str:
    """Return the cell formats in the order of their numbers."""
    formats = "".join(
        f'<xf numFmtId="{number_format}" fontId="{int(style == HEADING)}" fillId="0" borderId="0" xfId="0"'
        f' quotePrefix="{int(style == TEXT)}" applyNumberFormat="1" applyFont="1"/>'
        for style, number_format in NUMBER_FORMATS.items()
    )
    font = '<sz val="11"/><name val="Calibri"/><family val="2"/>'
    return (
        f'<styleSheet xmlns="{MAIN}"><fonts count="2"><font>{font}</font><font><b/>{font}</font></fonts>'
        '<fills count="2"><fill><patternFill patternType="none"/></fill>'
        '<fill><patternFill patternType="gray125"/></fill></fills>'
        '<borders count="1"><border><left/><right/><top/><bottom/><diagonal/></border></borders>'
        '<cellStyleXfs count="1"><xf numFmtId="0" fontId="0" fillId="0" borderId="0"/></cellStyleXfs>'
        f'<cellXfs count="{len(NUMBER_FORMATS)}">{formats}</cellXfs>'
        '<cellStyles count="1"><cellStyle name="Normal" xfId="0" builtinId="0"/></cellStyles></styleSheet>'
    )


def workbook(sheet_name: str) -> str:
    return (
        f'<workbook xmlns="{MAIN}" xmlns:r="{RELATIONS}"><sheets>'
        f'<sheet name={quoteattr(sheet_name)} sheetId="1" r:id="rId1"/></sheets></workbook>'
    )


def clean_sheet_name(title: str) -> str:
    """Return `title` as Excel allows it for a sheet: without some signs, at most 31 characters."""
    name = re.sub(r"[\[\]:*?/\\]", " ", XML_FORBIDDEN.sub("", title))
    return name[:MAX_SHEET_NAME_LENGTH].strip().strip("'") or "Rows"


def xlsx_chunks(table: ExportTable, title: str, row_count: int) -> Iterator[bytes]:
    """Yield `table` as an Excel file with one sheet called `title`; `row_count` is about the number of its rows."""
    file = OutputBuffer()
    is_large = row_count * len(table.headings) > MAX_PLAIN_ZIP_CELLS
    with zipfile.ZipFile(file, "w", zipfile.ZIP_DEFLATED) as archive:
        archive.writestr("[Content_Types].xml", DECLARATION + CONTENT_TYPES)
        archive.writestr("_rels/.rels", DECLARATION + relations(relation(1, "officeDocument", "xl/workbook.xml")))
        archive.writestr("xl/workbook.xml", DECLARATION + workbook(clean_sheet_name(title)))
        sheet, style = relation(1, "worksheet", "worksheets/sheet1.xml"), relation(2, "styles", "styles.xml")
        archive.writestr("xl/_rels/workbook.xml.rels", DECLARATION + relations(sheet, style))
        archive.writestr("xl/styles.xml", DECLARATION + styles())
        yield file.take()
        part = archive.open("xl/worksheets/sheet1.xml", "w", force_zip64=is_large)
        with BufferedWriter(part, CHUNK_SIZE) as buffer:
            for xml in sheet_xml(table):
                buffer.write(xml.encode())
                if file.size >= CHUNK_SIZE:
                    yield file.take()
    yield file.take()


def sheet_xml(table: ExportTable) -> Iterator[str]:
    """Yield the XML of the sheet: widths, a heading that stays in view, the rows, and filters in the heading."""
    sample = list(islice(table.rows, WIDTH_SAMPLE_ROWS))
    widths = column_widths([table.headings, *sample])
    columns = "".join(
        f'<col min="{number}" max="{number}" width="{width}" customWidth="1"/>'
        for number, width in enumerate(widths, start=1)
    )
    yield (
        f'{DECLARATION}<worksheet xmlns="{MAIN}"><sheetViews><sheetView tabSelected="1" workbookViewId="0">'
        '<pane ySplit="1" topLeftCell="A2" activePane="bottomLeft" state="frozen"/></sheetView></sheetViews>'
        f"<cols>{columns}</cols><sheetData>"
    )
    yield f"<row>{''.join(text_cell(heading, HEADING) for heading in table.headings)}</row>"
    row_count = 1
    for row in chain(sample, table.rows):
        row_count += 1
        yield f"<row>{''.join(map(xml_cell, row))}</row>"
    yield f'</sheetData><autoFilter ref="A1:{column_letters(len(widths))}{row_count}"/></worksheet>'


def column_widths(rows: list[list[CellValue]]) -> list[int]:
    """Return the width of each column in characters: that of its longest text, within bounds."""
    longest = [max(map(shown_length, values), default=0) for values in zip(*rows, strict=True)]
    return [min(max(length + 2, MIN_WIDTH), MAX_WIDTH) for length in longest]


def shown_length(value: CellValue) -> int:
    if isinstance(value, str):
        return max(map(len, value[: MAX_WIDTH * 4].split("\n")))
    return len("31/12/2026 23:59") if isinstance(value, datetime) else len(str(value or ""))


def column_letters(number: int) -> str:
    """Return the name of the column with this number: A for 1, AA for 27."""
    letters = ""
    while number:
        number, rest = divmod(number - 1, 26)
        letters = chr(ord("A") + rest) + letters
    return letters


def xml_cell(value: CellValue) -> str:
    """Return the cell for `value`: numbers and dates as such, everything else as text, which no program computes."""
    if value is None or value == "":
        return "<c/>"
    if isinstance(value, str):
        return text_cell(keep_apostrophe(value), TEXT if looks_like_formula(value) else GENERAL)
    if isinstance(value, date):
        return date_cell(value)
    return number_cell(value)


def text_cell(text: str, style: int) -> str:
    content = xml_text(text) if len(text) > MAX_SHORT_TEXT or NEEDS_CARE.search(text) else text
    return f'<c s="{style}" t="inlineStr"><is><t xml:space="preserve">{content}</t></is></c>'


def xml_text(text: str) -> str:
    """Return `text` as XML, without what XML forbids and at most as long as a cell."""
    text = shorten_for_cell(XML_FORBIDDEN.sub("", text.replace("\r\n", "\n").replace("\r", "\n")))
    return escape(ESCAPE_SEQUENCE.sub("_x005F_", text))


def date_cell(value: date) -> str:
    """Return a day, or a moment of the agency's time; as text if it is earlier than Excel's calendar."""
    moment = agency_time(value).replace(tzinfo=None) if isinstance(value, datetime) else None
    day = moment.date() if moment else value
    if day < FIRST_CORRECT_DAY:
        return text_cell(value.isoformat(), TEXT)
    days = (day - EPOCH).days
    if moment is None:
        return f'<c s="{DAY}"><v>{days}</v></c>'
    seconds = (moment - datetime.combine(day, time.min)).seconds
    return f'<c s="{MOMENT}"><v>{days + seconds / SECONDS_A_DAY:.10f}</v></c>'


def number_cell(value: int | float | Decimal) -> str:
    """Return a number, as text if Excel would lose digits of it."""
    if isinstance(value, Decimal):
        if not value.is_finite() or len(value.as_tuple().digits) > MAX_DIGITS:
            return text_cell(str(value), TEXT)
        is_amount = -value.as_tuple().exponent == AMOUNT_DECIMALS
        return f'<c s="{AMOUNT if is_amount else GENERAL}"><v>{value:f}</v></c>'
    if abs(value) >= MAX_EXACT_INTEGER if isinstance(value, int) else not isfinite(value):
        return text_cell(str(value), TEXT)
    return f'<c s="{GENERAL}"><v>{value!r}</v></c>'
