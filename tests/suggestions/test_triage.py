"""Conversations with nobody we know: whose they are is proposed, and who reads like a prospect becomes a lead."""

from datetime import timedelta
from uuid import uuid4

import pytest
from django.utils import timezone

from agents.triage import triage_threads
from agents.triage.triage_threads import TRIAGE, look_again, triage
from crm.models import ActivityLog, ContactClient
from inbox.incoming.transitions import receive
from inbox.models import Mailbox, Message, Nature, Thread
from inbox.transitions import unlink
from leads.models import ContactLead, Lead
from suggestions.models import Suggestion, SuggestionStatus, SuggestionType
from suggestions.transitions import approve, reject
from tests.cast import make_client, make_contact, make_lead

pytestmark = pytest.mark.django_db
PROSPECT = """Hello,

we run a bakery with six employees on Mill Lane, and our insurance renews in March. Could you send us a quote for
general liability? We pay about $2,400 a year now.

Nora New
New Bread Ltd
(419) 555-0188
"""
PLAIN = "Hello, here is the paper that we talked about. See you on Monday."


@pytest.fixture
def mailbox(db) -> Mailbox:
    return Mailbox.objects.create(address="office@agency.example")


def mail(mailbox, body=PROSPECT, sender="nora@newbread.example", *, name="", days=1, subject="A question", **headers):
    """A mail that came in `days` ago, as bytes through the way in."""
    sent = timezone.now() - timedelta(days=days)
    lines = {
        "From": f"{name} <{sender}>",
        "To": "office@agency.example",
        "Subject": subject,
        "Date": f"{sent:%a, %d %b %Y %H:%M:%S +0000}",
        "Message-ID": f"<{uuid4()}@newbread.example>",
        **{key.replace("_", "-"): value for key, value in headers.items()},
    }
    head = "".join(f"{key}: {value}\n" for key, value in lines.items())
    receive(mailbox, f"{head}\n{body}".encode(), origin=str(uuid4()))
    return Message.objects.get(message_id=lines["Message-ID"])


def proposed() -> Suggestion:
    return Suggestion.objects.get(agent=str(TRIAGE))


def none_proposed() -> bool:
    return not Suggestion.everything.exists()


# Who reads like a prospect


def test_from_the_bytes_of_a_mail_to_a_lead_with_its_conversation(mailbox, max):
    said = mail(mailbox)
    assert triage() == (1, 1)
    found = proposed()
    assert found.type == SuggestionType.CREATE_LEAD
    assert {key: value for key, value in found.suggested_content.items() if value} == {
        "contactName": "Nora New",
        "contactEmail": "nora@newbread.example",
        "contactPhone": "(419) 555-0188",
        "companyName": "New Bread Ltd",
        "insuranceType": "general_liability",
        "estimatedValue": "2400.00",
        "sourceType": "EMAIL",
        "sourceDetail": f"Mail of {said.sent_at:%-d %b %Y}",
        "notes": found.suggested_content["notes"],
    }
    assert "Could you send us a quote for general liability?" in found.suggested_content["notes"]
    assert found.evidence[0]["id"] == str(said.pk)
    assert found.tainted
    assert "asks for a quote" in found.reasoning
    approve(found, by=max)
    lead = Lead.objects.get(contact_email="nora@newbread.example")
    thread = Thread.objects.get(pk=said.thread_id)
    assert (thread.lead, lead.last_contact_at) == (lead, said.sent_at)
    assert {"created", "linked"} <= set(ActivityLog.objects.on_timeline_of(lead).values_list("verb", flat=True))


@pytest.mark.parametrize(
    "nature", [{"Auto_Submitted": "auto-replied"}, {"List_Id": "<l.example>"}, {"X_Spam_Flag": "YES"}]
)
def test_machines_lists_and_spam_are_no_prospects(mailbox, nature):
    assert mail(mailbox, **nature).nature != Nature.PERSON
    triage()
    assert none_proposed()


def test_old_mail_makes_no_leads(mailbox):
    mail(mailbox, days=31)
    assert triage() == (1, 0)
    assert none_proposed()


