"""Sending a web form: whose conversation it becomes, what is kept, and what the sender is told."""

from datetime import timedelta

import pytest
from django.utils import timezone

from crm.models import ActivityLog, ContactClient
from crm.records.transitions import soft_delete
from inbox.models import Message, Nature, SubmissionOutcome, Thread, WebForm, WebFormSubmission
from inbox.web_forms import transitions
from inbox.web_forms.filing import DIFFERS, NOT_ON_RECORD
from leads.models import InsuranceType, Lead
from suggestions.models import Suggestion
from tests.cast import browser, make_client, make_contact, make_lead, make_user
from tests.inbox.web_forms import PERSON, WEBSITE, make_web_form, post_form, post_json
from tests.queued_jobs import process_queued_threads

pytestmark = pytest.mark.django_db


def only_message() -> Message:
    return Message.objects.select_related("thread__lead", "thread__client").get()


def answers(message: Message) -> dict[str, str]:
    return {one["label"]: one["value"] for one in message.media["form_answers"]}


def notes(message: Message) -> dict[str, str]:
    return {one["label"]: one["note"] for one in message.media["form_answers"] if one["note"]}


# Strangers


def test_stranger_becomes_lead_with_conversation(ann):
    web_form = make_web_form(
        name="Auto page", insurance_type=InsuranceType.objects.get(code="auto"), assigned_to=ann, tags=["Web"]
    )
    response = post_json(web_form, {**PERSON, "company": "New & Sons"})
    assert (response.status_code, response.json()) == (201, {"message": web_form.thanks_text})
    lead, message = Lead.objects.get(), only_message()
    assert (lead.contact_name, lead.contact_email, lead.contact_phone) == tuple(list(PERSON.values())[:3])
    assert (lead.company_name, lead.client_type) == ("New & Sons", "Business")
    assert (lead.source_type, lead.source_detail, lead.insurance_type.code) == ("WEBSITE", "Auto page", "auto")
    assert (lead.assigned_to, lead.tags) == (ann, ["Web"])
    thread = message.thread
    assert (thread.source, thread.subject, thread.lead) == ("FORM", "Request a quote", lead)
    assert (message.from_email, message.from_name) == ("nora@example.com", "Nora New")
    assert (message.body_text, thread.last_direction) == ("How much is it?", "in")
    assert WebFormSubmission.objects.get().outcome == SubmissionOutcome.NEW_LEAD
    assert ActivityLog.objects.get(target_id=lead.pk, verb="created").metadata["name"] == "Web form “Auto page”"


def test_form_leads_to_a_reply_that_rests_on_an_outside_message():
    post_json(make_web_form())
    process_queued_threads()
    suggestion = Suggestion.objects.get()
    assert (suggestion.type, suggestion.lead, suggestion.tainted) == ("REPLY", Lead.objects.get(), True)


def test_inactive_owner_gets_no_leads():
    web_form = make_web_form(assigned_to=make_user("gone", is_active=False))
    assert post_form(web_form).status_code == 201
    assert Lead.objects.get().assigned_to is None


def test_answers_to_questions_fill_a_new_lead():
    line = InsuranceType.objects.get(code="renters")
    web_form = make_web_form(insurance_type=line, asks_line_questions=True, questions=["How did you find us?"])
    sent = {
        **PERSON,
        "line_contents_value": "$12,000",
        "line_pets": "true",
        "How did you find us?": "Radio",
        "utm": "x",
    }
    assert post_form(web_form, sent).status_code == 201
    lead = Lead.objects.get()
    assert lead.line_data == {"renters": {"contents_value": 12000, "pets": True, "schema_version": line.schema_version}}
    assert lead.custom_fields == {"How did you find us?": "Radio"}
    found = answers(only_message())
    assert (found["Contents value"], found["Pets"], found["How did you find us?"], found["utm"]) == (
        *("$12,000", "Yes", "Radio", "x"),
    )


def test_unwanted_offer_creates_no_lead():
    offer = "Dear friend, I am the next of kin of a late president. Help with the transfer of the fund of 20 million "
    offer += "dollars to a foreign account, in strict confidence."
    response = post_json(make_web_form(), {**PERSON, "message": offer})
    assert (response.status_code, Lead.objects.count()) == (201, 0)
    message = only_message()
    assert (message.nature, message.thread.last_direction) == (Nature.SPAM, "")
    assert WebFormSubmission.objects.get().outcome == SubmissionOutcome.SPAM


# People we know


def test_known_lead_is_not_overwritten(ann):
    lead = make_lead(contact_name="Nora Newman", contact_email="NORA@example.com", assigned_to=ann, company_name="")
    before = Lead.objects.values(
        "contact_name", "contact_email", "contact_phone", "company_name", "tags", "notes"
    ).get()
    web_form = make_web_form(tags=["Web"])
    response = post_json(web_form, {**PERSON, "company": "New & Sons"})
    assert (response.status_code, response.json()) == (201, {"message": web_form.thanks_text})
    assert Lead.objects.values(*before).get() == before
    message = only_message()
    assert (message.thread.lead, WebFormSubmission.objects.get().outcome) == (lead, SubmissionOutcome.KNOWN_LEAD)
    assert notes(message) == {"Name": DIFFERS, "Phone": NOT_ON_RECORD, "Company": NOT_ON_RECORD}
    page = browser(ann).get(f"/inbox/thread/{message.thread_id}/change/").content.decode()
    assert "differs from the record" in page and "not on the record" in page


