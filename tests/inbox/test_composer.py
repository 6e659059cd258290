"""The composer: replies from the conversation page, new emails, what is saved and what is refused."""

from datetime import timedelta

import pytest
from django.core.files.uploadedfile import SimpleUploadedFile
from django.db import connection
from django.test.utils import CaptureQueriesContext
from django.utils import timezone
from uuid_utils.compat import uuid7

from inbox.models import Draft, EmailDelivery, Mailbox, Message, MessageState, Provider, Thread
from inbox.models.email_template import EmailTemplate
from tests.cast import browser, copy_record, make_client, make_contact, make_lead, make_thread, make_user
from tests.inbox.draft_fixtures import (
    DRAFT_ADD_URL,
    add_incoming_email,
    composer_form,
    make_draft,
    run_send_job,
    submit_composer,
)

pytestmark = pytest.mark.django_db


@pytest.fixture
def lead(ann):
    return make_lead(contact_name="Lee Lead", contact_email="lee@example.com", assigned_to=ann)


@pytest.fixture
def thread(lead):
    thread = make_thread(lead=lead, subject="Question")
    add_incoming_email(
        thread, message_id="<asked@example.com>", to_emails=["office@birchfield.example.com", "ann@agency.example"]
    )
    return thread


def page_of(thread) -> str:
    return f"/inbox/thread/{thread.pk}/change/"


# Recipients


def test_reply_goes_to_latest_sender(as_ann, thread):
    form = composer_form(as_ann, page_of(thread))
    assert (form["to"], form["cc"], form["subject"], form["quotes"]) == ("lee@example.com", "", "Re: Question", "on")


def test_web_form_is_answered_by_email_if_it_left_an_address(as_ann, lead):
    thread = make_thread(lead=lead, source="FORM", participant_emails=["lee@example.com"])
    add_incoming_email(thread)
    assert composer_form(as_ann, page_of(thread))["to"] == "lee@example.com"
    logged = make_thread(lead=lead, source="FORM")
    assert "compose_body" not in as_ann.get(page_of(logged)).content.decode()


def test_reply_goes_to_every_reply_to_address(as_ann, thread):
    more = {"reply_to": ["second@example.com"]}
    add_incoming_email(thread, reply_to="desk@example.com", media=more, sent_at=timezone.now())
    assert composer_form(as_ann, page_of(thread))["to"] == "desk@example.com, second@example.com"


def test_reply_uses_reply_to_address(as_ann, thread):
    add_incoming_email(thread, reply_to="desk@example.com", sent_at=timezone.now())
    assert composer_form(as_ann, page_of(thread))["to"] == "desk@example.com"


@pytest.mark.parametrize(
    ("sender", "recipient"),
    [("d..lee@example.com", "d..lee@example.com"), ("lee@bücher.example", "lee@xn--bcher-kva.example")],
)
def test_unusual_address_can_be_answered(smtp_sink, as_ann, thread, sender, recipient):
    add_incoming_email(thread, from_email=sender, sent_at=timezone.now())
    thread.participant_emails = [sender]
    thread.save()
    form = composer_form(as_ann, page_of(thread))
    assert form["to"] == recipient
    submit_composer(as_ann, {**form, "body": "Yes."}, "send")
    assert run_send_job(Message.objects.get(direction="out")).state == MessageState.SENT
    assert smtp_sink.emails[0]["To"] == recipient


def test_address_that_cannot_be_answered_gives_the_reason(as_ann, thread):
    add_incoming_email(thread, from_email="jörg@example.com", sent_at=timezone.now())
    form = composer_form(as_ann, page_of(thread))
    answer = submit_composer(as_ann, {**form, "body": "Yes."}, "send", follow=True)
    assert "letters outside ASCII before the @" in answer.content.decode()


def test_follow_up_goes_to_recipients_of_our_last_email(as_ann, ann, thread):
    add_incoming_email(thread, from_email="else@example.com")
    Message.objects.create(
        thread=thread, direction="out", state="SENT", to_emails=["lee@example.com", "ann@agency.example"],
        from_email="office@birchfield.example.com", subject="Re: Question", sent_at=timezone.now(),
    )  # fmt: skip
    assert composer_form(as_ann, page_of(thread))["to"] == "lee@example.com"


