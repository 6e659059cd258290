"""Read XML of any size in blocks, in memory that does not depend on it.

The parser is the one of the standard library, without entities. openpyxl would keep an element for each row.
"""

from collections.abc import Callable, Iterator
from typing import IO
from xml.parsers import expat

from leads.importing.files.decoding import BLOCK_SIZE

MAX_DEPTH = 100
# In bytes. No tag of a workbook is nearly as long.
MAX_TAG_LENGTH = 1024 * 1024
# In characters. A cell of a workbook has at most 32,767.
MAX_TEXT_LENGTH = 1024 * 1024

StartHandler = Callable[[str, dict[str, str]], None]
EndHandler = Callable[[str], None]


class DamagedXml(Exception):
    """The XML cannot be read, or is made to use up memory."""


class XmlStream:
    """Call `start` and `end` for the elements of `source`, without the prefix of the root in their tags.

    While a handler has called `collect`, the text is collected; `take_text` returns it.
    """

    def __init__(self, source: IO[bytes], start: StartHandler, end: EndHandler) -> None:
        self._source, self._start, self._end = source, start, end
        self._texts: list[str] = []
        self._length = self._depth = 0
        self._prefix: str | None = None
        self._parser = expat.ParserCreate()
        self._parser.buffer_text = True
        self._parser.StartElementHandler, self._parser.EndElementHandler = self._start_element, self._end_element
        self._parser.StartDoctypeDeclHandler = self._refuse_entities

    def collect(self) -> None:
        self._texts.clear()
        self._length = 0
        self._parser.CharacterDataHandler = self._add_text

    def take_text(self) -> str:
        self._parser.CharacterDataHandler = None
        return "".join(self._texts)

    def parse(self) -> Iterator[None]:
        """Read block by block, and yield after each.

        Raises:
            DamagedXml: it is no XML, has entities, or has a tag or a text of a size that no program writes.
        """
        fed = 0
        try:
            while block := self._source.read(BLOCK_SIZE):
                self._parser.Parse(block, False)
                fed += len(block)
                if fed - self._parser.CurrentByteIndex > MAX_TAG_LENGTH:
                    raise DamagedXml("a tag is too long")
                yield
            self._parser.Parse(b"", True)
        except expat.ExpatError as error:
            raise DamagedXml(str(error)) from error
        yield

    def _start_element(self, tag: str, attributes: dict[str, str]) -> None:
        if self._prefix is None:
            # Some programs write <x:worksheet>, with the prefix on every tag.
            self._prefix = tag[: tag.rfind(":") + 1]
        self._depth += 1
        if self._depth > MAX_DEPTH:
            raise DamagedXml("elements are nested too deeply")
        self._start(tag.removeprefix(self._prefix), attributes)

    def _end_element(self, tag: str) -> None:
        self._depth -= 1
        self._end(tag.removeprefix(self._prefix or ""))

    def _add_text(self, text: str) -> None:
        self._texts.append(text)
        self._length += len(text)
        if self._length > MAX_TEXT_LENGTH:
            raise DamagedXml("a text is too long")

    def _refuse_entities(self, *declaration: object) -> None:
        raise DamagedXml("it declares entities")
