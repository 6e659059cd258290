"""Threads with unknown senders: triage proposes the lead or client to link, or a new lead for a prospect."""

from datetime import timedelta
from uuid import uuid4

import pytest
from django.utils import timezone

from agents.process_threads import requeue_lost_threads
from agents.triage import triage_threads
from agents.triage.triage_threads import TRIAGE_AGENT, match_by_address
from crm.models import ActivityLog, ContactClient
from inbox.incoming.processing_queue import queue_processing
from inbox.incoming.transitions import receive
from inbox.models import Mailbox, Message, Nature, Thread
from inbox.transitions import unlink
from leads.models import ContactLead, Lead
from suggestions.models import Suggestion, SuggestionStatus, SuggestionType
from suggestions.transitions import approve, reject
from tests.cast import make_client, make_contact, make_lead
from tests.queued_jobs import process_queued_threads, queued_threads

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


def triage_queued() -> tuple[int, int]:
    """Process what is queued; how many of the threads were unlinked, and how much triage proposed."""
    made = Suggestion.everything.filter(agent=str(TRIAGE_AGENT))
    unlinked, before = Thread.objects.unlinked().filter(pk__in=queued_threads()).count(), made.count()
    process_queued_threads()
    return unlinked, made.count() - before


def proposed() -> Suggestion:
    return Suggestion.objects.get(agent=str(TRIAGE_AGENT))


def nothing_proposed() -> bool:
    return not Suggestion.everything.exists()


# Who reads like a prospect


def test_email_becomes_lead_with_linked_thread(mailbox, max):
    said = mail(mailbox)
    assert triage_queued() == (1, 1)
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
def test_automatic_messages_are_no_prospects(mailbox, nature):
    assert mail(mailbox, **nature).nature != Nature.PERSON
    triage_queued()
    assert nothing_proposed()


def test_old_email_proposes_nothing(mailbox):
    mail(mailbox, days=31)
    assert triage_queued() == (1, 0)
    assert nothing_proposed()


def test_outbound_email_proposes_nothing(mailbox):
    mail(mailbox, sender="office@agency.example")
    triage_queued()
    assert nothing_proposed()


def test_ordinary_email_proposes_nothing(mailbox):
    mail(mailbox, PLAIN)
    assert triage_queued() == (1, 0)


def test_two_emails_of_one_sender_make_one_proposal(mailbox):
    mail(mailbox)
    mail(mailbox, subject="Another question")
    assert triage_queued() == (2, 1)


def test_quoted_text_is_ignored(mailbox):
    mail(mailbox, "Fine.\n\nOn Mon, 5 Jan 2026 Dana <dana@example.com> wrote:\n> " + PROSPECT.replace("\n", "\n> "))
    triage_queued()
    assert nothing_proposed()


def test_hostile_names_are_truncated_and_cleaned(mailbox):
    sender = "x" * 60 + "@newbread.example"
    mail(mailbox, PROSPECT.replace("Nora New", "N" * 5_000), sender, name="<script>\u202e" + "A" * 400)
    triage_queued()
    content = proposed().suggested_content
    assert len(content["contactName"]) <= 60
    assert "\u202e" not in str(content)


# Whose it is


def test_shared_address_proposes_client_first(mailbox, max):
    client, lead = make_client(name="Works"), make_lead()
    both = make_contact(email="nora@newbread.example")
    ContactClient.objects.create(contact=both, client=client)
    ContactLead.objects.create(contact=both, lead=lead)
    make_lead(contact_email="nora@newbread.example")
    thread = mail(mailbox).thread
    assert thread.client is None
    triage_queued()
    found = proposed()
    assert (found.type, found.client, found.thread) == (SuggestionType.LINK_THREAD, client, thread)
    assert found.reasoning == "The client Works has a contact with the address nora@newbread.example."
    approve(found, by=max)
    thread.refresh_from_db()
    assert thread.client == client


def test_two_matching_clients_are_a_rule_of_their_own(mailbox):
    for name in ("First", "Second"):
        make_client(name=name, email="nora@newbread.example")
    mail(mailbox)
    triage_queued()
    assert proposed().rule == "client by address, one of several"
    # The other one may be another owner's, so it is not named.
    assert proposed().reasoning == ("The client Second has the address nora@newbread.example. 1 more matches as well.")