def test_what_we_wrote_makes_no_lead(mailbox):
    mail(mailbox, sender="office@agency.example")
    triage()
    assert none_proposed()


def test_an_ordinary_mail_proposes_nothing(mailbox):
    mail(mailbox, PLAIN)
    assert triage() == (1, 0)


def test_two_mails_of_one_writer_make_one_proposal(mailbox):
    mail(mailbox)
    mail(mailbox, subject="Another question")
    assert triage() == (2, 1)


def test_what_is_quoted_makes_nobody_a_prospect(mailbox):
    mail(mailbox, "Fine.\n\nOn Mon, 5 Jan 2026 Dana <dana@example.com> wrote:\n> " + PROSPECT.replace("\n", "\n> "))
    triage()
    assert none_proposed()


def test_hostile_names_and_numbers_stay_within_bounds(mailbox):
    sender = "x" * 60 + "@newbread.example"
    mail(mailbox, PROSPECT.replace("Nora New", "N" * 5_000), sender, name="<script>\u202e" + "A" * 400)
    triage()
    content = proposed().suggested_content
    assert len(content["contactName"]) <= 60
    assert "\u202e" not in str(content)


# Whose it is


def test_an_address_of_two_is_proposed_with_the_client_first(mailbox, max):
    client, lead = make_client(name="Works"), make_lead()
    both = make_contact(email="nora@newbread.example")
    ContactClient.objects.create(contact=both, client=client)
    ContactLead.objects.create(contact=both, lead=lead)
    make_lead(contact_email="nora@newbread.example")
    thread = mail(mailbox).thread
    assert thread.client is None
    triage()
    found = proposed()
    assert (found.type, found.client, found.thread) == (SuggestionType.LINK_THREAD, client, thread)
    assert found.reasoning == "The client Works has a contact with the address nora@newbread.example."
    approve(found, by=max)
    thread.refresh_from_db()
    assert thread.client == client


def test_two_of_the_same_rank_are_both_named_and_less_sure(mailbox):
    for name in ("First", "Second"):
        make_client(name=name, email="nora@newbread.example")
    mail(mailbox)
    triage()
    assert float(proposed().confidence) == 0.47
    assert "So does client First" in proposed().reasoning


@pytest.mark.parametrize(
    "known",
    [
        lambda: make_client(email="office@newbread.example"),
        lambda: make_lead(contact_email="boss@newbread.example"),
        lambda: make_lead(company_website="https://www.NewBread.example/"),
        lambda: (
            ContactClient.objects.create(
                contact=make_contact(email="ann@newbread.example"), client=make_client()
            ).client
        ),
    ],
)
def test_a_company_is_known_by_its_domain(mailbox, known):
    record = known()
    mail(mailbox)
    triage()
    assert proposed().type == SuggestionType.LINK_THREAD
    assert record in (proposed().lead, proposed().client)
    assert "has the mail domain newbread.example" in proposed().reasoning


def test_a_domain_that_only_ends_alike_is_another(mailbox):
    make_client(email="office@oldnewbread.example")
    make_client(email="office@newbread.example.org")
    mail(mailbox, PLAIN)
    triage()
    assert none_proposed()


def test_free_mail_never_matches_by_domain(mailbox):
    make_client(email="somebody@gmail.com")
    mail(mailbox, PLAIN, "nora@gmail.com")
    triage()
    assert none_proposed()


def test_our_own_domain_never_matches(mailbox):
    make_client(email="a@agency.example")
    mail(mailbox, PLAIN, "new-colleague@agency.example")
    triage()
    assert none_proposed()


def test_a_domain_of_many_says_nothing(mailbox):
    for number in range(4):
        make_lead(contact_email=f"{number}@newbread.example")
    mail(mailbox)
    triage()
    assert none_proposed()


def test_exact_beats_domain_and_a_closed_lead_is_still_somebody(mailbox, max):
    make_client(email="office@newbread.example")
    for _ in range(2):
        make_lead(contact_email="nora@newbread.example", status_id="CLOSED_UNQUALIFIED")
    mail(mailbox)
    triage()
    assert "has the mail domain" in proposed().reasoning or "and is closed" in proposed().reasoning


