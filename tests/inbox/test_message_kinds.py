"""Who wrote an email: a person, also through a form, or a mail server, a program, a mailing, one of us."""

import pytest

from inbox.incoming.message_kinds import classify_message
from inbox.incoming.parsing import ParsedEmail, parse_email
from inbox.incoming.participants import attribute_sender

OURS = frozenset({"office@agency.example", "dana@agency.example"})
WORDS = "Hello, please call me about the van."
BOUNCED = "Your message to rita@bakery.example could not be delivered: user unknown."
FOOTER = "News of March.\n\nTo unsubscribe, click here: https://news.example/u"
SPAM = "Make extra money, $5,000 per week, 100% free! Click here!!!"


def read(*lines: str, body: str = WORDS) -> ParsedEmail:
    """Return an email to us with these header lines as it is read, with its sender."""
    head = ["To: office@agency.example", "Message-ID: <1@x.example>", *lines]
    return attribute_sender(parse_email("\n".join([*head, "", body]).encode()), OURS)


def kind(*lines: str, body: str = WORDS, known: frozenset[str] = frozenset()) -> str:
    return classify_message(read(*lines, body=body), OURS, known)


def report(type_: str, status: str = "Action: failed") -> str:
    """Return the body of a multipart report whose second part is of `type_`."""
    parts = [f"\nContent-Type: {type_}\n\n{status}\n", "\nContent-Type: message/rfc822\n\nTo: x\n\n"]
    return "--b\n\nSee below.\n--b" + "--b".join(parts) + "--b--"


@pytest.mark.parametrize(
    ("lines", "body", "expected"),
    [
        (["From: <>", "Subject: Mail delivery failed"], BOUNCED, "BOUNCE"),
        (["From: MAILER-DAEMON (Mail Delivery System)", "Subject: x"], BOUNCED, "BOUNCE"),
        (["From: Mailer Daemon <>", "Subject: x"], "See below.", "BOUNCE"),
        (["From: post-master@x.example", "Subject: Re: Offer"], BOUNCED, "BOUNCE"),
        (["From: admin@x.example", "Return-Path: <>", "Subject: Undeliverable Message"], "Error", "BOUNCE"),
        (["From: bounce@x.example", "Subject: Returned mail"], BOUNCED, "BOUNCE"),
        (["From: Postmaster <p@x.example>", "Subject: Kézbesíthetetlen: Ajánlat"], "", "BOUNCE"),
        (["From: postmaster@x.example", "Subject: 系统退信"], "", "BOUNCE"),
        (["From: postmaster@x.example", "Subject: Det går inte att leverera: Offert"], "", "BOUNCE"),
        (["From: no-reply@sns.amazonaws.com", "Subject: x"], '{"notificationType": "Bounce"}', "BOUNCE"),
        (["From: no-reply@sns.amazonaws.com", "Subject: x"], '{"notificationType": "Delivery"}', "AUTO_REPLY"),
        (["From: postmaster@x.example", "Subject: Our offer"], WORDS, "PERSON"),
        (["From: lee@x.example", "Subject: Fwd: Returned mail: see transcript"], BOUNCED, "PERSON"),
        (["From: Mail Delivery System <s@x.example>", "Subject: Delayed Mail (still being retried)"], "", "AUTO_REPLY"),
        (["From: lee@x.example", "Return-Path: <>", "Subject: Hello"], WORDS, "AUTO_REPLY"),
        (["Subject: No From line at all"], WORDS, "PERSON"),
    ],
)
def test_sender_of_a_delivery_report_is_recognised(lines, body, expected):
    assert kind(*lines, body=body) == expected


@pytest.mark.parametrize(
    ("type_", "status", "expected"),
    [
        ("message/delivery-status", "Action: failed", "BOUNCE"),
        ("message/feedback-report", "Feedback-Type: abuse", "AUTO_REPLY"),
        ("message/disposition-notification", "Disposition: displayed", "AUTO_REPLY"),
        ("text/plain", "Action: failed", "PERSON"),
    ],
)
def test_parts_say_what_is_reported(type_, status, expected):
    lines = ["From: lee@x.example", "Subject: x", "MIME-Version: 1.0", 'Content-Type: multipart/mixed; boundary="b"']
    assert kind(*lines, body=report(type_, status)) == expected


def test_report_of_a_mail_server_that_nothing_failed_is_no_bounce():
    lines = ["From: MAILER-DAEMON@x.example", "Subject: x", "MIME-Version: 1.0"]
    body = report("message/feedback-report")
    assert kind(*lines, 'Content-Type: multipart/report; boundary="b"', body=body) == "AUTO_REPLY"


def test_complaint_without_a_report_part_is_automatic():
    lines = ["From: staff@x.example", "Subject: complaint about message from 192.0.2.1", "MIME-Version: 1.0"]
    assert kind(*lines, 'Content-Type: multipart/mixed; boundary="b"', body=report("text/plain")) == "AUTO_REPLY"


