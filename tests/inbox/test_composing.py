"""Writing from the screens: an answer from the conversation's page, a new mail, what is kept and what is refused."""

from datetime import timedelta

import pytest
from django.core.files.uploadedfile import SimpleUploadedFile
from django.db import connection
from django.test.utils import CaptureQueriesContext
from django.utils import timezone
from uuid_utils.compat import uuid7

from inbox.models import Dispatch, Draft, Mailbox, Message, MessageState, Provider, Thread
from inbox.models.email_template import EmailTemplate
from tests.cast import browser, make_client, make_contact, make_lead, make_thread, make_user
from tests.inbox.writing import ADD, carried, composer, make_draft, press, received

pytestmark = pytest.mark.django_db


@pytest.fixture
def lead(ann):
    return make_lead(contact_name="Lee Lead", contact_email="lee@example.com", assigned_to=ann)


@pytest.fixture
def thread(lead):
    thread = make_thread(lead=lead, subject="Question")
    received(
        thread, message_id="<asked@example.com>", to_emails=["office@birchfield.example.com", "ann@agency.example"]
    )
    return thread


def page_of(thread) -> str:
    return f"/inbox/thread/{thread.pk}/change/"


# Whom it goes to


def test_an_answer_goes_to_whoever_wrote_last(as_ann, thread):
    form = composer(as_ann, page_of(thread))
    assert (form["to"], form["cc"], form["subject"], form["quotes"]) == ("lee@example.com", "", "Re: Question", "on")


def test_where_they_want_answers_elsewhere_it_goes_there(as_ann, thread):
    received(thread, reply_to="desk@example.com", sent_at=timezone.now())
    assert composer(as_ann, page_of(thread))["to"] == "desk@example.com"


def test_where_we_wrote_last_it_goes_to_whom_we_wrote(as_ann, ann, thread):
    received(thread, from_email="else@example.com")
    Message.objects.create(
        thread=thread, direction="out", state="SENT", to_emails=["lee@example.com", "ann@agency.example"],
        from_email="office@birchfield.example.com", subject="Re: Question", sent_at=timezone.now(),
    )  # fmt: skip
    assert composer(as_ann, page_of(thread))["to"] == "lee@example.com"


def test_an_automatic_answer_is_not_answered(as_ann, thread):
    received(thread, from_email="daemon@example.com", nature="BOUNCE", sent_at=timezone.now())
    assert composer(as_ann, page_of(thread))["to"] == "lee@example.com"


def test_answering_all_adds_everybody_but_ourselves(as_ann, thread):
    Mailbox.objects.create(address="Desk@agency.example")
    received(
        thread, sent_at=timezone.now(), to_emails=["OFFICE@birchfield.example.com", "sam@example.com"],
        cc_emails=["kim@example.com", "desk@agency.example", "ann@agency.example"],
    )  # fmt: skip
    form = composer(as_ann, page_of(thread))
    answer = press(as_ann, {**form, "body": "Hello"}, "all")
    assert answer.status_code == 302, answer.context["composer"].refused
    form = composer(as_ann, answer["Location"].split("#")[0])
    assert (form["to"], form["cc"], form["body"]) == ("lee@example.com", "sam@example.com, kim@example.com", "Hello")
    assert 'value="all"' not in as_ann.get(page_of(thread)).content.decode()


@pytest.mark.parametrize("role", ["viewer", "schema admin"])
def test_whoever_may_not_send_is_offered_no_composer_and_sends_nothing(role, thread):
    page = browser(make_user("x", role))
    assert 'id="compose"' not in page.get(page_of(thread)).content.decode()
    form = {"key": str(uuid7()), "version": "0", "thread": str(thread.pk), "to": "lee@example.com", "subject": "a"}
    assert press(page, form, "send").status_code == 403
    assert page.get("/inbox/draft/").status_code == 403
    assert not Draft.everything.exists()


@pytest.mark.parametrize("kw", [{"source": "CALL"}, {"deleted_at": timezone.now()}])
def test_where_there_is_nothing_to_answer_no_composer_stands(as_max, kw):
    thread = make_thread(**kw)
    answer = as_max.get(page_of(thread))
    assert 'id="compose"' not in answer.content.decode()
    form = {"key": str(uuid7()), "version": "0", "thread": str(thread.pk), "to": "lee@example.com", "body": "x"}
    assert press(as_max, form, "save").status_code == 422
    assert not Draft.objects.exists()