def test_client_by_address_of_a_client():
    client = make_client(name="Nora New", email="nora@example.com")
    post_form(make_web_form())
    assert (only_message().thread.client, Lead.objects.count()) == (client, 0)


def test_contact_of_one_client_is_that_client():
    client, contact = make_client(name="Harbor Inc"), make_contact(email="nora@example.com")
    ContactClient.objects.create(client=client, contact=contact)
    post_form(make_web_form())
    assert (only_message().thread.client, Lead.objects.count()) == (client, 0)


@pytest.mark.parametrize(
    ("known", "is_found"),
    [
        ({"contact_name": "Nora New", "contact_email": "old@example.com"}, True),
        ({"contact_name": "Somebody Else", "contact_email": ""}, True),
        ({"contact_name": "Somebody Else", "contact_email": "else@example.com"}, False),
    ],
)
def test_phone_finds_the_lead_unless_name_and_address_differ(known, is_found):
    lead = make_lead(contact_phone="+1 (419) 555-0142", **known)
    post_form(make_web_form())
    assert (only_message().thread.lead == lead) == is_found


def test_phone_of_two_leads_becomes_a_new_lead():
    for name in ("Nora New", "Nora Newer"):
        make_lead(contact_name=name, contact_phone="(419) 555 0142", contact_email="")
    post_form(make_web_form())
    assert Lead.objects.count() == 3


def test_closed_lead_does_not_take_the_message():
    make_lead(contact_email="nora@example.com", status_id="CLOSED_LOST")
    post_form(make_web_form())
    assert Lead.objects.open().get() == only_message().thread.lead


def test_address_of_two_records_becomes_a_lead_without_it():
    make_lead(contact_email="nora@example.com")
    make_client(email="nora@example.com")
    response = post_json(make_web_form())
    assert (response.status_code, set(response.json())) == (201, {"message"})
    lead = only_message().thread.lead
    assert (lead.contact_name, lead.contact_email) == ("Nora New", "")
    assert "Another open lead has the address" in ActivityLog.objects.get(target_id=lead.pk, verb="noted").summary


def test_answer_does_not_tell_whether_the_sender_was_known():
    make_lead(contact_email="nora@example.com")
    make_client(email="cara@example.com")
    web_form = make_web_form()
    sent = [{**PERSON, "phone": "", "email": f"{name}@example.com"} for name in ("nora", "cara", "unknown")]
    responses = [post_json(web_form, fields) for fields in sent]
    assert len({(one.status_code, one.content, str(one.headers)) for one in responses}) == 1


# Consent


def test_consent_is_kept_with_date_and_words():
    web_form = make_web_form(consent_text="Write to me.")
    post_form(web_form, {**PERSON, "consent": "yes"})
    channel = Lead.objects.get().communications["email"]
    assert (channel["consent"], channel["consent_words"]) == (True, "Write to me.")
    assert channel["opted_in_at"].startswith(f"{timezone.now():%Y-%m-%d}")
    assert answers(only_message())["Consent"] == "Yes: “Write to me.”"


@pytest.mark.parametrize("sent", [{}, {"consent": "no"}, {"consent": "0"}, {"consent": "perhaps"}])
def test_without_a_yes_nothing_is_assumed(sent):
    post_form(make_web_form(), {**PERSON, **sent})
    assert Lead.objects.get().communications == {}


def test_consent_changes_no_setting_that_exists():
    lead = make_lead(contact_email="nora@example.com", communications={"email": {"do_not_contact": True}})
    post_form(make_web_form(), {**PERSON, "consent": "yes"})
    assert Lead.objects.get().communications == {"email": {"do_not_contact": True}}
    entry = ActivityLog.objects.get(about_id=lead.pk, verb="consented")
    assert entry.summary.endswith("The contact preferences were not changed.")


def test_consent_of_a_client_is_kept_for_its_own_address_only():
    client = make_client(email="nora@example.com")
    post_form(make_web_form(), {**PERSON, "consent": "yes"})
    client.refresh_from_db()
    assert client.communications["email"]["consent"] is True
    other = make_client(phone="419 555 0177")
    sent = {"phone": "(419) 555-0177", "email": "other@example.com", "consent": "yes"}
    post_form(make_web_form(), {**PERSON, **sent})
    other.refresh_from_db()
    assert (other.communications, Thread.objects.filter(client=other).count()) == ({}, 1)


def test_form_without_checkbox_takes_no_consent():
    post_form(make_web_form(consent_text=""), {**PERSON, "consent": "yes"})
    assert Lead.objects.get().communications == {}


# Twice


