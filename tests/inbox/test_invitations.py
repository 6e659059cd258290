"""Invitations and images of an email are shown in place."""

import pytest

from inbox.incoming.mime.invitations import read_invitation
from inbox.incoming.parsing import parse_email
from inbox.incoming.transitions import receive
from tests.cast import page_text
from tests.inbox.raw_emails import raw_email


def calendar(*lines: str, method="REQUEST") -> bytes:
    event = ["BEGIN:VCALENDAR", f"METHOD:{method}", "BEGIN:VEVENT", "UID:1", *lines, "END:VEVENT", "END:VCALENDAR"]
    return "\r\n".join(event).encode()


@pytest.mark.parametrize(
    ("lines", "key", "value"),
    [
        (["SUMMARY:Roof\\, again"], "summary", "Roof, again"),
        (["DTSTART:20261203T150000Z"], "starts", "2026-12-03T15:00:00+00:00"),
        (["DTSTART;TZID=W. Europe Standard Time:20261203T150000"], "starts", "2026-12-03T15:00:00+01:00"),
        (["DTSTART;VALUE=DATE:20261203"], "starts", "2026-12-03"),
        (["RRULE:FREQ=DAILY"], "repeats", True),
        (['ORGANIZER;CN="Lee, Ann":mailto:lee@example.com'], "organizer", "Lee, Ann <lee@example.com>"),
        (
            ["ATTENDEE;PARTSTAT=ACCEPTED:mailto:lee@example.com"],
            "attendees",
            [{"name": "lee@example.com", "answer": "accepted"}],
        ),
        (["DTSTART:20261203T150000Z", "DURATION:PT90M"], "ends", "2026-12-03T16:30:00+00:00"),
        (["DESCRIPTION:Bring the plans.\\nLee"], "description", "Bring the plans.\nLee"),
        (["STATUS:CANCELLED"], "label", "Cancelled"),
        ([], "label", "Invitation"),
    ],
)
def test_invitation_says_what_when_and_who(lines, key, value):
    assert read_invitation(calendar(*lines))[key] == value


@pytest.mark.parametrize(
    "data",
    [
        b"\xef\xbb\xbf" + calendar("SUMMARY:Roof"),
        calendar("SUMMARY:Roof").decode().encode("utf-16"),
        calendar("SUMMARY:Roof") + b"\r\n" + calendar("SUMMARY:Wall"),
    ],
)
def test_calendar_is_read_whatever_surrounds_it(data):
    assert read_invitation(data)["summary"] == "Roof"


def test_description_is_the_text_of_an_invitation_without_one():
    found = parse_email(b"Content-Type: text/calendar\r\n\r\n" + calendar("DESCRIPTION:Bring the plans."))
    assert (found.text, found.files[0].type) == ("Bring the plans.", "text/calendar")


@pytest.mark.parametrize(
    ("answer", "label"), [("DECLINED", "Declined"), ("ACCEPTED", "Accepted"), ("TENTATIVE", "Tentative")]
)
def test_answer_to_an_invitation_is_its_label(answer, label):
    lines = (f"ATTENDEE;PARTSTAT={answer}:mailto:lee@example.com", "COMMENT:Friday instead?")
    assert read_invitation(calendar(*lines, method="REPLY"))["label"] == label


@pytest.mark.parametrize(
    "data",
    [
        b"",
        b"rubbish",
        calendar("DTSTART:rubbish"),
        b"BEGIN:VCALENDAR\r\nEND:VCALENDAR",
        calendar() * 20_000,
        b"\xff" * 9,
    ],
)
def test_malformed_calendar_is_no_invitation(data):
    read_invitation(data)
    raw = b"Content-Type: text/calendar\r\n\r\n" + data
    assert [one.name for one in parse_email(raw).files] == ["invite.ics"]


def email_with(kind: str, content: bytes, name="a") -> bytes:
    head, _, _ = raw_email(name).partition(b"\r\n\r\n")
    return head + f"\r\nContent-Type: {kind}\r\n\r\n".encode() + content


@pytest.mark.django_db
def test_page_shows_the_invitation(box, as_max):
    lines = (
        "SUMMARY:<b>Roof</b>",
        "DTSTART:20261203T150000Z",
        "ATTENDEE;PARTSTAT=DECLINED;CN=Lee:mailto:lee@example.com",
    )
    message = receive(
        box, email_with("text/calendar; method=REPLY", calendar(*lines, "COMMENT:Friday?", method="REPLY")), origin="a"
    )
    assert (message.body_text, message.snippet) == ("Friday?", "Friday?")
    page = page_text(as_max.get(f"/inbox/thread/{message.thread_id}/change/"))
    for shown in (
        "Declined",
        "&lt;b&gt;Roof&lt;/b&gt;",
        "3 Dec 2026, 15:00",
        "Lee &lt;lee@example.com&gt;: declined",
        "invite.ics",
        "Friday?",
    ):
        assert shown in page
    message = receive(box, email_with("text/calendar", calendar("SUMMARY:Roof"), "b"), origin="b")
    assert message.snippet == "Invitation: Roof"


@pytest.mark.django_db
def test_page_shows_only_the_images_that_came_with_the_email(box, as_max):
    body = (
        b"--b\r\nContent-Type: text/html\r\n\r\n<p>Look</p><img src='cid:logo@x'>"
        b"<img src='cid:else@x'><img src='cid:page@x'>\r\n"
        b"--b\r\nContent-Type: image/png\r\nContent-ID: <logo@x>\r\n"
        b"Content-Transfer-Encoding: base64\r\n\r\niVBORw==\r\n"
        b"--b\r\nContent-Type: image/svg+xml\r\nContent-ID: <page@x>\r\n\r\n<svg/>\r\n--b--"
    )
    message = receive(box, email_with("multipart/related; boundary=b", body), origin="a")
    page = page_text(as_max.get(f"/inbox/thread/{message.thread_id}/change/", {"html": str(message.pk)}))
    assert "2 images blocked" in page
    frame = as_max.get(f"/inbox/thread/message/{message.pk}/formatted/")
    assert "data:image/png;base64,iVBORw==" in frame.content.decode()
    assert "img-src data:" in frame["Content-Security-Policy"]
    assert "svg+xml;base64" not in frame.content.decode()
