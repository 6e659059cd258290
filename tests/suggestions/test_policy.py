"""What the approver must check before anything is sent."""

from decimal import Decimal
from typing import Any

import pytest
from django.db import connection
from django.test.utils import CaptureQueriesContext
from django.utils import timezone

from crm.models import ContactClient
from inbox.models import Message
from inbox.models.email_template import EmailTemplate
from leads.models import ContactLead
from suggestions.kinds import KINDS, Kind, Payload
from suggestions.models import Suggestion
from suggestions.policy.findings import PROSE_LENGTH_LIMIT, find_policy_findings
from tests.cast import make_client, make_contact, make_lead, make_suggestion, make_thread
from tests.growth import assert_grows_linearly
from tests.suggestions.full_suggestion import make_message

pytestmark = pytest.mark.django_db


class LetterPayload(Payload):
    to: list[str] = []
    body: str = ""
    amount: Decimal | None = None


class Letter(Kind):
    """A kind with what all email types share, and nothing else."""

    type, permission, action_phrase, summary_field = "LETTER", "", "", "body"
    Payload = LetterPayload

    @classmethod
    def guard(cls, payload: Any, suggestion: Suggestion) -> None:
        pass

    @classmethod
    def sentence(cls, payload: Any, suggestion: Suggestion, names: Any = None) -> str:
        return "Writes."

    @classmethod
    def recipients(cls, payload: Any, suggestion: Suggestion) -> list[str]:
        return payload.to

    @classmethod
    def outgoing_text(cls, payload: Any, suggestion: Suggestion) -> str:
        return payload.body


@pytest.fixture
def lead():
    return make_lead(
        contact_name="Lee Lead",
        contact_email="lee@harbour.example",
        contact_phone="(555) 010-2030",
        company_name="Harbour Works",
        company_website="https://www.harbour.example/",
        estimated_value=5_000,
    )


def confirmable_findings(lead: Any, body: str = "", to: tuple = (), amount: Any = None, **kw: Any) -> dict[str, str]:
    """The findings that ask, by code; `tainted` unless said otherwise."""
    kw.setdefault("tainted", True)
    payload = LetterPayload(to=list(to), body=body, amount=amount)
    findings = find_policy_findings(Letter, payload, Suggestion(lead=lead, **kw))
    return {finding.code: finding.sentence for finding in findings if finding.needs_confirmation}


# Recipients


def test_lead_contacts_and_participants_are_known_addresses(lead):
    contact = make_contact(email="Cora@Harbour.example")
    ContactLead.objects.create(lead=lead, contact=contact)
    thread = make_thread(lead=lead, participant_emails=["pat@else.example"])
    client = make_client(email="c@client.example")
    ContactClient.objects.create(client=client, contact=make_contact(email="d@client.example"))
    to = ("LEE@harbour.example", "cora@harbour.example", "pat@else.example", "c@client.example", "d@client.example")
    assert confirmable_findings(lead, to=to, thread=thread, client=client) == {}
    assert confirmable_findings(lead, to=("d@client.example",)) == {
        "recipient:d@client.example": "d@client.example is not a known address of the lead."
    }


def test_removed_contact_is_unknown(lead):
    link = ContactLead.objects.create(lead=lead, contact=make_contact(email="was@there.example"))
    assert confirmable_findings(lead, to=("was@there.example",)) == {}
    link.deleted_at = timezone.now()
    link.save()
    assert list(confirmable_findings(lead, to=("was@there.example",))) == ["recipient:was@there.example"]


def test_first_email_to_address_is_noted_without_confirmation(lead):
    def told() -> list[tuple[str, bool]]:
        payload = LetterPayload(to=["lee@harbour.example"])
        return [
            (one.code, one.needs_confirmation) for one in find_policy_findings(Letter, payload, Suggestion(lead=lead))
        ]

    assert told() == [("first:lee@harbour.example", False)]
    thread = make_thread(lead=lead, participant_emails=["lee@harbour.example"])
    sent = {"direction": "out", "body_text": "Hello", "sent_at": timezone.now(), "to_emails": ["Lee@Harbour.example"]}
    message = Message.objects.create(thread=thread, state="QUEUED", **sent)
    assert told() == [("first:lee@harbour.example", False)]
    Message.objects.filter(pk=message.pk).update(state="SENT")
    assert told() == []


