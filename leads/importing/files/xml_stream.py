"""Read XML of any size in blocks, in memory that does not depend on it.

The parser is the one of the standard library, without entities. openpyxl would keep an element for each row, and take
four times as long.
"""

from abc import ABC, abstractmethod
from collections.abc import Iterator
from typing import IO
from xml.parsers import expat

from leads.importing.files.decoding import BLOCK_SIZE

MAX_DEPTH = 100
# In bytes. No tag of a workbook is nearly as long.
MAX_TAG_LENGTH = 1024 * 1024
# In characters. A cell of a workbook has at most 32,767.
MAX_TEXT_LENGTH = 1024 * 1024


class DamagedXml(Exception):
    """The XML cannot be read, or is made to use up memory."""


class XmlStream(ABC):
    """Handle the elements of `source` one by one. Tags are without the prefix of the root.

    The handlers count `depth`, and the one of the beginning clears `texts`, which collects the text of an element: they
    are called for every cell of a workbook, so nothing stands between them and the parser.
    """

    def __init__(self, source: IO[bytes]) -> None:
        self.texts: list[str] = []
        self.depth = 0
        self._source = source
        self._parser = expat.ParserCreate()
        self._parser.buffer_text = True
        self._parser.StartElementHandler = self._start_root
        self._parser.CharacterDataHandler = self.texts.append
        self._parser.StartDoctypeDeclHandler = self._refuse_entities

    @abstractmethod
    def start_element(self, tag: str, attributes: dict[str, str]) -> None:
        """Handle the beginning of an element."""

    @abstractmethod
    def end_element(self, tag: str) -> None:
        """Handle the end of an element; `texts` holds its text."""

    def parse(self) -> Iterator[None]:
        """Read block by block, and yield after each.

        Raises:
            DamagedXml: it is no XML, has entities, or is larger somewhere than any program writes it.
        """
        fed = 0
        try:
            while block := self._source.read(BLOCK_SIZE):
                self._parser.Parse(block, False)
                fed += len(block)
                self._check_memory(fed - self._parser.CurrentByteIndex)
                yield
            self._parser.Parse(b"", True)
        except expat.ExpatError as error:
            raise DamagedXml(str(error)) from error
        yield

    def _check_memory(self, waiting: int) -> None:
        """Refuse XML that fills the memory with one tag, text or branch. `waiting` bytes are part of an open tag."""
        if waiting > MAX_TAG_LENGTH:
            raise DamagedXml("a tag is too long")
        if sum(map(len, self.texts)) > MAX_TEXT_LENGTH:
            raise DamagedXml("a text is too long")
        if self.depth > MAX_DEPTH:
            raise DamagedXml("elements are nested too deeply")

    def _start_root(self, tag: str, attributes: dict[str, str]) -> None:
        length = tag.rfind(":") + 1
        if length:
            # Some programs write <x:worksheet>, with the prefix on every tag.
            self._parser.StartElementHandler = lambda tag, attributes: self.start_element(tag[length:], attributes)
            self._parser.EndElementHandler = lambda tag: self.end_element(tag[length:])
        else:
            self._parser.StartElementHandler, self._parser.EndElementHandler = self.start_element, self.end_element
        self.start_element(tag[length:], attributes)

    def _refuse_entities(self, *declaration: object) -> None:
        raise DamagedXml("it declares entities")


class ElementStream(XmlStream):
    """The elements of a small part: tag and attributes, as far as they are read."""

    def __init__(self, source: IO[bytes]) -> None:
        super().__init__(source)
        self.elements: list[tuple[str, dict[str, str]]] = []

    def start_element(self, tag: str, attributes: dict[str, str]) -> None:
        self.depth += 1
        self.texts.clear()
        self.elements.append((tag, attributes))

    def end_element(self, tag: str) -> None:
        self.depth -= 1
