"""Open an Excel workbook: its sheets, number formats and shared texts, within limits of size.

A workbook is a zip archive of XML. Every part is read as a stream, and no further than its declared size, so an archive
that unpacks to more than it should costs no memory.
"""

import io
import posixpath
import zlib
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import IO, Any, NamedTuple
from urllib.parse import unquote
from zipfile import ZIP_DEFLATED, ZIP_STORED, BadZipFile, ZipFile, ZipInfo

from crm.exceptions import InvalidInput
from crm.runtime.lazy_module import LazyModule
from leads.importing.files.xml_stream import DamagedXml, ElementStream

# Only an import of a workbook needs it, and every command would wait for its import.
number_formats = LazyModule("openpyxl.styles.numbers")
# In bytes, unpacked. A million rows of twelve columns have 0.6 GB.
MAX_SHEET_SIZE, MAX_TEXTS_SIZE, MAX_SMALL_PART_SIZE = 4 * 1024**3, 1024**3, 64 * 1024**2
# Sheets are packed to a tenth; a part that is packed to less than this is made to fill a disk.
MAX_PACKING_RATIO, MIN_JUDGED_SIZE = 300, 16 * 1024**2
MAX_DIRECTORY_SIZE = 16 * 1024**2
ZIP_SIGNATURE, OLE_SIGNATURE = b"PK\x03\x04", b"\xd0\xcf\x11\xe0"
# The name of the part in an OLE container that holds an encrypted workbook.
ENCRYPTED_MARK = "EncryptedPackage".encode("utf-16-le")
# How archives that are no workbooks show what they are: a part, and words for it.
OTHER_DOCUMENTS = {
    "index/document.iwa": "a Numbers spreadsheet. Export it as Excel or CSV",
    "index.zip": "a Numbers spreadsheet. Export it as Excel or CSV",
    "content.xml": "an OpenDocument file (.ods). Save it as XLSX or CSV",
    "xl/workbook.bin": "a binary Excel workbook (.xlsb). Save it as XLSX or CSV",
    "word/document.xml": "a Word document. Save its table as XLSX or CSV",
}
# zipfile raises NotImplementedError for a part in a compression that it does not know.
DAMAGES = (DamagedXml, BadZipFile, zlib.error, EOFError, NotImplementedError)


class Sheet(NamedTuple):
    """A sheet of a workbook: its name, its part in the archive, and whether it is hidden."""

    name: str
    part: str
    is_hidden: bool


@dataclass
class Workbook:
    """An open workbook. `formats` holds the number format of each cell style."""

    path: Path
    archive: ZipFile
    parts: dict[str, ZipInfo]
    sheets: list[Sheet] = field(default_factory=list)
    formats: list[str] = field(default_factory=list)
    texts_part: str = ""
    counts_from_1904: bool = False

    @contextmanager
    def open_part(self, name: str, max_size: int) -> Iterator[IO[bytes]]:
        """Open a part of the archive, of at most `max_size` bytes unpacked.

        Raises:
            InvalidInput: it does not exist, or is too large.
        """
        info = self.parts.get(name.lower())
        if info is None:
            raise InvalidInput(f"{self.path.name} is damaged: it has no part {name}.")
        check_size(self.path.name, info, max_size)
        with self.archive.open(info) as part:
            yield part

    def read_elements(self, name: str) -> Iterator[tuple[str, dict[str, str]]]:
        """Yield tag and attributes of each element of a small part, in their order."""
        with self.open_part(name, MAX_SMALL_PART_SIZE) as part:
            stream = ElementStream(part)
            for _ in stream.parse():
                yield from stream.elements
                stream.elements.clear()

    def find_sheet(self, name: str) -> Sheet:
        """Return the sheet called `name`.

        Raises:
            InvalidInput: there is none.
        """
        wanted = name.casefold()
        if sheet := next((sheet for sheet in self.sheets if sheet.name.casefold() == wanted), None):
            return sheet
        names = ", ".join(sheet.name for sheet in self.sheets)
        raise InvalidInput(f"{self.path.name} has no sheet “{name}”. Its sheets are: {names}.")


def check_size(file_name: str, info: ZipInfo, max_size: int) -> None:
    """Refuse a part that is too large, or packed as only a file is that shall fill a disk."""
    if info.file_size > max_size:
        raise InvalidInput(
            f"{file_name} is too large: {info.filename} has {info.file_size / 1024**3:,.1f} GB unpacked, and at most "
            f"{max_size / 1024**3:,.1f} GB can be read. Split the file, or save the sheet as CSV."
        )
    if info.file_size > MIN_JUDGED_SIZE and info.file_size > MAX_PACKING_RATIO * info.compress_size:
        raise InvalidInput(
            f"{file_name} is no ordinary workbook: {info.filename} unpacks to {info.file_size / 1024**2:,.0f} MB from "
            f"{info.compress_size / 1024**2:,.1f} MB. Save the sheet as CSV."
        )
    if info.flag_bits & 1 or info.compress_type not in (ZIP_STORED, ZIP_DEFLATED):
        raise InvalidInput(f"{file_name} is packed in a way that cannot be read. Save it as XLSX again.")