def test_an_agent_writes_in_no_conversation_of_anothers(as_ann, bob):
    thread = make_thread(lead=make_lead(assigned_to=bob))
    form = {"key": str(uuid7()), "version": "0", "thread": str(thread.pk), "to": "x@example.com", "subject": "a"}
    answer = press(as_ann, {**form, "body": "b", "confirmed": "x@example.com"}, "send")
    assert answer.status_code == 422
    assert "not yours to see" in answer.content.decode()
    assert not Draft.objects.exists() and not Message.objects.exists()


# Sent


def test_what_is_sent_arrives_and_the_other_side_has_the_turn(post, as_ann, ann, thread, lead):
    form = composer(as_ann, page_of(thread))
    answer = press(as_ann, {**form, "body": "It is 100 a month.\r\n\r\nAnn", "cc": "Kim K <kim@example.com>"}, "send",
                   confirmed="kim@example.com")  # fmt: skip
    mail = Message.objects.get(direction="out")
    assert answer["Location"] == f"{page_of(thread)}#m-{mail.pk}"
    page = as_ann.get(page_of(thread)).content.decode()
    assert "Take back" in page and "Goes out at" in page and "Queued" in page
    assert post.data == [] and not Draft.objects.exists()
    assert carried(mail).state == MessageState.SENT
    [arrived] = post.mails
    assert (arrived["To"], arrived["Cc"], arrived["Subject"]) == ("lee@example.com", "kim@example.com", "Re: Question")
    assert (arrived["In-Reply-To"], arrived["References"]) == ("<asked@example.com>", "<asked@example.com>")
    assert arrived["Reply-To"] == "Ann <ann@agency.example>"
    text = arrived.get_body(("plain",)).get_content()
    assert text.startswith("It is 100 a month.\n\nAnn\n\nOn ") and text.endswith("> How much is it?\n")
    thread.refresh_from_db()
    lead.refresh_from_db()
    assert (thread.awaiting_reply, thread.last_message_at, lead.awaiting_reply) == (True, mail.sent_at, True)
    assert thread.participant_emails[-2:] == ["lee@example.com", "kim@example.com"]
    assert "Take back" not in as_ann.get(page_of(thread)).content.decode()


def test_pressed_twice_it_is_one_mail(as_ann, thread):
    form = {**composer(as_ann, page_of(thread)), "body": "It is 100 a month."}
    first, second = press(as_ann, form, "send"), press(as_ann, form, "send")
    assert first["Location"] == second["Location"]
    assert Message.objects.filter(direction="out").count() == Dispatch.objects.count() == 1


def test_it_is_not_repeated_where_that_is_not_wanted(as_ann, thread):
    form = {**composer(as_ann, page_of(thread)), "body": "Yes."}
    del form["quotes"]
    press(as_ann, form, "send")
    assert Message.objects.get(direction="out").body_text == "Yes."


@pytest.mark.parametrize(
    ("typed", "sentence"),
    [
        ({"body": " "}, "The mail is empty"),
        ({"to": ""}, "there is no address"),
        ({"to": "lee"}, "“lee” is not a mail address"),
        ({"to": "lee@example.com\u200b"}, "invisible character"),
        ({"to": "Bcc: eve@example.com"}, "Bcc is not possible"),
        ({"subject": " "}, "the subject is empty"),
        ({"subject": "x" * 501}, "at most 500 characters"),
        ({"body": "x" * 100_001}, "at most 100000 characters"),
        ({"body": "Dear {{first_name}}, {{ x }}"}, "Not filled in yet: {{first_name}}, {{ x }}."),
        ({"subject": "For {{lead_name"}, "Not filled in yet"),
        ({"to": ", ".join(f"p{n}@example.com" for n in range(11))}, "at most 10 people"),
        ({"key": "x"}, "Key"),
        ({"version": "-1"}, "Version"),
        ({"version": str(2**40)}, "Version"),
    ],
)
def test_what_cannot_be_sent_gets_a_sentence_and_stays_as_it_was_typed(as_ann, thread, typed, sentence):
    form = {**composer(as_ann, page_of(thread)), "body": "It is 100 a month.", "cc": "", **typed}
    answer = press(as_ann, form, "send")
    assert answer.status_code == 422
    page = answer.content.decode()
    assert sentence.replace("{{", "{{") in page
    assert not Message.objects.filter(direction="out").exists()
    if "key" not in typed and "version" not in typed and len(form["body"]) < 1_000 and len(form["subject"]) < 500:
        draft = Draft.objects.get()
        assert (draft.to, draft.subject, draft.body) == (form["to"], form["subject"].strip(), form["body"])