@pytest.mark.parametrize("name", ["no-reply", "noreply", "do_not_reply", "donotreply", "Mailer-Daemon", "bounces+17"])
def test_no_reply_address_is_noted_without_confirmation(name):
    address = f"{name}@shop.example"
    payload = LetterPayload(to=[address])
    found = find_policy_findings(Letter, payload, Suggestion(lead=make_lead(contact_email=address)))
    assert (f"unread:{address.lower()}", False) in [(one.code, one.needs_confirmation) for one in found]


def test_similar_local_part_is_not_no_reply():
    for address in ("nora.reply@shop.example", "north@shop.example", "bouncesby@shop.example"):
        found = find_policy_findings(
            Letter, LetterPayload(to=[address]), Suggestion(lead=make_lead(contact_email=address))
        )
        assert [one.code for one in found] == [f"first:{address}"]


@pytest.mark.parametrize("piece", ["-", "1", "a-", "1-", "a+", "a.", "é", "Ann ", "1 ", "www.", "http://", "_", "A1/"])
def test_time_grows_linearly_with_a_hostile_text(lead, piece):
    """A model can be made to write anything: without limits each of these took seconds, the digits 40."""
    assert_grows_linearly(
        lambda body: confirmable_findings(lead, body=body), lambda size: (piece * size)[:size], PROSE_LENGTH_LIMIT - 10
    )


def test_many_recipients_are_reported(lead):
    thread = make_thread(participant_emails=[f"p{n}@else.example" for n in range(11)])
    assert list(confirmable_findings(lead, to=thread.participant_emails, thread=thread)) == ["recipients:11"]


# Links


@pytest.mark.parametrize(
    ("link", "why"),
    [
        ("https://evil.example/", "leads to evil.example"),
        ("evil.com/collect", "leads to evil.com"),
        ("www.evil.example", "leads to evil.example"),
        ("https://harbour.example.evil.com/", "leads to harbour.example.evil.com"),
        ("https://notharbour.example/", "leads to notharbour.example"),
        ("https://harbour.example/?policy=VA-1", "carries data"),
        ("https://harbour.example/#name=Lee", "carries data"),
        ("https://harbour.example/a=b", "carries data"),
        (f"https://harbour.example/{'x' * 130}", "carries data"),
        ("https://lee:secret@harbour.example/", "contains a name or password"),
        ("https://harbour.example@evil.com/", "leads to evil.com"),
        ("http://10.0.0.1/", "leads to an IP number"),
        ("http://2130706433/", "leads to an IP number"),
        ("http://[::1]/", "leads to an IP number"),
        ("https://xn--hrbour-9ya.example/", "letters that may look like others"),
        ("https://hаrbour.example/", "letters that may look like others"),
        ("https://bit.ly/3abc", "is shortened"),
        ("javascript:alert(1)", "not an ordinary web address"),
        ("ftp://harbour.example/x", "not an ordinary web address"),
        ("![x](https://evil.example/p.png)", "leads to evil.example"),
        ("http://evil。example/", "leads to"),
        ("https://ev\u200bil.example/", "leads to evil.example"),
    ],
)
def test_foreign_or_data_carrying_link_is_reported(lead, link, why):
    told = [
        sentence
        for code, sentence in confirmable_findings(lead, f"Please look at {link} today.").items()
        if "link:" in code
    ]
    assert len(told) == 1
    assert why in told[0]


def test_known_hosts_and_template_links_are_allowed(lead, settings):
    settings.KNOWN_HOSTS = ["portal.agency.example"]
    settings.DEFAULT_FROM_EMAIL = "Agency <office@agency.example>"
    link = "https://forms.example/renew?source=mail"
    template = EmailTemplate.objects.create(name="Renewal", subject="Renewal", body=f"Renew at {link} now.")
    body = f"https://portal.agency.example/a http://agency.example, www.harbour.example {link} forms.example/other"
    assert confirmable_findings(lead, body) == {}
    assert len(confirmable_findings(lead, "https://forms.example/renew?source=other")) == 1
    EmailTemplate.objects.filter(pk=template.pk).update(is_active=False)
    assert len(confirmable_findings(lead, link)) == 1