class GuardedFile(io.FileIO):
    """A file that refuses to be read at once: zipfile reads the directory of an archive as a whole."""

    def read_bounded(self, size: int | None = -1) -> Any:
        if size is not None and size > MAX_DIRECTORY_SIZE:
            raise BadZipFile("the directory is too large")
        return super().read(size)

    read = read_bounded


@contextmanager
def open_workbook(path: Path) -> Iterator[Workbook]:
    """Open the workbook at `path`, whatever its name.

    Raises:
        InvalidInput: it is no workbook, is damaged or protected, or is too large. Also for what is read in the block.
    """
    try:
        with GuardedFile(path) as file, ZipFile(file) as archive:
            parts = {info.filename.replace("\\", "/").lower(): info for info in archive.infolist()}
            workbook = Workbook(path, archive, parts)
            load_structure(workbook)
            yield workbook
    except DAMAGES as error:
        raise InvalidInput(
            f"{path.name} is damaged and cannot be read as a workbook ({error}). Open it in Excel and save it again."
        ) from error
    except OSError as error:
        raise InvalidInput(f"{path} cannot be read: {error.strerror}.") from error


def load_structure(workbook: Workbook) -> None:
    """Fill in the sheets, the formats, the part with the shared texts and the day from which dates are counted."""
    name = workbook.path.name
    if "[content_types].xml" not in workbook.parts or not any("workbook" in part for part in workbook.parts):
        kind = next((kind for part, kind in OTHER_DOCUMENTS.items() if part in workbook.parts), "")
        raise InvalidInput(f"{name} is {kind or 'a zip archive, not a workbook. Upload the file inside'}.")
    if "xl/workbook.bin" in workbook.parts:
        raise InvalidInput(f"{name} is {OTHER_DOCUMENTS['xl/workbook.bin']}.")
    relations = read_relations(workbook, "")
    book = next((target for kind, target in relations.values() if kind == "officeDocument"), "xl/workbook.xml")
    targets = read_relations(workbook, book)
    for tag, attributes in workbook.read_elements(book):
        if tag == "workbookPr":
            workbook.counts_from_1904 = attributes.get("date1904", "") in {"1", "true"}
        elif tag == "sheet":
            add_sheet(workbook, attributes, targets)
    if not workbook.sheets:
        raise InvalidInput(f"{name} has no sheet with cells.")
    parts = dict(targets.values())
    workbook.texts_part = parts.get("sharedStrings", "")
    if "styles" in parts:
        workbook.formats = read_formats(workbook, parts["styles"])


def read_relations(workbook: Workbook, part: str) -> dict[str, tuple[str, str]]:
    """Return kind and part of each relation of `part`, by its ID. The archive itself has relations too."""
    folder, base = posixpath.split(part)
    name = posixpath.join(folder, "_rels", f"{base}.rels")
    if name.lower() not in workbook.parts:
        return {}
    relations = {}
    for tag, attributes in workbook.read_elements(name):
        if tag == "Relationship" and attributes.get("TargetMode") != "External":
            target = unquote(attributes.get("Target", ""))
            target = posixpath.normpath(posixpath.join("/", folder, target)).lstrip("/")
            relations[attributes.get("Id", "")] = (attributes.get("Type", "").rpartition("/")[2], target)
    return relations


def add_sheet(workbook: Workbook, attributes: dict[str, str], targets: dict[str, tuple[str, str]]) -> None:
    """Add a sheet with cells; one that is only a chart has none."""
    key = next((value for name, value in attributes.items() if name.endswith(":id")), "")
    kind, part = targets.get(key, ("", ""))
    if kind == "worksheet" and part.lower() in workbook.parts:
        workbook.sheets.append(Sheet(attributes.get("name", ""), part, attributes.get("state", "visible") != "visible"))


def read_formats(workbook: Workbook, part: str) -> list[str]:
    """Return the number format of each cell style, in the order in which cells refer to them."""
    codes: dict[str, str] = {str(number): code for number, code in number_formats.BUILTIN_FORMATS.items()}
    formats, is_cell_style = [], False
    for tag, attributes in workbook.read_elements(part):
        if tag == "numFmt":
            codes[attributes.get("numFmtId", "")] = attributes.get("formatCode", "")
        elif tag in {"cellXfs", "cellStyleXfs", "cellStyles", "dxfs"}:
            is_cell_style = tag == "cellXfs"
        elif tag == "xf" and is_cell_style:
            formats.append(codes.get(attributes.get("numFmtId", "0"), "General"))
    return formats


def is_workbook(head: bytes) -> bool:
    """Return whether a file that begins with `head` may be a workbook; its name does not count."""
    return head.startswith(ZIP_SIGNATURE)


def refuse_ole_container(path: Path) -> None:
    """Refuse an old workbook, or a new one that is encrypted: both are in a container of the same kind.

    Raises:
        InvalidInput: always.
    """
    with path.open("rb") as file:
        previous = b""
        while block := file.read(1024 * 1024):
            if ENCRYPTED_MARK in previous + block:
                raise InvalidInput(
                    f"{path.name} is protected by a password. Remove the password in Excel, and save the file again."
                )
            previous = block[-len(ENCRYPTED_MARK) :]
    raise InvalidInput(f"{path.name} is an old Excel workbook (.xls). Open it and save it as XLSX or CSV.")
