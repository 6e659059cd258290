"""Parsing raw emails: what is read from them, and that no content breaks the parser."""

from datetime import UTC, datetime

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from inbox.incoming.message_kinds import classify_message
from inbox.incoming.parsing import (
    MAX_EMAIL_BYTES,
    MAX_REFERENCES,
    NotAnEmail,
    ParsedEmail,
    make_snippet,
    normalize_subject,
    parse_email,
)
from tests.examples import examples

PLAIN = (
    b"From: =?utf-8?q?L=C3=A9a?= Muster <Lea@Example.com>\r\nTo: a@agency.example, Bo <b@agency.example>\r\n"
    b"Cc: c@example.org\r\nReply-To: <desk@example.com>\r\nSubject: =?iso-8859-1?q?Gr=FC=DFe?=\r\n"
    b"Date: Mon, 02 Nov 2026 10:00:00 +0100\r\nMessage-ID: <1@example.com>\r\nIn-Reply-To: <0@agency.example>\r\n"
    b"References: <x@agency.example> <0@agency.example>\r\n\r\nHello.\r\n"
)


def raw_email(*lines: str, body: str = "Hello.") -> bytes:
    return "\r\n".join([*lines, "", body]).encode("utf-8", "surrogateescape")


def test_plain_email_is_parsed():
    found = parse_email(PLAIN)
    assert (found.message_id, found.in_reply_to) == ("<1@example.com>", "<0@agency.example>")
    assert found.references == ("<x@agency.example>", "<0@agency.example>")
    assert (found.from_name, found.from_email, found.reply_to) == ("Léa Muster", "lea@example.com", "desk@example.com")
    assert (found.to, found.cc) == (("a@agency.example", "b@agency.example"), ("c@example.org",))
    assert found.subject == "Grüße"
    assert found.sent_at == datetime(2026, 11, 2, 9, tzinfo=UTC)
    assert found.text.strip() == "Hello."
    assert found.participants == ("lea@example.com", "a@agency.example", "b@agency.example", "c@example.org")


def test_html_only_email_gets_its_visible_text():
    html = '<p>See <b>this</b></p><div style="display:none">hidden words</div><script>alert(1)</script>'
    found = parse_email(raw_email("From: a@example.com", "Content-Type: text/html; charset=utf-8", body=html))
    assert "See this" in found.text
    assert "hidden words" not in found.text
    assert "alert" not in found.text


def test_attachments_have_their_bytes():
    body = (
        "--b\r\nContent-Type: text/plain\r\n\r\nText\r\n--b\r\nContent-Type: application/pdf\r\n"
        'Content-Disposition: attachment; filename="../../etc/pass wd.pdf"\r\nContent-Transfer-Encoding: base64\r\n'
        "\r\nJVBERg==\r\n--b--"
    )
    found = parse_email(raw_email("From: a@example.com", 'Content-Type: multipart/mixed; boundary="b"', body=body))
    (file,) = found.files
    assert (file.type, file.data) == ("application/pdf", b"%PDF")


@pytest.mark.parametrize(
    ("raw", "why"),
    [
        (b"", "no header"),
        (b"just words without any header", "no header"),
        (b"X: y\r\n\r\n" + b"x" * (MAX_EMAIL_BYTES + 1), "bytes; the limit is"),
    ],
)
def test_invalid_email_is_refused_with_reason(raw, why):
    with pytest.raises(NotAnEmail, match=why):
        parse_email(raw)


def test_missing_message_id_is_derived_from_bytes():
    raw = raw_email("From: a@example.com", "Subject: x")
    assert parse_email(raw).message_id == parse_email(raw).message_id
    assert parse_email(raw).message_id != parse_email(raw + b"!").message_id


def test_invalid_addresses_are_kept_and_control_characters_removed():
    found = parse_email(raw_email("From: nobody", "To: a@b, ok@example.com, x y@example.com", "Subject: a\r\n b\x00c"))
    assert (found.from_name, found.from_email) == ("nobody", "")
    assert found.to == ("a@b", "ok@example.com", "y@example.com")
    assert "\x00" not in found.subject
    assert "\n" not in found.subject


def test_long_references_keep_both_ends():
    chain = " ".join(f"<{number}@example.com>" for number in range(500))
    found = parse_email(raw_email("From: a@example.com", f"References: {chain}"))
    assert len(found.references) == MAX_REFERENCES
    assert (found.references[0], found.references[-1]) == ("<0@example.com>", "<499@example.com>")


@pytest.mark.parametrize(
    "date", ["", "yesterday", "Mon, 99 Nov 2026 10:00:00 +0100", "Thu, 01 Jan 1970 00:00:00 +0000"]
)
def test_impossible_date_is_none(date):
    assert parse_email(raw_email("From: a@example.com", f"Date: {date}")).sent_at is None


@pytest.mark.parametrize(
    ("subject", "stripped"),
    [
        ("Re: Fwd: RE[2]: Offer", "offer"),
        ("AW: WG: Angebot", "angebot"),
        ("[list] Re: Offer (fwd)", "offer"),
        ("Reform of the house", "reform of the house"),
        ("Re:", ""),
    ],
)
def test_reply_prefixes_are_removed_from_subject(subject, stripped):
    assert normalize_subject(subject) == stripped


