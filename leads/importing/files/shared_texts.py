"""The texts that the cells of a workbook share, kept in a temporary file instead of memory."""

import os
from array import array
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from functools import lru_cache
from tempfile import TemporaryFile
from typing import IO

from crm.runtime.lazy_module import LazyModule
from leads.importing.files.workbooks import MAX_TEXTS_SIZE, Workbook
from leads.importing.files.xml_stream import MAX_TEXT_LENGTH, DamagedXml, XmlStream

# Only an import of a workbook needs it, and every command would wait for its import.
escapes = LazyModule("openpyxl.utils.escape")
REMEMBERED_TEXTS = 20_000


def decode_text(text: str) -> str:
    """Return `text` with the characters that XML cannot hold: Excel writes a line break as “_x000D_”."""
    return escapes.unescape(text) if "_x" in text else text


class SharedTexts(XmlStream):
    """The shared texts of a workbook by index. They are read as far as needed, in the order of the archive."""

    def __init__(self, source: IO[bytes], file: IO[bytes]) -> None:
        super().__init__(source)
        self._file = file
        self._ends = array("Q", [0])
        self._parts: list[str] = []
        self._phonetics = 0
        self._blocks = self.parse()
        self.get = lru_cache(REMEMBERED_TEXTS)(self._get)

    def start_element(self, tag: str, attributes: dict[str, str]) -> None:
        self.depth += 1
        self.texts.clear()
        if tag == "si":
            self._parts.clear()
        elif tag == "rPh":
            # How the text is pronounced, in Japanese workbooks.
            self._phonetics += 1

    def end_element(self, tag: str) -> None:
        self.depth -= 1
        if tag == "t" and not self._phonetics:
            self._parts.append("".join(self.texts))
        elif tag == "si":
            data = decode_text("".join(self._parts)).encode("utf-8", "surrogatepass")
            self._file.write(data)
            self._ends.append(self._ends[-1] + len(data))
        elif tag == "rPh":
            self._phonetics -= 1

    def _get(self, raw: str) -> str:
        """Return the text with the index `raw`.

        Raises:
            DamagedXml: there is none.
        """
        index = int(raw) if raw.isdecimal() else -1
        while index >= len(self._ends) - 1:
            if next(self._blocks, self) is self:
                raise DamagedXml(f"there is no text number {raw[:20]}")
            if sum(map(len, self._parts)) > MAX_TEXT_LENGTH:
                raise DamagedXml("a text is too long")
            self._file.flush()
        if index < 0:
            raise DamagedXml(f"there is no text number {raw[:20]}")
        begin, end = self._ends[index], self._ends[index + 1]
        return os.pread(self._file.fileno(), end - begin, begin).decode("utf-8", "surrogatepass")


@contextmanager
def open_shared_texts(workbook: Workbook) -> Iterator[SharedTexts | None]:
    """Open the shared texts of `workbook`; None if it has none."""
    if not workbook.texts_part:
        yield None
        return
    with ExitStack() as stack:
        source = stack.enter_context(workbook.open_part(workbook.texts_part, MAX_TEXTS_SIZE))
        yield SharedTexts(source, stack.enter_context(TemporaryFile()))
