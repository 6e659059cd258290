"""Every part of an email ends as text, as a file or as an invitation, however it is named or damaged."""

import email
import re
from base64 import b64encode

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from inbox.incoming.mime.parts import HEADER_NOTE, MAX_FILES, RAW_TEXT_NOTE
from inbox.incoming.parsing import parse_email

CALENDAR = "BEGIN:VCALENDAR\nMETHOD:REQUEST\nBEGIN:VEVENT\nSUMMARY:Roof\nEND:VEVENT\nEND:VCALENDAR"


def raw_email(content_type="text/plain", body="Hello.", *, more="") -> bytes:
    head = f"From: lee@example.com\nSubject: Roof\nContent-Type: {content_type}\n{more}"
    return f"{head}\n{body}".encode("utf-8", "surrogateescape")


def part(content_type, body, **headers) -> str:
    lines = [f"Content-Type: {content_type}", *(f"Content-{name}: {value}" for name, value in headers.items())]
    return "\n".join([*lines, "", body])


def multipart(kind, *parts, boundary="b") -> str:
    inner = "".join(f"--{boundary}\n{one}\n" for one in parts)
    return part(f'multipart/{kind}; boundary="{boundary}"', f"{inner}--{boundary}--")


def parse(content: str):
    return parse_email(b"From: lee@example.com\nSubject: Roof\n" + content.encode("utf-8", "surrogateescape"))


def in_base64(data: bytes) -> str:
    return b64encode(data).decode()


TEXT = part("text/plain", "See attached.")
PDF = in_base64(b"%PDF")


@pytest.mark.parametrize(
    ("attached", "name", "kind"),
    [
        (part("application/pdf", PDF, Disposition="attachment"), "file.pdf", "application/pdf"),
        (part("image/jpeg", PDF, Disposition="inline"), "image.jpg", "image/jpeg"),
        (part("image/png", PDF, ID="<logo@x>"), "image.png", "image/png"),
        (part("text/vcard", "BEGIN:VCARD"), "contact.vcf", "text/vcard"),
        (part("text/plain", "log line", Disposition="attachment"), "file.txt", "text/plain"),
        (part("text/plain; name=notes.txt", "log line"), "notes.txt", "text/plain"),
        (
            part("text/html", "<p>x</p>", Disposition='attachment; filename="=?utf-8?q?B=C3=BCro.html?="'),
            "Büro.html",
            "text/html",
        ),
        (
            part("application/pdf", PDF, Disposition="attachment; filename*=utf-8''B%C3%BCro.pdf"),
            "Büro.pdf",
            "application/pdf",
        ),
        (part("application/pdf", PDF, Disposition='attachment; filename="Büro.pdf"'), "Büro.pdf", "application/pdf"),
        (part("text/calendar; method=REQUEST", CALENDAR), "invite.ics", "text/calendar"),
        (part("application/ms-tnef", PDF), "winmail.dat", "application/ms-tnef"),
        (part("application/pkcs7-signature", PDF), "smime.p7s", "application/pkcs7-signature"),
        (part("application/pgp-encrypted", "Version: 1"), "pgp-version.txt", "application/pgp-encrypted"),
        (part("application/x-unheard-of", PDF), "file", "application/x-unheard-of"),
        (part("message/rfc822", "From: eve@example.com\nSubject: Old\n\nFurious."), "Old.eml", "message/rfc822"),
        (
            part("message/delivery-status", "Reporting-MTA: dns; x\n\nStatus: 5.1.1"),
            "delivery-status.txt",
            "message/delivery-status",
        ),
        (part("text/rfc822-headers", "From: eve@example.com"), "headers.txt", "text/rfc822-headers"),
    ],
)
def test_part_becomes_a_file_with_a_name(attached, name, kind):
    found = parse(multipart("mixed", TEXT, attached))
    (file,) = found.files
    assert (file.name, file.type) == (name, kind)
    assert file.data.strip()
    assert found.text.strip() == "See attached."


