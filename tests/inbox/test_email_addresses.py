"""Senders and recipients are kept as the email says, valid or not."""

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from inbox.incoming.mime.addresses import parse_address_list
from inbox.incoming.mime.headers import decode_encoded_words
from inbox.incoming.parsing import parse_email

LEE = "lee@example.com"


@pytest.mark.parametrize(
    ("value", "name", "address"),
    [
        ('"Lee, Ann" <d..lee@example.com>', "Lee, Ann", "d..lee@example.com"),
        ("Jörg <jörg@müller.example>", "Jörg", "jörg@müller.example"),
        ("=?utf-8?Q?Ann_Lee_=3Clee@example.com=3E?=", "Ann Lee", LEE),
        ("=?utf-8?Q?Lee,_Ann?= <lee@example.com>", "Lee, Ann", LEE),
        ("=?utf-8?q?eve_=3Ceve@evil.example=3E?= <lee@example.com>", "eve <eve@evil.example>", LEE),
        ('"=?utf-8?q?L=C3=A9e?=" <lee@example.com>', "Lée", LEE),
        ("Ann Lee lee@example.com", "Ann Lee", LEE),
        ("ann@old.example <lee@example.com>", "ann@old.example", LEE),
        ("Ann <mailto:lee@example.com>", "Ann", LEE),
        ("Ann [lee@example.com]", "", LEE),
        ("<lee@example.com", "", LEE),
        ("lee@example.com (Ann)", "Ann", LEE),
        ("lee@[192.0.2.1]", "", "lee@[192.0.2.1]"),
        ("lee@@example.com, Ann <lee@example.com>", "Ann", LEE),
        ("root@localhost", "", "root@localhost"),
    ],
)
def test_sender_is_kept(value, name, address):
    assert (name, address) in parse_address_list(value)[0]


@pytest.mark.parametrize(
    ("value", "texts"),
    [
        ("Team:;", ("Team:;",)),
        ("undisclosed-recipients:;", ("undisclosed-recipients:;",)),
        ("MAILER-DAEMON (Mail Delivery System)", ("MAILER-DAEMON (Mail Delivery System)",)),
        ("l\u202eee@example.com", ("l\u202eee@example.com",)),
        ("<>", ()),
        ("", ()),
    ],
)
def test_entry_without_address_is_kept_as_text(value, texts):
    assert parse_address_list(value) == ((), texts)


def test_group_has_its_members():
    found = parse_address_list("Team: a@x.example, Bo <b@y.example>;, c@z.example")[0]
    assert [address for _, address in found] == ["a@x.example", "b@y.example", "c@z.example"]


def test_sender_without_address_is_shown_by_name():
    found = parse_email(b"From: MAILER-DAEMON (Mail System)\nTo: Team:;\n\nx")
    assert (found.from_name, found.from_email) == ("MAILER-DAEMON (Mail System)", "")
    assert (found.to, found.nameless, found.participants) == ((), ("Team:;",), ())


def test_name_with_a_comma_is_whole_without_quotation_marks():
    assert parse_email(b"From: Lee, Ann <lee@example.com>\n\nx").from_name == "Lee, Ann"


def test_further_senders_and_reply_addresses_are_kept():
    found = parse_email(b"From: a@x.example, b@x.example\nReply-To: c@x.example\nReply-To: d@x.example\n\nx")
    assert (found.from_email, found.reply_to, found.more_reply_to) == ("a@x.example", "c@x.example", ("d@x.example",))
    assert found.notes == ("This email names several senders: a@x.example, b@x.example.",)


NAMES = st.text('abc äß,;:<>()"\\@.=?_', max_size=12)


@settings(max_examples=100, deadline=None)
@given(st.lists(NAMES, max_size=4))
def test_quoted_names_never_hide_an_address(names):
    escaped = [name.replace("\\", "\\\\").replace('"', '\\"') for name in names]
    value = ", ".join(f'"{name}" <p{number}@x.example>' for number, name in enumerate(escaped))
    found = parse_address_list(value)[0]
    assert [address for _, address in found] == [f"p{number}@x.example" for number in range(len(names))]


@pytest.mark.parametrize(
    ("encoded", "text"),
    [
        ("=?utf-8?Q?Hausrat_f=C3=BCr\r\n _alle?=", "Hausrat für alle"),
        ("=?gb2312?B?nHnUhw==?=", "測試"),
        ("=?iso-8859-8-i?B?+ezl7Q==?=", "שלום"),
        ("=?x-unknown?Q?f=FCr?=", "für"),
        ("=?utf-8?q?=C3?= =?utf-8?q?=BC?=", "ü"),
        ("Re: =?utf-8*en?q?a?= b", "Re: a b"),
        ("=?utf-8?q?Really??=", "Really?"),
        ("=?utf-8?b?w7w?=", "ü"),
        ("=?utf-8?q?unfinished", "=?utf-8?q?unfinished"),
    ],
)
def test_encoded_words_are_decoded(encoded, text):
    assert decode_encoded_words(encoded) == text