def test_reply_skips_automatic_messages(as_ann, thread):
    add_incoming_email(thread, from_email="daemon@example.com", nature="BOUNCE", sent_at=timezone.now())
    assert composer_form(as_ann, page_of(thread))["to"] == "lee@example.com"


def test_reply_all_includes_everyone_but_us(as_ann, thread):
    Mailbox.objects.create(address="Desk@agency.example")
    add_incoming_email(
        thread, sent_at=timezone.now(), to_emails=["OFFICE@birchfield.example.com", "sam@example.com"],
        cc_emails=["kim@example.com", "desk@agency.example", "ann@agency.example"],
    )  # fmt: skip
    form = composer_form(as_ann, page_of(thread))
    answer = submit_composer(as_ann, {**form, "body": "Hello"}, "all")
    assert answer.status_code == 302, answer.context["composer"].error
    form = composer_form(as_ann, answer["Location"].split("#")[0])
    assert (form["to"], form["cc"], form["body"]) == ("lee@example.com", "sam@example.com, kim@example.com", "Hello")
    assert 'value="all"' not in as_ann.get(page_of(thread)).content.decode()


@pytest.mark.parametrize("role", ["viewer", "schema admin"])
def test_composer_needs_send_permission(role, thread):
    page = browser(make_user("x", role))
    assert 'id="compose"' not in page.get(page_of(thread)).content.decode()
    form = {"key": str(uuid7()), "version": "0", "thread": str(thread.pk), "to": "lee@example.com", "subject": "a"}
    assert submit_composer(page, form, "send").status_code == 403
    assert page.get("/inbox/draft/").status_code == 403
    assert not Draft.everything.exists()


@pytest.mark.parametrize("kw", [{"source": "CALL"}, {"deleted_at": timezone.now()}])
def test_no_composer_on_calls_or_deleted_threads(as_max, kw):
    thread = make_thread(**kw)
    answer = as_max.get(page_of(thread))
    assert 'id="compose"' not in answer.content.decode()
    form = {"key": str(uuid7()), "version": "0", "thread": str(thread.pk), "to": "lee@example.com", "body": "x"}
    assert submit_composer(as_max, form, "save").status_code == 422
    assert not Draft.objects.exists()


def test_agent_cannot_write_in_a_colleagues_thread(as_ann, bob):
    thread = make_thread(lead=make_lead(assigned_to=bob))
    form = {"key": str(uuid7()), "version": "0", "thread": str(thread.pk), "to": "x@example.com", "subject": "a"}
    answer = submit_composer(as_ann, {**form, "body": "b", "confirmed": "x@example.com"}, "send")
    assert answer.status_code == 422
    assert "do not have access to it" in answer.content.decode()
    assert not Draft.objects.exists() and not Message.objects.exists()


# Sending


def test_sent_reply_is_delivered_and_thread_awaits_reply(smtp_sink, as_ann, ann, thread, lead):
    form = composer_form(as_ann, page_of(thread))
    typed = {**form, "body": "It is 100 a month.\r\n\r\nAnn", "cc": "Kim K <kim@example.com>"}
    answer = submit_composer(as_ann, typed, "send", confirmed="kim@example.com")
    mail = Message.objects.get(direction="out")
    assert answer["Location"] == f"{page_of(thread)}#m-{mail.pk}"
    page = as_ann.get(page_of(thread)).content.decode()
    assert "Undo send" in page and "Goes out at" in page and "Queued" in page
    assert smtp_sink.data == [] and not Draft.objects.exists()
    assert run_send_job(mail).state == MessageState.SENT
    [arrived] = smtp_sink.emails
    assert (arrived["To"], arrived["Cc"], arrived["Subject"]) == ("lee@example.com", "kim@example.com", "Re: Question")
    assert (arrived["In-Reply-To"], arrived["References"]) == ("<asked@example.com>", "<asked@example.com>")
    assert arrived["Reply-To"] == "Ann <ann@agency.example>"
    text = arrived.get_body(("plain",)).get_content()
    assert text.startswith("It is 100 a month.\n\nAnn\n\nOn ") and text.endswith("> How much is it?\n")
    thread.refresh_from_db()
    lead.refresh_from_db()
    assert (thread.awaiting_reply, thread.last_message_at, lead.awaiting_reply) == (True, mail.sent_at, True)
    assert thread.participant_emails[-2:] == ["lee@example.com", "kim@example.com"]
    assert "Undo send" not in as_ann.get(page_of(thread)).content.decode()