def test_email_that_is_only_a_file_is_kept():
    (file,) = parse(part("application/pdf", PDF, **{"Transfer-Encoding": "base64"})).files
    assert (file.name, file.data) == ("file.pdf", b"%PDF")


def test_attached_email_keeps_its_bytes_and_stays_out_of_the_text():
    inner = "From: eve@example.com\nSubject: Old\nContent-Type: text/plain; charset=utf-8\n\nWe are für ious."
    found = parse(multipart("mixed", TEXT, part("message/rfc822", inner, Disposition="attachment; filename=old.eml")))
    assert (found.files[0].name, found.files[0].data.decode().strip()) == ("old.eml", inner)
    assert "ious" not in found.text


@pytest.mark.parametrize(
    ("content", "text"),
    [
        (multipart("mixed", part("text/plain", "One."), part("text/plain", "Two.")), "One.\nTwo."),
        (multipart("mixed", part("text/html", "<p>One.</p>"), part("text/plain", "Two.")), "One.\nTwo."),
        (multipart("alternative", part("text/plain", "One."), part("text/html", "<p>One.</p>")), "One."),
        (multipart("alternative", part("text/plain", " "), part("text/html", "<p>One.</p>")), "One."),
        (multipart("related", part("text/html", "<p>One.</p>"), part("text/html", "<p>Frame</p>")), "One."),
        (part("text/enriched", "One."), "One."),
        (part("text/plain; name=mail.txt", "One."), "One."),
        (
            part("text/plain", in_base64(b"One.") + "\n-- list footer", **{"Transfer-Encoding": "base64"}),
            "One.-- list footer",
        ),
        (part("text/plain", "=C3=9Cber", **{"Transfer-Encoding": "Quoted-Printable; x"}), "Über"),
        (part("text/plain", in_base64(b"One.").rstrip("="), **{"Transfer-Encoding": "base64"}), "One."),
        (part("text/plain; charset=iso-8859-1", "100 \udc80"), "100 €"),
        (part('text/plain; charset="ISO-8859-8-i"', "\udcf9"), "ש"),
        (part("text/html", "<meta charset=koi8-r>\udcf0"), "П"),
    ],
)
def test_text_is_what_the_sender_wrote(content, text):
    assert "\n".join(filter(None, parse(content).text.split("\n"))).strip() == text


@pytest.mark.parametrize(
    "content",
    [
        part("TEXT/PLAIN charset=US-ASCII", "The van."),
        part("text", "The van."),
        part("multipart/mixed; boundary=wrong", "--right\nContent-Type: text/plain\n\nThe van.\n--right--"),
        part(
            'multipart/mixed; boundary="simple\n boundary"',
            "--simple boundary\nContent-Type: text/plain\n\nThe van.\n--simple boundary--",
        ),
        part('multipart/mixed; boundary="a\n b"', "--a b\n\nThe van.\n--a b--"),
        part("multipart/mixed boundary=b", "--b\nContent-Type: text/plain\n\nThe van.\n--b--"),
        part("multipart-mixed; boundary=b", "--b\nContent-Type: text/plain\n\nThe van.\n--b--"),
        part("multipart/mixed", "--b\nContent-Type: text/plain\n\nThe van.\n--b--"),
        part("multipart/mixed; boundary=b", "--b\nContent-Type: text/plain\n\nThe van."),
        part("text/plain", "The van.", **{"Transfer-Encoding ": "7bit"}),
    ],
)
def test_damaged_structure_is_mended(content):
    found = parse(content)
    assert (found.text.strip(), found.subject, found.files, found.notes) == ("The van.", "Roof", (), ())


@pytest.mark.parametrize("before", ["\ufeff", "\n\r\n", "From lee Thu Aug 22 12:36:23 2002\n", "\ufeffFrom lee\n"])
def test_bytes_before_the_header_are_skipped(before):
    assert parse_email(before.encode() + raw_email()).subject == "Roof"
    assert parse_email(raw_email().decode().encode("utf-16")).subject == "Roof"


