"""No letter of an outsider disappears, whatever character set it claims."""

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from crm.text.charsets import decode_text

CHARSETS = ["", "us-ascii", "utf-8", "utf-7", "utf-16", "iso-8859-1", "iso-8859-2", "iso-8859-8-i", "windows-1252"]
CHARSETS += ["gb2312", "big5", "shift_jis", "euc-kr", "iso-2022-jp", "koi8-r", "x-unknown", "hex", "punycode", "%"]


@pytest.mark.parametrize(
    ("data", "declared", "text"),
    [
        (b"M\xfcller, 100 \x80", "", "Müller, 100 €"),
        ("Müller".encode(), "", "Müller"),
        (b"It\x92s 100 \x80", "iso-8859-1", "It’s 100 €"),
        ("Müller".encode(), "us-ascii", "Müller"),
        (b"1500 \x80 \x96 \xfcber", "utf-8", "1500 € – über"),
        ("Köln ".encode() + b"M\xfcnchen", "utf-8", "Köln München"),
        (b"f\xfcr", "x-unknown-1", "für"),
        (b"\xb5\xd7\xe8\xb9\xb5 \xa1\xd1\xba \xa1\xd2", "", "µ×è¹µ ¡Ñº ¡Ò"),
        (b"\x9cy\xd4\x87", "gb2312", "測試"),
        (b"\xf9\xec\xe5\xed", "iso-8859-8-i", "שלום"),
        (b"\xa4", "iso-8859-15", "€"),
        (b"\x80", "iso-8859-15", "€"),
        (b"\xcf\xf0\xe8", "win-1251", "При"),
        (b"+AOk-", "utf-7", "é"),
        (b'\x1b$B$"\x1b(B', "iso-2022-jp", "あ"),
        (b'\x1b$B$"\x1b(B', "", "あ"),
        ("안".encode("iso2022_kr"), "us-ascii", "안"),
        (b"\x1b[1m$5", "", "\x1b[1m$5"),
        ("é".encode("utf-16"), "utf-16", "é"),
        (b"plain text", "utf-16", "plain text"),
        (b"\xe9", "unicode_escape", "é"),
        (b"x\xff", "gb18030", "x\ufffd"),
        (b"\x81\x8d", "", "\ufffd\ufffd"),
    ],
)
def test_bytes_become_letters_or_marks(data, declared, text):
    assert decode_text(data, declared) == text


@pytest.mark.parametrize(
    ("page", "letter"),
    [
        (b'<meta charset="windows-1251">\xcf', "П"),
        (b'<meta http-equiv="Content-Type" content="text/html; charset=koi8-r">\xf0', "П"),
        (b'<?xml version="1.0" encoding="iso-8859-5"?>\xbf', "П"),
        (b"<p>\xfc</p>", "ü"),
    ],
)
def test_page_names_its_own_charset(page, letter):
    assert letter in decode_text(page, is_html=True)
    assert letter in decode_text(page, "unknown", is_html=True)


@settings(max_examples=150, deadline=None)
@given(
    before=st.text("ab c"),
    high=st.binary(min_size=1, max_size=6),
    after=st.text("ab c"),
    name=st.sampled_from(CHARSETS),
)
def test_no_byte_above_127_disappears_without_a_mark(before, high, after, name):
    data = before.encode() + bytes(one | 0x80 for one in high) + after.encode()
    assert any(ord(one) > 127 for one in decode_text(data, name))