def test_same_key_is_filed_once():
    web_form = make_web_form()
    first, second = (post_json(web_form, key="abc") for _ in range(2))
    assert (first.status_code, second.status_code) == (201, 200)
    assert first.content == second.content
    assert (Lead.objects.count(), Message.objects.count()) == (1, 1)
    third = post_json(web_form, {**PERSON, "message": "Something else"}, key="abc")
    assert third.status_code == 422 and "Use a new key" in third.json()["message"]
    assert Message.objects.count() == 1


def test_page_that_is_sent_again_with_other_content_comes_back_with_a_new_key():
    web_form = make_web_form()
    post_form(web_form, {**PERSON, "idempotency_key": "abc"})
    response = post_form(web_form, {**PERSON, "message": "One more thing", "idempotency_key": "abc"})
    page = response.content.decode()
    assert response.status_code == 422 and "Press Send to send this as another message." in page
    assert "One more thing" in page and 'value="abc"' not in page


def test_key_of_another_form_is_another_message():
    for _ in range(2):
        assert post_form(make_web_form(), {**PERSON, "idempotency_key": "abc"}).status_code == 201


def test_same_content_without_key_counts_once_for_ten_minutes():
    web_form = make_web_form()
    assert [post_form(web_form).status_code for _ in range(2)] == [201, 200]
    WebFormSubmission.objects.update(created_at=timezone.now() - timedelta(minutes=11))
    assert post_form(web_form).status_code == 201


# Closed forms


def test_unknown_closed_deleted_and_renewed_addresses_answer_alike(max):
    forms = [make_web_form(), make_web_form(is_active=False), make_web_form(), make_web_form()]
    soft_delete(forms[2], by=max)
    old = WebForm(token=forms[3].token)
    transitions.renew_token(forms[3], by=max)
    unknown = WebForm(token="A" * 22)
    for send in (post_form, post_json):
        found = {send(one).content for one in (unknown, forms[1], forms[2], old)}
        assert len(found) == 1
    found = [browser(None).get(f"/in/{one.token}").status_code for one in (unknown, forms[1], forms[2], old)]
    assert found == [404] * 4
    assert browser(None).get(f"/in/{forms[3].token}").status_code == 200
    assert Thread.objects.count() == 0


def test_form_that_is_closed_while_it_is_sent_is_not_filed(monkeypatch):
    web_form = make_web_form()

    def close_first(form, *args, **kw):
        WebForm.objects.update(is_active=False)
        return real(form, *args, **kw)

    real = transitions.store_submission
    monkeypatch.setattr(transitions, "store_submission", close_first)
    assert post_form(web_form).status_code == 404
    assert Lead.objects.count() == 0


# The pages


def test_page_shows_the_form_and_sends_it():
    web_form = make_web_form(heading="Your <car>", required_fields=["email"])
    page = browser(None)
    shown = page.get(f"/in/{web_form.token}").content.decode()
    assert "Your &lt;car&gt;" in shown and 'name="idempotency_key"' in shown and "<script" not in shown
    response = post_form(web_form)
    assert response.status_code == 201 and web_form.thanks_text in response.content.decode()
    assert not response.cookies


def test_missing_fields_come_back_with_what_was_typed():
    web_form = make_web_form(required_fields=["message"])
    sent = {"name": " ", "email": "not an address", "phone": "12", "campaign": "spring"}
    response = post_form(web_form, sent)
    page = response.content.decode()
    assert response.status_code == 400
    for sentence in (
        "Enter your name.",
        "Enter an email address, such as",
        "is not a phone number",
        "Enter a message.",
    ):
        assert sentence in page
    assert 'value="not an address"' in page and '<input type="hidden" name="campaign" value="spring">' in page
    as_json = post_json(web_form, sent)
    assert as_json.status_code == 400 and set(as_json.json()["errors"]) == {"name", "email", "phone", "message"}
    assert Lead.objects.count() == 0


def test_sender_without_address_is_asked_for_one():
    errors = post_json(make_web_form(), {"name": "Nora"}).json()["errors"]
    assert errors == {"email": "Enter your email address or your phone number, so that we can answer."}


def test_thanks_page_of_an_allowed_website_is_opened():
    web_form = make_web_form(redirect_url=f"{WEBSITE}/thanks")
    response = post_form(web_form)
    assert (response.status_code, response["Location"]) == (303, f"{WEBSITE}/thanks")
    assert post_json(web_form).json()["redirect"] == f"{WEBSITE}/thanks"
    WebForm.objects.update(allowed_origins=[])
    assert post_form(web_form).status_code == 200


def test_words_of_an_outsider_are_shown_as_text(ann):
    web_form = make_web_form()
    attack = "<script>alert(1)</script>"
    post_json(web_form, {"name": f"{attack}\u200b\nNora", "email": "n@example.com", "message": attack, attack: attack})
    message = only_message()
    assert message.from_name == f"{attack} Nora"
    for url in (f"/inbox/thread/{message.thread_id}/change/", f"/leads/lead/{message.thread.lead_id}/change/"):
        page = browser(ann).get(url).content.decode()
        assert attack not in page and "&lt;script&gt;" in page
