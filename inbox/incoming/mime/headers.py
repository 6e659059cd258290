"""Reads the header lines of an email. Pure: no database."""

import binascii
import re
from email.message import Message as MimeMessage

from crm.text.charsets import decode_text
from crm.text.cleaning import storable_text

# Whitespace may stand within an encoded word, because some programs fold it there.
ENCODED_WORD = re.compile(r"=\?([^?\s]{1,60})\?([bq])\?(.{0,2000}?)\?=", re.IGNORECASE | re.DOTALL)
BETWEEN_ENCODED_WORDS = re.compile(r"(?<=\?=)\s+(?==\?[^?\s]{1,60}\?[bq]\?)", re.IGNORECASE)
FOLD = re.compile(r"[ \t]*\r?\n[ \t]")
LINE_BREAKS = re.compile(r"[\r\n\t\x00-\x1f\x7f]+")
NOT_BASE64 = re.compile(rb"[^A-Za-z0-9+/]")
# Only this much of a header line is decoded.
MAX_DECODED_LENGTH = 20_000
HeaderLines = dict[str, list[str]]


def read_headers(message: MimeMessage) -> HeaderLines:
    """Return every header line of `message` undecoded, by name in lower case.

    Bytes beyond ASCII are decoded as UTF-8 or Windows-1252, so nothing is lost.
    """
    head: HeaderLines = {}
    for name, value in message.raw_items():
        head.setdefault(name.lower(), []).append(decode_header_bytes(str(value)))
    return head


def raw_header(part: MimeMessage, name: str) -> str:
    """Return the first header of `part` called `name` (in lower case), undecoded; empty without one."""
    return next((decode_header_bytes(str(value)) for one, value in part.raw_items() if one.lower() == name), "")


def decode_header_bytes(text: str) -> str:
    """Return a header line with the bytes that the standard library left undecoded."""
    return text if text.isascii() else decode_text(text.encode("utf-8", "surrogateescape"))


def first_header(head: HeaderLines, name: str) -> str:
    """Return the first header called `name`, decoded."""
    return decode_encoded_words(head[name][0][:MAX_DECODED_LENGTH]) if name in head else ""


def decode_encoded_words(text: str) -> str:
    """Return `text` with its encoded words decoded. What is not a well-formed encoded word stays as it is."""
    if "=?" not in text:
        return text
    text = BETWEEN_ENCODED_WORDS.sub("", text)
    parts, run, run_charset, position = [], b"", "", 0
    for match in ENCODED_WORD.finditer(text):
        # A letter may be split between two words of one character set.
        charset = match[1].partition("*")[0]
        if run and (match.start() > position or charset.lower() != run_charset.lower()):
            parts.append(decode_text(run, run_charset))
            run = b""
        parts.append(text[position : match.start()])
        run += decode_word(match[2], match[3])
        run_charset, position = charset, match.end()
    return "".join([*parts, decode_text(run, run_charset), text[position:]])


def decode_word(encoding: str, payload: str) -> bytes:
    """Return the bytes of an encoded word."""
    data = FOLD.sub("", payload).encode("utf-8", "surrogateescape")
    if encoding in "qQ":
        return binascii.a2b_qp(data, header=True)
    plain = NOT_BASE64.sub(b"", data)
    # A single letter at the end holds six bits, too few for a byte.
    plain = plain[: len(plain) - 1] if len(plain) % 4 == 1 else plain
    return binascii.a2b_base64(plain + b"=" * (-len(plain) % 4))


def single_line(text: str) -> str:
    """Return `text` on one line, without characters that the database cannot store."""
    return LINE_BREAKS.sub(" ", text if text.isascii() else storable_text(text)).strip()