def test_space_before_colon_does_not_end_the_header():
    found = parse_email(b"From : lee@example.com\nSubject\t: Roof\nX: y\n\nThe van : blue")
    assert (found.from_email, found.subject, found.text) == ("lee@example.com", "Roof", "The van : blue")


def test_alternatives_within_alternatives_are_kept():
    inner = multipart("alternative", part("text/plain", "Plain."), part("text/html", "<p>Formatted.</p>"), boundary="c")
    found = parse(multipart("alternative", inner))
    assert (found.text.strip(), found.html.strip()) == ("Plain.", "<p>Formatted.</p>")


def test_unreadable_structure_shows_the_source_and_says_so():
    found = parse(part("multipart/mixed; boundary=x", "We want to insure 14 vans."))
    assert (found.text, found.notes) == ("We want to insure 14 vans.", (RAW_TEXT_NOTE,))
    found = parse_email(b"From: lee@example.com\nThis is no header\nSubject: Roof\n\nThe van.")
    assert found.notes == (HEADER_NOTE,)
    assert "The van." in found.text


def test_text_that_is_too_long_is_kept_as_a_file(monkeypatch):
    monkeypatch.setattr("inbox.incoming.parsing.MAX_TEXT_LENGTH", 10)
    found = parse(part("text/plain", "0123456789 and the rest"))
    assert (found.text, found.files[0].name) == ("0123456789", "message.txt")
    assert b"and the rest" in found.files[0].data


def test_files_beyond_the_limit_are_counted_in_a_note():
    found = parse(multipart("mixed", *[part("application/pdf", PDF)] * (MAX_FILES + 1)))
    assert len(found.files) == MAX_FILES
    assert str(MAX_FILES) in found.notes[0]


LEAVES = st.sampled_from(
    [
        lambda n: part("text/plain", f"word{n}"),
        lambda n: part("text/html", f"<p>word{n}</p>"),
        lambda n: part("text/csv", f"word{n}"),
        lambda n: part("text/calendar", f"word{n}"),
        lambda n: part("application/pdf", f"word{n}", Disposition="inline"),
        lambda n: part("text/plain", f"word{n}", Disposition="attachment"),
        lambda n: part("image/png", f"word{n}", ID=f"<{n}@x>"),
        lambda n: part("message/rfc822", f"Subject: x\n\nword{n}"),
        lambda n: part("mixed/nonsense; x", f"word{n}"),
    ]
)
TREES = st.recursive(
    LEAVES,
    lambda children: st.tuples(
        st.sampled_from(["mixed", "alternative", "related", "signed", "report", "x"]),
        st.lists(children, min_size=1, max_size=4),
    ),
    max_leaves=12,
)


def build(tree, numbers) -> str:
    if callable(tree):
        return tree(next(numbers))
    kind, children = tree
    return multipart(kind, *(build(one, numbers) for one in children), boundary=f"b{next(numbers)}")


def leaves_of(message):
    """The parts without parts, as the standard library sees them."""
    if message.get_content_maintype() != "multipart":
        return [message.as_string().rpartition("word")[2].partition("<")[0].strip()]
    return [leaf for one in message.get_payload() for leaf in leaves_of(one)]


@settings(max_examples=80, deadline=None)
@given(TREES)
def test_no_part_is_lost(tree):
    content = build(tree, iter(range(10_000)))
    found = parse(content)
    expected = leaves_of(email.message_from_string(content))
    kept = re.findall(r"word\d+", " ".join([found.text, found.html, *(one.data.decode() for one in found.files)]))
    assert {f"word{number}" for number in expected} <= set(kept)
    files = [one for one in found.files if one.data]
    assert len(files) == len({one.data for one in files}), "a part became two files"