# Once, and again when there is news


def test_nothing_is_looked_at_twice_without_news(mailbox):
    said = mail(mailbox, PLAIN)
    triage()
    assert Thread.objects.get(pk=said.thread_id).triaged_at is not None
    assert triage() == (0, 0)
    mail(mailbox, PROSPECT, days=0, In_Reply_To=said.message_id)
    assert triage() == (1, 1)


def test_old_words_that_come_in_later_are_no_news(mailbox):
    said = mail(mailbox, PLAIN)
    triage()
    mail(mailbox, PLAIN, days=2, In_Reply_To=said.message_id)
    assert triage() == (0, 0)


def test_what_was_turned_down_waits_for_new_words(mailbox, max):
    said = mail(mailbox)
    triage()
    reject(proposed(), code="NOT_NEEDED", by=max)
    Thread.objects.update(triaged_at=None)
    assert triage() == (1, 0)
    mail(mailbox, PROSPECT, days=0, In_Reply_To=said.message_id)
    assert triage() == (1, 1)


def test_a_newer_view_takes_the_place_of_the_older(mailbox):
    mail(mailbox)
    triage()
    make_client(email="office@newbread.example")
    Thread.objects.update(triaged_at=None)
    assert triage() == (1, 1)
    waiting = Suggestion.objects.filter(status=SuggestionStatus.PENDING)
    assert [one.type for one in waiting] == [SuggestionType.LINK_THREAD]


def test_whoever_becomes_known_later_gets_the_conversation(mailbox):
    thread = mail(mailbox, PLAIN).thread
    other = mail(mailbox, PLAIN, "else@other.example").thread
    triage()
    lead = make_lead(contact_email="Nora@newbread.example")
    assert look_again(timezone.now()) == 1
    assert triage() == (1, 0)
    thread.refresh_from_db()
    assert thread.lead == lead
    assert ActivityLog.objects.done_to(thread)[0].metadata["name"] == "Triage"
    assert Thread.objects.get(pk=other.pk).lead is None


def test_one_unlinked_by_hand_is_left_alone(mailbox, max):
    make_lead(contact_email="nora@newbread.example")
    thread = mail(mailbox, PLAIN).thread
    Thread.objects.update(triaged_at=timezone.now())
    unlink(Thread.objects.get(pk=thread.pk), by=max)
    assert triage() == (0, 0)


def test_only_so_much_is_proposed_at_a_time_and_nothing_while_much_waits(mailbox, monkeypatch):
    monkeypatch.setattr(triage_threads, "MOST_PROPOSED", 2)
    monkeypatch.setattr(triage_threads, "MOST_WAITING", 3)
    for number in range(5):
        mail(mailbox, sender=f"nora@bread{number}.example")
    assert triage() == (2, 2)
    assert triage() == (1, 1)
    assert triage() == (0, 0)
    assert Thread.objects.untriaged().count() == 2


def test_a_crowd_around_a_lead_is_not_made_larger(mailbox):
    lead = make_lead(contact_email="boss@newbread.example")
    for number in range(5):
        mail(mailbox, PLAIN, f"{number}@newbread.example")
    assert triage() == (5, 3)
    assert Suggestion.objects.filter(lead=lead).count() == 3


def test_the_page_of_the_conversation_shows_it_beside_and_lets_it_be_approved_there(mailbox, as_max):
    said = mail(mailbox)
    triage()
    url = f"/inbox/thread/{said.thread_id}/change/"
    page = as_max.get(url).content.decode()
    deed = f"/suggestions/suggestion/{proposed().pk}/do/approve/"
    assert "Looked at now" in page
    assert page.index('class="side"') < page.index(f'action="{deed}"')
    answer = as_max.post(deed, {"next": url, "version": proposed().version})
    assert (answer.status_code, answer["Location"]) == (302, url)
    assert Thread.objects.get(pk=said.thread_id).lead.contact_email == "nora@newbread.example"