@pytest.mark.parametrize(
    ("known", "reason"),
    [
        (lambda: make_client(email="office@newbread.example"), "has an address at newbread.example."),
        (lambda: make_lead(contact_email="boss@newbread.example"), "has an address at newbread.example."),
        (lambda: make_lead(company_website="https://www.NewBread.example/"), "has the website newbread.example."),
        (
            lambda: (
                ContactClient.objects.create(
                    contact=make_contact(email="ann@newbread.example"), client=make_client()
                ).client
            ),
            "has a contact with an address at newbread.example.",
        ),
    ],
)
def test_company_is_matched_by_domain_and_reason_says_how(mailbox, known, reason):
    record = known()
    mail(mailbox)
    triage_queued()
    assert proposed().type == SuggestionType.LINK_THREAD
    assert record in (proposed().lead, proposed().client)
    assert proposed().reasoning.endswith(reason)


def test_similar_domain_is_not_matched(mailbox):
    make_client(email="office@oldnewbread.example")
    make_client(email="office@newbread.example.org")
    mail(mailbox, PLAIN)
    triage_queued()
    assert nothing_proposed()


def test_freemail_domain_is_not_matched(mailbox):
    make_client(email="somebody@gmail.com")
    mail(mailbox, PLAIN, "nora@gmail.com")
    triage_queued()
    assert nothing_proposed()


def test_own_domain_is_not_matched(mailbox):
    make_client(email="a@agency.example")
    mail(mailbox, PLAIN, "new-colleague@agency.example")
    triage_queued()
    assert nothing_proposed()


def test_domain_of_many_leads_is_not_matched(mailbox):
    for number in range(4):
        make_lead(contact_email=f"{number}@newbread.example")
    mail(mailbox)
    triage_queued()
    assert nothing_proposed()


def test_exact_address_beats_domain_even_for_closed_lead(mailbox, max):
    make_client(email="office@newbread.example")
    for _ in range(2):
        make_lead(contact_email="nora@newbread.example", status_id="CLOSED_UNQUALIFIED")
    mail(mailbox)
    triage_queued()
    closed = "has the address nora@newbread.example, and is closed. 1 more matches as well."
    assert proposed().reasoning.endswith(closed)
    assert proposed().lead.status_id == "CLOSED_UNQUALIFIED"


def test_email_without_sender_matches_no_record_without_address(mailbox):
    make_lead(contact_email="")
    make_client(email="")
    make_contact(email="")
    for number in range(2):
        raw = f"To: office@agency.example\nSubject: A question\nMessage-ID: <{number}@x.example>\n\n{PROSPECT}"
        receive(mailbox, raw.encode(), origin=str(number))
    assert Thread.objects.count() == 2, "Two unknown senders are two people."
    triage_queued()
    assert nothing_proposed()
    assert not Thread.objects.exclude(lead=None, client=None).exists()
    assert not any(match_by_address([""]))


def test_other_participant_is_not_called_the_sender(mailbox):
    lead = make_lead(contact_email="boss@acme.example", contact_name="Bo Boss")
    make_client(email="boss@acme.example")
    mail(mailbox, PLAIN, Cc="boss@acme.example")
    triage_queued()
    assert proposed().reasoning.endswith("has the address boss@acme.example; this participant is not the sender.")
    assert str(lead) not in proposed().reasoning


def test_name_is_proposed_only_where_nothing_better_matches(mailbox):
    lead = make_lead(contact_name="Nora New", contact_email="nora@old.example")
    mail(mailbox, PLAIN, "n.new@gmail.com", name="Nora New")
    triage_queued()
    assert (proposed().lead, proposed().rule) == (lead, "lead by name")
    assert proposed().reasoning.endswith("has the sender’s name, “Nora New”, but another address.")


@pytest.mark.parametrize("names", [["Nora New", "Nora New"], ["Nora Newman"], []])
def test_doubtful_name_links_nothing_and_prospect_still_becomes_lead(mailbox, names):
    for number, name in enumerate(names):
        make_lead(contact_name=name, contact_email=f"{number}@old.example")
    mail(mailbox, name="Nora New")
    triage_queued()
    assert proposed().type == SuggestionType.CREATE_LEAD
    assert proposed().reasoning.startswith("The sender is unknown, and the email ")