def test_sending_twice_creates_one_email(as_ann, thread):
    form = {**composer_form(as_ann, page_of(thread)), "body": "It is 100 a month."}
    first, second = submit_composer(as_ann, form, "send"), submit_composer(as_ann, form, "send")
    assert first["Location"] == second["Location"]
    assert Message.objects.filter(direction="out").count() == EmailDelivery.objects.count() == 1


def test_reply_without_quote_omits_quoted_text(as_ann, thread):
    form = {**composer_form(as_ann, page_of(thread)), "body": "Yes."}
    del form["quotes"]
    submit_composer(as_ann, form, "send")
    assert Message.objects.get(direction="out").body_text == "Yes."


@pytest.mark.parametrize(
    ("typed", "sentence"),
    [
        ({"body": " "}, "The email is empty"),
        ({"to": ""}, "There is no recipient: enter at least one address."),
        ({"to": "lee"}, "“lee” is not an email address"),
        ({"to": "lee@example.com\u200b"}, "invisible character"),
        ({"to": "Bcc: eve@example.com"}, "Bcc is not available"),
        ({"subject": " "}, "Enter a subject"),
        ({"subject": "x" * 501}, "at most 500 characters"),
        ({"body": "x" * 100_001}, "at most 100000 characters"),
        ({"body": "Dear {{first_name}}, {{ x }}"}, "Fill in or remove the placeholders: {{first_name}}, {{ x }}."),
        ({"subject": "For {{lead_name"}, "Fill in or remove the placeholders"),
        ({"to": ", ".join(f"p{n}@example.com" for n in range(11))}, "at most 10 recipients"),
        ({"key": "x"}, "Key"),
        ({"version": "-1"}, "Version"),
        ({"version": str(2**40)}, "Version"),
    ],
)
def test_invalid_email_is_refused_and_typed_text_kept(as_ann, thread, typed, sentence):
    form = {**composer_form(as_ann, page_of(thread)), "body": "It is 100 a month.", "cc": "", **typed}
    answer = submit_composer(as_ann, form, "send")
    assert answer.status_code == 422
    page = answer.content.decode()
    assert sentence.replace("{{", "{{") in page
    assert not Message.objects.filter(direction="out").exists()
    if "key" not in typed and "version" not in typed and len(form["body"]) < 1_000 and len(form["subject"]) < 500:
        draft = Draft.objects.get()
        assert (draft.to, draft.subject, draft.body) == (form["to"], form["subject"].strip(), form["body"])


def test_unknown_recipient_must_be_confirmed(as_ann, thread):
    form = {**composer_form(as_ann, page_of(thread)), "to": "lee@example.com, Nora@new.example", "body": "Hello"}
    answer = submit_composer(as_ann, form, "send")
    assert answer.status_code == 422
    page = answer.content.decode()
    assert "Nora@new.example is not in our records and was never emailed before" in page
    assert 'name="confirmed" value="Nora@new.example"' in page and 'value="lee@example.com"> <span' not in page
    form["version"] = str(Draft.objects.get().version)
    assert submit_composer(as_ann, form, "send", confirmed="else@new.example").status_code == 422
    assert submit_composer(as_ann, form, "send", confirmed="nora@new.example").status_code == 302


def test_lead_contacts_colleagues_and_past_recipients_are_known(smtp_sink, as_ann, ann, thread, lead):
    contact = make_contact(email="Kim@example.com")
    lead.contact_links.create(contact=contact)
    other = make_thread(participant_emails=["old@example.com"])
    Message.objects.create(
        thread=other, direction="out", state="SENT", to_emails=["Old@example.com"], sent_at=timezone.now()
    )
    to = "LEE@example.com, kim@example.com, ann@agency.example, old@example.com"
    assert (
        submit_composer(
            as_ann, {**composer_form(as_ann, page_of(thread)), "to": to, "body": "Hello"}, "send"
        ).status_code
        == 302
    )


# Sender