@pytest.mark.parametrize(
    ("line", "expected"),
    [
        *(
            (f"{name}: yes", "AUTO_REPLY")
            for name in ("X-Autorespond", "X-Autoreply", "X-Mail-Autoreply", "X-Vacation")
        ),
        ("X-Autoreply: no", "PERSON"),
        ("X-Precedence: auto_reply", "AUTO_REPLY"),
        ("X-POST-MessageClass: 9; Autoresponder", "AUTO_REPLY"),
        ("X-Auto-Response-Suppress: All", "PERSON"),
        ("List-Unsubscribe: <mailto:u@x.example>", "LIST"),
        ("List-Unsubscribe-Post: List-Unsubscribe=One-Click", "LIST"),
        ("X-Precedence: bulk", "LIST"),
        ("X-Spam-Status: Yes, score=9.1", "SPAM"),
        ("X-Spam-Status: No, score=-1", "PERSON"),
        ("X-MS-Exchange-Organization-SCL: 9", "SPAM"),
        ("X-MS-Exchange-Organization-SCL: -1", "PERSON"),
        ("X-Forefront-Antispam-Report: CIP:1;CTRY:;SFV:SPM;H:x", "SPAM"),
    ],
)
def test_header_of_a_program_is_recognised(line, expected):
    assert kind("From: lee@x.example", "Subject: Offer", line) == expected


def test_mark_of_the_agencys_own_filter_is_a_setting(settings):
    settings.SPAM_MARKS = {"x-our-filter": ("junk",)}
    assert kind("From: lee@x.example", "Subject: x", "X-Our-Filter: Junk (0.99)") == "SPAM"
    assert kind("From: lee@x.example", "Subject: x", "X-Spam-Flag: YES") == "PERSON"


@pytest.mark.parametrize(("body", "expected"), [(FOOTER, "LIST"), (SPAM, "SPAM"), (WORDS, "PERSON")])
def test_words_decide_only_about_a_strangers_first_email(body, expected):
    lines = ["From: lee@x.example", "Subject: Hello"]
    assert kind(*lines, body=body) == expected
    assert kind(*lines, "In-Reply-To: <0@agency.example>", body=body) == "PERSON"
    assert kind(*lines, body=body, known=frozenset({"lee@x.example"})) == "PERSON"


def test_quoted_mailing_does_not_make_its_reader_a_machine():
    quoted = "\n> ".join(["On Mon, 2 Mar 2026 at 10:00, News <news@agency.example> wrote:", *FOOTER.splitlines()])
    assert kind("From: lee@x.example", "Subject: Question", body=f"{WORDS}\n\n{quoted}") == "PERSON"


def test_prospect_with_the_words_of_spam_is_a_person():
    body = f"We run a bakery. Could you send us a quote for liability insurance? Our policy ends in May.\n\n{SPAM}"
    assert kind("From: lee@x.example", "Subject: Quote", body=body) == "PERSON"


@pytest.mark.parametrize(
    "lines",
    [
        ["From: office@agency.example", "Reply-To: Dave <dave@mail.example>"],
        ["From: wordpress@agency.example", "Reply-To: Dave <dave@mail.example>"],
        ["From: noreply@forms.example", "Reply-To: Dave <dave@mail.example>"],
        ["From: notifications@forms.example", "Reply-To: Dave <dave@mail.example>", "Auto-Submitted: auto-generated"],
        ["From: office@agency.example", "Reply-To: Dave <dave@mail.example>", "Cc: dave@mail.example"],
        ["From: noreply@forms.example", "Reply-To: Dave <dave@mail.example>", "Precedence: bulk"],
    ],
)
def test_email_of_a_form_is_from_the_person_to_be_answered(lines):
    mail = read(*lines, "Subject: Request")
    assert (mail.from_name, mail.from_email) == ("Dave", "dave@mail.example")
    assert classify_message(mail, OURS) == "PERSON"


@pytest.mark.parametrize(
    ("lines", "sender", "expected"),
    [
        # Our own email to a client, whatever its Reply-To.
        (
            ["From: dana@agency.example", "Cc: lee@x.example", "Reply-To: d@private.example"],
            "dana@agency.example",
            "PERSON",
        ),
        (["From: office@agency.example", "Reply-To: dana@agency.example"], "office@agency.example", "INTERNAL"),
        (["From: office@agency.example"], "office@agency.example", "INTERNAL"),
        (["From: office@agency.example", "Reply-To: noreply@forms.example"], "office@agency.example", "AUTO_REPLY"),
        # A person with two addresses, a shop without one, a mailing.
        (["From: lee@x.example", "Reply-To: lee@mail.example"], "lee@x.example", "PERSON"),
        (["From: noreply@shop.example"], "noreply@shop.example", "AUTO_REPLY"),
        (
            ["From: noreply@shop.example", "Reply-To: help@shop.example", "List-Unsubscribe: <https://x.example>"],
            "noreply@shop.example",
            "LIST",
        ),
    ],
)
def test_reply_to_is_not_believed_elsewhere(lines, sender, expected):
    mail = read(*lines, "Subject: Hello")
    assert (mail.from_email, classify_message(mail, OURS)) == (sender, expected)


def test_answer_of_a_forms_program_is_automatic():
    lines = ["From: noreply@forms.example", "Reply-To: dave@mail.example", "Auto-Submitted: auto-replied"]
    assert kind(*lines, "Subject: Request") == "AUTO_REPLY"