def test_somebody_nobody_knows_must_be_ticked(as_ann, thread):
    form = {**composer(as_ann, page_of(thread)), "to": "lee@example.com, Nora@new.example", "body": "Hello"}
    answer = press(as_ann, form, "send")
    assert answer.status_code == 422
    page = answer.content.decode()
    assert "Nora@new.example is not known to us and was never written to before" in page
    assert 'name="confirmed" value="Nora@new.example"' in page and 'value="lee@example.com"> <span' not in page
    form["version"] = str(Draft.objects.get().version)
    assert press(as_ann, form, "send", confirmed="else@new.example").status_code == 422
    assert press(as_ann, form, "send", confirmed="nora@new.example").status_code == 302


def test_known_are_the_lead_their_contacts_colleagues_and_whom_we_wrote_to(post, as_ann, ann, thread, lead):
    contact = make_contact(email="Kim@example.com")
    lead.contact_links.create(contact=contact)
    other = make_thread(participant_emails=["old@example.com"])
    Message.objects.create(
        thread=other, direction="out", state="SENT", to_emails=["Old@example.com"], sent_at=timezone.now()
    )
    to = "LEE@example.com, kim@example.com, ann@agency.example, old@example.com"
    assert press(as_ann, {**composer(as_ann, page_of(thread)), "to": to, "body": "Hello"}, "send").status_code == 302


# From whom


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
def test_it_comes_from_where_answers_are_read(post, as_ann, thread, address, provider, sender, answers):
    thread.mailbox = Mailbox.objects.create(address=address, provider=provider, host="imap.x.example")
    thread.save()
    press(as_ann, {**composer(as_ann, page_of(thread)), "body": "Hello"}, "send")
    carried(Message.objects.get(direction="out"))
    [arrived] = post.mails
    assert (arrived["From"], arrived["Reply-To"]) == (sender, answers)


# A new mail


def test_a_new_mail_begins_a_conversation_when_it_is_sent_and_not_before(post, as_ann, lead):
    form = composer(as_ann, f"{ADD}?lead={lead.pk}")
    assert form["to"] == "lee@example.com"
    press(as_ann, {**form, "subject": "Your quote", "body": "Hello"}, "save")
    assert not Thread.objects.exists()
    form = composer(as_ann, f"/inbox/draft/{form['key']}/change/")
    press(as_ann, form, "send")
    thread = Thread.objects.get()
    assert (thread.lead, thread.subject, thread.source) == (lead, "Your quote", "EMAIL")
    carried(Message.objects.get())
    assert [mail["Subject"] for mail in post.mails] == ["Your quote"]


def test_from_a_clients_and_a_contacts_page(as_max):
    client = make_client(email="works@example.com")
    contact = make_contact(email="kim@example.com")
    client.contact_links.create(contact=contact)
    for url in (f"/crm/client/{client.pk}/change/", f"/crm/contact/{contact.pk}/change/"):
        assert "Write a mail" in as_max.get(url).content.decode()
    form = composer(as_max, f"{ADD}?client={client.pk}")
    assert (form["to"], form["client"]) == ("works@example.com", str(client.pk))
    form = composer(as_max, f"{ADD}?contact={contact.pk}")
    assert (form["to"], form["client"]) == ("kim@example.com", str(client.pk))
    client.contact_links.all().delete()
    assert composer(as_max, f"{ADD}?contact={contact.pk}").get("client", "") == ""


@pytest.mark.parametrize("asked", ["lead=x", "lead=" + "0" * 32, "client=1", "contact=x", "lead="])
def test_nobody_of_that_key_gets_a_sentence(as_ann, asked):
    answer = as_ann.get(f"{ADD}?{asked}")
    assert answer.status_code == 200
    assert "There is no such" in answer.content.decode()


def test_a_lead_of_anothers_is_not_written_to(as_ann, bob):
    lead = make_lead(assigned_to=bob)
    assert "There is no such lead" in as_ann.get(f"{ADD}?lead={lead.pk}").content.decode()
    form = {
        "key": str(uuid7()),
        "version": "0",
        "lead": str(lead.pk),
        "to": "x@example.com",
        "subject": "a",
        "body": "b",
    }
    assert press(as_ann, form, "send", confirmed="x@example.com").status_code == 422
    assert not Thread.objects.exists()


# Templates