@pytest.mark.parametrize(
    ("address", "provider", "sender", "answers"),
    [
        ("sales@birchfield.example.com", Provider.IMAP, "Ann <sales@birchfield.example.com>", None),
        (
            "sales@elsewhere.example",
            Provider.IMAP,
            "Ann <office@birchfield.example.com>",
            "Ann <sales@elsewhere.example>",
        ),
        (
            "old@birchfield.example.com",
            Provider.IMPORT,
            "Ann <office@birchfield.example.com>",
            "Ann <ann@agency.example>",
        ),
    ],
)
def test_reply_is_sent_from_the_thread_mailbox(smtp_sink, as_ann, thread, address, provider, sender, answers):
    thread.mailbox = Mailbox.objects.create(address=address, provider=provider, host="imap.x.example")
    thread.save()
    submit_composer(as_ann, {**composer_form(as_ann, page_of(thread)), "body": "Hello"}, "send")
    run_send_job(Message.objects.get(direction="out"))
    [arrived] = smtp_sink.emails
    assert (arrived["From"], arrived["Reply-To"]) == (sender, answers)


# New emails


def test_new_email_creates_thread_only_when_sent(smtp_sink, as_ann, lead):
    form = composer_form(as_ann, f"{DRAFT_ADD_URL}?lead={lead.pk}")
    assert form["to"] == "lee@example.com"
    submit_composer(as_ann, {**form, "subject": "Your quote", "body": "Hello"}, "save")
    assert not Thread.objects.exists()
    form = composer_form(as_ann, f"/inbox/draft/{form['key']}/change/")
    submit_composer(as_ann, form, "send")
    thread = Thread.objects.get()
    assert (thread.lead, thread.subject, thread.source) == (lead, "Your quote", "EMAIL")
    run_send_job(Message.objects.get())
    assert [mail["Subject"] for mail in smtp_sink.emails] == ["Your quote"]


def test_new_email_from_client_and_contact_page(as_max):
    client = make_client(email="works@example.com")
    contact = make_contact(email="kim@example.com")
    client.contact_links.create(contact=contact)
    for table, record in (("client", client), ("contact", contact)):
        page = as_max.get(f"/crm/{table}/{record.pk}/change/").content.decode()
        assert f'<a class="btn" href="{DRAFT_ADD_URL}?{table}={record.pk}">' in page
    form = composer_form(as_max, f"{DRAFT_ADD_URL}?client={client.pk}")
    assert (form["to"], form["client"]) == ("works@example.com", str(client.pk))
    form = composer_form(as_max, f"{DRAFT_ADD_URL}?contact={contact.pk}")
    assert (form["to"], form["client"]) == ("kim@example.com", str(client.pk))
    client.contact_links.all().delete()
    assert composer_form(as_max, f"{DRAFT_ADD_URL}?contact={contact.pk}").get("client", "") == ""


@pytest.mark.parametrize("asked", ["lead=x", "lead=" + "0" * 32, "client=1", "contact=x", "lead="])
def test_unknown_recipient_record_shows_error(as_ann, asked):
    answer = as_ann.get(f"{DRAFT_ADD_URL}?{asked}")
    assert answer.status_code == 200
    assert "does not exist" in answer.content.decode()


def test_email_to_a_colleagues_lead_is_refused(as_ann, bob):
    lead = make_lead(assigned_to=bob)
    assert "This lead does not exist" in as_ann.get(f"{DRAFT_ADD_URL}?lead={lead.pk}").content.decode()
    form = {
        "key": str(uuid7()),
        "version": "0",
        "lead": str(lead.pk),
        "to": "x@example.com",
        "subject": "a",
        "body": "b",
    }
    assert submit_composer(as_ann, form, "send", confirmed="x@example.com").status_code == 422
    assert not Thread.objects.exists()


# Templates


@pytest.fixture
def template():
    body = "Dear {{first_name}}, your {{line}} for {{company_name}}.\n{{sender_name}}"
    return EmailTemplate.objects.create(name="Quote", subject="For {{lead_name}}", body=body)


