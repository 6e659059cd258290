"""Mails as bytes: what is understood of them, and that nothing in them breaks anything."""

from datetime import UTC, datetime

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from inbox.incoming.message_kinds import nature_of
from inbox.incoming.parsing import LARGEST, MOST_REFERENCES, Mail, NoMail, bare, parse

PLAIN = (
    b"From: =?utf-8?q?L=C3=A9a?= Muster <Lea@Example.com>\r\nTo: a@agency.example, Bo <b@agency.example>\r\n"
    b"Cc: c@example.org\r\nReply-To: <desk@example.com>\r\nSubject: =?iso-8859-1?q?Gr=FC=DFe?=\r\n"
    b"Date: Mon, 02 Nov 2026 10:00:00 +0100\r\nMessage-ID: <1@example.com>\r\nIn-Reply-To: <0@agency.example>\r\n"
    b"References: <x@agency.example> <0@agency.example>\r\n\r\nHello.\r\n"
)


def mail(*lines: str, body: str = "Hello.") -> bytes:
    return "\r\n".join([*lines, "", body]).encode("utf-8", "surrogateescape")


def test_a_plain_mail_is_understood():
    found = parse(PLAIN)
    assert (found.message_id, found.in_reply_to) == ("<1@example.com>", "<0@agency.example>")
    assert found.references == ("<x@agency.example>", "<0@agency.example>")
    assert (found.from_name, found.from_email, found.reply_to) == ("Léa Muster", "lea@example.com", "desk@example.com")
    assert (found.to, found.cc) == (("a@agency.example", "b@agency.example"), ("c@example.org",))
    assert found.subject == "Grüße"
    assert found.sent_at == datetime(2026, 11, 2, 9, tzinfo=UTC)
    assert found.text.strip() == "Hello."
    assert found.people == ("lea@example.com", "a@agency.example", "b@agency.example", "c@example.org")


def test_one_that_is_only_formatted_gets_its_text_from_what_is_seen():
    html = '<p>See <b>this</b></p><div style="display:none">hidden words</div><script>alert(1)</script>'
    found = parse(mail("From: a@example.com", "Content-Type: text/html; charset=utf-8", body=html))
    assert "See this" in found.text
    assert "hidden words" not in found.text
    assert "alert" not in found.text


def test_files_come_with_their_bytes():
    body = (
        "--b\r\nContent-Type: text/plain\r\n\r\nText\r\n--b\r\nContent-Type: application/pdf\r\n"
        'Content-Disposition: attachment; filename="../../etc/pass wd.pdf"\r\nContent-Transfer-Encoding: base64\r\n'
        "\r\nJVBERg==\r\n--b--"
    )
    found = parse(mail("From: a@example.com", 'Content-Type: multipart/mixed; boundary="b"', body=body))
    (file,) = found.files
    assert (file.type, file.data) == ("application/pdf", b"%PDF")


@pytest.mark.parametrize(
    ("raw", "why"),
    [
        (b"", "no header"),
        (b"just words without any header", "no header"),
        (b"X: y\r\n\r\n" + b"x" * (LARGEST + 1), "bytes, and at most"),
    ],
)
def test_what_is_no_mail_is_refused_with_a_sentence(raw, why):
    with pytest.raises(NoMail, match=why):
        parse(raw)


def test_the_same_bytes_without_an_identifier_have_the_same_one():
    raw = mail("From: a@example.com", "Subject: x")
    assert parse(raw).message_id == parse(raw).message_id
    assert parse(raw).message_id != parse(raw + b"!").message_id


def test_addresses_that_are_none_and_lines_that_hide_others_are_left_out():
    found = parse(mail("From: nobody", "To: a@b, ok@example.com, x y@example.com", "Subject: a\r\n b\x00c"))
    assert (found.from_email, found.to) == ("", ("ok@example.com",))
    assert "\x00" not in found.subject
    assert "\n" not in found.subject


def test_a_chain_that_is_too_long_keeps_both_ends():
    chain = " ".join(f"<{number}@example.com>" for number in range(500))
    found = parse(mail("From: a@example.com", f"References: {chain}"))
    assert len(found.references) == MOST_REFERENCES
    assert (found.references[0], found.references[-1]) == ("<0@example.com>", "<499@example.com>")


@pytest.mark.parametrize(
    "date", ["", "yesterday", "Mon, 99 Nov 2026 10:00:00 +0100", "Thu, 01 Jan 1970 00:00:00 +0000"]
)
def test_a_date_that_cannot_be_is_not_known(date):
    assert parse(mail("From: a@example.com", f"Date: {date}")).sent_at is None


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
def test_what_answering_puts_before_a_subject_is_taken_away(subject, stripped):
    assert bare(subject) == stripped


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
def test_what_sort_of_mail_it_is(headers, subject, sender, nature):
    assert nature_of(Mail("<1@x>", from_email=sender, subject=subject, headers=headers)) == nature


def test_what_comes_through_a_group_of_our_own_is_from_whoever_wrote_it():
    headers = {"list-id": "Office <office.agency.example>", "precedence": "list"}
    mail = Mail("<1@x>", from_email="lee@example.com", headers=headers)
    assert nature_of(mail, {"office@agency.example"}) == "PERSON"
    assert nature_of(mail, {"ann@agency.example"}) == "LIST"


def test_a_form_that_passes_on_what_somebody_wrote_is_from_somebody():
    mail = Mail("<1@x>", from_email="no-reply@agency.example", reply_to="lee@example.com", subject="Quote, please")
    assert nature_of(mail) == "PERSON"


@settings(max_examples=150, deadline=None)
@given(cut=st.integers(0, len(PLAIN)), at=st.integers(0, len(PLAIN)), noise=st.binary(max_size=60))
def test_no_damage_breaks_it(cut, at, noise):
    damaged = PLAIN[:at] + noise + PLAIN[at:][:cut]
    try:
        found = parse(damaged)
    except NoMail:
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
def test_what_does_not_say_when_it_was_written_was_written_when_it_arrived(lines, moment):
    assert parse(ENVELOPE.encode() + b"\n" + mail("From: a@example.com", *lines)).sent_at == moment


def test_letters_that_nobody_declared_are_kept_apart():
    one, other = (
        parse(b"From: a@example.com\nMessage-ID: <" + byte + b"@x.example>\n\n") for byte in (b"\xe8", b"\xe9")
    )
    assert one.message_id != other.message_id
    assert parse("From: a@example.com\nSubject: Grüße\n\n".encode()).subject == "Grüße"


def test_an_identifier_too_long_for_an_index_ties_by_its_digest():
    long = "é" * 700
    answered, answer = parse(mail("X: y", f"Message-ID: <{long}@x>")), parse(mail("X: y", f"References: <{long}@x>"))
    assert (answered.message_id,) == answer.references
    assert len(answered.message_id.encode()) < 100


def test_it_begins_with_what_it_says_itself():
    body = "Yes, please.\r\n\r\nOn 2 Nov 2026, at 10:00, Ann <ann@agency.example> wrote:\r\n> Shall I?\r\n"
    assert parse(mail("From: a@example.com", body=body)).snippet == "Yes, please."