@pytest.fixture
def template():
    body = "Dear {{first_name}}, your {{line}} for {{company_name}}.\n{{sender_name}}"
    return EmailTemplate.objects.create(name="Quote", subject="For {{lead_name}}", body=body)


def test_a_template_is_filled_in_for_the_lead_and_what_it_lacks_stays_to_be_seen(as_ann, ann, lead, template):
    form = composer(as_ann, f"{ADD}?lead={lead.pk}")
    press(as_ann, {**form, "body": "P.S. Hello"}, "template", template=str(template.pk))
    draft = Draft.objects.get()
    assert draft.subject == "For Lee Lead"
    assert draft.body == "Dear Lee, your {{line}} for {{company_name}}.\nAnn\n\nP.S. Hello"
    answer = press(as_ann, composer(as_ann, f"/inbox/draft/{draft.pk}/change/"), "send")
    assert "Not filled in yet: {{line}}, {{company_name}}." in answer.content.decode()


def test_in_an_answer_the_subject_stays(as_ann, thread, template):
    press(as_ann, composer(as_ann, page_of(thread)), "template", template=str(template.pk))
    assert Draft.objects.get().subject == "Re: Question"


@pytest.mark.parametrize("key", ["", "x", "0" * 32])
def test_a_template_that_is_none_gets_a_sentence(as_ann, thread, key):
    answer = press(as_ann, {**composer(as_ann, page_of(thread)), "body": "Hello"}, "template", template=key)
    assert (answer.status_code, "There is no such template" in answer.content.decode()) == (422, True)
    assert Draft.objects.get().body == "Hello"


# Files


def test_files_go_along_and_can_be_taken_away(post, as_ann, thread):
    form = {**composer(as_ann, page_of(thread)), "body": "Here."}
    files = [
        SimpleUploadedFile('..\\C:\\x/Quote "1".pdf', b"%PDF", content_type="application/pdf"),
        SimpleUploadedFile("mail.eml", b"From: x\r\n\r\nx", content_type="message/rfc822"),
    ]
    press(as_ann, form, "attach", files=files)
    draft = Draft.objects.get()
    assert [(one["name"], one["type"]) for one in draft.attachments] == [
        ("Quote '1'.pdf", "application/pdf"),
        ("mail.eml", "application/octet-stream"),
    ]
    form = composer(as_ann, page_of(thread))
    press(as_ann, form, "", remove=draft.attachments[1]["sha256"])
    press(as_ann, composer(as_ann, page_of(thread)), "send")
    carried(Message.objects.get(direction="out"))
    [arrived] = post.mails
    assert [(one.get_filename(), one.get_content()) for one in arrived.iter_attachments()] == [
        ("Quote '1'.pdf", b"%PDF")
    ]


def test_too_many_or_too_large_files_are_refused_and_the_text_is_kept(as_ann, thread, monkeypatch):
    form = {**composer(as_ann, page_of(thread)), "body": "Here."}
    many = [SimpleUploadedFile(f"{n}.txt", b"x") for n in range(11)]
    answer = press(as_ann, form, "send", files=many)
    assert (answer.status_code, "At most 10 files" in answer.content.decode()) == (422, True)
    monkeypatch.setattr("inbox.drafts.transitions.LARGEST", 10)
    form["version"] = str(Draft.objects.get().version)
    answer = press(as_ann, form, "attach", files=[SimpleUploadedFile("a.txt", b"x" * 11)])
    assert "The files have 11 bytes together" in answer.content.decode()
    assert (Draft.objects.get().body, Draft.objects.get().attachments) == ("Here.", [])


# The page


def test_the_page_costs_the_same_with_a_draft_and_many_messages(as_ann, ann, thread):
    as_ann.get(page_of(thread))
    with CaptureQueriesContext(connection) as few:
        as_ann.get(page_of(thread))
    for hours in range(40):
        received(thread, sent_at=timezone.now() - timedelta(hours=hours))
    make_draft(ann, thread)
    with CaptureQueriesContext(connection) as many:
        as_ann.get(page_of(thread))
    # One more: whether somebody wrote since the draft was begun.
    assert len(many) <= len(few) + 1 <= 22


def test_what_was_typed_is_text_and_nothing_else(as_ann, ann, thread):
    make_draft(ann, thread, body="</textarea><script>alert(1)</script>", subject='"><script>alert(2)</script>')
    page = as_ann.get(page_of(thread)).content.decode()
    assert "<script>alert" not in page