def test_form_through_no_reply_address_becomes_lead_of_the_person(mailbox):
    mail(mailbox, sender="noreply@webform.example", Reply_To="Carla New <carla@newbread.example>")
    triage_queued()
    content = proposed().suggested_content
    assert (content["contactName"], content["contactEmail"]) == ("Carla New", "carla@newbread.example")


# Once, and again when there is news


def test_thread_is_triaged_again_only_after_new_message(mailbox):
    said = mail(mailbox, PLAIN)
    triage_queued()
    assert Thread.objects.get(pk=said.thread_id).processed_at is not None
    assert triage_queued() == (0, 0)
    mail(mailbox, PROSPECT, days=0, In_Reply_To=said.message_id)
    assert triage_queued() == (1, 1)


def test_late_older_message_is_not_triaged_again(mailbox):
    said = mail(mailbox, PLAIN)
    triage_queued()
    mail(mailbox, PLAIN, days=2, In_Reply_To=said.message_id)
    assert triage_queued() == (0, 0)


def test_rejected_proposal_returns_only_after_new_message(mailbox, max):
    said = mail(mailbox)
    triage_queued()
    reject(proposed(), code="NOT_NEEDED", by=max)
    queue_processing(Thread.objects.all())
    assert triage_queued() == (1, 0)
    mail(mailbox, PROSPECT, days=0, In_Reply_To=said.message_id)
    assert triage_queued() == (1, 1)


def test_newer_proposal_replaces_older_one(mailbox):
    mail(mailbox)
    triage_queued()
    make_client(email="office@newbread.example")
    queue_processing(Thread.objects.all())
    assert triage_queued() == (1, 1)
    waiting = Suggestion.objects.filter(status=SuggestionStatus.PENDING)
    assert [one.type for one in waiting] == [SuggestionType.LINK_THREAD]


def test_later_known_address_links_its_thread(mailbox):
    thread = mail(mailbox, PLAIN).thread
    other = mail(mailbox, PLAIN, "else@other.example").thread
    triage_queued()
    lead = make_lead(contact_email="Nora@newbread.example")
    assert requeue_lost_threads(timezone.now()) == 1
    assert triage_queued() == (1, 0)
    thread.refresh_from_db()
    assert thread.lead == lead
    assert ActivityLog.objects.for_target(thread)[0].metadata["name"] == "Triage"
    assert Thread.objects.get(pk=other.pk).lead is None


def test_manually_unlinked_thread_is_skipped(mailbox, max):
    make_lead(contact_email="nora@newbread.example")
    thread = mail(mailbox, PLAIN).thread
    assert process_queued_threads() == 1
    unlink(Thread.objects.get(pk=thread.pk), by=max)
    assert triage_queued() == (0, 0)


def test_proposals_are_limited_by_queue(mailbox, max, monkeypatch):
    monkeypatch.setattr(triage_threads, "MAX_WAITING_PROPOSALS", 3)
    for number in range(5):
        mail(mailbox, sender=f"nora@bread{number}.example")
    assert triage_queued() == (5, 3)
    later = timezone.now() + timedelta(hours=1)
    assert Thread.objects.unprocessed().count() == 2
    assert requeue_lost_threads(later) == 0, "Nothing is queued for triage while it has no room."
    reject(Suggestion.objects.filter(agent=str(TRIAGE_AGENT)).first(), code="NOT_NEEDED", by=max)
    assert requeue_lost_threads(later) == 2
    assert triage_queued() == (2, 1)
    assert Thread.objects.unprocessed().count() == 1


def test_lead_limit_is_respected(mailbox):
    lead = make_lead(contact_email="boss@newbread.example")
    for number in range(5):
        mail(mailbox, PLAIN, f"{number}@newbread.example")
    assert triage_queued() == (5, 3)
    assert Suggestion.objects.filter(lead=lead).count() == 3


def test_thread_page_shows_proposal_and_can_approve_it(mailbox, as_max):
    said = mail(mailbox)
    triage_queued()
    url = f"/inbox/thread/{said.thread_id}/change/"
    page = as_max.get(url).content.decode()
    deed = f"/suggestions/suggestion/{proposed().pk}/do/approve/"
    assert "Last checked now" in page
    assert page.index('class="side"') < page.index(f'action="{deed}"')
    answer = as_max.post(deed, {"next": url, "version": proposed().version})
    assert (answer.status_code, answer["Location"]) == (302, url)
    assert Thread.objects.get(pk=said.thread_id).lead.contact_email == "nora@newbread.example"