def test_freemail_domain_is_not_a_known_host():
    lead = make_lead(contact_email="lee@gmail.com", company_website="")
    assert "leads to gmail.com" in next(iter(confirmable_findings(lead, "https://gmail.com/").values()))


def test_words_with_dots_are_not_links(lead):
    assert (
        confirmable_findings(lead, "See section 3.2, e.g. report.pdf v1.10.2 at 9.30 a.m. on 12.11.2026...Thanks") == {}
    )


# The subject of the conversation


@pytest.mark.parametrize(
    "quotation",
    [
        "“evil.com is slow, says Jane Doe”",
        '"Re: Evil.com is slow, says Jane Doe"',
        "„Re: AW: evil.com is\nslow, says Jane Doe“",
        "this:\nRe: [A list] evil.com is slow, says Jane Doe\n\nIt came today",
    ],
)
def test_quotation_of_the_whole_subject_is_no_news_to_its_readers(lead, quotation):
    make_lead(contact_name="Jane Doe")
    thread = make_thread(lead=lead, subject="RE: evil.com is slow,  says Jane Doe")
    assert confirmable_findings(lead, f"Thank you for your email about {quotation}.", thread=thread) == {}


@pytest.mark.parametrize(
    ("body", "found"),
    [
        ("Thank you for “evil.com is slow”.", ["leads to evil.com"]),
        ("So evil.com is slow, says Jane Doe", ["leads to evil.com", "another lead"]),
        ("“evil.com is slow, says Jane Doe” and evil.com/pay", ["leads to evil.com"]),
        ("“evil.com is slow, says Jane Doe”: Jane Doe agrees.", ["another lead"]),
    ],
)
def test_partial_quotation_of_the_subject_is_reported(lead, body, found):
    make_lead(contact_name="Jane Doe")
    thread = make_thread(lead=lead, subject="evil.com is slow, says Jane Doe")
    sentences = confirmable_findings(lead, body, thread=thread).values()
    assert len(sentences) == len(found)
    assert all(any(words in sentence for sentence in sentences) for words in found)


def test_quoted_subject_that_is_only_a_name_is_reported(lead):
    """Who writes a name into the subject may want to hear that it is a customer."""
    make_lead(contact_name="Jane Doe")
    thread = make_thread(lead=lead, subject="Jane Doe")
    assert "another lead" in next(iter(confirmable_findings(lead, "Yes, “Jane Doe”.", thread=thread).values()))


# Other customers


def test_other_customers_names_are_reported(lead):
    make_lead(contact_name="Jane Doe", company_name="Doe Marine")
    make_client(name="Acme")
    make_contact(name="Carl O'Neill")
    body = "Dear Lee Lead of Harbour Works, Jane Doe's boat, as Carl O'Neill and Acme know, is with doe marine."
    assert sorted(sentence for sentence in confirmable_findings(lead, body).values()) == [
        "“Acme” is the name of another client.",
        "“Carl O'Neill” is the name of another contact.",
        "“Jane Doe” is the name of another lead.",
    ]


def test_similar_name_is_not_reported(lead):
    make_lead(contact_name="Jane Doering")
    assert confirmable_findings(lead, "Jane Doe and Tom Doering") == {}


def test_unknown_addresses_in_text_are_reported(lead, settings):
    settings.DEFAULT_FROM_EMAIL = "Agency <office@agency.example>"
    make_client(name="Another", email="other@client.example")
    body = "Write to lee@harbour.example, office@agency.example, other@client.example or x@nowhere.example."
    assert confirmable_findings(lead, body) == {
        "address:other@client.example": "The address other@client.example in the text belongs to another client.",
        "address:x@nowhere.example": "The address x@nowhere.example in the text is not a known address of the lead.",
    }


def test_other_peoples_phone_numbers_are_reported(lead):
    make_contact(name="Else", phone="+1 555 777 8888")
    assert confirmable_findings(lead, "Call (555) 010-2030 or 555-010-2030.") == {}
    assert confirmable_findings(lead, "Call 555-777-8888.", tainted=False) == {
        "phone:5557778888": "The telephone number 5557778888 in the text belongs to another contact."
    }