def test_template_fills_in_lead_and_shows_missing_placeholders(as_ann, ann, lead, template):
    form = composer_form(as_ann, f"{DRAFT_ADD_URL}?lead={lead.pk}")
    submit_composer(as_ann, {**form, "body": "P.S. Hello"}, "template", template=str(template.pk))
    draft = Draft.objects.get()
    assert draft.subject == "For Lee Lead"
    assert draft.body == "Dear Lee, your {{line}} for {{company_name}}.\nAnn\n\nP.S. Hello"
    answer = submit_composer(as_ann, composer_form(as_ann, f"/inbox/draft/{draft.pk}/change/"), "send")
    assert "Fill in or remove the placeholders: {{line}}, {{company_name}}." in answer.content.decode()


def test_template_keeps_reply_subject(as_ann, thread, template):
    submit_composer(as_ann, composer_form(as_ann, page_of(thread)), "template", template=str(template.pk))
    assert Draft.objects.get().subject == "Re: Question"


@pytest.mark.parametrize("key", ["", "x", "0" * 32])
def test_unknown_template_shows_error(as_ann, thread, key):
    answer = submit_composer(
        as_ann, {**composer_form(as_ann, page_of(thread)), "body": "Hello"}, "template", template=key
    )
    assert (answer.status_code, "This template does not exist" in answer.content.decode()) == (422, True)
    assert Draft.objects.get().body == "Hello"


# Attachments


def test_attachments_are_sent_and_can_be_removed(smtp_sink, as_ann, thread):
    form = {**composer_form(as_ann, page_of(thread)), "body": "Here."}
    files = [
        SimpleUploadedFile('..\\C:\\x/Quote "1".pdf', b"%PDF", content_type="application/pdf"),
        SimpleUploadedFile("mail.eml", b"From: x\r\n\r\nx", content_type="message/rfc822"),
    ]
    submit_composer(as_ann, form, "attach", files=files)
    draft = Draft.objects.get()
    assert [(one["name"], one["type"]) for one in draft.attachments] == [
        ("Quote '1'.pdf", "application/pdf"),
        ("mail.eml", "application/octet-stream"),
    ]
    form = composer_form(as_ann, page_of(thread))
    submit_composer(as_ann, form, "", remove=draft.attachments[1]["sha256"])
    submit_composer(as_ann, composer_form(as_ann, page_of(thread)), "send")
    run_send_job(Message.objects.get(direction="out"))
    [arrived] = smtp_sink.emails
    assert [(one.get_filename(), one.get_content()) for one in arrived.iter_attachments()] == [
        ("Quote '1'.pdf", b"%PDF")
    ]


def test_too_many_or_too_large_attachments_are_refused(as_ann, thread, monkeypatch):
    form = {**composer_form(as_ann, page_of(thread)), "body": "Here."}
    many = [SimpleUploadedFile(f"{n}.txt", b"x") for n in range(11)]
    answer = submit_composer(as_ann, form, "send", files=many)
    assert (answer.status_code, "at most 10 files" in answer.content.decode()) == (422, True)
    monkeypatch.setattr("inbox.drafts.attached_files.MAX_ATTACHMENT_BYTES", 10)
    form["version"] = str(Draft.objects.get().version)
    answer = submit_composer(as_ann, form, "attach", files=[SimpleUploadedFile("a.txt", b"x" * 11)])
    assert "The files have 11 bytes in total" in answer.content.decode()
    assert (Draft.objects.get().body, Draft.objects.get().attachments) == ("Here.", [])


# Page


def test_query_count_is_bounded_with_draft_and_many_messages(as_ann, ann, thread):
    as_ann.get(page_of(thread))
    with CaptureQueriesContext(connection) as few:
        as_ann.get(page_of(thread))
    newest = add_incoming_email(thread, sent_at=timezone.now())
    copy_record(newest, 39, lambda n: {"sent_at": newest.sent_at - timedelta(hours=n + 1)})
    make_draft(ann, thread)
    with CaptureQueriesContext(connection) as many:
        page = as_ann.get(page_of(thread)).content.decode()
    assert page.count('<article class="msg') == 41
    # One more query: whether there is a newer message than the draft.
    assert len(many) <= len(few) + 1 <= 22


def test_draft_text_is_escaped(as_ann, ann, thread):
    make_draft(ann, thread, body="</textarea><script>alert(1)</script>", subject='"><script>alert(2)</script>')
    page = as_ann.get(page_of(thread)).content.decode()
    assert "<script>alert" not in page
