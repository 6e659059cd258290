"""Detect whether a file is text, and in which encoding."""

import codecs
import re
from collections.abc import Sequence
from pathlib import Path

from crm.exceptions import InvalidInput
from crm.runtime.lazy_module import LazyModule
from leads.importing.files.charsets import rank_encodings

charset_normalizer = LazyModule("charset_normalizer")

# In bytes. The first block of a file shows its type.
BLOCK_SIZE = 64 * 1024
# In bytes. A page shows how a file is read after so much of it; a job reads the rest.
SAMPLE_SIZE = 32 * 1024 * 1024

FILE_SIGNATURES = {
    b"%PDF": "a PDF",
    b"\x1f\x8b": "a gzip archive",
    b"SQLite format 3\x00": "an SQLite database",
}
# What some programs call an Excel file is a web page or XML.
MARKUP_PATTERN = re.compile(rb"\s*<(!doctype|html|table|head|meta|\?xml|!--)", re.IGNORECASE)
# The longer marks come first, because the mark of UTF-32 begins with that of UTF-16.
BYTE_ORDER_MARKS = {
    codecs.BOM_UTF32_LE: "utf-32",
    codecs.BOM_UTF32_BE: "utf-32",
    codecs.BOM_UTF8: "utf-8-sig",
    codecs.BOM_UTF16_LE: "utf-16",
    codecs.BOM_UTF16_BE: "utf-16",
}
CONTROL_BYTES = bytes(byte for byte in range(32) if byte not in b"\t\n\v\f\r\x1b")
# Replaces each byte that is invalid in the encoding of the file; a row with this mark is refused.
BROKEN_BYTE_MARK = "\udcff"
BROKEN_BYTES_HANDLER = "crm_broken_bytes"
ESCAPED_BYTES_PATTERN = re.compile("[\udc80-\udcff]+")

# Encodings of other alphabets, which are told apart by statistics.
LEGACY_ENCODINGS = [
    *("cp1250", "cp1251", "cp1253", "cp1254", "cp1255", "cp1256"),
    *("cp932", "gb18030", "big5", "cp949", "koi8_r", "cp850", "mac_roman"),
]


def _mark_broken_byte(error: UnicodeError) -> tuple[str, int]:
    if not isinstance(error, UnicodeDecodeError):
        raise error
    return BROKEN_BYTE_MARK, error.end


codecs.register_error(BROKEN_BYTES_HANDLER, _mark_broken_byte)


def detect_encodings(path: Path, limit: int | None = None) -> list[str]:
    """Return the encoding of the text file at `path`, then others that are as likely. Reads the file once, in blocks.

    With a `limit`, only the first blocks up to so many bytes are read.

    Raises:
        InvalidInput: the file cannot be read or is not text.
    """
    try:
        marked = detect_marked_encoding(read_text_head(path))
        return [marked] if marked else detect_unmarked_encodings(path, limit)
    except OSError as error:
        raise InvalidInput(f"{path} cannot be read: {error.strerror}.") from error


def read_text_head(path: Path) -> bytes:
    """Return the first block of the file at `path`.

    Raises:
        InvalidInput: it is not text.
        OSError: it cannot be read.
    """
    with path.open("rb") as file:
        head = file.read(BLOCK_SIZE)
    check_is_text(head, path.name)
    return head


def check_is_text(head: bytes, name: str) -> None:
    """Refuse the file `name` if its first bytes are not those of a text file."""
    for signature, kind in FILE_SIGNATURES.items():
        if head.startswith(signature):
            raise InvalidInput(f"{name} is {kind}, not a CSV file. Open it and save it as CSV.")
    if MARKUP_PATTERN.match(head.removeprefix(codecs.BOM_UTF8)):
        raise InvalidInput(f"{name} is a web page or XML, not a table. Open it in Excel and save it as XLSX or CSV.")
    if detect_marked_encoding(head) is None:
        controls = len(head) - len(head.translate(None, CONTROL_BYTES))
        # A few stray control characters only cost their rows; a binary file is full of them.
        if controls > 2 + len(head) // 100:
            raise InvalidInput(f"{name} is a binary file, not a CSV file.")


def detect_marked_encoding(head: bytes) -> str | None:
    """Return the encoding that a byte order mark or the zero bytes of UTF-16 show, else None."""
    for mark, encoding in BYTE_ORDER_MARKS.items():
        if head.startswith(mark):
            return encoding
    # In UTF-16, every second byte of text in a Latin alphabet is zero.
    even, odd = head[0::2], head[1::2]
    if odd and odd.count(0) > 0.7 * len(odd) and not even.count(0):
        return "utf-16-le"
    if odd and even.count(0) > 0.7 * len(even) and not odd.count(0):
        return "utf-16-be"
    return None


def detect_unmarked_encodings(path: Path, limit: int | None = None) -> list[str]:
    """Return UTF-8 if the file is valid but for a little damage, else the likeliest legacy encodings."""
    decoder = codecs.getincrementaldecoder("utf-8")("surrogateescape")
    sample, damaged_count, multibyte_count = b"", 0, 0
    with path.open("rb") as file:
        while (limit is None or file.tell() < limit) and (chunk := file.read(BLOCK_SIZE)):
            text = decoder.decode(chunk)
            multibyte_count += len(chunk) - len(text)
            if not chunk.isascii() and (damaged := len(ESCAPED_BYTES_PATTERN.findall(text))):
                damaged_count += damaged
                sample = sample or non_ascii_lines(chunk)
    # Legacy text read as UTF-8 is nearly all damage.
    return ["utf-8"] if 2 * damaged_count <= multibyte_count else detect_legacy_encodings(sample)


def non_ascii_lines(chunk: bytes) -> bytes:
    """Return the lines that are not plain ASCII: only they tell encodings apart."""
    return b"\n".join(line for line in chunk.split(b"\n") if not line.isascii())[:BLOCK_SIZE]


def detect_legacy_encodings(sample: bytes) -> list[str]:
    """Return the likeliest encodings of a `sample` that is not UTF-8; several if nothing tells them apart."""
    if latin := rank_encodings(sample):
        return latin
    best_match = charset_normalizer.from_bytes(sample, cp_isolation=LEGACY_ENCODINGS).best()
    return [best_match.encoding if best_match else "cp1252"]


def differing_lines(path: Path, encodings: Sequence[str], count: int) -> list[dict[str, str]]:
    """Return the first lines, at most `count`, that `encodings` read differently, each as a text by encoding."""
    found: list[dict[str, str]] = []
    with path.open("rb") as file:
        while len(found) < count and file.tell() < SAMPLE_SIZE and (line := file.readline(BLOCK_SIZE)):
            texts = {name: line.decode(name, errors="replace").strip() for name in encodings}
            if len(set(texts.values())) > 1:
                found.append(texts)
    return found
