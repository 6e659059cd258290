"""The signature of a person: once under what they write, and known as a signature by our own reading."""

import pytest
from django.db import IntegrityError, transaction

from crm.exceptions import InvalidInput, NotPermitted
from crm.text.email_bodies.quotes import extract_signature, own_text
from inbox.drafts import transitions
from inbox.models import Draft, EmailSignature, Message
from inbox.outgoing import outbox
from inbox.outgoing.mime import build_email
from inbox.transitions.save_signature import save_signature
from tests.cast import browser, make_lead, make_suggestion, make_thread, page_text
from tests.inbox.draft_fixtures import add_incoming_email, composer_form, make_draft, send_draft, submit_composer
from tests.suggestions.email_execution import approve_confirming_all

pytestmark = pytest.mark.django_db
PAGE = "/your-signature/"
SIGNATURE = "{{sender_name}}\n{{agency_name}}\nhttps://agency.example"


@pytest.fixture
def thread(ann):
    thread = make_thread(lead=make_lead(contact_email="lee@example.com", assigned_to=ann), subject="Question")
    add_incoming_email(thread, message_id="<asked@example.com>")
    return thread


@pytest.fixture
def signed(ann, settings):
    save_signature(ann, SIGNATURE, by=ann)
    return f"Ann\n{outbox.agency_sender()[0]}\nhttps://agency.example"


def test_user_saves_changes_and_removes_the_signature(ann, as_ann):
    page = page_text(as_ann.post(PAGE, {"text": "  {{sender_name}}  \n\n"}, follow=True))
    assert "Signature saved." in page and "Under your emails" in page
    assert EmailSignature.objects.get(user=ann).text == "{{sender_name}}"
    as_ann.post(PAGE, {"text": " "})
    assert not EmailSignature.objects.exists()


@pytest.mark.parametrize(
    ("text", "reason"),
    [
        ("Dear {{first_name}}", "A signature cannot use “{{first_name}}”."),
        ("{{nonsense}}", "Unknown placeholder"),
        ("{{sender_name", "not closed"),
        ("x" * 1_001, "at most 1,000 characters"),
    ],
)
def test_signature_that_cannot_be_filled_in_is_refused(ann, text, reason):
    with pytest.raises(InvalidInput, match=reason):
        save_signature(ann, text, by=ann)
    assert not EmailSignature.objects.exists()


def test_page_is_for_those_who_may_send_and_for_oneself(ann, bob, vera):
    assert browser(vera).get(PAGE).status_code == 403
    assert PAGE not in page_text(browser(vera).get("/your-settings/"))
    assert PAGE in page_text(browser(ann).get("/your-settings/"))
    with pytest.raises(NotPermitted):
        save_signature(ann, "x", by=bob)
    with pytest.raises(IntegrityError, match="email_signatures_text_length"), transaction.atomic():
        EmailSignature.objects.create(user=ann, text="x" * 1_001)


def test_signature_stands_once_between_text_and_quote(ann, signed, thread):
    mail = send_draft(ann, thread, reply_to=thread.messages.get(), quotes=True)
    assert mail.body_text.startswith(f"It is 100 a month.\n\n-- \n{signed}\n\nOn ")
    assert mail.body_text.count("-- \n") == 1
    assert own_text(mail.body_text) == "It is 100 a month." == mail.snippet
    assert extract_signature(mail.body_text) == f"-- \n{signed}"


def test_signature_survives_the_way_through_a_mail_server(ann, signed, thread):
    mail = send_draft(ann, thread)
    raw = build_email(mail).decode()
    assert "\n--=20\r\n" in raw
    assert '<a href="https://agency.example">' in mail.body_html


def test_composer_shows_the_signature_and_leaves_it_out_on_demand(as_ann, ann, signed, thread):
    url = f"/inbox/thread/{thread.pk}/change/"
    assert "https://agency.example" in page_text(as_ann.get(url))
    form = composer_form(as_ann, url) | {"body": "Yes."}
    assert form["signs"] == "on"
    submit_composer(as_ann, {name: value for name, value in form.items() if name != "signs"}, "send")
    assert Message.objects.get(direction="out").body_text.startswith("Yes.\n\nOn ")


def test_draft_from_before_the_signature_gets_it(as_ann, ann, thread):
    form = composer_form(as_ann, f"/inbox/thread/{thread.pk}/change/") | {"body": "Yes."}
    submit_composer(as_ann, form, "save")
    save_signature(ann, "Ann", by=ann)
    mail = transitions.send(Draft.objects.get(), by=ann)
    assert mail.body_text.startswith("Yes.\n\n-- \nAnn")


def test_signature_is_not_doubled_when_sending_is_undone(ann, signed, thread):
    mail = send_draft(ann, thread, reply_to=thread.messages.get(), quotes=True)
    draft = transitions.take_back(mail, by=ann)
    assert (draft.body, draft.signs, draft.quotes) == ("It is 100 a month.", True, True)
    again = transitions.send(draft, by=ann)
    assert again.body_text == mail.body_text


def test_text_signed_by_another_is_taken_over_as_it_is(ann, max, signed, thread):
    mail = send_draft(ann, thread)
    save_signature(max, "Max", by=max)
    EmailSignature.objects.filter(user=ann).update(text="Changed since")
    draft = transitions.take_back(mail, by=max)
    assert (draft.body.endswith(signed), draft.signs) == (True, False)


def test_empty_email_is_not_sent_for_its_signature(ann, signed, thread):
    with pytest.raises(InvalidInput, match="The email is empty"):
        transitions.send(make_draft(ann, thread, body=" "), by=ann)


def test_approved_email_has_the_signature_that_the_preview_showed(ann, as_ann, signed, thread):
    suggestion = make_suggestion("SEND_EMAIL", lead=thread.lead)
    page = page_text(as_ann.get(f"/suggestions/suggestion/{suggestion.pk}/change/"))
    assert "https://agency.example" in page
    approve_confirming_all(suggestion, ann)
    mail = Message.objects.get(direction="out")
    assert mail.body_text.endswith(f"\n\n-- \n{signed}")
