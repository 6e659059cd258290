"""Decodes bytes from outside. No letter disappears: what cannot be read becomes "\ufffd".

The declared character set is tried first, then UTF-8, then Windows-1252. Programs that declare a small set often write
its superset, so the superset is used in its place.
"""

import codecs
import re
from functools import lru_cache

UNREADABLE_MARK = "\ufffd"
# The sets that programs declare, and the larger ones that they write (as the WHATWG Encoding Standard has it).
SUPERSETS = {
    "iso8859-1": "cp1252",
    "iso8859-9": "cp1254",
    "iso8859-11": "cp874",
    "tis-620": "cp874",
    "gb2312": "gb18030",
    "gbk": "gb18030",
    "euc_kr": "cp949",
    "shift_jis": "cp932",
    "big5": "big5hkscs",
}
# Names that Python does not know.
ALIASES = {
    "iso-8859-8-i": "iso-8859-8",
    "iso-8859-8-e": "iso-8859-8",
    "iso-8859-6-i": "iso-8859-6",
    "iso-8859-6-e": "iso-8859-6",
    "x-gbk": "gb18030",
    "x-sjis": "cp932",
    "x-euc-jp": "euc_jp",
    "ks_c_5601-1987": "cp949",
    "x-windows-949": "cp949",
    "unicode-1-1-utf-7": "utf-7",
    "unicode-1-1-utf-8": "utf-8",
    "x-unicode-2-0-utf-8": "utf-8",
    "x-mac-roman": "mac_roman",
    "macintosh": "mac_roman",
    "x-mac-cyrillic": "mac_cyrillic",
    "iso-8859-11": "cp874",
}
# Codecs of Python that are not character sets of email.
NOT_CHARSETS = {"idna", "punycode", "unicode-escape", "raw-unicode-escape", "undefined", "mbcs", "oem"}
# These say nothing about the letters above 127.
UNDECLARED = {"ascii"}
CHARSET_NAME = re.compile(r"[a-z0-9][a-z0-9._:+-]{0,39}", re.IGNORECASE)
WINDOWS_CODE_PAGE = re.compile(r"(?:x-)?(?:cp|win|windows|ms|ibm)[-_ ]?(\d{3,5})")
META_CHARSET = re.compile(rb"<meta[^>]{0,200}?charset\s*=\s*[\"']?\s*([a-z0-9._:+-]{1,40})", re.IGNORECASE)
XML_CHARSET = re.compile(rb"^\s*<\?xml[^>]{0,200}?encoding\s*=\s*[\"']([a-z0-9._:+-]{1,40})", re.IGNORECASE)
MAX_META_POSITION = 4_096
# Escapes that switch between sets of seven bits (ISO 2022). Some programs use them without declaring it.
ESCAPES = ((b"\x1b$)C", "iso2022_kr"), (b"\x1b$", "iso2022_jp_ext"))
# Sets with letters in bytes below 128: seven bits say nothing about them.
NOT_ASCII_BASED = re.compile(r"iso2022|hz|utf-7|utf-16|utf-32|cp037|cp273|cp424|cp500|cp875|cp1026|cp1140")
WIDE_CHARSETS = ("utf-16", "utf-32")
HIGH_BYTE = re.compile(rb"[\x80-\xff]")
# Control characters that no program writes: bytes of Windows-1252 that were decoded as another set.
C1_CONTROLS = re.compile("[\x80-\x9f]")
C1_LETTERS = {code: bytes([code]).decode("cp1252", "ignore") or UNREADABLE_MARK for code in range(0x80, 0xA0)}


def decode_as_windows_1252(error: UnicodeError) -> tuple[str, int]:
    """Decode the bytes that are not UTF-8 as Windows-1252, and mark those that are neither."""
    if not isinstance(error, UnicodeDecodeError):
        raise error
    return error.object[error.start : error.end].decode("cp1252", "replace"), error.end


codecs.register_error("windows_1252", decode_as_windows_1252)


def decode_text(data: bytes, declared: str = "", *, is_html: bool = False) -> str:
    """Return `data` as text, read with the `declared` character set, else as UTF-8 or Windows-1252.

    With `is_html`, the set that the page itself names counts where no known one is declared.
    """
    charset = find_charset(declared)
    if data.isascii() and not NOT_ASCII_BASED.search(charset):
        escaped = next((name for escape, name in ESCAPES if escape in data), "") if b"\x1b" in data else ""
        return escaped and decode_strictly(data, escaped) or data.decode("ascii")
    if not charset and is_html:
        charset = find_charset(find_meta_charset(data))
    if charset.startswith(WIDE_CHARSETS) and not is_wide(data):
        charset = ""
    text = decode_strictly(data, charset) if charset else None
    if text is None:
        text = decode_strictly(data, "utf-8")
    if text is None:
        text = decode_leniently(data, charset)
    return C1_CONTROLS.sub(lambda match: C1_LETTERS[ord(match[0])], text) if C1_CONTROLS.search(text) else text


@lru_cache(1_024)
def find_charset(declared: str) -> str:
    """Return the codec for a `declared` character set; empty where it is unknown or says nothing."""
    name = declared.strip().strip("\"'").lower()
    if not CHARSET_NAME.fullmatch(name):
        return ""
    page = WINDOWS_CODE_PAGE.fullmatch(name)
    for candidate in (ALIASES.get(name, name), name.removeprefix("x-"), f"cp{page[1]}" if page else name):
        try:
            codec = codecs.lookup(candidate)
            b"".decode(candidate)  # refused by codecs that are not of text
        except (LookupError, ValueError):
            continue
        if codec.name in UNDECLARED or codec.name in NOT_CHARSETS:
            return ""
        return SUPERSETS.get(codec.name, codec.name)
    return ""


def is_wide(data: bytes) -> bool:
    """Return whether `data` can be UTF-16 or UTF-32: any line break or space in it has a zero byte."""
    return b"\x00" in data or data.startswith((codecs.BOM_UTF16_LE, codecs.BOM_UTF16_BE))


def find_meta_charset(page: bytes) -> str:
    """Return the character set that an HTML page names; empty where it names none."""
    found = META_CHARSET.search(page, 0, MAX_META_POSITION) or XML_CHARSET.search(page, 0, MAX_META_POSITION)
    return found[1].decode("ascii") if found else ""


def decode_strictly(data: bytes, charset: str) -> str | None:
    """Return `data` decoded without any replacement, or None."""
    try:
        return data.decode(charset)
    except (UnicodeError, LookupError, ValueError):
        return None


def decode_leniently(data: bytes, charset: str) -> str:
    """Return `data` with a mark for each byte that the set does not know.

    Text that is not in a set of several bytes a letter, though it says so, is read letter by letter: as UTF-8 where
    that fits, else as Windows-1252. Where UTF-8 seldom fits, it fits by chance.
    """
    if charset and charset not in ("utf-8", "utf-7", "utf-8-sig"):
        try:
            return data.decode(charset, "replace")
        except (UnicodeError, LookupError, ValueError):
            pass
    fitting = data.decode("utf-8", "ignore")
    letters = sum(1 for letter in fitting if letter > "\x7f")
    misfits = len(HIGH_BYTE.findall(data)) - len(HIGH_BYTE.findall(fitting.encode()))
    return data.decode("cp1252", "replace") if misfits > letters else data.decode("utf-8", "windows_1252")