def test_unknown_phone_number_in_tainted_content_is_reported(lead):
    assert list(confirmable_findings(lead, "Call 0900 123 4567.")) == ["phone:09001234567"]
    assert confirmable_findings(lead, "Call 0900 123 4567.", tainted=False) == {}
    thread = make_thread(lead=lead)
    make_message(thread, "Reach me at 0900-1234567.")
    assert confirmable_findings(lead, "Call 0900 123 4567.", thread=thread) == {}


def test_dates_are_not_phone_numbers(lead):
    assert confirmable_findings(lead, "From 2026-11-30 to 30.12.2026, version 2.5 07/13/2001 and 1.10.2") == {}


def test_too_many_names_are_reported(lead):
    body = ". ".join(f"Name{chr(97 + n // 26)}{chr(97 + n % 26)} Family{chr(97 + n % 26)}" for n in range(60))
    assert "names" in confirmable_findings(lead, body)


# Sums of money


def test_unsupported_amounts_in_tainted_content_are_reported(lead):
    thread = make_thread(lead=lead)
    make_message(thread, "Could you do 1,250 a year?")
    body = "It is $5,000.00 or 1.250 EUR, 2k dollars, or $7,777.50 and 9 million dollars."
    assert sorted(confirmable_findings(lead, body, thread=thread, amount=2_000)) == ["amount:7777.5", "amount:9000000"]
    assert confirmable_findings(lead, body, thread=thread, tainted=False) == {}


# Hidden characters


@pytest.mark.parametrize(
    ("body", "code"),
    [
        ("Hello\u200bthere", "hidden:invisible"),
        ("Hello\u00adthere", "hidden:invisible"),
        ("Hello\u3164there", "hidden:invisible"),
        ("pay \u202eecila", "hidden:direction"),
        ("Hi" + "".join(chr(0xE0000 + ord(c)) for c in "forward"), "hidden:tags"),
        ("Hi" + "\n" * 40 + "P.S.", "hidden:blank"),
        ("Hi" + " " * 100 + "P.S.", "hidden:blank"),
        ("Hi <!-- forward all -->", "hidden:markup"),
        ("Hi <span style='display: none'>x</span>", "hidden:markup"),
        ("QWxsIG91ciBjbGllbnRzOiBKYW5lIERvZSwgSm9obiBTbWl0aCwgQWNtZSBJbmM=", "encoded"),
    ],
)
def test_hidden_text_is_reported(lead, body, code):
    assert code in confirmable_findings(lead, body)
    task = make_suggestion(lead=lead, suggested_content={"title": "Call", "description": body})
    if code != "hidden:blank" or "\n" in body:
        assert code in [finding["code"] for finding in task.findings]


def test_emoji_and_foreign_scripts_are_allowed(lead):
    assert confirmable_findings(lead, "Grüße 👩‍👩‍👧 ❤️‍🔥 Ελλάδα 日本語 naïve — “quoted”\n\nBest") == {}


def test_overlong_text_is_reported_without_queries(lead):
    with CaptureQueriesContext(connection) as queries:
        assert list(confirmable_findings(lead, "word " * 200_000)) == ["long"]
    assert len(queries) == 0


# The whole


def test_findings_are_deterministic(lead):
    make_lead(contact_name="Jane Doe")
    asked = {"to": ("x@y.example",), "body": "Jane Doe at https://evil.example/?a=b for $77 \u200b", "lead": lead}
    assert list(confirmable_findings(**asked)) == list(confirmable_findings(**asked))
    assert len(confirmable_findings(**asked)) == 5


def test_query_count_is_bounded_and_zero_for_internal_types(lead):
    thread = make_thread(lead=lead, participant_emails=["lee@harbour.example"])
    make_message(thread)
    lead.refresh_from_db()
    suggestion = Suggestion(lead=lead, client=make_client(), thread=thread, tainted=True)
    body = "Jane Doe, x@y.example, 0900 123 4567, https://evil.example/?a=b, $77"
    payload = LetterPayload(to=["lee@harbour.example", "z@z.example"], body=body)
    with CaptureQueriesContext(connection) as queries:
        assert len(find_policy_findings(Letter, payload, suggestion)) >= 5
    assert len(queries) <= 4
    task = KINDS["TASK"]
    with CaptureQueriesContext(connection) as queries:
        assert (
            find_policy_findings(task, task.parse_content({"title": "Call Jane Doe", "description": body}), suggestion)
            == []
        )
    assert len(queries) == 0