@pytest.mark.parametrize(
    ("headers", "subject", "sender", "nature"),
    [
        ({}, "Offer", "lee@example.com", "PERSON"),
        ({"auto-submitted": "no"}, "Offer", "lee@example.com", "PERSON"),
        ({"auto-submitted": "auto-replied"}, "Offer", "lee@example.com", "AUTO_REPLY"),
        ({}, "Out of office: back on Monday", "lee@example.com", "AUTO_REPLY"),
        ({}, "Out of the question", "lee@example.com", "PERSON"),
        ({"precedence": "bulk"}, "News", "news@example.com", "LIST"),
        ({"list-id": "<x.example.com>"}, "Re: kernel", "lee@example.com", "LIST"),
        ({"x-spam-flag": "YES"}, "Win", "win@example.com", "SPAM"),
        ({}, "Undelivered Mail Returned to Sender", "mailer-daemon@example.com", "BOUNCE"),
        ({"content-type": "multipart/report; report-type=delivery-status"}, "x", "x@example.com", "BOUNCE"),
        ({}, "Undeliverable cheques", "lee@example.com", "PERSON"),
        ({"return-path": "<>"}, "Delayed Mail (still being retried)", "mailer-daemon@example.com", "AUTO_REPLY"),
        ({"x-failed-recipients": "a@b.example"}, "Warning: message 1x delayed 24 hours", "d@x.example", "AUTO_REPLY"),
        ({}, "My claim is delayed", "lee@example.com", "PERSON"),
        ({"content-type": "multipart/report; report-type=disposition-notification"}, "Read: x", "l@x.de", "AUTO_REPLY"),
        ({}, "Your parcel", "no-reply@example.com", "AUTO_REPLY"),
        ({}, "Your parcel", "noreply-orders@example.com", "AUTO_REPLY"),
        ({}, "Hello", "noreen@example.com", "PERSON"),
        ({"return-path": "<owner-news@example.com>"}, "News", "editor@example.com", "LIST"),
        ({"return-path": "<talk-bounces+lee=x.example@example.com>"}, "Re: x", "lee@example.com", "LIST"),
        ({"return-path": "<owner@example.com>"}, "Our house", "owner@example.com", "PERSON"),
        ({"auto-submitted": "auto-generated", "list-id": "<x.example.com>"}, "Digest", "x@example.com", "LIST"),
    ],
)
def test_message_kind_is_classified(headers, subject, sender, nature):
    assert classify_message(ParsedEmail("<1@x>", from_email=sender, subject=subject, headers=headers)) == nature


def test_email_through_our_own_group_is_from_a_person():
    headers = {"list-id": "Office <office.agency.example>", "precedence": "list"}
    mail = ParsedEmail("<1@x>", from_email="lee@example.com", headers=headers)
    assert classify_message(mail, {"office@agency.example"}) == "PERSON"
    assert classify_message(mail, {"ann@agency.example"}) == "LIST"


def test_web_form_email_with_reply_to_is_from_a_person():
    mail = ParsedEmail(
        "<1@x>", from_email="no-reply@agency.example", reply_to="lee@example.com", subject="Quote, please"
    )
    assert classify_message(mail) == "PERSON"


@settings(max_examples=examples(150), deadline=None)
@given(cut=st.integers(0, len(PLAIN)), at=st.integers(0, len(PLAIN)), noise=st.binary(max_size=60))
def test_damaged_email_never_raises(cut, at, noise):
    damaged = PLAIN[:at] + noise + PLAIN[at:][:cut]
    try:
        found = parse_email(damaged)
    except NotAnEmail:
        return
    assert "\x00" not in found.text + found.subject + found.message_id
    assert found.message_id.startswith("<")


ENVELOPE = "From lee@example.com Thu Aug 22 12:36:23 2002"
PASSED_ON = "Received: from a by b; Fri, 23 Aug 2002 10:00:00 +0200"


@pytest.mark.parametrize(
    ("lines", "moment"),
    [
        (["Date: Thu, 22 Aug 2002 18:26:25 +0700", PASSED_ON], datetime(2002, 8, 22, 11, 26, 25, tzinfo=UTC)),
        (["Date: in the morning", PASSED_ON], datetime(2002, 8, 23, 8, tzinfo=UTC)),
        (["Date: Thu, 22 Aug 2099 18:26:25 +0700", PASSED_ON], datetime(2002, 8, 23, 8, tzinfo=UTC)),
        ([], datetime(2002, 8, 22, 12, 36, 23, tzinfo=UTC)),
    ],
)
def test_missing_date_uses_received_date(lines, moment):
    assert parse_email(ENVELOPE.encode() + b"\n" + raw_email("From: a@example.com", *lines)).sent_at == moment


def test_undeclared_bytes_give_distinct_message_ids():
    one, other = (
        parse_email(b"From: a@example.com\nMessage-ID: <" + byte + b"@x.example>\n\n") for byte in (b"\xe8", b"\xe9")
    )
    assert one.message_id != other.message_id
    assert parse_email("From: a@example.com\nSubject: Grüße\n\n".encode()).subject == "Grüße"


def test_overlong_message_id_is_hashed_consistently():
    long = "é" * 700
    answered, answer = (
        parse_email(raw_email("X: y", f"Message-ID: <{long}@x>")),
        parse_email(raw_email("X: y", f"References: <{long}@x>")),
    )
    assert (answered.message_id,) == answer.references
    assert len(answered.message_id.encode()) < 100


def test_snippet_excludes_quoted_text():
    body = "Yes, please.\r\n\r\nOn 2 Nov 2026, at 10:00, Ann <ann@agency.example> wrote:\r\n> Shall I?\r\n"
    assert parse_email(raw_email("From: a@example.com", body=body)).snippet == "Yes, please."


def test_cut_snippet_ends_with_an_ellipsis():
    assert make_snippet("word " * 39) == "word " * 38 + "word"
    assert make_snippet("word " * 100) == "word " * 39 + "word…"
